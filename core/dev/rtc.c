/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/rtc.h"

#include <time.h>

#include "core/clock.h"
#include "core/dev/ticks.h"
#include "core/irq.h"
#include "core/lib/bits.h"
#include "core/load/e820.h"
#include "core/load/layout.h"
#include "core/vm.h"

enum rtc_reg {
	REG_SECONDS, REG_SECONDS_ALARM, REG_MINUTES, REG_MINUTES_ALARM, REG_HOURS, REG_HOURS_ALARM,
	REG_WEEKDAY, REG_DAY, REG_MONTH, REG_YEAR,
	REG_A, REG_B, REG_C, REG_D,
	REG_CENTURY = RTC_CENTURY_INDEX,
};
_Static_assert(REG_D == 0x0d, "in the order of the data sheet");

/* Where a PC's BIOS describes the machine, each low byte first. */
#define CMOS_EQUIPMENT 0x14
#define CMOS_BASE_KIB 0x15
#define CMOS_EXTENDED_KIB 0x17 /* from 1 MiB */
#define CMOS_EXTENDED_KIB_COPY 0x30
#define CMOS_EXTENDED_64K 0x34 /* from 16 MiB, in units of 64 KiB */
#define CMOS_HIGH_64K 0x5b /* from 4 GiB, three bytes */
#define EQUIPMENT_FPU 0x02
#define BASE_KIB 640

#define A_UIP 0x80
#define A_DIVIDER_RESET 0x60
#define A_RATE 0x0f
#define A_RESET_STATE 0x26 /* 32768 Hz, 1024 Hz */
#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_BINARY 0x04
#define B_24H 0x02
#define C_IRQF 0x80
#define C_PF 0x40
#define C_AF 0x20
#define C_UF 0x10
#define C_FLAGS (C_PF | C_AF | C_UF)
#define D_VALID 0x80

#define HOUR_PM 0x80
#define ALARM_ANY 0xc0
#define INDEX_MASK 0x7f

#define CRYSTAL_HZ 32768u
/* Data sheet: the update takes 1984 us and is announced 244 us before. */
#define UIP_NS 2228000u
/* Data sheet: the first update comes half a second after the divider is released. */
#define RELEASE_NS 500000000u
#define TIMER_MIN_NS 1000u
#define NEVER (~0ull)
#define SECONDS_PER_DAY 86400

static u64 chain_ns(const struct rtc *r)
{
	return clock_wall_ns() + r->phase_ns;
}

static s64 guest_seconds(const struct rtc *r, u64 chain)
{
	return (s64)(chain / NS_PER_SECOND) + r->offset_seconds;
}

static bool is_divider_reset(const struct rtc *r)
{
	return (r->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

/* Does the time of day stand still? */
static bool is_halted(const struct rtc *r)
{
	return (r->cmos[REG_B] & B_SET) || is_divider_reset(r);
}

static u8 field_encode(const struct rtc *r, u32 value)
{
	return (u8)(r->cmos[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static u32 field_decode(const struct rtc *r, u8 field)
{
	return r->cmos[REG_B] & B_BINARY ? field : (field >> 4) * 10u + (field & 0xfu);
}

static u8 hour_encode(const struct rtc *r, u32 hour)
{
	if (r->cmos[REG_B] & B_24H)
		return field_encode(r, hour);
	return field_encode(r, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0);
}

static u32 hour_decode(const struct rtc *r, u8 field)
{
	if (r->cmos[REG_B] & B_24H)
		return field_decode(r, field);
	return field_decode(r, field & (u8)~HOUR_PM) % 12 + (field & HOUR_PM ? 12 : 0);
}

/* Seconds since midnight. */
static u32 time_of_day(s64 seconds)
{
	s64 rest = seconds % SECONDS_PER_DAY;

	return (u32)(rest < 0 ? rest + SECONDS_PER_DAY : rest);
}

/* Write the time of day and the date into the registers. */
static void time_store(struct rtc *r)
{
	const time_t seconds = guest_seconds(r, chain_ns(r));
	struct tm tm;
	u32 year;

	gmtime_r(&seconds, &tm);
	year = (u32)tm.tm_year + 1900;
	r->cmos[REG_SECONDS] = field_encode(r, (u32)tm.tm_sec);
	r->cmos[REG_MINUTES] = field_encode(r, (u32)tm.tm_min);
	r->cmos[REG_HOURS] = hour_encode(r, (u32)tm.tm_hour);
	r->cmos[REG_WEEKDAY] = field_encode(r, (u32)tm.tm_wday + 1);
	r->cmos[REG_DAY] = field_encode(r, (u32)tm.tm_mday);
	r->cmos[REG_MONTH] = field_encode(r, (u32)tm.tm_mon + 1);
	r->cmos[REG_YEAR] = field_encode(r, year % 100);
	/* The century is BCD always: no bit of the chip speaks of it. */
	r->cmos[REG_CENTURY] = (u8)(year / 1000 % 10 << 4 | year / 100 % 10);
}

/*
 * Days from 1970-01-01 to the first of a month. Years are counted from 1 March of the year -400, so
 * that the leap day is a year's last and no year is negative; until 1970 there are 865565 days.
 */
static s64 days_before(u32 year, u32 month)
{
	s64 y = (s64)year + 400 - (month < 3);
	s64 m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 865565;
}

/* The time that the registers hold. Values out of range give some time, and no harm. */
static s64 time_load(const struct rtc *r)
{
	u32 century = (r->cmos[REG_CENTURY] >> 4) * 10u + (r->cmos[REG_CENTURY] & 0xfu);
	u32 year = century * 100 + field_decode(r, r->cmos[REG_YEAR]);
	u32 month = field_decode(r, r->cmos[REG_MONTH]);
	u32 day = field_decode(r, r->cmos[REG_DAY]);

	return (days_before(year, MIN(MAX(month, 1), 12)) + day - 1) * SECONDS_PER_DAY +
	       hour_decode(r, r->cmos[REG_HOURS]) * 3600 +
	       field_decode(r, r->cmos[REG_MINUTES]) * 60 +
	       field_decode(r, r->cmos[REG_SECONDS]);
}

/* From now on the time is what the registers hold. */
static void time_commit(struct rtc *r)
{
	r->offset_seconds = time_load(r) - (s64)(chain_ns(r) / NS_PER_SECOND);
}

/* Does an alarm register accept `value`? */
static bool alarm_accepts(u8 alarm, u8 value)
{
	return (alarm & ALARM_ANY) == ALARM_ANY || alarm == value;
}

/* Is there a second that the alarm accepts? */
static bool alarm_has_second(const struct rtc *r)
{
	u32 second = field_decode(r, r->cmos[REG_SECONDS_ALARM]);

	return alarm_accepts(r->cmos[REG_SECONDS_ALARM], field_encode(r, second % 60));
}

/* The first time after `seconds` that matches the alarm; INT64_MAX if none does. */
static s64 alarm_next(const struct rtc *r, s64 seconds)
{
	s64 t = seconds + 1;

	while (alarm_has_second(r) && t <= seconds + SECONDS_PER_DAY) {
		u32 tod = time_of_day(t);

		if (!alarm_accepts(r->cmos[REG_HOURS_ALARM], hour_encode(r, tod / 3600)))
			t += 3600 - tod % 3600;
		else if (!alarm_accepts(r->cmos[REG_MINUTES_ALARM], field_encode(r, tod / 60 % 60)))
			t += 60 - tod % 60;
		else if (!alarm_accepts(r->cmos[REG_SECONDS_ALARM], field_encode(r, tod % 60)))
			t++;
		else
			return t;
	}
	return INT64_MAX;
}

/* Rate of the periodic interrupt; 0: off. */
static u32 periodic_hz(const struct rtc *r)
{
	u32 rate = r->cmos[REG_A] & A_RATE;

	if (!rate || is_divider_reset(r))
		return 0;
	/* The two slowest-looking selections repeat 8 and 9. */
	return CRYSTAL_HZ >> ((rate < 3 ? rate + 7 : rate) - 1);
}

/* Flags of register C for everything that has happened until now; the line follows them. */
static void flags_update(struct vm *vm)
{
	struct rtc *r = &vm->rtc;
	u64 now = chain_ns(r);
	u8 *c = &r->cmos[REG_C];

	if (now > r->seen_ns) {
		s64 seen_seconds = guest_seconds(r, r->seen_ns);
		u32 hz = periodic_hz(r);

		if (hz && ticks_from_ns(now, hz) != ticks_from_ns(r->seen_ns, hz))
			*c |= C_PF;
		if (!is_halted(r) && seen_seconds != guest_seconds(r, now)) {
			*c |= C_UF;
			if (alarm_next(r, seen_seconds) <= guest_seconds(r, now))
				*c |= C_AF;
		}
		r->seen_ns = now;
	}
	*c &= C_FLAGS;
	if (*c & r->cmos[REG_B])
		*c |= C_IRQF;
	irq_line_set(vm, IRQ_LINE_RTC, *c & C_IRQF);
}

/* When the next enabled interrupt comes, in chain time. Flags are up to date. */
static u64 next_deadline(const struct rtc *r)
{
	u8 wanted = r->cmos[REG_B];
	u32 hz = periodic_hz(r);
	u64 deadline = NEVER;
	s64 now = guest_seconds(r, r->seen_ns), next = INT64_MAX;

	if ((wanted & B_PIE) && hz)
		deadline = ticks_to_ns(ticks_from_ns(r->seen_ns, hz) + 1, hz);
	if (is_halted(r))
		return deadline;
	if (wanted & B_UIE)
		next = now + 1;
	else if (wanted & B_AIE)
		next = alarm_next(r, now);
	if (next != INT64_MAX) {
		u64 second = r->seen_ns / NS_PER_SECOND + (u64)(next - now);

		deadline = MIN(deadline, second * NS_PER_SECOND);
	}
	return deadline;
}

/* With the line raised nothing more can happen until the guest reads register C. */
static void deadline_arm(struct vm *vm)
{
	struct rtc *r = &vm->rtc;
	u64 deadline = r->cmos[REG_C] & C_IRQF ? NEVER : next_deadline(r);
	u64 delay;

	if (deadline == NEVER) {
		timer_cancel(&r->timer);
		return;
	}
	delay = MAX(deadline - MIN(deadline, r->seen_ns), TIMER_MIN_NS);
	timer_arm(&r->timer, clock_tsc() + clock_tsc_from_ns(delay) + 1);
}

void rtc_fire(struct timer *t)
{
	struct vm *vm = container_of(t, struct vm, rtc.timer);

	lock_acquire(&vm->dev_lock);
	flags_update(vm);
	deadline_arm(vm);
	lock_release(&vm->dev_lock);
}

static bool is_time_reg(u8 index)
{
	const u64 regs = BIT(REG_SECONDS) | BIT(REG_MINUTES) | BIT(REG_HOURS) | BIT(REG_WEEKDAY) |
			 BIT(REG_DAY) | BIT(REG_MONTH) | BIT(REG_YEAR) | BIT(REG_CENTURY);

	return index < 64 && (regs & BIT(index));
}

static u8 reg_a_read(const struct rtc *r)
{
	bool updates = !is_halted(r) && chain_ns(r) % NS_PER_SECOND >= NS_PER_SECOND - UIP_NS;

	return r->cmos[REG_A] | (updates ? A_UIP : 0);
}

static u8 reg_c_read(struct vm *vm)
{
	u8 value;

	flags_update(vm);
	value = vm->rtc.cmos[REG_C];
	vm->rtc.cmos[REG_C] = 0;
	irq_line_set(vm, IRQ_LINE_RTC, false);
	deadline_arm(vm);
	return value;
}

static u8 cmos_read(struct vm *vm, u8 index)
{
	struct rtc *r = &vm->rtc;

	if (is_time_reg(index) && !is_halted(r))
		time_store(r);
	if (index == REG_C)
		return reg_c_read(vm);
	return index == REG_A ? reg_a_read(r) : r->cmos[index];
}

/* The time stops or goes on as registers A and B say, from what the time registers say. */
static void reg_write(struct rtc *r, u8 index, u8 value)
{
	bool was_halted = is_halted(r), was_reset = is_divider_reset(r);

	if (!was_halted)
		time_store(r);
	r->cmos[index] = value;
	if (was_reset && !is_divider_reset(r)) {
		u64 wall = clock_wall_ns() % NS_PER_SECOND;

		r->phase_ns = (NS_PER_SECOND + RELEASE_NS - wall) % NS_PER_SECOND;
		r->seen_ns = chain_ns(r);
	}
	if (!is_halted(r) && (was_halted || is_time_reg(index)))
		time_commit(r);
}

static void cmos_write(struct vm *vm, u8 index, u8 value)
{
	flags_update(vm);
	if (index == REG_A)
		value &= (u8)~A_UIP;
	else if (index == REG_B && (value & B_SET))
		value &= (u8)~B_UIE;
	if (index != REG_C && index != REG_D)
		reg_write(&vm->rtc, index, value);
	flags_update(vm);
	deadline_arm(vm);
}

u32 rtc_read(struct vm *vm, u16 port, unsigned width_bytes __unused_arg)
{
	/* The index port cannot be read on a PC. */
	return port & 1 ? cmos_read(vm, vm->rtc.index) : 0xff;
}

void rtc_write(struct vm *vm, u16 port, unsigned width_bytes __unused_arg, u32 value)
{
	/* Bit 7 of the index port would mask NMIs; they come as they come. */
	if (port & 1)
		cmos_write(vm, vm->rtc.index, (u8)value);
	else
		vm->rtc.index = value & INDEX_MASK;
}

static void cmos_put(struct rtc *r, u8 index, unsigned len_bytes, u64 value)
{
	value = MIN(value, MASK(len_bytes * 8 - 1, 0));
	for (unsigned i = 0; i < len_bytes; i++)
		r->cmos[index + i] = (u8)(value >> (8 * i));
}

static void cmos_describe_memory(struct rtc *r, u64 memory_bytes)
{
	struct ram_layout ram = ram_layout_make(memory_bytes);
	u64 below = ram.below_4g_bytes;
	u64 extended_kib = (below - MIN(below, MiB(1))) / KiB(1);

	cmos_put(r, CMOS_BASE_KIB, 2, BASE_KIB);
	cmos_put(r, CMOS_EXTENDED_KIB, 2, extended_kib);
	cmos_put(r, CMOS_EXTENDED_KIB_COPY, 2, extended_kib);
	cmos_put(r, CMOS_EXTENDED_64K, 2, (below - MIN(below, MiB(16))) / KiB(64));
	cmos_put(r, CMOS_HIGH_64K, 3, ram.above_4g_bytes / KiB(64));
}

void rtc_reset(struct vm *vm)
{
	struct rtc *r = &vm->rtc;

	timer_cancel(&r->timer);
	*r = (struct rtc){
		.cmos = {
			[REG_A] = A_RESET_STATE,
			[REG_B] = B_24H,
			[REG_D] = D_VALID,
			[CMOS_EQUIPMENT] = EQUIPMENT_FPU,
		},
		.timer = r->timer,
	};
	cmos_describe_memory(r, vm->config->memory_bytes);
	r->seen_ns = chain_ns(r);
	irq_line_set(vm, IRQ_LINE_RTC, false);
}
