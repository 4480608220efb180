/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two bit maps by page number: pages that are ours to give out, and those of them that are free.
 * Words of 64 pages are skipped at once; 2 MiB are 8 words.
 */
#include "arch/x86/page.h"

#include <string.h>

#include "arch/x86/lock.h"
#include "arch/x86/panic.h"

#define LOW_LIMIT MiB(1)
#define NONE (~0ull)

static struct {
	struct lock lock;
	u64 *ours; /* [L] a bit per page: may be given out */
	u64 *free; /* [L] a bit per page: nobody has it */
	u64 nr_pfns; /* [c] pages that the maps cover */
	u64 top; /* [L] no free page at or above this number */
	struct page_stats stats; /* [L] */
} mem;

static u64 image_start, image_bytes; /* [c] */

/* Set or clear `count` bits, whole words where possible. */
static void map_fill(u64 *map, u64 pfn, u64 count, bool value)
{
	while (count) {
		unsigned bit = pfn % 64;
		u64 n = MIN(count, 64ull - bit);
		u64 mask = MASK(bit + n - 1, bit);

		map[pfn / 64] = bits_put(map[pfn / 64], mask, value);
		pfn += n;
		count -= n;
	}
}

/* Take pages into the allocator, free, or out of it. */
static void both_fill(u64 pfn, u64 count, bool value)
{
	map_fill(mem.ours, pfn, count, value);
	map_fill(mem.free, pfn, count, value);
	mem.stats.total_pages += value ? count : -count;
	mem.stats.free_pages += value ? count : -count;
}

/* First page at or after `pfn`, below `end`, whose bit is `value`; `end` if there is none. */
static u64 map_next(const u64 *map, u64 pfn, u64 end, bool value)
{
	while (pfn < end) {
		u64 word = (value ? map[pfn / 64] : ~map[pfn / 64]) & (~0ull << (pfn % 64));

		if (word)
			return MIN((pfn & ~63ull) + bit_first(word), end);
		pfn = (pfn | 63) + 1;
	}
	return end;
}

/* Last free page below `end`, or NONE. */
static u64 free_last(u64 end)
{
	while (end) {
		u64 base = (end - 1) & ~63ull;
		u64 word = mem.free[base / 64] & (~0ull >> (63 - (end - 1 - base)));

		if (word)
			return base + bit_last(word);
		end = base;
	}
	return NONE;
}

static void range_add(u64 base, u64 size_bytes)
{
	u64 pfn = MAX(base, LOW_LIMIT) >> PAGE_SHIFT;
	u64 end = (base + size_bytes) >> PAGE_SHIFT;

	if (end > mem.nr_pfns)
		panic("memory range %llx..%llx lies beyond the page maps", (unsigned long long)base,
		      (unsigned long long)(base + size_bytes));
	if (pfn >= end)
		return;
	if (map_next(mem.ours, pfn, end, true) != end)
		panic("memory range %llx..%llx added twice", (unsigned long long)base,
		      (unsigned long long)(base + size_bytes));
	both_fill(pfn, end - pfn, true);
	mem.top = MAX(mem.top, end);
}

/* The highest MEM_FREE range with room for the maps: they stay away from low memory. */
static u64 maps_place(const struct mem_range *ranges, u32 nr_ranges, u64 size_bytes)
{
	for (u32 i = nr_ranges; i-- > 0;) {
		const struct mem_range *r = &ranges[i];

		if (r->kind == MEM_FREE && r->base.v >= LOW_LIMIT && r->size_bytes >= size_bytes)
			return r->base.v + r->size_bytes - size_bytes;
	}
	return NONE;
}

static u64 ram_end(const struct mem_range *ranges, u32 nr_ranges)
{
	u64 end = 0;

	for (u32 i = 0; i < nr_ranges; i++)
		if (ranges[i].kind != MEM_OTHER)
			end = MAX(end, ranges[i].base.v + ranges[i].size_bytes);
	return end;
}

enum err page_init(const struct mem_range *ranges, u32 nr_ranges)
{
	u64 pfns = ALIGN_UP(ram_end(ranges, nr_ranges) >> PAGE_SHIFT, 64);
	u64 maps_bytes = ALIGN_UP(2 * pfns / 8, PAGE_SIZE);
	u64 maps = maps_place(ranges, nr_ranges, maps_bytes);

	if (maps == NONE)
		return ERR_NOMEM;
	mem.nr_pfns = pfns;
	mem.ours = pa_to_va((hpa_t){ maps });
	mem.free = mem.ours + pfns / 64;
	memset(mem.ours, 0, maps_bytes);
	mem.stats.allocator_pages = maps_bytes >> PAGE_SHIFT;
	for (u32 i = 0; i < nr_ranges; i++)
		if (ranges[i].kind == MEM_FREE)
			range_add(ranges[i].base.v, ranges[i].size_bytes);
	both_fill(maps >> PAGE_SHIFT, mem.stats.allocator_pages, false);
	return ERR_NONE;
}

void page_add(hpa_t base, u64 size_bytes)
{
	u64 flags = lock_acquire_irqsave(&mem.lock);

	range_add(base.v, size_bytes);
	lock_release_irqrestore(&mem.lock, flags);
}

/* Take free pages, unless `pfn` is NONE, and give up the lock, which was taken with `flags`. */
static void *run_take(u64 flags, u64 pfn, u64 count, bool zeroed)
{
	void *start = NULL;

	if (pfn != NONE) {
		map_fill(mem.free, pfn, count, false);
		mem.stats.free_pages -= count;
		start = pa_to_va((hpa_t){ pfn << PAGE_SHIFT });
	}
	lock_release_irqrestore(&mem.lock, flags);
	if (start && zeroed)
		memset(start, 0, count << PAGE_SHIFT);
	return start;
}

void *page_alloc_below(u64 limit)
{
	u64 flags = lock_acquire_irqsave(&mem.lock);
	u64 end = MIN(mem.top, limit >> PAGE_SHIFT);
	u64 pfn = free_last(end);

	if (pfn != NONE && end == mem.top)
		mem.top = pfn;
	return run_take(flags, pfn, 1, true);
}

void *page_alloc(void)
{
	return page_alloc_below(NONE);
}

/* First page of `count` free ones that begin at a multiple of `align` pages; NONE. */
static u64 run_find(u64 count, u64 align)
{
	u64 pfn = 0;

	for (;;) {
		pfn = ALIGN_UP(map_next(mem.free, pfn, mem.top, true), align);
		if (pfn >= mem.top || count > mem.top - pfn)
			return NONE;
		u64 hole = map_next(mem.free, pfn, pfn + count, false);

		if (hole == pfn + count)
			return pfn;
		pfn = hole + 1;
	}
}

void *page_alloc_contig(u64 size_bytes, u64 align_bytes, bool zeroed)
{
	u64 count = (size_bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
	u64 align = MAX(align_bytes >> PAGE_SHIFT, 1ull);
	u64 flags;

	if (!count)
		return NULL;
	flags = lock_acquire_irqsave(&mem.lock);
	return run_take(flags, run_find(count, align), count, zeroed);
}

void page_free_contig(void *start, u64 size_bytes)
{
	u64 pa = (u64)start - DIRECT_MAP_START;
	u64 pfn = pa >> PAGE_SHIFT;
	u64 count = (size_bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
	u64 flags = lock_acquire_irqsave(&mem.lock);

	if (!IS_ALIGNED(pa, PAGE_SIZE) || pfn >= mem.nr_pfns || count > mem.nr_pfns - pfn ||
	    map_next(mem.ours, pfn, pfn + count, false) != pfn + count)
		panic("page_free: %p is not a page of the allocator", start);
	if (map_next(mem.free, pfn, pfn + count, true) != pfn + count)
		panic("page_free: %p is free already", start);
	map_fill(mem.free, pfn, count, true);
	mem.top = MAX(mem.top, pfn + count);
	mem.stats.free_pages += count;
	lock_release_irqrestore(&mem.lock, flags);
}

void page_free(void *page)
{
	page_free_contig(page, PAGE_SIZE);
}

struct page_stats page_stats(void)
{
	u64 flags = lock_acquire_irqsave(&mem.lock);
	struct page_stats stats = mem.stats;

	lock_release_irqrestore(&mem.lock, flags);
	return stats;
}

void page_image_set(hpa_t base, u64 size_bytes)
{
	image_start = base.v;
	image_bytes = size_bytes;
}

hpa_t va_to_pa(const void *va)
{
	u64 address = (u64)va;

	if (address >= CORE_IMAGE_START && address - CORE_IMAGE_START < image_bytes)
		return (hpa_t){ address - CORE_IMAGE_START + image_start };
	return (hpa_t){ address - DIRECT_MAP_START };
}
