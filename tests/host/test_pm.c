/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/pm.c */
/* ACPI's power management block, and the ways to reset. */
#include "tests/host/dev_fixture.h"

#include "core/dev/ticks.h"

#define SECOND 1000000000ull
#define TOGGLE_NS ticks_to_ns(1ull << 31, PM_TIMER_HZ)

/* As core/io.c does it: whole, or byte by byte. */
static bool is_whole(u16 port, unsigned width)
{
	return width <= (port < 0x608 ? 2u : 4u) && IS_ALIGNED(port, width);
}

static u32 in(u16 port, unsigned width)
{
	u32 value = 0;

	if (port >= 0x610)
		return MASK(8 * width - 1, 0) & ~0u;
	if (is_whole(port, width))
		return pm_read(&fix_vm, port, width) & (u32)MASK(8 * width - 1, 0);
	for (unsigned i = 0; i < width; i++)
		value |= in((u16)(port + i), 1) << (8 * i);
	return value;
}

static void out(u16 port, unsigned width, u32 value)
{
	if (is_whole(port, width)) {
		pm_write(&fix_vm, port, width, value & (u32)MASK(8 * width - 1, 0));
		return;
	}
	for (unsigned i = 0; i < width; i++)
		out((u16)(port + i), 1, value >> (8 * i));
}

static int setup(void **state __unused_arg)
{
	fix_init();
	timer_init(&fix_vm.pm.timer, 0, pm_fire);
	pm_reset(&fix_vm);
	return 0;
}

static void test_timer_rate(void **state __unused_arg)
{
	u32 start = in(0x608, 4);

	fix_advance(SECOND);
	assert_int_equal(in(0x608, 4) - start, PM_TIMER_HZ);
	fix_advance(3600 * SECOND);
	assert_int_equal(in(0x608, 4) - start, (u32)(3601ull * PM_TIMER_HZ));
	out(0x608, 4, 0);
	assert_int_equal(in(0x608, 4) - start, (u32)(3601ull * PM_TIMER_HZ));
	assert_int_equal(in(0x60a, 2), in(0x608, 4) >> 16);
	fix_ns = 0; /* another CPU's TSC */
	assert_int_equal(in(0x608, 4), 0);
}

static void test_timer_status_and_sci(void **state __unused_arg)
{
	out(0x602, 2, 0x0001);
	assert_false(fix_line[9]);
	fix_advance(TOGGLE_NS - 2000000);
	assert_int_equal(in(0x600, 2), 0);
	fix_advance(4000000);
	assert_true(fix_line[9]);
	assert_int_equal(in(0x600, 2), 1);
	out(0x600, 2, 0xfffe); /* other bits clear nothing of it */
	assert_true(fix_line[9]);
	out(0x600, 1, 0x01);
	assert_false(fix_line[9]);
	fix_advance(TOGGLE_NS);
	assert_int_equal(fix_rises[9], 2);
	assert_int_equal(fix_nr_fired, 2);
}

static void test_timer_status_without_sci(void **state __unused_arg)
{
	fix_advance(2 * TOGGLE_NS);
	assert_int_equal(fix_nr_fired, 0);
	assert_int_equal(in(0x600, 2), 1);
	assert_int_equal(fix_rises[9], 0);
	out(0x602, 2, 0x0001);
	assert_true(fix_line[9]);
	out(0x602, 2, 0);
	assert_false(fix_line[9]);
}

static void test_registers_by_width(void **state __unused_arg)
{
	out(0x600, 4, 0xffff0000);
	assert_int_equal(in(0x602, 2), 0x0521);
	out(0x603, 1, 0x00);
	assert_int_equal(in(0x600, 4), 0x00210000);
	assert_int_equal(in(0x602, 1), 0x21);
	assert_int_equal(in(0x60c, 4), 0);
	assert_int_equal(in(0x60f, 1), 0);
	assert_int_equal(in(0x607, 1), 0);
	assert_int_equal(in(0x604, 2), 0x0001); /* SCI_EN */
	out(0x604, 2, 0);
	assert_int_equal(in(0x604, 2), 0x0001);
}

static void test_s5_powers_off(void **state __unused_arg)
{
	out(0x604, 2, 5 << 10);
	assert_int_equal(fix_end, VM_END_NONE);
	assert_int_equal(in(0x604, 2), 0x1401);
	out(0x604, 2, 5 << 10 | 1 << 13);
	assert_int_equal(fix_end, VM_END_POWEROFF);
}

static void test_s5_in_bytes(void **state __unused_arg)
{
	out(0x604, 1, 0);
	out(0x605, 1, 0x34);
	assert_int_equal(fix_end, VM_END_POWEROFF);
}

static void test_other_sleeps_do_nothing(void **state __unused_arg)
{
	for (u32 type = 0; type < 8; type++) {
		if (type != 5)
			out(0x604, 2, type << 10 | 1 << 13);
	}
	assert_int_equal(fix_end, VM_END_NONE);
	assert_int_equal(in(0x604, 2) & 0x2000, 0); /* SLP_EN reads 0 */
}

static void test_reset_control(void **state __unused_arg)
{
	pm_reset_write(&fix_vm, 0xcf9, 1, 0x02);
	assert_int_equal(pm_reset_read(&fix_vm, 0xcf9, 1), 0x02);
	assert_int_equal(fix_end, VM_END_NONE);
	pm_reset_write(&fix_vm, 0xcf9, 1, 0x06);
	assert_int_equal(fix_end, VM_END_RESET);
}

static void test_port_92(void **state __unused_arg)
{
	assert_int_equal(pm_reset_read(&fix_vm, 0x92, 1), 0x02);
	pm_reset_write(&fix_vm, 0x92, 1, 0xfc);
	assert_int_equal(pm_reset_read(&fix_vm, 0x92, 1), 0);
	assert_int_equal(fix_end, VM_END_NONE);
	pm_reset_write(&fix_vm, 0x92, 1, 0x03);
	assert_int_equal(fix_end, VM_END_RESET);
}

static void test_keyboard_controller(void **state __unused_arg)
{
	assert_int_equal(pm_reset_read(&fix_vm, 0x64, 1), 0xff);
	assert_int_equal(pm_reset_read(&fix_vm, 0x60, 1), 0xff);
	pm_reset_write(&fix_vm, 0x60, 1, 0xfe);
	pm_reset_write(&fix_vm, 0x64, 1, 0xaa);
	assert_int_equal(fix_end, VM_END_NONE);
	pm_reset_write(&fix_vm, 0x64, 1, 0xfe);
	assert_int_equal(fix_end, VM_END_RESET);
}

static void test_reset_state(void **state __unused_arg)
{
	out(0x602, 2, 1);
	fix_advance(TOGGLE_NS + SECOND);
	assert_true(fix_line[9]);
	pm_reset(&fix_vm);
	assert_false(fix_line[9]);
	assert_int_equal(in(0x600, 4), 0);
	assert_int_equal(in(0x608, 4), 0);
	assert_false(fix_vm.pm.timer.is_armed);
}

static void test_fuzz(void **state __unused_arg)
{
	static const u16 resets[] = { 0x60, 0x64, 0x92, 0xcf9 };
	u64 writes = 0;

	for (unsigned i = 0; i < 300000; i++) {
		u64 r = fix_random();
		unsigned width = 1u << (r >> 4) % 3;
		u16 port = (u16)(0x600 + (r >> 8 & 15));

		switch (r & 3) {
		case 0:
			out(port, width, (u32)(r >> 16));
			writes++;
			break;
		case 1:
			assert_true((u64)in(port, width) >> (8 * width) == 0);
			break;
		case 2:
			pm_reset_write(&fix_vm, resets[r >> 8 & 3], 1, (u32)(r >> 16));
			assert_true(pm_reset_read(&fix_vm, resets[r >> 10 & 3], 1) <= 0xff);
			break;
		default:
			fix_advance(r >> 20);
		}
		assert_false(fix_is_locked);
	}
	assert_true(fix_nr_fired <= writes + fix_ns / TOGGLE_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_timer_rate, setup),
		cmocka_unit_test_setup(test_timer_status_and_sci, setup),
		cmocka_unit_test_setup(test_timer_status_without_sci, setup),
		cmocka_unit_test_setup(test_registers_by_width, setup),
		cmocka_unit_test_setup(test_s5_powers_off, setup),
		cmocka_unit_test_setup(test_s5_in_bytes, setup),
		cmocka_unit_test_setup(test_other_sleeps_do_nothing, setup),
		cmocka_unit_test_setup(test_reset_control, setup),
		cmocka_unit_test_setup(test_port_92, setup),
		cmocka_unit_test_setup(test_keyboard_controller, setup),
		cmocka_unit_test_setup(test_reset_state, setup),
		cmocka_unit_test_setup(test_fuzz, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
