/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: arch/x86/iso.c arch/x86/pt.c */
/*
 * The isolated tables, built by the real code over memory of this program: they must map what this
 * test has asked for and nothing else, by iso_check() and by a walk that knows only the manuals'
 * entry format. Each way in which tables may be wrong is then made, and must be noticed by both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/iso.h"
#include "arch/x86/page.h"

#define POOL_PAGES 64
#define PAGES_MAX 512
#define ENTRY_P BIT(0)
#define ENTRY_W BIT(1)
#define ENTRY_U BIT(2)
#define ENTRY_UC (BIT(3) | BIT(4))
#define ENTRY_LARGE BIT(7)
#define ENTRY_G BIT(8)
#define ENTRY_NX BIT(63)
#define ENTRY_PA MASK(51, 12)

#include "pt_pool.h"

static void fake_store(u64 *entry, u64 value)
{
	*entry = value;
}

static const struct pt_mem mem = { pool_take, pool_give, fake_store };

/* What this test has asked for: its own list, page by page. */
struct page {
	u64 va, entry;
	enum iso_part part;
};

static struct page wanted[PAGES_MAX];
static unsigned nr_wanted;

/* What the walk has found. */
static struct page found[PAGES_MAX];
static unsigned nr_found;
static bool is_large_found;

static void walk(const u64 *table, unsigned level, u64 va, u64 rights)
{
	for (u64 i = 0; i < 512; i++) {
		u64 at = va | i << (3 + 9 * level);
		u64 entry = table[i];

		if (!(entry & ENTRY_P))
			continue;
		if (level > 1 && !(entry & ENTRY_LARGE)) {
			/* W and U need every level, NX any. */
			u64 both = rights & (entry | ~(ENTRY_W | ENTRY_U));

			walk((const u64 *)(entry & ENTRY_PA), level - 1, at,
			     both | (entry & ENTRY_NX));
			continue;
		}
		is_large_found |= level > 1;
		entry &= rights | ~(ENTRY_W | ENTRY_U);
		entry |= rights & ENTRY_NX;
		if (at >> 47)
			at |= MASK(63, 48);
		assert_true(nr_found < PAGES_MAX);
		found[nr_found++] = (struct page){ at, entry, 0 };
	}
}

/* Accessed and dirty say nothing. */
#define ENTRY_COMPARED                                                                             \
	(ENTRY_P | ENTRY_W | ENTRY_U | ENTRY_UC | ENTRY_LARGE | ENTRY_G | ENTRY_NX | ENTRY_PA)

static bool is_same(const struct page *a, const struct page *b)
{
	return a->va == b->va && !((a->entry ^ b->entry) & ENTRY_COMPARED);
}

static unsigned count_without(const struct page *a, unsigned nr_a, const struct page *b,
			      unsigned nr_b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nr_a; i++) {
		bool is_there = false;

		for (unsigned j = 0; j < nr_b; j++)
			is_there |= is_same(&a[i], &b[j]);
		n += !is_there;
	}
	return n;
}

struct verdict {
	unsigned mapped, extra, missing;
};

static struct verdict walk_check(const struct iso *iso)
{
	struct verdict v;

	nr_found = 0;
	is_large_found = false;
	walk((const u64 *)(pt_root(&iso->pt).v), 4, 0, ENTRY_W | ENTRY_U);
	v.mapped = nr_found;
	v.extra = count_without(found, nr_found, wanted, nr_wanted);
	v.missing = count_without(wanted, nr_wanted, found, nr_found);
	return v;
}

static void expect_exact(const struct iso *iso)
{
	struct iso_report report = iso_check(iso);
	struct verdict v = walk_check(iso);

	assert_int_equal(v.extra, 0);
	assert_int_equal(v.missing, 0);
	assert_false(is_large_found);
	assert_int_equal(v.mapped, nr_wanted);
	assert_int_equal(report.extra, 0);
	assert_int_equal(report.missing, 0);
	assert_int_equal(report.mapped, nr_wanted);
}

/* Both notice it, and iso_check() says where. */
static void expect_extra(const struct iso *iso, u64 va)
{
	struct iso_report report = iso_check(iso);

	assert_int_equal(report.extra, 1);
	assert_int_equal(report.first_wrong, va);
	assert_int_equal(walk_check(iso).extra, 1);
}

static void expect_missing(const struct iso *iso, u64 va)
{
	struct iso_report report = iso_check(iso);

	assert_int_equal(report.extra, 0);
	assert_int_equal(report.missing, 1);
	assert_int_equal(report.first_wrong, va);
	assert_int_equal(walk_check(iso).missing, 1);
}

static u64 entry_of(u64 pa, u64 attr)
{
	return pa | ENTRY_P | (attr & PT_W ? ENTRY_W : 0) | (attr & PT_X ? 0 : ENTRY_NX) |
	       (attr & PT_UC ? ENTRY_UC : 0);
}

static void want(enum iso_part part, u64 va, u64 pa, u64 attr)
{
	assert_true(nr_wanted < PAGES_MAX);
	wanted[nr_wanted++] = (struct page){ va, entry_of(pa, attr), part };
}

static void unwant(enum iso_part part)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nr_wanted; i++)
		if (wanted[i].part != part)
			wanted[n++] = wanted[i];
	nr_wanted = n;
}

static void add(struct iso *iso, enum iso_part part, u64 va, u64 pa, u64 pages, u64 attr)
{
	struct iso_area area = { va, { pa }, pages * PAGE_SIZE, attr };

	assert_int_equal(iso_add(iso, part, &area), ERR_NONE);
	for (u64 i = 0; i < pages; i++)
		want(part, va + i * PAGE_SIZE, pa + i * PAGE_SIZE, attr);
}

/* Places like those of the core. */
#define TEXT CORE_IMAGE_START
#define TEXT_PA 0x3000000ull
#define CONSTANTS (CORE_IMAGE_START + 0x40000)
#define CONSTANTS_PA 0x3040000ull
#define STACK 0xffffca0000001000ull
#define STACK_PA 0x7654000ull
#define DIRECT 0xffff888000000000ull
#define PERCPU_PA 0x8000000ull
#define APIC 0xffffc90000000000ull
#define HOT_PA(vm, n) (0x10000000ull + (vm) * 0x1000000ull + (n) * 0x3000ull)
#define VM_HOTS 20u

static const char vms[3], vcpus[3]; /* only their addresses count */

static void vm_add(struct iso *iso, u64 vm)
{
	iso_clear(iso, ISO_VM, &vms[vm]);
	unwant(ISO_VM);
	for (u64 i = 0; i < VM_HOTS; i++)
		add(iso, ISO_VM, DIRECT + HOT_PA(vm, i), HOT_PA(vm, i), 1, PT_R | PT_W);
	iso_clear(iso, ISO_VCPU, &vcpus[vm]);
	unwant(ISO_VCPU);
	add(iso, ISO_VCPU, DIRECT + HOT_PA(vm, 100), HOT_PA(vm, 100), 1, PT_R | PT_W);
}

static void make(struct iso *iso)
{
	budget = POOL_PAGES;
	nr_wanted = 0;
	memset(iso, 0, sizeof(*iso));
	assert_int_equal(iso_init(iso, &mem), ERR_NONE);
	/* The window's table itself is the first line of the list. */
	want(ISO_CPU, (u64)iso->window, (u64)iso->window, PT_R | PT_W);
	expect_exact(iso);
	add(iso, ISO_CPU, TEXT, TEXT_PA, 5, PT_R | PT_X);
	add(iso, ISO_CPU, CONSTANTS, CONSTANTS_PA, 2, PT_R);
	add(iso, ISO_CPU, STACK, STACK_PA, 4, PT_R | PT_W);
	add(iso, ISO_CPU, ISO_SELF, PERCPU_PA, 1, PT_R);
	add(iso, ISO_CPU, DIRECT + PERCPU_PA, PERCPU_PA, 2, PT_R | PT_W);
	add(iso, ISO_CPU, APIC, 0xfee00000, 1, PT_R | PT_W | PT_UC);
	vm_add(iso, 0);
	expect_exact(iso);
}

static void drop(void)
{
	memset(taken, 0, sizeof(taken));
}

/* The entry of `level` for `va`, whose tables exist. */
static u64 *entry_at(struct iso *iso, u64 va, unsigned level)
{
	u64 *table = iso->pt.root;

	for (unsigned l = 4;; l--) {
		u64 *entry = &table[va >> (3 + 9 * l) & 511];

		if (l == level)
			return entry;
		assert_true(*entry & ENTRY_P);
		table = (u64 *)(*entry & ENTRY_PA);
	}
}

static struct iso iso;

static void test_exact(void **state)
{
	(void)state;
	make(&iso);
	assert_true(iso.window == entry_at(&iso, ISO_WINDOW, 1));
	assert_ptr_equal(iso.owner[ISO_VM], &vms[0]);
	drop();
}

static void test_no_entry_is_global_or_user(void **state)
{
	(void)state;
	make(&iso);
	(void)walk_check(&iso);
	for (unsigned i = 0; i < nr_found; i++) {
		bool can_write = found[i].entry & ENTRY_W, can_run = !(found[i].entry & ENTRY_NX);

		assert_false(found[i].entry & (ENTRY_G | ENTRY_U));
		assert_false(can_write && can_run);
	}
	drop();
}

static void test_another_vm_replaces_the_first(void **state)
{
	(void)state;
	make(&iso);
	for (u64 round = 0; round < 30; round++) {
		vm_add(&iso, round % 3);
		expect_exact(&iso);
		assert_ptr_equal(iso.owner[ISO_VM], &vms[round % 3]);
		for (unsigned other = 0; other < 3; other++)
			for (u64 i = 0; other != round % 3 && i < VM_HOTS; i++)
				assert_false(
					pt_lookup(&iso.pt, DIRECT + HOT_PA(other, i)).is_present);
	}
	drop();
}

static void test_one_extra_page(void **state)
{
	static const u64 places[] = {
		0x1000, /* the lower half, where identity maps would be */
		MASK(46, 12),
		DIRECT + 0x5000, /* a table of its own */
		DIRECT + HOT_PA(0, 0) + PAGE_SIZE, /* next to one that may be there */
		DIRECT + HOT_PA(1, 0), /* another VM's */
		TEXT + 5 * PAGE_SIZE,
		STACK - PAGE_SIZE,
		STACK + 4 * PAGE_SIZE,
		ISO_SELF + PAGE_SIZE,
		0xfffffffffffff000,
	};
	bool stale = false;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		make(&iso);
		assert_int_equal(pt_map(&iso.pt, places[i], (hpa_t){ 0x5000 }, PAGE_SIZE, PT_R,
					&stale),
				 ERR_NONE);
		expect_extra(&iso, places[i]);
		drop();
	}
}

/* The right page at a second place is a page too many, too. */
static void test_alias(void **state)
{
	bool stale = false;

	(void)state;
	make(&iso);
	assert_int_equal(pt_map(&iso.pt, TEXT + GiB(1), (hpa_t){ TEXT_PA }, PAGE_SIZE, PT_R | PT_X,
				&stale),
			 ERR_NONE);
	expect_extra(&iso, TEXT + GiB(1));
	drop();
}

static void test_wrong_bits(void **state)
{
	static const struct {
		u64 va, flip;
	} cases[] = {
		{ TEXT, ENTRY_W },
		{ CONSTANTS, ENTRY_W },
		{ CONSTANTS, ENTRY_NX },
		{ STACK, ENTRY_NX },
		{ ISO_SELF, ENTRY_W },
		{ DIRECT + PERCPU_PA, ENTRY_NX },
		{ DIRECT + HOT_PA(0, 3), ENTRY_U },
		{ TEXT + PAGE_SIZE, ENTRY_G },
		{ DIRECT + HOT_PA(0, 0), ENTRY_G },
		{ APIC, ENTRY_UC }, /* cached device registers */
		{ DIRECT + HOT_PA(0, 1), ENTRY_UC },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		make(&iso);
		*entry_at(&iso, cases[i].va, 1) ^= cases[i].flip;
		expect_extra(&iso, cases[i].va);
		*entry_at(&iso, cases[i].va, 1) ^= cases[i].flip;
		expect_exact(&iso);
		drop();
	}
}

/* The right address leads to another page: one too many, and one that is missing. */
static void test_wrong_page(void **state)
{
	struct iso_report report;

	(void)state;
	make(&iso);
	*entry_at(&iso, DIRECT + HOT_PA(0, 4), 1) ^= 0x3000;
	report = iso_check(&iso);
	assert_int_equal(report.extra, 1);
	assert_int_equal(report.missing, 1);
	assert_int_equal(report.first_wrong, DIRECT + HOT_PA(0, 4));
	assert_int_equal(walk_check(&iso).extra, 1);
	drop();
}

static void test_large_page(void **state)
{
	(void)state;
	make(&iso);
	/* 2 MiB of the direct map, then 1 GiB: what the full tables would have. */
	*entry_at(&iso, DIRECT + HOT_PA(0, 0) + MiB(2), 2) = entry_of(0x200000, PT_R | PT_W) |
							     ENTRY_LARGE;
	expect_extra(&iso, DIRECT + HOT_PA(0, 0) + MiB(2));
	assert_true(is_large_found);
	*entry_at(&iso, DIRECT + HOT_PA(0, 0) + MiB(2), 2) = 0;
	*entry_at(&iso, DIRECT + GiB(1), 3) = entry_of(GiB(1), PT_R | PT_W) | ENTRY_LARGE;
	expect_extra(&iso, DIRECT + GiB(1));
	assert_true(is_large_found);
	drop();
}

/* A large page that covers a line of the list, at the right place and with the right rights. */
static void test_large_page_over_the_list(void **state)
{
	u64 *entry;

	(void)state;
	make(&iso);
	entry = entry_at(&iso, TEXT, 2);
	pool_give((void *)(*entry & ENTRY_PA));
	*entry = entry_of(TEXT_PA, PT_R | PT_X) | ENTRY_LARGE;
	assert_true(iso_check(&iso).extra > 0);
	(void)walk_check(&iso);
	assert_true(is_large_found);
	*entry = 0;
	drop();
}

static void test_missing(void **state)
{
	static const u64 places[] = {
		TEXT, TEXT + 4 * PAGE_SIZE, STACK + PAGE_SIZE, ISO_SELF, APIC,
		DIRECT + HOT_PA(0, 0), DIRECT + HOT_PA(0, 100),
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		make(&iso);
		*entry_at(&iso, places[i], 1) = 0;
		expect_missing(&iso, places[i]);
		drop();
	}
}

/* iso_clear() that leaves one behind: what a change of VMs must never do. */
static void test_left_from_another_vm(void **state)
{
	u64 stale;

	(void)state;
	make(&iso);
	stale = *entry_at(&iso, DIRECT + HOT_PA(0, 7), 1);
	vm_add(&iso, 1);
	expect_exact(&iso);
	*entry_at(&iso, DIRECT + HOT_PA(0, 7), 1) = stale;
	expect_extra(&iso, DIRECT + HOT_PA(0, 7));
	drop();
}

static void test_window_left_open(void **state)
{
	(void)state;
	make(&iso);
	iso.window[0] = entry_of(HOT_PA(0, 0), PT_R | PT_W);
	expect_extra(&iso, ISO_WINDOW);
	iso.window[0] = 0;
	expect_exact(&iso);
	drop();
}

/* Out of memory or of room, the page is neither on the list nor mapped. */
static void test_add_fails(void **state)
{
	struct iso_area area = { 0xffffd00000000000, { 0x9000 }, PAGE_SIZE, PT_R };

	(void)state;
	make(&iso);
	for (budget = 0; budget < 3; budget++) {
		unsigned before = budget;

		assert_int_equal(iso_add(&iso, ISO_CPU, &area), ERR_NOMEM);
		assert_false(pt_lookup(&iso.pt, area.va).is_present);
		expect_exact(&iso);
		drop();
		make(&iso);
		budget = before;
	}
	budget = POOL_PAGES;
	while (iso.count[ISO_VM] < ISO_AREAS_MAX) {
		u64 pa = HOT_PA(0, 0) + MiB(2) + iso.count[ISO_VM] * PAGE_SIZE;

		add(&iso, ISO_VM, DIRECT + pa, pa, 1, PT_R | PT_W);
	}
	expect_exact(&iso);
	assert_int_equal(iso_add(&iso, ISO_VM, &area), ERR_RANGE);
	assert_false(pt_lookup(&iso.pt, area.va).is_present);
	expect_exact(&iso);
	drop();
}

static void test_init_fails(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 6; n++) {
		memset(&iso, 0, sizeof(iso));
		budget = n;
		assert_int_equal(iso_init(&iso, &mem), ERR_NOMEM);
		drop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_no_entry_is_global_or_user),
		cmocka_unit_test(test_another_vm_replaces_the_first),
		cmocka_unit_test(test_one_extra_page),
		cmocka_unit_test(test_alias),
		cmocka_unit_test(test_wrong_bits),
		cmocka_unit_test(test_wrong_page),
		cmocka_unit_test(test_large_page),
		cmocka_unit_test(test_large_page_over_the_list),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_left_from_another_vm),
		cmocka_unit_test(test_window_left_open),
		cmocka_unit_test(test_add_fails),
		cmocka_unit_test(test_init_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
