/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/testdev.c */
/* The devices for test kernels, present and absent; and that no two devices share a port. */
#include "tests/host/dev_fixture.h"

#include <stdlib.h>

#include "arch/x86/page.h"
#include "core/dev/lapic_hw.h"
#include "core/load/layout.h"
#include "core/npt.h"

static void *memory; /* of the device */
static bool has_memory;
static u64 unmapped;
static unsigned nr_unmapped;

void *page_alloc_contig(u64 size_bytes, u64 align_bytes __unused_arg, bool zeroed __unused_arg)
{
	assert_null(memory);
	assert_int_equal(size_bytes, GPA_TESTDEV_MEM_BYTES);
	memory = has_memory ? malloc(size_bytes) : NULL;
	return memory;
}

static u64 inhibit_reason;
static bool is_inhibited;

void lapic_hw_inhibit(struct vm *vm, u64 reason, bool is_on)
{
	assert_ptr_equal(vm, &fix_vm);
	inhibit_reason = reason;
	is_inhibited = is_on;
}

void npt_unmap_page(struct vm *vm, gpa_t gpa)
{
	assert_ptr_equal(vm, &fix_vm);
	unmapped = gpa.v;
	nr_unmapped++;
}

static unsigned nr_bios_writes;

void pit_write(struct vm *vm __unused_arg, u16 port __unused_arg, unsigned width_bytes __unused_arg,
	       u32 value __unused_arg)
{
	nr_bios_writes++;
}

void pic_write(struct vm *vm __unused_arg, u16 port, unsigned width_bytes __unused_arg, u32 value)
{
	assert_int_equal(port, 0x21);
	assert_int_equal(value, 0xfa);
	nr_bios_writes++;
}

void lapic_mmio_write(struct vcpu *v __unused_arg, u32 offset __unused_arg,
		      unsigned width_bytes __unused_arg, u64 value __unused_arg)
{
	fail_msg("only on the first vCPU's own reset");
}

static u32 in(u16 port, unsigned width)
{
	return testdev_read(&fix_vm, port, width);
}

static void out(u16 port, unsigned width, u32 value)
{
	testdev_write(&fix_vm, port, width, value);
}

static int setup_without(void **state __unused_arg)
{
	fix_init();
	has_memory = true;
	nr_unmapped = 0;
	nr_bios_writes = 0;
	assert_int_equal(testdev_init(&fix_vm), ERR_NONE);
	testdev_reset(&fix_vm);
	return 0;
}

static int setup(void **state __unused_arg)
{
	setup_without(NULL);
	fix_config.testdev = 1;
	assert_int_equal(testdev_init(&fix_vm), ERR_NONE);
	testdev_reset(&fix_vm);
	return 0;
}

static int teardown(void **state __unused_arg)
{
	free(memory);
	memory = NULL;
	return 0;
}

static void test_absent(void **state __unused_arg)
{
	static const u16 ports[] = { 0xe0, 0xe4, 0xf4, 0x200e, 0x2020, 0x2040, 0x8900 };

	assert_null(memory);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		out(ports[i], 4, 1);
		assert_int_equal(in(ports[i], 4), ~0u);
	}
	for (const char *p = "Shutdown"; *p; p++)
		out(0x8900, 1, (u8)*p);
	assert_int_equal(fix_end, VM_END_NONE);
	assert_int_equal(nr_unmapped, 0);
	assert_false(fix_line[14]);
	testdev_mem_write(&fix_vm, 0, 8, 0);
	assert_int_equal(testdev_mem_read(&fix_vm, 0, 8), ~0ull);
}

static void test_exit(void **state __unused_arg)
{
	out(0xf4, 4, 38);
	assert_int_equal(fix_end, VM_END_EXIT);
	assert_int_equal(fix_vm.exit_code, 38);
	/* Too late for another verdict. */
	fix_vm.end = VM_END_EXIT;
	out(0xf4, 4, 0);
	assert_int_equal(fix_vm.exit_code, 38);
}

static void test_shutdown(void **state __unused_arg)
{
	for (const char *p = "ShutShutdowShutdow"; *p; p++)
		out(0x8900, 1, (u8)*p);
	assert_int_equal(fix_end, VM_END_NONE);
	out(0x8900, 1, 'n');
	assert_int_equal(fix_end, VM_END_POWEROFF);
}

static void test_scratch(void **state __unused_arg)
{
	out(0xe0, 4, 0x12345678);
	assert_int_equal(in(0xe0, 4), 0x12345678);
	assert_int_equal(in(0xe1, 1) & 0xff, 0x56);
	assert_int_equal(in(0xe2, 2) & 0xffff, 0x1234);
	out(0xe1, 1, 0xab);
	out(0xe2, 2, 0xcdef);
	assert_int_equal(in(0xe0, 4), 0xcdefab78);
	out(0xe3, 1, 0x44);
	assert_int_equal(in(0xe0, 4), 0x44efab78);
	assert_int_equal(in(0xe3, 1) & 0xff, 0x44);
	testdev_reset(&fix_vm);
	assert_int_equal(in(0xe0, 4), 0);
}

static void test_unmap(void **state __unused_arg)
{
	out(0xe4, 4, 0xfee12345);
	assert_int_equal(nr_unmapped, 1);
	assert_int_equal(unmapped, 0xfee12000);
	assert_int_equal(in(0xe4, 4), ~0u);
}

static void test_lines(void **state __unused_arg)
{
	out(0x200e, 1, 1);
	assert_true(fix_line[14]);
	out(0x200e, 1, 0);
	assert_false(fix_line[14]);
	out(0x2017, 1, 0x80);
	assert_true(fix_line[23]);
	out(0x2018, 1, 1); /* no such line: the fake would fail */
}

static void test_exits(void **state __unused_arg)
{
	static struct vcpu_hot hot = { .exit_counts = { [EXIT_INTR] = 3, [EXIT_IO] = 4 } };
	static struct vcpu v = { .hot = &hot };

	fix_vm.nr_vcpus = 1;
	fix_vm.vcpu[0] = &v;
	assert_int_equal(in(0x2020, 4), 7);
	hot.exit_counts[NR_EXIT_KINDS - 1] = 0x100000000ull;
	assert_int_equal(in(0x2020, 4), 7);
	assert_int_equal(in(0x2024, 4), ~0u);
	assert_int_equal(in(0x203c, 4), ~0u);
	fix_vm.nr_vcpus = 0;
}

static void test_inhibit(void **state __unused_arg)
{
	out(0x2040, 1, 4);
	assert_true(is_inhibited);
	assert_int_equal(inhibit_reason, LAPIC_INHIBIT_TEST);
	out(0x2040, 1, 0);
	assert_false(is_inhibited);
	assert_int_equal(in(0x2040, 4), 0);
	fix_vm.lapic_inhibits = LAPIC_INHIBIT_TEST | BIT(63);
	assert_int_equal(in(0x2040, 4), 1);
	fix_vm.lapic_inhibits = BIT(63);
	assert_int_equal(in(0x2040, 4), 0);
	fix_vm.lapic_inhibits = 0;
}

static void test_memory(void **state __unused_arg)
{
	assert_int_equal(nr_bios_writes, 4);
	testdev_mem_write(&fix_vm, 0xffc, 8, 0x1122334455667788ull);
	assert_int_equal((u32)testdev_mem_read(&fix_vm, 0xffc, 4), 0x55667788);
	assert_int_equal((u32)testdev_mem_read(&fix_vm, 0x1000, 4), 0x11223344);
	testdev_mem_write(&fix_vm, 0xfffc, 8, 0);
	assert_int_equal(testdev_mem_read(&fix_vm, 0xfffc, 8), 0xffffffff00000000ull);
	assert_int_equal((u8)testdev_mem_read(&fix_vm, 0x10000, 1), 0xff);
	testdev_reset(&fix_vm);
	assert_int_equal(testdev_mem_read(&fix_vm, 0xffc, 8), 0);
}

static void test_no_memory(void **state __unused_arg)
{
	has_memory = false;
	fix_config.testdev = 1;
	assert_int_equal(testdev_init(&fix_vm), ERR_NOMEM);
	assert_null(fix_vm.testdev.mem);
	assert_int_equal((u32)testdev_mem_read(&fix_vm, 0, 4), 0xffffffff);
}

static void test_port_rows_are_disjoint(void **state __unused_arg)
{
	static const struct {
		u32 first, last, width;
	} rows[] = {
#define X(first, last, width, read_fn, write_fn) { first, last, width },
#include "core/dev/ports.def"
#undef X
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(rows[i].first <= rows[i].last);
		assert_true(rows[i].width == 1 || rows[i].width == 2 || rows[i].width == 4);
		if (i)
			assert_true(rows[i - 1].last < rows[i].first);
	}
}

static void test_fuzz(void **state __unused_arg)
{
	for (unsigned i = 0; i < 200000; i++) {
		u64 r = fix_random();
		static const u16 ports[] = { 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xf4, 0x2000, 0x8900 };
		unsigned width = 1u << (r >> 4) % 3;
		u16 port = (u16)(ports[r >> 8 & 7] + (r >> 12 & 1 ? r >> 16 & 31 : 0));

		switch (r & 3) {
		case 0:
			out(port, width, (u32)fix_random());
			break;
		case 1:
			(void)in(port, width);
			break;
		case 2:
			testdev_mem_write(&fix_vm, (u32)(r >> 20 & 0x1ffff), width * 2, r);
			break;
		default:
			(void)testdev_mem_read(&fix_vm, (u32)(r >> 20), width * 2);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_absent, setup_without, teardown),
		cmocka_unit_test_setup_teardown(test_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shutdown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scratch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inhibit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup_without, teardown),
		cmocka_unit_test(test_port_rows_are_disjoint),
		cmocka_unit_test_setup_teardown(test_fuzz, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
