/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory: who has which page, and the direct map through which the core sees RAM.
 * Single pages come from the top of memory and contiguous pieces from the bottom, so that long
 * runs survive. Pages below 1 MiB are never given out. From any CPU, interrupts on or off, not
 * from NMI handlers. Giving back what is not taken panics.
 *
 * In programs for the build machine the direct map starts at 0: a physical address there is a
 * pointer of that program.
 */
#ifndef ARCH_X86_PAGE_H
#define ARCH_X86_PAGE_H

#include "arch/x86/types.h"
#include "core/lib/err.h"

#if __STDC_HOSTED__
#define DIRECT_MAP_START 0ull
#else
#define DIRECT_MAP_START 0xffff888000000000ull
#endif
#define CORE_IMAGE_START 0xffffffff80000000ull

/* What the memory map says about a range. */
enum mem_kind {
	MEM_FREE, /* RAM to give out */
	MEM_LATER, /* RAM to give out after page_add(): page_init() only counts it */
	MEM_KEPT, /* RAM that holds something; mapped, never given out */
	MEM_OTHER, /* not RAM, or not ours: neither mapped nor given out */
};

struct mem_range {
	hpa_t base; /* page aligned */
	u64 size_bytes; /* multiple of PAGE_SIZE */
	enum mem_kind kind;
};

struct page_stats {
	u64 total_pages; /* ever handed to the allocator */
	u64 free_pages;
	u64 allocator_pages; /* used by the allocator's own maps */
};

/*
 * Take over the MEM_FREE ranges of `ranges`, which are sorted and do not overlap. Needs a direct
 * map of them (the loader's). Boot CPU, once. ERR_NOMEM if no range can hold the page maps.
 */
enum err page_init(const struct mem_range *ranges, u32 nr_ranges) __must_check;

/* Give one more range of RAM, below the highest address that page_init() saw, to the allocator. */
void page_add(hpa_t base, u64 size_bytes);

/* One zeroed page in the direct map, or NULL. */
void *page_alloc(void) __must_check;

/* One zeroed page whose physical address is below `limit`, or NULL. */
void *page_alloc_below(u64 limit) __must_check;

/* Give back a page of page_alloc() or page_alloc_below(). */
void page_free(void *page);

/*
 * A contiguous piece, or NULL. `size_bytes` is rounded up to pages, `align_bytes` is a power of
 * two. Zeroed on request: clearing gigabytes takes time.
 */
void *page_alloc_contig(u64 size_bytes, u64 align_bytes, bool zeroed) __must_check;

/* Give back a whole piece, or a page-aligned part of one. */
void page_free_contig(void *start, u64 size_bytes);

struct page_stats page_stats(void);

/* Where the core's image lies, for va_to_pa() of its variables. Boot CPU, once. */
void page_image_set(hpa_t base, u64 size_bytes);

/* The direct map's address of physical `pa`, which must be RAM of the memory map. */
static inline void *pa_to_va(hpa_t pa)
{
	return (void *)(DIRECT_MAP_START + pa.v);
}

/* The physical address behind a pointer into the direct map or the core's image. */
hpa_t va_to_pa(const void *va);

#endif
