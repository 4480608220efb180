/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: arch/x86/page.c */
/*
 * The page allocator over memory of this process: physical addresses are its pointers, counted
 * from a base that mmap() was asked for, so that the page maps stay small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include <cmocka.h>

#include "arch/x86/lock.h"
#include "arch/x86/page.h"
#include "arch/x86/panic.h"

#define BASE 0x10000000ull /* 256 MiB */
#define BYTES MiB(32)

static jmp_buf panicked;
static bool expects_panic;
static unsigned locked;

void panic(const char *fmt, ...)
{
	va_list ap;

	if (!expects_panic) {
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		abort();
	}
	locked = 0;
	longjmp(panicked, 1);
}

u64 lock_acquire_irqsave(struct lock *lock)
{
	(void)lock;
	assert_int_equal(locked++, 0);
	return 5;
}

void lock_release_irqrestore(struct lock *lock, u64 flags)
{
	(void)lock;
	assert_int_equal(flags, 5);
	assert_int_equal(--locked, 0);
}

#define EXPECT_PANIC(statement)                                                                    \
	do {                                                                                       \
		expects_panic = true;                                                              \
		if (!setjmp(panicked)) {                                                           \
			statement;                                                                 \
			fail_msg("no panic: %s", #statement);                                      \
		}                                                                                  \
		expects_panic = false;                                                             \
	} while (0)

static const struct mem_range map[] = {
	{ { 0 }, MiB(1), MEM_FREE }, /* never given out, never touched */
	{ { BASE }, MiB(8), MEM_FREE },
	{ { BASE + MiB(8) }, MiB(2), MEM_KEPT },
	{ { BASE + MiB(10) }, MiB(6), MEM_FREE },
	{ { BASE + MiB(16) }, MiB(2), MEM_LATER },
	{ { BASE + MiB(18) }, MiB(2), MEM_OTHER },
	{ { BASE + MiB(20) }, MiB(4), MEM_FREE },
};

#define FREE_PAGES ((MiB(8) + MiB(6) + MiB(4)) / PAGE_SIZE)
/* Two bits for each page below the end of RAM. */
#define MAP_PAGES ((2 * ((BASE + MiB(24)) / PAGE_SIZE) / 8 + PAGE_SIZE - 1) / PAGE_SIZE)

static int setup(void **state)
{
	void *memory = mmap((void *)BASE, BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)state;
	if (memory != (void *)BASE)
		return -1;
	memset(memory, 0xa5, BYTES);
	return 0;
}

static bool is_zero(const void *p, size_t n)
{
	const u8 *b = p;

	return !b[0] && !memcmp(b, b + 1, n - 1);
}

static bool is_inside(const void *p, u64 size, unsigned range)
{
	return (u64)p >= map[range].base.v &&
	       (u64)p + size <= map[range].base.v + map[range].size_bytes;
}

static void init_counts(void **state)
{
	struct page_stats stats;

	(void)state;
	/* Only low memory, or too little: nothing to put the maps into. */
	assert_int_equal(page_init(map, 1), ERR_NOMEM);
	assert_int_equal(page_init(map, ARRAY_SIZE(map)), ERR_NONE);
	stats = page_stats();
	assert_int_equal(stats.allocator_pages, MAP_PAGES);
	assert_int_equal(stats.total_pages, FREE_PAGES - MAP_PAGES);
	assert_int_equal(stats.free_pages, FREE_PAGES - MAP_PAGES);
}

static void single_pages_are_zero_and_from_the_top(void **state)
{
	u8 *a = page_alloc(), *b = page_alloc();

	(void)state;
	assert_true(is_inside(a, PAGE_SIZE, 6));
	assert_true(b < a);
	assert_true(is_zero(a, PAGE_SIZE) && is_zero(b, PAGE_SIZE));
	memset(a, 1, PAGE_SIZE);
	page_free(a);
	assert_ptr_equal(page_alloc(), a);
	assert_true(is_zero(a, PAGE_SIZE));
	page_free(a);
	page_free(b);
}

static void limit_is_kept(void **state)
{
	u8 *a = page_alloc_below(BASE + MiB(1)), *b = page_alloc_below(BASE + MiB(10));

	(void)state;
	assert_ptr_equal(a, BASE + MiB(1) - PAGE_SIZE);
	assert_ptr_equal(b, BASE + MiB(8) - PAGE_SIZE); /* not the kept range above */
	assert_null(page_alloc_below(BASE));
	assert_null(page_alloc_below(MiB(1)));
	page_free(a);
	page_free(b);
}

static void contiguous_pieces(void **state)
{
	u8 *low = page_alloc_contig(PAGE_SIZE + 1, 1, true);
	u8 *large = page_alloc_contig(MiB(4), MiB(2), false);

	(void)state;
	assert_ptr_equal(low, BASE);
	assert_true(is_zero(low, 2 * PAGE_SIZE));
	assert_ptr_equal(large, BASE + MiB(2));
	assert_int_equal(large[12345], 0xa5); /* not zeroed unless asked for */
	assert_null(
		page_alloc_contig(MiB(8), PAGE_SIZE, false)); /* no run of that length is left */
	assert_null(page_alloc_contig(0, PAGE_SIZE, false));
	assert_null(page_alloc_contig(PAGE_SIZE, GiB(1), false));
	page_free_contig(large + MiB(1), MiB(1)); /* a part of it */
	assert_ptr_equal(page_alloc_contig(MiB(1), PAGE_SIZE, false), low + 2 * PAGE_SIZE);
	page_free_contig(low + 2 * PAGE_SIZE, MiB(1));
	page_free_contig(large, MiB(1));
	page_free_contig(large + MiB(2), MiB(2));
	page_free_contig(low, 2 * PAGE_SIZE);
	assert_int_equal(page_stats().free_pages, FREE_PAGES - MAP_PAGES);
}

static void bugs_panic(void **state)
{
	u8 *page = page_alloc();

	(void)state;
	page_free(page);
	EXPECT_PANIC(page_free(page));
	page = page_alloc_contig(2 * PAGE_SIZE, PAGE_SIZE, false);
	EXPECT_PANIC(page_free_contig(page, 3 * PAGE_SIZE));
	EXPECT_PANIC(page_free(page + 8));
	page_free_contig(page, 2 * PAGE_SIZE);
	EXPECT_PANIC(page_free((void *)(BASE + MiB(8)))); /* kept */
	EXPECT_PANIC(page_free((void *)(BASE + MiB(16)))); /* not yet ours */
	EXPECT_PANIC(page_free((void *)(BASE + MiB(400)))); /* beyond the maps */
	EXPECT_PANIC(page_add((hpa_t){ BASE }, PAGE_SIZE)); /* twice */
	EXPECT_PANIC(page_add((hpa_t){ BASE + MiB(400) }, PAGE_SIZE));
	assert_int_equal(page_stats().free_pages, FREE_PAGES - MAP_PAGES);
}

static void later_memory(void **state)
{
	u64 before = page_stats().free_pages;

	(void)state;
	page_add(map[4].base, map[4].size_bytes);
	assert_int_equal(page_stats().free_pages, before + MiB(2) / PAGE_SIZE);
	/* Now 10 .. 18 MiB is one piece. */
	assert_ptr_equal(page_alloc_contig(MiB(8), MiB(2), false), BASE);
	assert_ptr_equal(page_alloc_contig(MiB(8), MiB(2), false), BASE + MiB(10));
	page_free_contig((void *)(BASE + MiB(10)), MiB(8));
	page_free_contig((void *)BASE, MiB(8));
}

static void all_pages_once(void **state)
{
	static void *pages[16384];
	u64 free_pages = page_stats().free_pages;
	u64 n = 0, i;
	void *page;

	(void)state;
	while ((page = page_alloc())) {
		assert_true(is_inside(page, PAGE_SIZE, 1) || is_inside(page, PAGE_SIZE, 3) ||
			    is_inside(page, PAGE_SIZE, 4) || is_inside(page, PAGE_SIZE, 6));
		memset(page, 0x77, PAGE_SIZE); /* a page given out twice would not be zero */
		pages[n++] = page;
	}
	assert_int_equal(n, free_pages);
	assert_int_equal(page_stats().free_pages, 0);
	assert_null(page_alloc_contig(PAGE_SIZE, PAGE_SIZE, false));
	for (i = 0; i < n; i++)
		page_free(pages[i]);
	assert_int_equal(page_stats().free_pages, free_pages);
	assert_non_null(page = page_alloc());
	page_free(page);
}

static void addresses(void **state)
{
	(void)state;
	page_image_set((hpa_t){ 0x1234000 }, MiB(2));
	assert_int_equal(va_to_pa((void *)(CORE_IMAGE_START + 0x10)).v, 0x1234010);
	assert_int_equal(va_to_pa((void *)BASE).v, BASE);
	assert_ptr_equal(pa_to_va((hpa_t){ BASE }), BASE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_counts),
		cmocka_unit_test(single_pages_are_zero_and_from_the_top),
		cmocka_unit_test(limit_is_kept),
		cmocka_unit_test(contiguous_pieces),
		cmocka_unit_test(bugs_panic),
		cmocka_unit_test(later_memory),
		cmocka_unit_test(all_pages_once),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
