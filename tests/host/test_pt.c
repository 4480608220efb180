/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: arch/x86/pt.c */
/*
 * The page-table engine on recorded memory: after each single store the whole tree is looked at
 * the way a hardware walker would, so a state that is bad only for a moment fails, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/page.h"
#include "arch/x86/pt.h"

#define POOL_PAGES 600
#define SUPPRESS_VE BIT(63)
#define NX BIT(63)
#define VA 0x40000000ull

/* Tables live at addresses below 2^52, which user pointers are. */
#include "pt_pool.h"

static unsigned stores;
static const struct pt *watched;
static enum pt_kind kind_made;
static u64 watched_va;
static u64 watched_pa; /* what watched_va must translate to at every moment; 0: anything goes */

static void (*alloc_hook)(void); /* what others do while this CPU makes a table */

static void *fake_alloc(void)
{
	void (*hook)(void) = alloc_hook;

	alloc_hook = NULL;
	if (hook)
		hook();
	return pool_take();
}

static unsigned index_of(const void *page)
{
	return (unsigned)(((const u8 *)page - pool[0]) / (ptrdiff_t)PAGE_SIZE);
}

static unsigned pages_taken(void)
{
	unsigned i, n = 0;

	for (i = 0; i < POOL_PAGES; i++)
		n += taken[i];
	return n;
}

static void check_ept_entry(u64 entry, unsigned level)
{
	u64 rights = entry & 7;
	bool leaf = level == 1 || (entry & BIT(7));

	if (!rights) {
		assert_int_equal(entry, SUPPRESS_VE);
		return;
	}
	assert_true((rights & 1) || !(rights & 6)); /* W or X without R */
	if (leaf) {
		assert_true(entry & SUPPRESS_VE);
		assert_true(bits_get(entry, 5, 3) == 6 || bits_get(entry, 5, 3) == 0 ||
			    bits_get(entry, 5, 3) == 1);
	} else {
		assert_int_equal(bits_get(entry, 7, 3), 0);
	}
}

static void check_npt_entry(u64 entry, unsigned level)
{
	if (!(entry & 1)) {
		assert_int_equal(entry, 0);
		return;
	}
	assert_true(entry & BIT(2)); /* U at every level */
	if (level > 1 && !(entry & BIT(7)))
		assert_false(entry & NX);
}

static void check_host_entry(u64 entry, unsigned level)
{
	if (!(entry & 1)) {
		assert_int_equal(entry, 0);
		return;
	}
	if (level > 1 && !(entry & BIT(7)))
		assert_false(entry & NX);
}

static void check_tree(const struct pt *pt, const u64 *table, unsigned level)
{
	unsigned i;

	assert_true(index_of(table) < POOL_PAGES);
	assert_true(taken[index_of(table)]);
	for (i = 0; i < PT_ENTRIES; i++) {
		u64 entry = table[i];
		bool leaf = level == 1 || (entry & BIT(7));

		if (kind_made == PT_EPT)
			check_ept_entry(entry, level);
		else if (kind_made == PT_NPT)
			check_npt_entry(entry, level);
		else
			check_host_entry(entry, level);
		if (!(entry & pt->format->present))
			continue;
		if (leaf) {
			assert_true(level <= pt->max_leaf);
			if (level > 1) /* reserved address bits below the page size */
				assert_int_equal(entry & MASK(51, 13) & (pt_level_bytes(level) - 1),
						 0);
		} else {
			check_tree(pt, (const u64 *)(entry & MASK(51, 12)), level - 1);
		}
	}
}

static void fake_store(u64 *entry, u64 value)
{
	*(volatile u64 *)entry = value;
	stores++;
	if (!watched)
		return;
	check_tree(watched, watched->root, PT_LEVELS);
	if (watched_pa)
		assert_int_equal(pt_lookup(watched, watched_va).pa.v, watched_pa);
}

static const struct pt_mem mem = { fake_alloc, pool_give, fake_store };

static void make(struct pt *pt, enum pt_kind kind, unsigned max_leaf)
{
	budget = POOL_PAGES;
	watched_pa = 0;
	assert_int_equal(pt_init(pt, kind, &mem, max_leaf), ERR_NONE);
	kind_made = kind;
	watched = pt;
}

/* Give back `table` of `level` and what it points to; returns how many tables that were. */
static u64 tables_free(const struct pt *pt, u64 *table, unsigned level)
{
	u64 n = 1;

	for (unsigned i = 0; level > 1 && i < PT_ENTRIES; i++)
		if ((table[i] & pt->format->present) && !(table[i] & PT_LARGE))
			n += tables_free(pt, pt_table(table[i]), level - 1);
	pool_give(table);
	return n;
}

static void drop(struct pt *pt)
{
	watched = NULL;
	assert_int_equal(tables_free(pt, pt->root, PT_LEVELS), pt->nr_tables);
	assert_int_equal(pages_taken(), 0);
}

static void map_ok(struct pt *pt, u64 va, u64 pa, u64 size, u64 attr, bool expect_stale)
{
	bool stale = false;

	assert_int_equal(pt_map(pt, va, (hpa_t){ pa }, size, attr, &stale), ERR_NONE);
	assert_int_equal(stale, expect_stale);
}

static void expect_leaf(const struct pt *pt, u64 va, u64 pa, u64 attr, unsigned level)
{
	struct pt_leaf leaf = pt_lookup(pt, va);

	assert_true(leaf.is_present);
	assert_int_equal(leaf.pa.v, pa);
	assert_int_equal(leaf.entry & ~(MASK(51, 12) | (level > 1 ? BIT(7) : 0)),
			 pt_leaf_bits(pt, attr));
	assert_int_equal(leaf.level, level);
}

static void test_new_tree_is_empty(void **state)
{
	struct pt pt;
	enum pt_kind kind;

	(void)state;
	for (kind = PT_HOST; kind <= PT_NPT; kind++) {
		make(&pt, kind, 3);
		check_tree(&pt, pt.root, PT_LEVELS);
		assert_false(pt_lookup(&pt, VA).is_present);
		assert_int_equal(pt_lookup(&pt, VA).level, 4);
		assert_int_equal(pt.root[0], kind == PT_EPT ? SUPPRESS_VE : 0);
		assert_int_equal(pt_root(&pt).v, (u64)pt.root);
		drop(&pt);
	}
}

static void test_largest_pages(void **state)
{
	struct pt pt;

	(void)state;
	make(&pt, PT_EPT, 3);
	/* 4K up to 2M, 2M up to 1G, one 1G page, then 2M and 4K again. */
	map_ok(&pt, GiB(1) - MiB(2) - KiB(8), GiB(3) - MiB(2) - KiB(8),
	       GiB(1) + MiB(4) + KiB(16), PT_R | PT_W, false);
	expect_leaf(&pt, GiB(1) - MiB(2) - KiB(4), GiB(3) - MiB(2) - KiB(4), PT_R | PT_W, 1);
	expect_leaf(&pt, GiB(1) - MiB(1), GiB(3) - MiB(1), PT_R | PT_W, 2);
	expect_leaf(&pt, GiB(1) + 5, GiB(3) + 5, PT_R | PT_W, 3);
	expect_leaf(&pt, GiB(2) + KiB(4), GiB(4) + KiB(4), PT_R | PT_W, 2);
	expect_leaf(&pt, GiB(2) + MiB(2) + KiB(4), GiB(4) + MiB(2) + KiB(4), PT_R | PT_W, 1);
	assert_false(pt_lookup(&pt, GiB(2) + MiB(2) + KiB(8)).is_present);
	assert_false(pt_lookup(&pt, GiB(1) - MiB(2) - KiB(12)).is_present);
	drop(&pt);
}

static void test_capability_limits_pages(void **state)
{
	struct pt pt;

	(void)state;
	make(&pt, PT_EPT, 2);
	map_ok(&pt, GiB(1), GiB(1), GiB(1), PT_R, false);
	expect_leaf(&pt, GiB(1), GiB(1), PT_R, 2);
	drop(&pt);
	make(&pt, PT_EPT, 1);
	map_ok(&pt, GiB(1), GiB(1), MiB(2), PT_R, false);
	expect_leaf(&pt, GiB(1), GiB(1), PT_R, 1);
	drop(&pt);
	watched = NULL;
	assert_int_equal(pt_init(&pt, PT_EPT, &mem, 0), ERR_INVAL);
	assert_int_equal(pt_init(&pt, PT_EPT, &mem, 4), ERR_INVAL);
}

static void test_physical_alignment_limits_pages(void **state)
{
	struct pt pt;

	(void)state;
	make(&pt, PT_NPT, 3);
	map_ok(&pt, GiB(1), GiB(1) + KiB(4), MiB(2), PT_R, false);
	expect_leaf(&pt, GiB(1), GiB(1) + KiB(4), PT_R | PT_U, 1);
	drop(&pt);
}

static void test_ept_bits(void **state)
{
	struct pt pt;

	(void)state;
	make(&pt, PT_EPT, 3);
	map_ok(&pt, VA, 0x1000, 0x1000, PT_R | PT_W | PT_X, false);
	assert_int_equal(pt_lookup(&pt, VA).entry, SUPPRESS_VE | 0x1000 | 6 << 3 | 7);
	map_ok(&pt, VA + 0x1000, 0x2000, 0x1000, PT_R | PT_UC, false);
	assert_int_equal(pt_lookup(&pt, VA + 0x1000).entry, SUPPRESS_VE | 0x2000 | 1);
	map_ok(&pt, VA + 0x2000, 0x3000, 0x1000, PT_R | PT_X | PT_WC | PT_IGNORE_PAT, false);
	assert_int_equal(pt_lookup(&pt, VA + 0x2000).entry,
			 SUPPRESS_VE | 0x3000 | BIT(6) | 1 << 3 | 5);
	expect_leaf(&pt, VA + 0x2000, 0x3000, PT_R | PT_X | PT_WC | PT_IGNORE_PAT, 1);
	drop(&pt);
}

static void test_npt_and_host_bits(void **state)
{
	struct pt pt;

	(void)state;
	make(&pt, PT_NPT, 3);
	map_ok(&pt, VA, 0x1000, 0x1000, PT_R | PT_W | PT_X, false);
	assert_int_equal(pt_lookup(&pt, VA).entry, 0x1000 | 0x67);
	map_ok(&pt, VA + 0x1000, 0x2000, 0x1000, PT_R | PT_UC, false);
	assert_int_equal(pt_lookup(&pt, VA + 0x1000).entry, NX | 0x2000 | 0x3d);
	drop(&pt);
	make(&pt, PT_HOST, 3);
	map_ok(&pt, 0xffffffff80000000, 0x200000, 0x1000, PT_R | PT_X, false);
	assert_int_equal(pt_lookup(&pt, 0xffffffff80000000).entry, 0x200000 | 0x21);
	map_ok(&pt, 0xffff888000000000, 0x200000, MiB(2), PT_R | PT_W, false);
	assert_int_equal(pt_lookup(&pt, 0xffff888000000000).entry, NX | 0x200000 | 0xe3);
	drop(&pt);
}

static void test_unmap_splits_and_keeps_neighbours(void **state)
{
	bool stale = false;
	enum pt_kind kind;
	struct pt pt;

	(void)state;
	for (kind = PT_HOST; kind <= PT_NPT; kind++) {
		u64 attr = PT_R | PT_W | (kind == PT_NPT ? PT_U : 0);

		make(&pt, kind, 3);
		map_ok(&pt, GiB(4), GiB(8), GiB(1), PT_R | PT_W, false);
		watched_va = GiB(4) + MiB(6) + KiB(8) + 7;
		watched_pa = GiB(8) + MiB(6) + KiB(8) + 7;
		stale = false;
		assert_int_equal(pt_unmap(&pt, GiB(4) + MiB(6) + KiB(4), KiB(4), &stale), ERR_NONE);
		assert_true(stale);
		assert_false(pt_lookup(&pt, GiB(4) + MiB(6) + KiB(4)).is_present);
		assert_int_equal(pt_lookup(&pt, GiB(4) + MiB(6) + KiB(4)).entry, pt.format->empty);
		expect_leaf(&pt, GiB(4) + MiB(6) + KiB(8), GiB(8) + MiB(6) + KiB(8), attr, 1);
		expect_leaf(&pt, GiB(4) + MiB(8), GiB(8) + MiB(8), attr, 2);
		drop(&pt);
	}
}

static void test_unmap_of_nothing_is_not_stale(void **state)
{
	bool stale = false;
	struct pt pt;
	unsigned before;

	(void)state;
	make(&pt, PT_EPT, 3);
	map_ok(&pt, VA, VA, KiB(4), PT_R, false);
	before = stores;
	assert_int_equal(pt_unmap(&pt, VA + KiB(4), GiB(600), &stale), ERR_NONE);
	assert_false(stale);
	assert_int_equal(stores, before);
	assert_true(pt_lookup(&pt, VA).is_present);
	drop(&pt);
}

static void test_remap(void **state)
{
	struct pt pt;

	(void)state;
	make(&pt, PT_NPT, 3);
	map_ok(&pt, VA, VA, MiB(2), PT_R | PT_W, false);
	map_ok(&pt, VA, VA, MiB(2), PT_R | PT_W, false); /* the same again */
	map_ok(&pt, VA + KiB(4), GiB(7), KiB(4), PT_R, true);
	expect_leaf(&pt, VA, VA, PT_R | PT_W | PT_U, 1);
	expect_leaf(&pt, VA + KiB(4), GiB(7), PT_R | PT_U, 1);
	/* A large mapping over a table goes into the table, which stays linked. */
	map_ok(&pt, VA, GiB(2), MiB(2), PT_R, true);
	expect_leaf(&pt, VA + KiB(4), GiB(2) + KiB(4), PT_R | PT_U, 1);
	drop(&pt);
}

static void test_hardware_bits_are_not_stale(void **state)
{
	bool stale = false;
	u64 *table;
	struct pt pt;
	unsigned level;

	(void)state;
	make(&pt, PT_NPT, 3);
	map_ok(&pt, VA, VA, KiB(4), PT_R, false);
	/* The CPU sets the dirty bit by itself. */
	table = pt.root;
	for (level = PT_LEVELS; level > 1; level--)
		table = (u64 *)(table[(VA / pt_level_bytes(level)) % PT_ENTRIES] & MASK(51, 12));
	table[(VA / PAGE_SIZE) % PT_ENTRIES] |= BIT(6);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ VA }, KiB(4), PT_R, &stale), ERR_NONE);
	assert_false(stale);
	drop(&pt);
}

static void test_bad_arguments(void **state)
{
	bool stale = false;
	struct pt pt;
	unsigned before;

	(void)state;
	make(&pt, PT_EPT, 3);
	before = stores;
	assert_int_equal(pt_map(&pt, VA + 1, (hpa_t){ 0 }, KiB(4), PT_R, &stale), ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 8 }, KiB(4), PT_R, &stale), ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 0 }, 100, PT_R, &stale), ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 0 }, KiB(4), 0, &stale), ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 0 }, KiB(4), PT_W, &stale), ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 0 }, KiB(4), PT_X, &stale), ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 0 }, KiB(4), PT_R | PT_WC | PT_UC, &stale),
			 ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 0 }, KiB(4), PT_R | BIT(40), &stale), ERR_INVAL);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ 0 }, 0, PT_R, &stale), ERR_RANGE);
	assert_int_equal(pt_map(&pt, BIT(48) - KiB(4), (hpa_t){ 0 }, KiB(8), PT_R, &stale),
			 ERR_RANGE);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ BIT(52) }, KiB(4), PT_R, &stale), ERR_RANGE);
	assert_int_equal(pt_map(&pt, VA, (hpa_t){ BIT(52) - KiB(4) }, KiB(8), PT_R, &stale),
			 ERR_RANGE);
	assert_int_equal(pt_unmap(&pt, VA + 1, KiB(4), &stale), ERR_INVAL);
	assert_int_equal(pt_unmap(&pt, VA, 0, &stale), ERR_RANGE);
	assert_int_equal(pt_unmap(&pt, BIT(48) - KiB(4), KiB(8), &stale), ERR_RANGE);
	assert_int_equal(stores, before);
	assert_false(stale);
	map_ok(&pt, BIT(48) - KiB(4), 0, KiB(4), PT_R, false); /* the last page is fine */
	drop(&pt);
}

/* Whatever allocation fails, the tree stays sound and what was mapped stays mapped. */
static void test_out_of_memory(void **state)
{
	unsigned limit;

	(void)state;
	for (limit = 0; limit < 8; limit++) {
		bool stale = false;
		enum err err;
		struct pt pt;

		make(&pt, PT_EPT, 3);
		map_ok(&pt, GiB(4), GiB(8), GiB(1), PT_R | PT_W, false);
		watched_va = GiB(4) + MiB(40);
		watched_pa = GiB(8) + MiB(40);
		budget = limit;
		err = pt_unmap(&pt, GiB(4) + MiB(6) + KiB(4), MiB(2), &stale);
		assert_int_equal(err, limit < 3 ? ERR_NOMEM : ERR_NONE);
		check_tree(&pt, pt.root, PT_LEVELS);
		budget = limit;
		err = pt_map(&pt, BIT(40), (hpa_t){ 0 }, KiB(4), PT_R, &stale);
		assert_int_equal(err, limit < 3 ? ERR_NOMEM : ERR_NONE);
		check_tree(&pt, pt.root, PT_LEVELS);
		drop(&pt);
	}
	watched = NULL;
	budget = 0;
	assert_int_equal(pt_init(&(struct pt){ 0 }, PT_EPT, &mem, 3), ERR_NOMEM);
}

#define RWX (PT_R | PT_W | PT_X)

static void fill_ok(struct pt *pt, u64 va, u64 first, u64 size, u64 pa)
{
	u64 bits = pt_leaf_bits(pt, RWX);

	assert_int_equal(pt_fill(pt, va, first, size, (hpa_t){ pa }, bits), ERR_NONE);
	check_tree(pt, pt->root, PT_LEVELS);
}

static void test_fill_takes_largest(void **state)
{
	struct pt pt;

	(void)state;
	make(&pt, PT_EPT, 3);
	/* From 2 MiB below a GiB to 2 MiB and 8 KiB behind the next one. */
	u64 first = GiB(3) - MiB(2), size = GiB(1) + MiB(4) + KiB(8), pa = GiB(9) - MiB(2);

	fill_ok(&pt, first + 5, first, size, pa);
	expect_leaf(&pt, first + MiB(1), pa + MiB(1), RWX, 2);
	assert_false(pt_lookup(&pt, first - 1).is_present);
	fill_ok(&pt, GiB(3) + KiB(12), first, size, pa);
	expect_leaf(&pt, GiB(4) - 1, GiB(10) - 1, RWX, 3);
	fill_ok(&pt, GiB(4) + MiB(2) - 1, first, size, pa);
	expect_leaf(&pt, GiB(4), GiB(10), RWX, 2);
	fill_ok(&pt, GiB(4) + MiB(2) + KiB(7), first, size, pa);
	expect_leaf(&pt, GiB(4) + MiB(2) + KiB(4), GiB(10) + MiB(2) + KiB(4), RWX, 1);
	assert_false(pt_lookup(&pt, GiB(4) + MiB(2)).is_present);
	assert_false(pt_lookup(&pt, GiB(4) + MiB(2) + KiB(8)).is_present);
	drop(&pt);
	/* Alignment on the other side, and what the processor can do. */
	make(&pt, PT_NPT, 3);
	fill_ok(&pt, GiB(1), GiB(1), GiB(1), MiB(2));
	expect_leaf(&pt, GiB(1), MiB(2), RWX | PT_U, 2);
	fill_ok(&pt, GiB(2), GiB(2), GiB(1), KiB(4));
	expect_leaf(&pt, GiB(2), KiB(4), RWX | PT_U, 1);
	drop(&pt);
	make(&pt, PT_EPT, 1);
	fill_ok(&pt, GiB(1), GiB(1), GiB(1), 0);
	expect_leaf(&pt, GiB(1), 0, RWX, 1);
	drop(&pt);
}

static void test_fill_leaves_what_is_there(void **state)
{
	bool stale = false;
	struct pt pt;

	(void)state;
	make(&pt, PT_EPT, 3);
	map_ok(&pt, GiB(1), GiB(2), MiB(2), PT_R, false);
	fill_ok(&pt, GiB(1) + KiB(4), GiB(1), GiB(1), GiB(5));
	expect_leaf(&pt, GiB(1), GiB(2), PT_R, 2);
	/* A page that was taken out comes back alone, its neighbours as they were. */
	assert_int_equal(pt_unmap(&pt, GiB(1) + KiB(8), KiB(4), &stale), ERR_NONE);
	fill_ok(&pt, GiB(1) + KiB(8), GiB(1), GiB(1), GiB(5));
	expect_leaf(&pt, GiB(1) + KiB(8), GiB(5) + KiB(8), RWX, 1);
	expect_leaf(&pt, GiB(1) + KiB(4), GiB(2) + KiB(4), PT_R, 1);
	drop(&pt);
	for (unsigned limit = 0; limit < 4; limit++) {
		make(&pt, PT_NPT, 3);
		budget = limit;
		assert_int_equal(pt_fill(&pt, VA, VA, KiB(4), (hpa_t){ 0 },
					 pt_leaf_bits(&pt, RWX)),
				 limit < 3 ? ERR_NOMEM : ERR_NONE);
		check_tree(&pt, pt.root, PT_LEVELS);
		drop(&pt);
	}
}

static struct pt *raced;

static void other_fills_page(void)
{
	fill_ok(raced, VA + KiB(4), VA, KiB(8), MiB(1));
}

static void other_fills_all(void)
{
	fill_ok(raced, VA, VA, GiB(1), GiB(7));
}

/* Somebody is quicker: no table is lost, and nothing is mapped over. */
static void test_fill_beside_itself(void **state)
{
	struct pt pt;

	(void)state;
	raced = &pt;
	make(&pt, PT_EPT, 3);
	alloc_hook = other_fills_page;
	fill_ok(&pt, VA, VA, KiB(8), MiB(1));
	expect_leaf(&pt, VA, MiB(1), RWX, 1);
	expect_leaf(&pt, VA + KiB(4), MiB(1) + KiB(4), RWX, 1);
	assert_int_equal(pages_taken(), 4);
	assert_int_equal(pt.nr_tables, 4);
	drop(&pt);
	make(&pt, PT_EPT, 3);
	/* The upper tables are there, so the race is for a leaf. */
	fill_ok(&pt, VA + GiB(1), VA + GiB(1), GiB(1), 0);
	alloc_hook = other_fills_all;
	fill_ok(&pt, VA, VA, KiB(8), MiB(1));
	expect_leaf(&pt, VA, GiB(7), RWX, 3);
	assert_int_equal(pages_taken(), 2);
	assert_int_equal(pt.nr_tables, 2);
	drop(&pt);
}

/* Compare random operations with a flat model of 4 KiB pages. */
#define MODEL_PAGES 2048u

struct model {
	u64 pa[MODEL_PAGES]; /* + 1; 0: empty */
	u64 attr[MODEL_PAGES];
};

static void model_compare(const struct pt *pt, const struct model *m, u64 base)
{
	unsigned i;

	for (i = 0; i < MODEL_PAGES; i++) {
		struct pt_leaf leaf = pt_lookup(pt, base + i * PAGE_SIZE);

		assert_int_equal(leaf.is_present, m->pa[i] != 0);
		if (leaf.is_present) {
			assert_int_equal(leaf.pa.v, m->pa[i] - 1);
			assert_int_equal(leaf.entry & ~(MASK(51, 12) | BIT(7)),
					 pt_leaf_bits(pt, m->attr[i]));
		}
	}
}

static void model_step(struct pt *pt, struct model *m, u64 base)
{
	static const u64 attrs[] = { PT_R | PT_U, PT_R | PT_W | PT_U, PT_R | PT_X | PT_U,
				     PT_R | PT_W | PT_X | PT_U | PT_UC };
	u64 attr = attrs[(unsigned)rand() % ARRAY_SIZE(attrs)];
	unsigned first = (unsigned)rand() % MODEL_PAGES;
	unsigned count = 1 + (unsigned)rand() % (MODEL_PAGES - first);
	unsigned what = (unsigned)rand() % 2, i;
	u64 pa = base + (rand() % 2 ? 0 : MiB(32)) + first * PAGE_SIZE;
	bool stale = false, changes = false;

	if (rand() % 2)
		count = MIN(count, 16u);
	for (i = first; i < first + count; i++) {
		u64 new_pa = what ? 0 : pa + (i - first) * PAGE_SIZE + 1;

		if (m->pa[i] && (new_pa != m->pa[i] || (!what && m->attr[i] != attr)))
			changes = true;
		m->pa[i] = new_pa;
		m->attr[i] = attr;
	}
	if (!what)
		assert_int_equal(pt_map(pt, base + first * PAGE_SIZE, (hpa_t){ pa },
					count * PAGE_SIZE, attr, &stale), ERR_NONE);
	else
		assert_int_equal(pt_unmap(pt, base + first * PAGE_SIZE, count * PAGE_SIZE, &stale),
				 ERR_NONE);
	assert_int_equal(stale, changes);
}

static void test_random_against_model(void **state)
{
	static struct model m;
	struct pt pt;
	unsigned i;

	(void)state;
	srand(1);
	make(&pt, PT_NPT, 3);
	watched = NULL; /* too slow for each of these stores */
	for (i = 0; i < 300; i++) {
		model_step(&pt, &m, GiB(1));
		model_compare(&pt, &m, GiB(1));
		check_tree(&pt, pt.root, PT_LEVELS);
	}
	drop(&pt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_tree_is_empty),
		cmocka_unit_test(test_largest_pages),
		cmocka_unit_test(test_capability_limits_pages),
		cmocka_unit_test(test_physical_alignment_limits_pages),
		cmocka_unit_test(test_ept_bits),
		cmocka_unit_test(test_npt_and_host_bits),
		cmocka_unit_test(test_unmap_splits_and_keeps_neighbours),
		cmocka_unit_test(test_unmap_of_nothing_is_not_stale),
		cmocka_unit_test(test_remap),
		cmocka_unit_test(test_hardware_bits_are_not_stale),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_fill_takes_largest),
		cmocka_unit_test(test_fill_leaves_what_is_there),
		cmocka_unit_test(test_fill_beside_itself),
		cmocka_unit_test(test_random_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
