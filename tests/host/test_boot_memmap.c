/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: boot/memmap.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/memmap.h"

#define PAGE UINT64_C(0x1000)

static struct boot_mem mem[BOOT_MAX_MEM];
static uint32_t nr_mem;

static int setup(void **state)
{
	(void)state;
	nr_mem = 0;
	return 0;
}

static void add(uint64_t first_page, uint64_t nr_pages, enum boot_mem_type type)
{
	assert_int_equal(memmap_add(mem, &nr_mem, first_page * PAGE, nr_pages * PAGE, type),
			 MEMMAP_OK);
}

static void assert_range(uint32_t i, uint64_t first_page, uint64_t nr_pages, uint32_t type)
{
	assert_true(i < nr_mem);
	assert_true(mem[i].base == first_page * PAGE);
	assert_true(mem[i].size_bytes == nr_pages * PAGE);
	assert_int_equal(mem[i].type, type);
}

static void test_sorted_and_joined(void **state)
{
	(void)state;
	add(100, 10, BOOT_MEM_USABLE);
	add(10, 5, BOOT_MEM_USABLE);
	add(50, 10, BOOT_MEM_CORE);
	assert_int_equal(nr_mem, 3);
	assert_range(0, 10, 5, BOOT_MEM_USABLE);
	assert_range(1, 50, 10, BOOT_MEM_CORE);
	assert_range(2, 100, 10, BOOT_MEM_USABLE);
	add(110, 1, BOOT_MEM_USABLE); /* behind a neighbour */
	add(99, 1, BOOT_MEM_USABLE); /* before one */
	add(15, 35, BOOT_MEM_USABLE); /* the next one has another type */
	assert_int_equal(nr_mem, 3);
	assert_range(0, 10, 40, BOOT_MEM_USABLE);
	assert_range(2, 99, 12, BOOT_MEM_USABLE);
	add(60, 39, BOOT_MEM_CORE);
	assert_range(1, 50, 49, BOOT_MEM_CORE);
}

static void test_fills_a_gap(void **state)
{
	(void)state;
	add(1, 1, BOOT_MEM_LOADER);
	add(3, 1, BOOT_MEM_LOADER);
	add(9, 1, BOOT_MEM_RESERVED);
	add(2, 1, BOOT_MEM_LOADER);
	assert_int_equal(nr_mem, 2);
	assert_range(0, 1, 3, BOOT_MEM_LOADER);
	assert_range(1, 9, 1, BOOT_MEM_RESERVED);
}

static void assert_refused(enum memmap_result expected, uint64_t base, uint64_t size_bytes)
{
	struct boot_mem before[4];
	uint32_t nr_before = nr_mem;

	assert_true(nr_mem <= 4);
	memcpy(before, mem, sizeof(before));
	assert_int_equal(memmap_add(mem, &nr_mem, base, size_bytes, BOOT_MEM_USABLE), expected);
	assert_int_equal(nr_mem, nr_before);
	assert_memory_equal(mem, before, sizeof(before[0]) * nr_mem);
}

static void test_overlap(void **state)
{
	(void)state;
	add(10, 10, BOOT_MEM_USABLE);
	add(30, 10, BOOT_MEM_RUNTIME);
	assert_refused(MEMMAP_OVERLAP, 10 * PAGE, 10 * PAGE);
	assert_refused(MEMMAP_OVERLAP, 19 * PAGE, PAGE);
	assert_refused(MEMMAP_OVERLAP, 5 * PAGE, 6 * PAGE);
	assert_refused(MEMMAP_OVERLAP, 12 * PAGE, 2 * PAGE);
	assert_refused(MEMMAP_OVERLAP, 20 * PAGE, 11 * PAGE);
	assert_refused(MEMMAP_OVERLAP, PAGE, 100 * PAGE);
	add(20, 10, BOOT_MEM_USABLE);
	assert_int_equal(nr_mem, 2);
}

static void test_malformed(void **state)
{
	(void)state;
	assert_refused(MEMMAP_BAD, PAGE, 0);
	assert_refused(MEMMAP_BAD, PAGE + 1, PAGE);
	assert_refused(MEMMAP_BAD, PAGE, PAGE - 1);
	assert_refused(MEMMAP_BAD, UINT64_MAX - PAGE + 1, 2 * PAGE);
	assert_refused(MEMMAP_BAD, 2 * PAGE, UINT64_MAX - PAGE + 1);
}

static void test_full(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < BOOT_MAX_MEM; i++)
		add(2 * i, 1, BOOT_MEM_USABLE);
	assert_int_equal(nr_mem, BOOT_MAX_MEM);
	assert_int_equal(memmap_add(mem, &nr_mem, 9000 * PAGE, PAGE, BOOT_MEM_USABLE), MEMMAP_FULL);
	assert_int_equal(memmap_add(mem, &nr_mem, PAGE, PAGE, BOOT_MEM_CORE), MEMMAP_FULL);
	add(1, 1, BOOT_MEM_USABLE);
	assert_int_equal(nr_mem, BOOT_MAX_MEM - 1);
	assert_range(0, 0, 3, BOOT_MEM_USABLE);
	assert_range(BOOT_MAX_MEM - 2, 2 * (BOOT_MAX_MEM - 1), 1, BOOT_MEM_USABLE);
}

static void test_runs_of_ram(void **state)
{
	uint64_t start, end;
	uint32_t i = 0;

	(void)state;
	add(0, 1, BOOT_MEM_RESERVED);
	add(1, 9, BOOT_MEM_USABLE);
	add(10, 10, BOOT_MEM_ACPI_NVS);
	add(20, 10, BOOT_MEM_MMIO);
	add(30, 10, BOOT_MEM_CORE);
	add(50, 10, BOOT_MEM_RUNTIME);
	add(70, 1, BOOT_MEM_RESERVED);
	assert_true(memmap_next_ram(mem, nr_mem, &i, &start, &end));
	assert_true(start == PAGE && end == 20 * PAGE);
	assert_true(memmap_next_ram(mem, nr_mem, &i, &start, &end));
	assert_true(start == 30 * PAGE && end == 40 * PAGE);
	assert_true(memmap_next_ram(mem, nr_mem, &i, &start, &end));
	assert_true(start == 50 * PAGE && end == 60 * PAGE);
	assert_false(memmap_next_ram(mem, nr_mem, &i, &start, &end));
	assert_false(memmap_next_ram(mem, nr_mem, &i, &start, &end));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sorted_and_joined, setup),
		cmocka_unit_test_setup(test_fills_a_gap, setup),
		cmocka_unit_test_setup(test_overlap, setup),
		cmocka_unit_test_setup(test_malformed, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_runs_of_ram, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
