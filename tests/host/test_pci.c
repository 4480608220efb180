/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/pci.c */
/* PCI configuration space by ports and by memory. */
#include "tests/host/dev_fixture.h"

static u32 in(u16 port, unsigned width)
{
	return pci_read(&fix_vm, port, width);
}

static void out(u16 port, unsigned width, u32 value)
{
	pci_write(&fix_vm, port, width, value);
}

static int setup(void **state __unused_arg)
{
	fix_init();
	pci_reset(&fix_vm);
	return 0;
}

static void test_linux_finds_mechanism_1(void **state __unused_arg)
{
	out(0xcf8, 4, 0x80000000);
	assert_int_equal(in(0xcf8, 4), 0x80000000);
	assert_int_equal(in(0xcfc, 4), 0x00081b36);
	assert_int_equal(in(0xcfe, 2), ~0u << 16 | 0x0008);
	assert_int_equal(in(0xcfd, 1) & 0xff, 0x1b);
	out(0xcf8, 4, 0x80000008);
	assert_int_equal(in(0xcfc, 4) >> 16, 0x0600);
	out(0xcf8, 4, 0x8000000c);
	assert_int_equal(in(0xcfe, 1) & 0xff, 0x00); /* one function */
}

static void test_address_register(void **state __unused_arg)
{
	out(0xcf8, 4, 0xffffffff);
	assert_int_equal(in(0xcf8, 4), 0x80fffffc);
	out(0xcf8, 1, 0);
	out(0xcf8, 2, 0);
	out(0xcfa, 4, 0);
	assert_int_equal(in(0xcf8, 4), 0x80fffffc);
	assert_int_equal(in(0xcf8, 2), ~0u);
}

static void test_disabled_reads_ones(void **state __unused_arg)
{
	out(0xcf8, 4, 0);
	assert_int_equal(in(0xcfc, 4), ~0u);
	out(0xcf8, 4, 4);
	out(0xcfc, 4, 0);
	out(0xcf8, 4, 0x80000004);
	assert_int_equal(in(0xcfc, 4), 0x0006);
}

static void test_other_functions_are_absent(void **state __unused_arg)
{
	for (u32 number = 1; number < 0x10000; number += 7) {
		out(0xcf8, 4, 0x80000000 | number << 8);
		assert_int_equal(in(0xcfc, 4), ~0u);
		out(0xcfc, 4, 0);
	}
}

static void test_writable_bits(void **state __unused_arg)
{
	out(0xcf8, 4, 0x80000004);
	out(0xcfc, 4, 0xffffffff);
	assert_int_equal(in(0xcfc, 4), 0x0107);
	out(0xcfc, 2, 0);
	assert_int_equal(in(0xcfc, 4), 0);
	out(0xcf8, 4, 0x80000000);
	out(0xcfc, 4, 0);
	assert_int_equal(in(0xcfc, 4), 0x00081b36);
	out(0xcf8, 4, 0x80000010); /* no BARs */
	out(0xcfc, 4, 0xffffffff);
	assert_int_equal(in(0xcfc, 4), 0);
	pci_reset(&fix_vm);
	out(0xcf8, 4, 0x80000004);
	assert_int_equal(in(0xcfc, 4), 0x0006);
}

static void test_last_byte_of_the_data_port(void **state __unused_arg)
{
	out(0xcf8, 4, 0x8000003c);
	out(0xcff, 1, 0xff);
	assert_int_equal(in(0xcfc, 4), 0);
	assert_int_equal(in(0xcff, 1) & 0xff, 0);
}

static void test_ecam(void **state __unused_arg)
{
	assert_int_equal((u32)pci_ecam_read(&fix_vm, 0, 4), 0x00081b36);
	assert_int_equal(pci_ecam_read(&fix_vm, 0, 8), 0x0000000600081b36ull);
	assert_int_equal((u32)pci_ecam_read(&fix_vm, 0x100, 4), 0xffffffff);
	assert_int_equal(pci_ecam_read(&fix_vm, 0x1000, 2), ~0ull);
	assert_int_equal(pci_ecam_read(&fix_vm, 0xfffff, 8), ~0ull);
	pci_ecam_write(&fix_vm, 0x3c, 1, 0x0b);
	assert_int_equal((u8)pci_ecam_read(&fix_vm, 0x3c, 1), 0x0b);
	pci_ecam_write(&fix_vm, 0xfc, 8, ~0ull);
	pci_ecam_write(&fix_vm, 0xffc, 8, ~0ull);
	pci_ecam_write(&fix_vm, 0x8000, 4, ~0ull);
	assert_int_equal((u32)pci_ecam_read(&fix_vm, 0xfc, 4), 0);
}

static void test_fuzz(void **state __unused_arg)
{
	for (unsigned i = 0; i < 300000; i++) {
		u64 r = fix_random();
		unsigned width = 1u << (r >> 4) % 3;
		u16 port = (u16)(r >> 8 & 1 ? 0xcf8 : 0xcfc + (r >> 9 & 3));

		switch (r & 3) {
		case 0:
			out(port, width, (u32)(r >> 16));
			break;
		case 1:
			(void)in(port, width);
			break;
		case 2:
			pci_ecam_write(&fix_vm, (u32)(r >> 20 & 0xfffff), width * 2, r);
			break;
		default:
			(void)pci_ecam_read(&fix_vm, (u32)(r >> 20 & 0xfffff), width * 2);
		}
	}
	assert_int_equal((u32)pci_ecam_read(&fix_vm, 0, 4), 0x00081b36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_linux_finds_mechanism_1, setup),
		cmocka_unit_test_setup(test_address_register, setup),
		cmocka_unit_test_setup(test_disabled_reads_ones, setup),
		cmocka_unit_test_setup(test_other_functions_are_absent, setup),
		cmocka_unit_test_setup(test_writable_bits, setup),
		cmocka_unit_test_setup(test_last_byte_of_the_data_port, setup),
		cmocka_unit_test_setup(test_ecam, setup),
		cmocka_unit_test_setup(test_fuzz, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
