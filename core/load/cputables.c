/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/loader.h"

/* Intel SDM, "Segment Descriptors": present, DPL 0, limit 4 GiB, accessed. */
#define DESC_CODE32 0x00cf9b000000ffffull
#define DESC_CODE64 0x00af9b000000ffffull
#define DESC_DATA 0x00cf93000000ffffull

/* Intel SDM, "4-Level Paging": entries of the identity map. */
#define PTE_TABLE 0x3ull /* present, writable */
#define PTE_LARGE 0x83ull /* present, writable, 2 MiB page */
#define PAGE_BYTES 4096ull
#define PTES_PER_PAGE 512u
#define IDENTITY_GIB 4u
#define CHUNK 64u

/* `count` consecutive entries from `first` on, `step` apart. */
static void put_entries(struct loader *l, u64 gpa, u64 first, u64 step, u32 count)
{
	u64 chunk[CHUNK];

	for (u32 i = 0; i < count; i += CHUNK) {
		for (u32 k = 0; k < CHUNK; k++)
			chunk[k] = first + (i + k) * step;
		loader_write(l, gpa + i * sizeof(chunk[0]), chunk,
			     MIN(count - i, CHUNK) * sizeof(chunk[0]));
	}
}

/* One PML4 page, one page-directory-pointer page, then a page directory for each GiB. */
static void put_identity_map(struct loader *l)
{
	u64 bytes = (2 + IDENTITY_GIB) * PAGE_BYTES;
	u64 pml4 = loader_alloc(l, bytes, PAGE_BYTES, LOADER_DATA_END,
				"no memory left for page tables; give the VM more");
	u64 pdpt = pml4 + PAGE_BYTES;
	u64 pd = pdpt + PAGE_BYTES;

	loader_zero(l, pml4, bytes);
	put_entries(l, pml4, pdpt | PTE_TABLE, 0, 1);
	put_entries(l, pdpt, pd | PTE_TABLE, PAGE_BYTES, IDENTITY_GIB);
	put_entries(l, pd, PTE_LARGE, MiB(2), IDENTITY_GIB * PTES_PER_PAGE);
	l->res->cr3 = pml4;
}

void loader_put_cpu_tables(struct loader *l, enum boot_mode mode)
{
	const u64 gdt[] = { 0, 0, mode == BOOT_LONG64 ? DESC_CODE64 : DESC_CODE32, DESC_DATA };

	_Static_assert(BOOT_CS == 2 * 8 && BOOT_DS == 3 * 8, "selectors of gdt[]");
	l->res->gdt_base = loader_put(l, gdt, sizeof(gdt));
	l->res->gdt_limit = sizeof(gdt) - 1;
	l->res->mode = mode;
	if (mode == BOOT_LONG64)
		put_identity_map(l);
}
