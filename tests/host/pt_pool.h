/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for the page tables of a test: POOL_PAGES pages, which the test defines, addressed as if
 * virtual were physical; and none from the allocator of the core.
 */
#ifndef TESTS_HOST_PT_POOL_H
#define TESTS_HOST_PT_POOL_H

static u8 pool[POOL_PAGES][PAGE_SIZE] __aligned(4096);
static bool taken[POOL_PAGES];
static unsigned budget; /* allocations that still succeed */

hpa_t va_to_pa(const void *va)
{
	return (hpa_t){ (u64)va };
}

void *page_alloc(void)
{
	return NULL;
}

void page_free(void *page)
{
	(void)page;
}

/* A page full of rubbish, or NULL. */
static void *pool_take(void)
{
	for (unsigned i = 0; budget && i < POOL_PAGES; i++)
		if (!taken[i]) {
			taken[i] = true;
			budget--;
			return memset(pool[i], 0xa5, PAGE_SIZE);
		}
	return NULL;
}

static void pool_give(void *page)
{
	size_t i = (size_t)((u8 *)page - pool[0]) / PAGE_SIZE;

	assert_true(i < POOL_PAGES && taken[i]);
	taken[i] = false;
}

#endif
