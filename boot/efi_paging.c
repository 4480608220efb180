/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_paging.h"

#include "boot/efi_asm.h"
#include "boot/efi_elf.h"
#include "boot/efi_mem.h"
#include "boot/memmap.h"

/* Intel SDM volume 3, "4-Level Paging". */
#define PTE_PRESENT (UINT64_C(1) << 0)
#define PTE_WRITE (UINT64_C(1) << 1)
#define PTE_LARGE (UINT64_C(1) << 7)
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

#define LARGE_BYTES (UINT64_C(2) << 20)
#define PD_SPAN_BYTES (UINT64_C(1) << 30)
#define PDPT_SPAN_BYTES (UINT64_C(1) << 39)

/* A CPU that starts on these tables loads CR3 from 32-bit code, so the root must lie low. */
#define TABLES_LIMIT (UINT64_C(1) << 32)

/* The pages that tables are taken from; counted beforehand, so taking cannot fail. */
struct table_pool {
	UINT64 next_hpa;
	UINT64 root_hpa;
};

/* Tables of all levels that one mapping can need at most. */
static UINT64 tables_for(UINT64 size_bytes)
{
	return (size_bytes / PDPT_SPAN_BYTES + 2) + (size_bytes / PD_SPAN_BYTES + 2) + 2;
}

/* The table below `entry`, made on the first use. */
static UINT64 *table_below(struct table_pool *pool, UINT64 *entry)
{
	if (!(*entry & PTE_PRESENT)) {
		*entry = pool->next_hpa | PTE_PRESENT | PTE_WRITE;
		pool->next_hpa += PAGE_BYTES;
	}
	return phys_ptr(*entry & PTE_ADDRESS);
}

/* Map pages, large where the next 2 MiB allow it. */
static void map_range(struct table_pool *pool, UINT64 virt, UINT64 hpa, UINT64 size_bytes,
		      UINT64 rights)
{
	for (UINT64 step; size_bytes; virt += step, hpa += step, size_bytes -= step) {
		BOOLEAN is_large = (virt | hpa) % LARGE_BYTES == 0 && size_bytes >= LARGE_BYTES;
		UINT64 *table = phys_ptr(pool->root_hpa);
		unsigned int shift = 39;

		step = is_large ? LARGE_BYTES : PAGE_BYTES;
		for (; step >> shift == 0; shift -= 9)
			table = table_below(pool, &table[(virt >> shift) & 511]);
		table[(virt >> shift) & 511] =
			hpa | rights | PTE_PRESENT | (is_large ? PTE_LARGE : 0);
	}
}

static UINT64 pte_rights(UINT32 flags)
{
	return (flags & PF_W ? PTE_WRITE : 0) | (flags & PF_X ? 0 : PTE_NX);
}

static UINT64 count_tables(const struct bootinfo *info)
{
	UINT64 n = 1 + tables_for(PAGE_BYTES), start, end;
	const Elf64_Phdr *s;
	UINT32 i = 0;

	while (memmap_next_ram(info->mem, info->nr_mem, &i, &start, &end))
		n += tables_for(end - start);
	for (i = 0; (s = elf_segment(i)); i++)
		n += tables_for(s->p_memsz) + s->p_memsz / LARGE_BYTES;
	return n;
}

BOOLEAN paging_build(const struct bootinfo *info, UINT64 *root_table)
{
	UINT64 start = (UINT64)(UINTN)asm_jump_start & ~(PAGE_BYTES - 1);
	UINT64 end = page_round((UINT64)(UINTN)asm_jump_end);
	const Elf64_Phdr *s;
	struct table_pool pool;
	UINT32 i;

	if (!mem_alloc(count_tables(info) * PAGE_BYTES, TABLES_LIMIT, L"page tables", root_table))
		return FALSE;
	pool.root_hpa = *root_table;
	pool.next_hpa = pool.root_hpa + PAGE_BYTES;
	map_range(&pool, start, start, end - start, 0);
	for (i = 0; (s = elf_segment(i)); i++)
		map_range(&pool, s->p_vaddr, info->image.hpa + (s->p_vaddr - CORE_VIRT_BASE),
			  page_round(s->p_memsz), pte_rights(s->p_flags));
	i = 0;
	while (memmap_next_ram(info->mem, info->nr_mem, &i, &start, &end))
		map_range(&pool, DIRECT_MAP_BASE + start, start, end - start, PTE_WRITE | PTE_NX);
	return TRUE;
}
