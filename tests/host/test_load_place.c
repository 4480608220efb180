/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/load/place.c core/load/e820.c */
#include "tests/host/load_fixture.h"

#include "core/load/place.h"

static struct place place_make(u64 ram_bytes)
{
	struct ram_layout ram = { .below_4g_bytes = ram_bytes };
	struct place p;

	place_init(&p, &ram);
	return p;
}

static void claims_only_ram(void **state)
{
	static const struct {
		u64 start, size;
		enum err err;
	} cases[] = {
		{ 0, 1, ERR_NONE },
		{ 1, GPA_LOW_RAM_END - 1, ERR_NONE },
		{ GPA_LOW_RAM_END, 1, ERR_RANGE },
		{ GPA_LOW_RAM_END - 1, 2, ERR_RANGE },
		{ 0xa0000, 0x1000, ERR_RANGE },
		{ GPA_ROM_BASE, 0x1000, ERR_RANGE },
		{ MiB(1) - 1, 2, ERR_RANGE },
		{ MiB(1), MiB(7), ERR_NONE },
		{ 0, MiB(8), ERR_RANGE },
		{ MiB(8), 1, ERR_RANGE },
		{ MiB(2), 0, ERR_RANGE },
		{ MiB(2), UINT64_MAX, ERR_RANGE },
		{ UINT64_MAX, 1, ERR_RANGE },
		{ UINT64_MAX, UINT64_MAX, ERR_RANGE },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct place p = place_make(MiB(8));

		assert_int_equal(place_claim(&p, cases[i].start, cases[i].size), cases[i].err);
	}
}

static void claims_do_not_overlap(void **state)
{
	struct place p = place_make(MiB(8));

	(void)state;
	assert_int_equal(place_claim(&p, MiB(2), 0x1000), ERR_NONE);
	assert_int_equal(place_claim(&p, MiB(2), 0x1000), ERR_BUSY);
	assert_int_equal(place_claim(&p, MiB(2) - 1, 2), ERR_BUSY);
	assert_int_equal(place_claim(&p, MiB(2) + 0xfff, 1), ERR_BUSY);
	assert_int_equal(place_claim(&p, MiB(1), MiB(4)), ERR_BUSY);
	assert_int_equal(place_claim(&p, MiB(2) - 1, 1), ERR_NONE);
	assert_int_equal(place_claim(&p, MiB(2) + 0x1000, 1), ERR_NONE);
}

static void allocates_from_the_top(void **state)
{
	struct place p = place_make(MiB(8));
	u64 at;

	(void)state;
	assert_int_equal(place_claim(&p, MiB(8) - 0x800, 0x10), ERR_NONE);
	assert_int_equal(place_alloc(&p, 0x10, 16, GiB(1), &at), ERR_NONE);
	assert_int_equal(at, MiB(8) - 0x10);
	assert_int_equal(place_alloc(&p, 0x1000, 4096, GiB(1), &at), ERR_NONE);
	assert_int_equal(at, MiB(8) - 0x2000);
	assert_int_equal(place_alloc(&p, 0x1000, 4096, MiB(3) + 1, &at), ERR_NONE);
	assert_int_equal(at, MiB(2) + 0xff000);
	/* Holes between are used. */
	assert_int_equal(place_alloc(&p, 0x700, 16, GiB(1), &at), ERR_NONE);
	assert_int_equal(at, MiB(8) - 0x10 - 0x700);
}

static void allocates_down_to_1m(void **state)
{
	struct place p = place_make(MiB(2));
	u64 at = 1;

	(void)state;
	assert_int_equal(place_alloc(&p, MiB(1) + 1, 16, GiB(1), &at), ERR_NOMEM);
	assert_int_equal(place_alloc(&p, MiB(1), 16, MiB(2) - 1, &at), ERR_NOMEM);
	assert_int_equal(place_alloc(&p, UINT64_MAX, 4096, GiB(1), &at), ERR_NOMEM);
	assert_int_equal(place_alloc(&p, 16, 16, 0, &at), ERR_NOMEM);
	assert_int_equal(place_alloc(&p, 16, MiB(2), GiB(1), &at), ERR_NOMEM);
	assert_int_equal(at, 1);
	assert_int_equal(place_alloc(&p, MiB(1), 16, GiB(1), &at), ERR_NONE);
	assert_int_equal(at, MiB(1));
	assert_int_equal(place_alloc(&p, 1, 1, GiB(1), &at), ERR_NOMEM);
}

static void book_is_bounded(void **state)
{
	struct place p = place_make(MiB(8));
	u64 at;

	(void)state;
	for (u64 i = 0; i < PLACE_MAX; i++)
		assert_int_equal(place_claim(&p, MiB(1) + i * 16, 16), ERR_NONE);
	assert_int_equal(place_claim(&p, MiB(4), 16), ERR_NOMEM);
	assert_int_equal(place_alloc(&p, 16, 16, GiB(1), &at), ERR_NOMEM);
}

static void memory_is_split_at_the_hole(void **state)
{
	struct ram_layout ram = ram_layout_make(GiB(3));

	(void)state;
	assert_int_equal(ram.below_4g_bytes, GiB(3));
	assert_int_equal(ram.above_4g_bytes, 0);
	ram = ram_layout_make(GiB(3) + MiB(2));
	assert_int_equal(ram.below_4g_bytes, GiB(3));
	assert_int_equal(ram.above_4g_bytes, MiB(2));
	assert_int_equal(ram_layout_check(&ram), ERR_NONE);
}

static void impossible_layouts(void **state)
{
	const struct ram_layout bad[] = {
		{ 0, 0 },
		{ MiB(1), 0 },
		{ MiB(2) + 1, 0 },
		{ GiB(3) + 4096, 0 },
		{ GiB(3), 1 },
		{ GiB(3), GPA_ABOVE_4G_MAX_BYTES + 4096 },
		{ UINT64_MAX, UINT64_MAX },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ram_layout_check(&bad[i]), ERR_INVAL);
}

/* Sorted, disjoint, nothing over the devices, and the sum is what the VM has. */
static void map_is_well_formed(void **state)
{
	struct ram_layout ram = ram_layout_make(GiB(9));
	struct e820_map map;
	u64 end = 0, total = 0;

	(void)state;
	e820_make(&ram, &map);
	for (u32 i = 0; i < map.count; i++) {
		const struct e820_entry *e = &map.entry[i];

		assert_true(e->addr >= end && e->size_bytes > 0);
		end = e->addr + e->size_bytes;
		if (e->type != E820_RAM)
			continue;
		assert_true(end <= GPA_BELOW_4G_MAX || e->addr >= GPA_ABOVE_4G);
		total += e->size_bytes;
	}
	assert_int_equal(total, GiB(9) - MiB(1) + GPA_LOW_RAM_END);
	assert_int_equal(end, GiB(10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_only_ram),
		cmocka_unit_test(claims_do_not_overlap),
		cmocka_unit_test(allocates_from_the_top),
		cmocka_unit_test(allocates_down_to_1m),
		cmocka_unit_test(book_is_bounded),
		cmocka_unit_test(memory_is_split_at_the_hole),
		cmocka_unit_test(impossible_layouts),
		cmocka_unit_test(map_is_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
