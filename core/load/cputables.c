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
static enum err put_entries(struct loader *l, u64 gpa, u64 first, u64 step, u32 count)
{
	u64 chunk[CHUNK];

	for (u32 i = 0; i < count; i += CHUNK) {
		u64 bytes = MIN(count - i, CHUNK) * sizeof(chunk[0]);
		enum err e;

		for (u32 k = 0; k < CHUNK; k++)
			chunk[k] = first + (i + k) * step;
		e = loader_write(l, gpa + i * sizeof(chunk[0]), chunk, bytes);
		if (e)
			return e;
	}
	return ERR_NONE;
}

/* One PML4 page, one page-directory-pointer page, then a page directory for each GiB. */
static enum err put_identity_map(struct loader *l)
{
	u64 bytes = (2 + IDENTITY_GIB) * PAGE_BYTES;
	u64 pml4, pdpt, pd;
	enum err e = place_alloc(&l->place, bytes, PAGE_BYTES, LOADER_DATA_END, &pml4);

	if (e)
		return loader_fail(l, e, "no memory left for page tables; give the VM more");
	pdpt = pml4 + PAGE_BYTES;
	pd = pdpt + PAGE_BYTES;
	e = loader_zero(l, pml4, bytes);
	if (!e)
		e = put_entries(l, pml4, pdpt | PTE_TABLE, 0, 1);
	if (!e)
		e = put_entries(l, pdpt, pd | PTE_TABLE, PAGE_BYTES, IDENTITY_GIB);
	if (!e)
		e = put_entries(l, pd, PTE_LARGE, MiB(2), IDENTITY_GIB * PTES_PER_PAGE);
	l->res->cr3 = pml4;
	return e;
}

enum err loader_put_cpu_tables(struct loader *l, enum boot_mode mode)
{
	const u64 gdt[] = { 0, 0, mode == BOOT_LONG64 ? DESC_CODE64 : DESC_CODE32, DESC_DATA };
	enum err e = loader_put(l, gdt, sizeof(gdt), &l->res->gdt_base);

	_Static_assert(BOOT_CS == 2 * 8 && BOOT_DS == 3 * 8, "selectors of gdt[]");
	l->res->gdt_limit = sizeof(gdt) - 1;
	l->res->mode = mode;
	if (!e && mode == BOOT_LONG64)
		e = put_identity_map(l);
	return e;
}
