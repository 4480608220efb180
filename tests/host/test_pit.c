/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/pit.c */
/* The 8254 and port 0x61. */
#include "tests/host/dev_fixture.h"

#include "core/dev/ticks.h"

#define SECOND 1000000000ull
#define MS 1000000ull

static void out(u16 port, u8 value)
{
	pit_write(&fix_vm, port, 1, value);
}

static u8 in(u16 port)
{
	return (u8)pit_read(&fix_vm, port, 1);
}

/* Low byte, then high byte, of channel `n`. */
static u16 in16(unsigned n)
{
	u8 low = in((u16)(0x40 + n));

	return (u16)(low | in((u16)(0x40 + n)) << 8);
}

static void load(unsigned n, u16 count)
{
	out((u16)(0x40 + n), (u8)count);
	out((u16)(0x40 + n), (u8)(count >> 8));
}

static u16 latch(unsigned n)
{
	out(0x43, (u8)(n << 6));
	return in16(n);
}

static u8 status(unsigned n)
{
	out(0x43, (u8)(0xe0 | 1u << (n + 1)));
	return in((u16)(0x40 + n));
}

static void advance_ticks(u64 ticks)
{
	fix_advance(ticks_to_ns(ticks, PIT_HZ));
}

static void port61(u8 value)
{
	pit_port61_write(&fix_vm, 0x61, 1, value);
}

static bool out2(void)
{
	return pit_port61_read(&fix_vm, 0x61, 1) & 0x20;
}

static int setup(void **state __unused_arg)
{
	fix_init();
	timer_init(&fix_vm.pit.timer, 0, pit_fire);
	pit_reset(&fix_vm);
	return 0;
}

static void test_conversions_are_inverse(void **state __unused_arg)
{
	for (unsigned i = 0; i < 100000; i++) {
		u64 ticks = fix_random() >> (12 + i % 40);
		u64 ns = ticks_to_ns(ticks, PIT_HZ);

		if (ns > 1ull << 62)
			continue;
		assert_int_equal(ticks_from_ns(ns, PIT_HZ), ticks);
		if (ticks)
			assert_int_equal(ticks_from_ns(ns - 1, PIT_HZ), ticks - 1);
	}
}

static void test_power_on_is_silent(void **state __unused_arg)
{
	fix_advance(10 * SECOND);
	assert_int_equal(fix_nr_fired, 0);
	assert_int_equal(fix_rises[0], 0);
	assert_int_equal(in(0x43), 0xff);
}

static void test_rate_generator(void **state __unused_arg)
{
	out(0x43, 0x34);
	load(0, 11932); /* 100 Hz, nearly */
	assert_false(fix_line[0]);
	fix_advance(10 * SECOND);
	assert_in_range(fix_rises[0], 999, 1000);
	assert_true(fix_line[0]);
	assert_int_equal(fix_rises[0], fix_nr_fired);
}

static void test_no_tick_is_lost_over_a_day(void **state __unused_arg)
{
	u64 ticks = 86400ull * PIT_HZ;

	out(0x43, 0x34);
	load(0, 0); /* 18.2 Hz */
	fix_advance_late(86400 * SECOND, 3 * MS);
	assert_in_range(fix_rises[0], ticks / 65536 - 1, ticks / 65536);
}

static void test_late_guest_catches_up(void **state __unused_arg)
{
	out(0x43, 0x34);
	load(0, 1193); /* 1 ms */
	for (unsigned i = 0; i < 10; i++) {
		fix_ns += 20 * MS; /* as if the host had stalled */
		fix_advance(20 * MS);
		assert_in_range(fix_rises[0], 40 * i + 38, 40 * i + 40);
	}
}

static void test_far_too_late_guest_skips(void **state __unused_arg)
{
	out(0x43, 0x34);
	load(0, 1193);
	fix_ns += 10 * SECOND; /* as if the host had slept */
	fix_advance(10 * MS);
	assert_in_range(fix_rises[0], 1, 12);
	fix_advance(100 * MS);
	assert_in_range(fix_rises[0], 101, 112);
}

static void test_rate_is_bounded(void **state __unused_arg)
{
	out(0x43, 0x34);
	load(0, 1);
	fix_advance(SECOND);
	assert_true(fix_nr_fired <= SECOND / PIT_EDGE_MIN_NS + 1);
	assert_true(fix_rises[0] >= SECOND / PIT_EDGE_MIN_NS / 2);
}

static void test_terminal_count_fires_once(void **state __unused_arg)
{
	out(0x43, 0x30);
	load(0, 1000);
	advance_ticks(999);
	assert_false(fix_line[0]);
	assert_int_equal(status(0), 0x30);
	advance_ticks(2);
	assert_true(fix_line[0]);
	assert_int_equal(status(0), 0xb0);
	fix_advance(SECOND);
	assert_int_equal(fix_rises[0], 1);
	/* A new count lowers the output and starts again. */
	load(0, 1000);
	assert_false(fix_line[0]);
	advance_ticks(1001);
	assert_int_equal(fix_rises[0], 2);
}

static void test_soft_strobe(void **state __unused_arg)
{
	out(0x43, 0x38);
	load(0, 500);
	advance_ticks(500);
	assert_int_equal(fix_rises[0], 0);
	assert_int_equal(status(0) & 0x80, 0);
	advance_ticks(2);
	assert_int_equal(fix_rises[0], 1);
	assert_int_equal(status(0) & 0x80, 0x80);
	fix_advance(SECOND);
	assert_int_equal(fix_rises[0], 1);
}

static void test_reprogramming_cancels(void **state __unused_arg)
{
	out(0x43, 0x34);
	load(0, 1193);
	out(0x43, 0x30); /* as Linux shuts it down: a mode without a count */
	fix_advance(SECOND);
	assert_int_equal(fix_rises[0], 0);
	assert_int_equal(fix_nr_fired, 0);
}

static void test_stale_callback_raises_nothing(void **state __unused_arg)
{
	out(0x43, 0x30);
	load(0, 60000);
	fix_vm.pit.timer.fire(&fix_vm.pit.timer);
	assert_int_equal(fix_rises[0], 0);
	assert_true(fix_vm.pit.timer.is_armed);
	pit_reset(&fix_vm);
	fix_vm.pit.timer.fire(&fix_vm.pit.timer);
	assert_int_equal(fix_rises[0], 0);
	assert_false(fix_vm.pit.timer.is_armed);
}

static void test_gateless_channels_never_trigger(void **state __unused_arg)
{
	out(0x43, 0x32);
	load(0, 100);
	fix_advance(SECOND);
	assert_int_equal(fix_rises[0], 0);
	out(0x43, 0x3a);
	load(0, 100);
	fix_advance(SECOND);
	assert_int_equal(fix_rises[0], 0);
}

static void test_counts_down_binary(void **state __unused_arg)
{
	out(0x43, 0x70);
	load(1, 5000);
	advance_ticks(1000);
	assert_int_equal(in16(1), 4000);
	advance_ticks(4001);
	assert_in_range(in16(1), 0xfffe, 0xffff); /* wraps */
}

static void test_counts_down_bcd(void **state __unused_arg)
{
	out(0x43, 0x71);
	load(1, 0x1234);
	assert_int_equal(in16(1), 0x1234);
	advance_ticks(235);
	assert_int_equal(in16(1), 0x0999);
	advance_ticks(1000);
	assert_in_range(in16(1), 0x9998, 0x9999);
	/* No decimal number: some count, no crash. */
	load(1, 0xffff);
	assert_int_equal(in16(1), 0);
}

static void test_square_wave(void **state __unused_arg)
{
	port61(1);
	out(0x43, 0xb6);
	load(2, 1000);
	assert_true(out2());
	advance_ticks(100);
	assert_int_equal(in16(2), 800);
	advance_ticks(401);
	assert_false(out2());
	advance_ticks(500);
	assert_true(out2());
	load(2, 5); /* odd: three ticks high, two low */
	for (unsigned i = 0; i < 5; i++) {
		fix_ns = ticks_to_ns(i + PIT_HZ, PIT_HZ);
		fix_vm.pit.channel[2].start_tsc = ticks_to_ns(PIT_HZ, PIT_HZ) * FIX_TSC_PER_NS;
		assert_int_equal(out2(), i < 3);
	}
}

static void test_latch_holds(void **state __unused_arg)
{
	u16 first;

	out(0x43, 0x74);
	load(1, 50000);
	advance_ticks(10);
	out(0x43, 0x40);
	advance_ticks(10);
	out(0x43, 0x40); /* ignored: the first latch has not been read */
	first = in16(1);
	assert_int_equal(first, 50000 - 10);
	assert_in_range(in16(1), 50000 - 22, 50000 - 20);
	assert_in_range(latch(1), 50000 - 22, 50000 - 20);
}

static void test_access_modes(void **state __unused_arg)
{
	out(0x43, 0x50); /* low byte only */
	out(0x41, 0x80);
	assert_int_equal(in(0x41), 0x80);
	assert_int_equal(in(0x41), 0x80);
	out(0x43, 0x60); /* high byte only */
	out(0x41, 0x12);
	assert_int_equal(in(0x41), 0x12);
	out(0x43, 0x40);
	assert_int_equal(in(0x41), 0x12);
	assert_int_equal(in(0x41), 0x12);
	/* A latched count of one byte is read once. */
	out(0x43, 0x50);
	out(0x41, 0x80);
	out(0x43, 0x40);
	advance_ticks(0x10);
	assert_int_equal(in(0x41), 0x80);
	assert_int_equal(in(0x41), 0x70);
}

static void test_half_written_count_does_nothing(void **state __unused_arg)
{
	out(0x43, 0x34);
	out(0x40, 0x10);
	assert_int_equal(status(0) & 0x40, 0x40);
	fix_advance(SECOND);
	assert_int_equal(fix_rises[0], 0);
	out(0x40, 0x10);
	assert_int_equal(status(0) & 0x40, 0);
}

static void test_read_back(void **state __unused_arg)
{
	out(0x43, 0x34);
	load(0, 20000);
	out(0x43, 0xb4);
	port61(1);
	load(2, 30000);
	advance_ticks(100);
	out(0x43, 0xca); /* count and status of channels 0 and 2 */
	advance_ticks(100);
	assert_int_equal(in(0x40), 0xb4);
	assert_int_equal(in16(0), 19900);
	assert_int_equal(in(0x42), 0xb4);
	assert_int_equal(in16(2), 29900);
	/* No channel selected, nothing latched. */
	out(0x43, 0xc0);
	assert_in_range(in16(0), 19798, 19800);
}

static void test_gate_stops_and_resumes(void **state __unused_arg)
{
	port61(1);
	out(0x43, 0xb0);
	load(2, 10000);
	advance_ticks(1000);
	port61(0);
	fix_advance(SECOND);
	assert_in_range(in16(2), 8999, 9000);
	assert_false(out2());
	port61(1);
	advance_ticks(9002);
	assert_true(out2());
}

static void test_gate_holds_first_count(void **state __unused_arg)
{
	port61(0);
	out(0x43, 0xb0);
	load(2, 10000);
	fix_advance(SECOND);
	assert_int_equal(in16(2), 10000);
	assert_false(out2());
}

static void test_gate_triggers(void **state __unused_arg)
{
	port61(0);
	out(0x43, 0xb2);
	load(2, 1000);
	fix_advance(SECOND);
	assert_true(out2());
	port61(1);
	assert_false(out2());
	advance_ticks(500);
	port61(3); /* the gate does not rise again */
	fix_ns = fix_vm.pit.channel[2].start_tsc / FIX_TSC_PER_NS;
	advance_ticks(1000);
	assert_true(out2());
	port61(0);
	port61(1);
	assert_false(out2());
	/* Hardware strobe: one tick low at the end. */
	port61(0);
	out(0x43, 0xba);
	port61(1);
	assert_true(out2());
	port61(0);
	load(2, 1000);
	port61(1);
	advance_ticks(1000);
	assert_false(out2());
	advance_ticks(1);
	assert_true(out2());
}

static void test_gate_reloads_periodic(void **state __unused_arg)
{
	port61(1);
	out(0x43, 0xb4);
	load(2, 1000);
	advance_ticks(300);
	port61(0);
	assert_true(out2());
	fix_advance(SECOND);
	port61(1);
	assert_int_equal(in16(2), 1000);
}

static void test_port61(void **state __unused_arg)
{
	unsigned changes = 0;
	u32 last;

	port61(0xff);
	last = pit_port61_read(&fix_vm, 0x61, 1);
	assert_int_equal(last & 0xcf, 0x0f);
	for (unsigned i = 0; i < 1000; i++) {
		u32 now;

		fix_advance(1000);
		now = pit_port61_read(&fix_vm, 0x61, 1);
		changes += (now ^ last) >> 4 & 1;
		last = now;
	}
	assert_in_range(changes, 65, 67); /* every 15.085 us of 1 ms */
}

static void test_clock_behind_start(void **state __unused_arg)
{
	fix_ns = 5000;
	out(0x43, 0x34);
	load(0, 1000);
	fix_ns = 100; /* another CPU's TSC */
	assert_int_equal(latch(0), 1000);
}

static void test_fuzz(void **state __unused_arg)
{
	u64 start = fix_ns, armings = 0;

	for (unsigned i = 0; i < 300000; i++) {
		u64 r = fix_random();
		u16 port = (u16)(0x40 + (r & 3));

		switch (r >> 2 & 3) {
		case 0:
			pit_write(&fix_vm, port, 1, (u32)(r >> 8));
			armings++;
			break;
		case 1:
			assert_true(pit_read(&fix_vm, port, 1) <= 0xff);
			break;
		case 2:
			if (r >> 8 & 1)
				pit_port61_write(&fix_vm, 0x61, 1, (u32)(r >> 16));
			else
				assert_true(pit_port61_read(&fix_vm, 0x61, 1) <= 0xff);
			break;
		default:
			fix_advance(r >> 8 & 0xfffff);
		}
	}
	assert_true(fix_nr_fired <= (fix_ns - start) / PIT_EDGE_MIN_NS + armings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_conversions_are_inverse, setup),
		cmocka_unit_test_setup(test_power_on_is_silent, setup),
		cmocka_unit_test_setup(test_rate_generator, setup),
		cmocka_unit_test_setup(test_no_tick_is_lost_over_a_day, setup),
		cmocka_unit_test_setup(test_late_guest_catches_up, setup),
		cmocka_unit_test_setup(test_far_too_late_guest_skips, setup),
		cmocka_unit_test_setup(test_rate_is_bounded, setup),
		cmocka_unit_test_setup(test_terminal_count_fires_once, setup),
		cmocka_unit_test_setup(test_soft_strobe, setup),
		cmocka_unit_test_setup(test_reprogramming_cancels, setup),
		cmocka_unit_test_setup(test_stale_callback_raises_nothing, setup),
		cmocka_unit_test_setup(test_gateless_channels_never_trigger, setup),
		cmocka_unit_test_setup(test_counts_down_binary, setup),
		cmocka_unit_test_setup(test_counts_down_bcd, setup),
		cmocka_unit_test_setup(test_square_wave, setup),
		cmocka_unit_test_setup(test_latch_holds, setup),
		cmocka_unit_test_setup(test_access_modes, setup),
		cmocka_unit_test_setup(test_half_written_count_does_nothing, setup),
		cmocka_unit_test_setup(test_read_back, setup),
		cmocka_unit_test_setup(test_gate_stops_and_resumes, setup),
		cmocka_unit_test_setup(test_gate_holds_first_count, setup),
		cmocka_unit_test_setup(test_gate_triggers, setup),
		cmocka_unit_test_setup(test_gate_reloads_periodic, setup),
		cmocka_unit_test_setup(test_port61, setup),
		cmocka_unit_test_setup(test_clock_behind_start, setup),
		cmocka_unit_test_setup(test_fuzz, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
