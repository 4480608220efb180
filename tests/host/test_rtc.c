/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/rtc.c core/load/e820.c */
/* The real-time clock, its interrupts, CMOS, and the calendar. */
#include "tests/host/dev_fixture.h"

#include <time.h>

#define SECOND 1000000000ull
#define MS 1000000ull

static u8 get(u8 index)
{
	rtc_write(&fix_vm, 0x70, 1, index);
	return (u8)rtc_read(&fix_vm, 0x71, 1);
}

static void put(u8 index, u8 value)
{
	rtc_write(&fix_vm, 0x70, 1, index);
	rtc_write(&fix_vm, 0x71, 1, value);
}

/* Time of day, BCD as 0xhhmmss. */
static u32 time_now(void)
{
	return (u32)get(4) << 16 | (u32)get(2) << 8 | get(0);
}

/* BCD as 0xccyymmdd. */
static u32 date_now(void)
{
	return (u32)get(0x32) << 24 | (u32)get(9) << 16 | (u32)get(8) << 8 | get(7);
}

static int setup(void **state __unused_arg)
{
	fix_init();
	timer_init(&fix_vm.rtc.timer, 0, rtc_fire);
	rtc_reset(&fix_vm);
	return 0;
}

static void test_calendar_agrees_with_libc(void **state __unused_arg)
{
	for (unsigned i = 0; i < 200000; i++) {
		time_t t = (time_t)(fix_random() % 315000000000ull) - 62167219200ll;
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		put(0x0b, 0x86); /* stop; binary, 24 hours */
		put(0, (u8)tm.tm_sec);
		put(2, (u8)tm.tm_min);
		put(4, (u8)tm.tm_hour);
		put(6, 0);
		put(7, (u8)tm.tm_mday);
		put(8, (u8)(tm.tm_mon + 1));
		put(9, (u8)((tm.tm_year + 1900) % 100));
		put(0x32, (u8)((tm.tm_year + 1900) / 1000 << 4 | (tm.tm_year + 1900) / 100 % 10));
		put(0x0b, 0x06); /* from here on the registers show what was made of them */
		assert_int_equal(get(0), tm.tm_sec);
		assert_int_equal(get(4), tm.tm_hour);
		assert_int_equal(get(6), tm.tm_wday + 1);
		assert_int_equal(get(7), tm.tm_mday);
		assert_int_equal(get(8), tm.tm_mon + 1);
		assert_int_equal(get(9), (tm.tm_year + 1900) % 100);
		assert_int_equal(get(0x32) >> 4, (tm.tm_year + 1900) / 1000);
		assert_int_equal(fix_vm.rtc.offset_seconds + (s64)(clock_wall_ns() / SECOND), t);
	}
}

static void test_shows_the_host_time(void **state __unused_arg)
{
	assert_int_equal(time_now(), 0x221320);
	assert_int_equal(date_now(), 0x20231114);
	assert_int_equal(get(6), 3);
	assert_int_equal(get(0x0d), 0x80);
	assert_int_equal(get(0x0b), 0x02);
	fix_advance(SECOND * 6400);
	assert_int_equal(time_now(), 0x000000);
	assert_int_equal(date_now(), 0x20231115);
	assert_int_equal(get(6), 4);
	assert_int_equal(rtc_read(&fix_vm, 0x70, 1), 0xff);
}

static void test_formats(void **state __unused_arg)
{
	put(0x0b, 0x06); /* binary, 24 hours */
	assert_int_equal(get(4), 22);
	assert_int_equal(get(9), 23);
	put(0x0b, 0x04); /* binary, 12 hours */
	assert_int_equal(get(4), 0x80 | 10);
	put(0x0b, 0x00);
	assert_int_equal(get(4), 0x90);
	fix_advance(7200 * SECOND);
	assert_int_equal(get(4), 0x12); /* midnight is 12 AM */
	fix_advance(12 * 3600 * SECOND);
	assert_int_equal(get(4), 0x92); /* noon is 12 PM */
	put(4, 0x81);
	put(0x0b, 0x02);
	assert_int_equal(get(4), 0x13);
}

static void test_set_time_as_linux_does(void **state __unused_arg)
{
	fix_advance(300 * MS);
	put(0x0b, 0x82);
	put(0x0a, 0x70);
	put(9, 0x30);
	put(8, 0x02);
	put(7, 0x28);
	put(4, 0x23);
	put(2, 0x59);
	put(0, 0x58);
	put(0x32, 0x20);
	fix_advance(5 * SECOND);
	assert_int_equal(time_now(), 0x235958); /* halted */
	put(0x0b, 0x02);
	put(0x0a, 0x26);
	assert_int_equal(time_now(), 0x235958);
	fix_advance(499 * MS);
	assert_int_equal(time_now(), 0x235958);
	fix_advance(2 * MS); /* the first second is half a one */
	assert_int_equal(time_now(), 0x235959);
	fix_advance(SECOND);
	assert_int_equal(time_now(), 0);
	assert_int_equal(date_now(), 0x20300301);
}

static void test_set_keeps_the_time_if_not_changed(void **state __unused_arg)
{
	put(0x0b, 0x82);
	fix_advance(10 * SECOND);
	put(0x0b, 0x02);
	assert_int_equal(time_now(), 0x221320);
	put(2, 0x30); /* without SET: takes effect at once */
	assert_int_equal(time_now(), 0x223020);
}

static void test_nonsense_time_is_harmless(void **state __unused_arg)
{
	put(0x0b, 0x82);
	for (u8 i = 0; i < 10; i++)
		put(i, 0xff);
	put(0x32, 0xff);
	assert_int_equal(get(8), 0xff);
	put(0x0b, 0x02);
	fix_advance(2 * SECOND);
	assert_true(get(8) >= 1 && get(8) <= 0x12);
	assert_true((get(0) & 0xf) <= 9);
}

static void test_read_only_registers(void **state __unused_arg)
{
	put(0x0c, 0xff);
	assert_int_equal(get(0x0c), 0);
	put(0x0d, 0x00);
	assert_int_equal(get(0x0d), 0x80);
	put(0x0a, 0xa6); /* UIP cannot be written */
	assert_int_equal(get(0x0a), 0x26);
}

static void test_update_in_progress(void **state __unused_arg)
{
	fix_advance(500 * MS);
	assert_int_equal(get(0x0a), 0x26);
	fix_advance(499 * MS - 1000);
	assert_int_equal(get(0x0a), 0xa6);
	put(0x0b, 0x82); /* no update while the time is being set */
	assert_int_equal(get(0x0a), 0x26);
	put(0x0b, 0x02);
	fix_advance(MS);
	assert_int_equal(get(0x0a), 0x26);
	assert_int_equal(time_now(), 0x221321);
}

static void test_periodic(void **state __unused_arg)
{
	unsigned nr = 0;

	put(0x0b, 0x42); /* 1024 Hz */
	for (unsigned i = 0; i < 10000; i++) {
		fix_advance(100000);
		if (!fix_line[8])
			continue;
		assert_int_equal(get(0x0c) & 0xc0, 0xc0);
		assert_false(fix_line[8]);
		nr++;
	}
	assert_in_range(nr, 1023, 1025);
}

static void test_unacknowledged_costs_nothing(void **state __unused_arg)
{
	put(0x0a, 0x23); /* 8192 Hz */
	put(0x0b, 0x72);
	fix_advance(100 * SECOND);
	assert_true(fix_nr_fired <= 2);
	assert_int_equal(fix_rises[8], 1);
	assert_true(fix_line[8]);
}

static void test_rates(void **state __unused_arg)
{
	static const unsigned hz[16] = { 0,   256, 128, 8192, 4096, 2048, 1024, 512,
					 256, 128, 64,	32,   16,   8,	  4,	2 };

	for (u8 rate = 0; rate < 16; rate++) {
		u64 end = fix_ns + SECOND;
		unsigned nr = 0;

		put(0x0a, 0x20 | rate);
		put(0x0b, 0x42);
		get(0x0c);
		while (fix_ns < end) {
			fix_advance(50000);
			nr += get(0x0c) >> 6 & 1;
		}
		assert_in_range(nr, hz[rate] ? hz[rate] - 1 : 0, hz[rate] + 1);
	}
}

static void test_divider_reset_stops_periodic(void **state __unused_arg)
{
	put(0x0b, 0x42);
	put(0x0a, 0x66);
	fix_advance(SECOND);
	assert_false(fix_line[8]);
	assert_int_equal(get(0x0c), 0);
}

static void test_update_ended(void **state __unused_arg)
{
	put(0x0b, 0x12);
	fix_advance(998 * MS);
	assert_false(fix_line[8]);
	fix_advance(3 * MS);
	assert_true(fix_line[8]);
	assert_int_equal(get(0x0c), 0xd0); /* the periodic flag is set though not enabled */
	assert_int_equal(get(0x0c), 0);
	fix_advance(SECOND);
	assert_int_equal(fix_rises[8], 2);
	put(0x0b, 0x92); /* SET clears the enable bit */
	assert_int_equal(get(0x0b), 0x82);
}

static void test_flags_without_interrupts(void **state __unused_arg)
{
	fix_advance(SECOND);
	assert_int_equal(get(0x0c) & 0xd0, 0x50);
	assert_int_equal(fix_rises[8], 0);
	assert_int_equal(fix_nr_fired, 0);
}

static void test_alarm(void **state __unused_arg)
{
	put(1, 0x10);
	put(3, 0x14);
	put(5, 0x22);
	put(0x0b, 0x22);
	fix_advance(49 * SECOND);
	assert_false(fix_line[8]);
	fix_advance(SECOND);
	assert_true(fix_line[8]);
	assert_int_equal(get(0x0c) & 0xa0, 0xa0);
	fix_advance(86399 * SECOND);
	assert_false(fix_line[8]);
	fix_advance(SECOND);
	assert_int_equal(fix_rises[8], 2);
	assert_true(fix_nr_fired <= 3);
}

static void test_alarm_any(void **state __unused_arg)
{
	put(1, 0x05);
	put(3, 0xff);
	put(5, 0xc0);
	put(0x0b, 0x22);
	for (unsigned i = 0; i < 180; i++) {
		fix_advance(SECOND);
		if (fix_line[8]) {
			get(0x0c);
			assert_int_equal(get(0), 0x05);
		}
	}
	assert_int_equal(fix_rises[8], 3);
}

static void test_alarm_earlier_today_is_tomorrow(void **state __unused_arg)
{
	put(1, 0x00);
	put(3, 0x13);
	put(5, 0x22);
	put(0x0b, 0x22);
	fix_advance(86379 * SECOND);
	assert_false(fix_line[8]);
	fix_advance(SECOND);
	assert_true(fix_line[8]);
}

static void test_alarm_that_never_comes(void **state __unused_arg)
{
	put(1, 0x61);
	put(0x0b, 0x22);
	fix_advance(86400 * SECOND * 2);
	assert_int_equal(fix_rises[8], 0);
	assert_int_equal(fix_nr_fired, 0);
	put(1, 0xff);
	put(3, 0x1f);
	fix_advance(86400 * SECOND);
	assert_int_equal(fix_rises[8], 0);
	put(3, 0xff);
	put(5, 0x24);
	fix_advance(86400 * SECOND);
	assert_int_equal(fix_rises[8], 0);
}

/* The alarm's next time against a search second by second. */
static void test_alarm_against_search(void **state __unused_arg)
{
	for (unsigned i = 0; i < 60; i++) {
		u64 r = fix_random();
		u32 passed = 0;

		setup(NULL);
		fix_seed = r;
		fix_ns += r % 86400 * SECOND;
		put(0x0b, 0x06);
		put(1, r >> 8 & 1 ? 0xff : r >> 16 & 63);
		put(3, r >> 9 & 1 ? 0xc0 : r >> 24 & 63);
		put(5, r >> 10 & 1 ? 0xff : r >> 32 & 31);
		put(0x0b, 0x26);
		get(0x0c);
		if (!fix_vm.rtc.timer.is_armed)
			passed = 90000; /* must be an impossible one */
		for (; passed < 90000; passed++) {
			fix_advance(SECOND);
			if (fix_line[8])
				break;
		}
		if (passed == 90000)
			assert_true((r >> 16 & 63) >= 60 || (r >> 24 & 63) >= 60 ||
				    (r >> 32 & 31) >= 24);
		for (unsigned f = 0; passed < 90000 && f < 3; f++) {
			u8 alarm = get((u8)(2 * f + 1));

			assert_true(alarm >= 0xc0 || alarm == get((u8)(2 * f)));
		}
	}
}

static void test_cmos(void **state __unused_arg)
{
	put(0x40, 0xaa);
	put(0x7f, 0x55);
	rtc_write(&fix_vm, 0x70, 1, 0x80 | 0x40); /* with the NMI mask */
	assert_int_equal(rtc_read(&fix_vm, 0x71, 1), 0xaa);
	assert_int_equal(get(0x7f), 0x55);
}

static void test_memory_sizes(void **state __unused_arg)
{
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
	assert_int_equal(get(0x34) | get(0x35) << 8, (512 - 16) * 16);
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 0);
	fix_config.memory_bytes = MiB(32);
	rtc_reset(&fix_vm);
	assert_int_equal(get(0x30) | get(0x31) << 8, 31 * 1024);
	fix_config.memory_bytes = GiB(5);
	rtc_reset(&fix_vm);
	assert_int_equal(get(0x34) | get(0x35) << 8, (3072 - 16) * 16);
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 2048 * 16);
}

static void test_fuzz(void **state __unused_arg)
{
	u64 start = fix_ns, writes = 0;

	for (unsigned i = 0; i < 200000; i++) {
		u64 r = fix_random();

		switch (r & 3) {
		case 0:
			put((u8)(r >> 8 & 15), (u8)(r >> 16));
			writes++;
			break;
		case 1:
			rtc_write(&fix_vm, (u16)(0x70 + (r >> 8 & 1)), 1, (u32)(r >> 16));
			writes++;
			break;
		case 2:
			assert_true(rtc_read(&fix_vm, (u16)(0x70 + (r >> 8 & 1)), 1) <= 0xff);
			break;
		default:
			fix_advance(r >> 8 & 0x3fffff);
		}
		assert_int_equal(fix_line[8], !!(fix_vm.rtc.cmos[0x0c] & 0x80));
	}
	assert_true(fix_nr_fired <= (fix_ns - start) / 100000 + writes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_calendar_agrees_with_libc, setup),
		cmocka_unit_test_setup(test_shows_the_host_time, setup),
		cmocka_unit_test_setup(test_formats, setup),
		cmocka_unit_test_setup(test_set_time_as_linux_does, setup),
		cmocka_unit_test_setup(test_set_keeps_the_time_if_not_changed, setup),
		cmocka_unit_test_setup(test_nonsense_time_is_harmless, setup),
		cmocka_unit_test_setup(test_read_only_registers, setup),
		cmocka_unit_test_setup(test_update_in_progress, setup),
		cmocka_unit_test_setup(test_periodic, setup),
		cmocka_unit_test_setup(test_unacknowledged_costs_nothing, setup),
		cmocka_unit_test_setup(test_rates, setup),
		cmocka_unit_test_setup(test_divider_reset_stops_periodic, setup),
		cmocka_unit_test_setup(test_update_ended, setup),
		cmocka_unit_test_setup(test_flags_without_interrupts, setup),
		cmocka_unit_test_setup(test_alarm, setup),
		cmocka_unit_test_setup(test_alarm_any, setup),
		cmocka_unit_test_setup(test_alarm_earlier_today_is_tomorrow, setup),
		cmocka_unit_test_setup(test_alarm_that_never_comes, setup),
		cmocka_unit_test_setup(test_alarm_against_search, setup),
		cmocka_unit_test_setup(test_cmos, setup),
		cmocka_unit_test_setup(test_memory_sizes, setup),
		cmocka_unit_test_setup(test_fuzz, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
