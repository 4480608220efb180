/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/lapic.c core/dev/lapic_msg.c core/dev/lapic_timer.c core/dev/lapic_fast.c */
/* The local APIC's timer: counts, modes, dividers, TSC deadline. */
#include "tests/host/lapic_fixture.h"

#define ONE_SHOT 0x00000u
#define PERIODIC 0x20000u
#define DEADLINE 0x40000u
#define VECTOR 0xecu

unsigned cpuid_phys_bits(const struct vcpu_hot *hot)
{
	(void)hot;
	return 40;
}

static struct vcpu *const v = &vcpus[0];

/* Divide by 1. */
static int setup(void **state)
{
	(void)state;
	vm_make(1);
	xapic_enable(v);
	mmio_set(v, APIC_TIMER_DIVIDE, 0xb);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_drop();
	return 0;
}

/* Did the timer's interrupt arrive since the last call? */
static bool fired(void)
{
	if (lapic_pending(v) < 0)
		return false;
	assert_int_equal(lapic_pending(v), VECTOR);
	lapic_ack(v, VECTOR);
	mmio_set(v, APIC_EOI, 0);
	return true;
}

static void one_shot(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 0);
	mmio_set(v, APIC_TIMER_INITIAL, 1000);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 1000);
	ns_pass(400);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 600);
	ns_pass(599);
	assert_false(fired());
	ns_pass(1);
	assert_true(fired());
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 0);
	assert_int_equal(mmio_get(v, APIC_TIMER_INITIAL), 1000);
	ns_pass(100000);
	assert_false(fired());
}

static void writing_zero_stops(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 50000);
	ns_pass(10);
	mmio_set(v, APIC_TIMER_INITIAL, 0);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 0);
	ns_pass(1000000);
	assert_false(fired());
	assert_false(v->lapic.timer.is_armed);
}

static void rewriting_restarts(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 1000);
	ns_pass(900);
	mmio_set(v, APIC_TIMER_INITIAL, 1000);
	ns_pass(900);
	assert_false(fired());
	ns_pass(100);
	assert_true(fired());
}

static void periodic(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 100000);
	for (unsigned i = 0; i < 10; i++) {
		ns_pass(99999);
		assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 1);
		assert_false(fired());
		ns_pass(1);
		assert_true(fired());
		assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 100000);
	}
}

/* A CPU that comes late finds one interrupt, and the next one in phase. */
static void late_periods_collapse(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 100000);
	fake_tsc += 350000 * TSC_PER_NS;
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 50000);
	time_set(fake_tsc);
	assert_true(fired());
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 50000);
	ns_pass(49999);
	assert_false(fired());
	ns_pass(1);
	assert_true(fired());
}

static void short_periods_are_stretched(void **state)
{
	unsigned count = 0;

	(void)state;
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 1);
	for (unsigned i = 0; i < 1000; i++) {
		ns_pass(1000);
		count += fired();
		assert_true(mmio_get(v, APIC_TIMER_CURRENT) <= 1);
	}
	assert_int_equal(count, 1000 * 1000 / LAPIC_PERIOD_MIN_NS);
}

static void dividers(void **state)
{
	static const struct {
		u32 tdcr, divide;
	} rows[] = { { 0x0, 2 },  { 0x1, 4 },  { 0x2, 8 },   { 0x3, 16 },
		     { 0x8, 32 }, { 0x9, 64 }, { 0xa, 128 }, { 0xb, 1 } };

	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		mmio_set(v, APIC_TIMER_DIVIDE, rows[i].tdcr | 0xfffffff4);
		assert_int_equal(mmio_get(v, APIC_TIMER_DIVIDE), rows[i].tdcr);
		mmio_set(v, APIC_TIMER_INITIAL, 1000);
		ns_pass(250ull * rows[i].divide);
		assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 750);
		ns_pass(750ull * rows[i].divide - 1);
		assert_false(fired());
		ns_pass(1);
		assert_true(fired());
	}
}

static void divider_changes_while_running(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 1000);
	ns_pass(500);
	mmio_set(v, APIC_TIMER_DIVIDE, 1);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 500);
	ns_pass(1999);
	assert_false(fired());
	ns_pass(1);
	assert_true(fired());
}

static void largest_count(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	mmio_set(v, APIC_TIMER_DIVIDE, 0xa);
	mmio_set(v, APIC_TIMER_INITIAL, 0xffffffff);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 0xffffffff);
	ns_pass(0xffffffffull * 128 - 1);
	assert_false(fired());
	ns_pass(1);
	assert_true(fired());
}

static void masked_timer_counts_silently(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, 0x10000 | ONE_SHOT | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 1000);
	ns_pass(500);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 500);
	ns_pass(500);
	assert_false(fired());
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 0);
}

static void count_survives_change_of_count_mode(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 100000);
	ns_pass(50000);
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 50000);
	ns_pass(50000);
	assert_true(fired());
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 100000);
	ns_pass(25000);
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 75000);
	ns_pass(75000);
	assert_true(fired());
	/* Expired: periodic mode does not start it again. */
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	ns_pass(1000);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 0);
	ns_pass(200000);
	assert_false(fired());
}

static void deadline_fires_once(void **state)
{
	(void)state;
	v->hot->tsc_offset = (u64)-500000;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, fake_tsc - 500000 + 2000);
	assert_int_equal(v->hot->tsc_deadline, fake_tsc - 500000 + 2000);
	ns_pass(999);
	assert_false(fired());
	ns_pass(1);
	assert_true(fired());
	assert_int_equal(v->hot->tsc_deadline, 0);
	ns_pass(100000);
	assert_false(fired());
}

static void deadline_in_the_past_fires_at_once(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, 1);
	assert_true(fired());
	assert_int_equal(v->hot->tsc_deadline, 0);
	lapic_deadline_set(v, fake_tsc);
	assert_true(fired());
}

static void deadline_zero_disarms(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, fake_tsc + 2000);
	lapic_deadline_set(v, 0);
	assert_int_equal(v->hot->tsc_deadline, 0);
	ns_pass(100000);
	assert_false(fired());
}

static void deadline_never_wraps(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	v->hot->tsc_offset = -fake_tsc;
	lapic_deadline_set(v, ~0ull);
	assert_int_equal(v->lapic.timer.deadline_tsc, ~0ull);
	ns_pass(1000000000);
	assert_false(fired());
	assert_int_equal(v->hot->tsc_deadline, ~0ull);
}

static void deadline_needs_its_mode(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	lapic_deadline_set(v, fake_tsc + 2000);
	assert_int_equal(v->hot->tsc_deadline, 0);
	ns_pass(10000);
	assert_false(fired());
	/* And the count does not work in that mode. */
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 100);
	assert_int_equal(mmio_get(v, APIC_TIMER_INITIAL), 0);
	assert_int_equal(mmio_get(v, APIC_TIMER_CURRENT), 0);
	ns_pass(10000);
	assert_false(fired());
}

static void mode_switch_disarms(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, fake_tsc + 2000);
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_int_equal(v->hot->tsc_deadline, 0);
	ns_pass(10000);
	assert_false(fired());
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 50000);
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	ns_pass(1000000);
	assert_false(fired());
	/* Rewriting the same mode changes the vector only. */
	lapic_deadline_set(v, fake_tsc + 2000);
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	ns_pass(1000);
	assert_true(fired());
}

static void deadline_follows_guest_tsc(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, fake_tsc + 2000);
	v->hot->tsc_offset = (u64)-2000;
	lapic_tsc_changed(v);
	ns_pass(1999);
	assert_false(fired());
	ns_pass(1);
	assert_true(fired());
	lapic_deadline_set(v, fake_tsc + 2000);
	v->hot->tsc_offset = 1000000;
	lapic_tsc_changed(v);
	assert_true(fired());
	lapic_tsc_changed(v);
	assert_false(fired());
}

static void reserved_mode_does_nothing(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | PERIODIC | VECTOR);
	lapic_deadline_set(v, 1);
	mmio_set(v, APIC_TIMER_INITIAL, 10);
	assert_int_equal(mmio_get(v, APIC_TIMER_INITIAL), 0);
	ns_pass(1000);
	assert_false(fired());
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_int_equal(v->hot->tsc_deadline, 0);
}

static void illegal_vector_is_an_error(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | 0x0e);
	mmio_set(v, APIC_TIMER_INITIAL, 10);
	ns_pass(10);
	assert_int_equal(lapic_pending(v), -1);
	mmio_set(v, APIC_ESR, 0);
	assert_int_equal(mmio_get(v, APIC_ESR), 0x40);
}

static void reset_stops(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	mmio_set(v, APIC_TIMER_INITIAL, 50000);
	lapic_reset(v, true);
	assert_false(v->lapic.timer.is_armed);
	xapic_enable(v);
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, fake_tsc + 10);
	lapic_reset(v, false);
	ns_pass(1000000);
	assert_int_equal(lapic_pending(v), -1);
}

/* A callback that was already on its way when the guest changed its mind. */
static void stray_callbacks_do_nothing(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	v->lapic.timer.fire(&v->lapic.timer);
	assert_false(fired());
	mmio_set(v, APIC_TIMER_INITIAL, 1000);
	v->lapic.timer.is_armed = false;
	v->lapic.timer.fire(&v->lapic.timer);
	assert_false(fired());
	ns_pass(1000);
	assert_true(fired());
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, fake_tsc + 2000);
	v->lapic.timer.is_armed = false;
	v->lapic.timer.fire(&v->lapic.timer);
	assert_false(fired());
	ns_pass(1000);
	assert_true(fired());
}

/* The isolated code writes the deadline; the timer queue hears of it when it is asked to. */
static void fast_deadline_is_settled(void **state)
{
	(void)state;
	v->hot->has_fast_deadline = true;
	v->hot->tsc_offset = (u64)-500000;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_deadline_set(v, 600000);
	assert_int_equal(lapic_fast_deadline(v->hot, 700000, 500000), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, -1);
	assert_int_equal(v->lapic.timer.deadline_tsc, 1100000);
	lapic_deadline_settle(v);
	assert_false(v->hot->is_deadline_noted);
	assert_int_equal(v->lapic.timer.deadline_tsc, 1200000);
	assert_int_equal(v->hot->tsc_deadline, 700000);
	time_set(1199999);
	assert_false(fired());
	time_set(1200000);
	assert_true(fired());
	/* 0 disarms. */
	lapic_deadline_set(v, 800000);
	assert_int_equal(lapic_fast_deadline(v->hot, 0, 700000), NEXT_SKIP);
	lapic_deadline_settle(v);
	assert_false(v->lapic.timer.is_armed);
	time_set(1400000);
	assert_false(fired());
	/* Noted, and past by the time that it is settled. */
	assert_int_equal(lapic_fast_deadline(v->hot, 900500, 900000), NEXT_SKIP);
	fake_tsc = 1401000;
	lapic_deadline_settle(v);
	assert_true(fired());
	assert_int_equal(v->hot->tsc_deadline, 0);
	/* Noted, and stopped since. */
	assert_int_equal(lapic_fast_deadline(v->hot, 1000000, 901000), NEXT_SKIP);
	mmio_set(v, APIC_LVT_TIMER, ONE_SHOT | VECTOR);
	lapic_deadline_settle(v);
	assert_false(v->lapic.timer.is_armed);
}

static void fast_deadline_fires(void **state)
{
	(void)state;
	v->hot->has_fast_deadline = true;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	/* In the past, or now. */
	assert_int_equal(lapic_fast_deadline(v->hot, 1, 1000000), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, VECTOR);
	assert_int_equal(v->hot->tsc_deadline, 0);
	assert_true(fired());
	assert_int_equal(lapic_fast_deadline(v->hot, 1000000, 1000000), NEXT_SKIP);
	assert_true(fired());
	/* Later. */
	assert_int_equal(lapic_fast_expire(v->hot, 1000000), NEXT_SLOW);
	assert_int_equal(lapic_fast_deadline(v->hot, 1000100, 1000000), NEXT_SKIP);
	assert_int_equal(lapic_fast_expire(v->hot, 1000099), NEXT_SLOW);
	assert_int_equal(v->hot->tsc_deadline, 1000100);
	assert_false(fired());
	assert_int_equal(lapic_fast_expire(v->hot, 1000100), NEXT_AGAIN);
	assert_int_equal(v->hot->irq_vector, VECTOR);
	assert_int_equal(v->hot->tsc_deadline, 0);
	assert_true(fired());
	/* Masked: it passes in silence. */
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | APIC_LVT_MASKED | VECTOR);
	assert_int_equal(lapic_fast_deadline(v->hot, 1, 1000000), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, -1);
	assert_false(fired());
	lapic_deadline_settle(v);
	ns_pass(1000000);
	assert_false(fired());
}

static void fast_deadline_leaves_the_rest(void **state)
{
	(void)state;
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | VECTOR);
	/* No timer that the isolated code could set. */
	assert_int_equal(lapic_fast_deadline(v->hot, 2000000, 1000000), NEXT_SLOW);
	v->hot->has_fast_deadline = true;
	/* An illegal vector is an error to be collected. */
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | 0xf);
	assert_int_equal(lapic_fast_deadline(v->hot, 1, 1000000), NEXT_SLOW);
	/* Other modes ignore it. */
	mmio_set(v, APIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(lapic_fast_deadline(v->hot, 2000000, 1000000), NEXT_SLOW);
	mmio_set(v, APIC_LVT_TIMER, DEADLINE | PERIODIC | VECTOR);
	assert_int_equal(lapic_fast_deadline(v->hot, 2000000, 1000000), NEXT_SLOW);
	assert_int_equal(v->hot->tsc_deadline, 0);
	assert_false(v->hot->is_deadline_noted);
	assert_int_equal(lapic_pending(v), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_shot),
		T(writing_zero_stops),
		T(rewriting_restarts),
		T(periodic),
		T(late_periods_collapse),
		T(short_periods_are_stretched),
		T(dividers),
		T(divider_changes_while_running),
		T(largest_count),
		T(masked_timer_counts_silently),
		T(count_survives_change_of_count_mode),
		T(deadline_fires_once),
		T(deadline_in_the_past_fires_at_once),
		T(deadline_zero_disarms),
		T(deadline_never_wraps),
		T(deadline_needs_its_mode),
		T(mode_switch_disarms),
		T(deadline_follows_guest_tsc),
		T(reserved_mode_does_nothing),
		T(illegal_vector_is_an_error),
		T(reset_stops),
		T(stray_callbacks_do_nothing),
		T(fast_deadline_is_settled),
		T(fast_deadline_fires),
		T(fast_deadline_leaves_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
