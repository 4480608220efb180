/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What device tests share: one VM with one vCPU, a clock that stands still until fix_advance(),
 * timers that fire from it, and recorded effects. Included by exactly one file per program. Define
 * FIX_REAL_IRQ before to link core/irq.c instead of the recording irq_line_set().
 */
#ifndef TESTS_HOST_DEV_FIXTURE_H
#define TESTS_HOST_DEV_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "core/clock.h"
#include "core/irq.h"
#include "core/vm.h"

#define FIX_TSC_PER_NS 2
#define FIX_EPOCH_SECONDS 1700000000ull /* 2023-11-14 22:13:20 UTC, a Tuesday */
#define FIX_MAX_TIMERS 4
#define FIX_NR_LINES 24

static struct vm fix_vm;
static struct vm_iso fix_iso;
static struct vcpu fix_vcpu;
static struct vm_config fix_config;
static u64 fix_ns; /* since the epoch above */
static struct timer *fix_timers[FIX_MAX_TIMERS];
static unsigned fix_nr_timers;
static u64 fix_nr_fired;
static bool fix_is_locked;
static enum vm_end fix_end;
static bool fix_line[FIX_NR_LINES];
static unsigned fix_rises[FIX_NR_LINES];
static u64 fix_seed;

static void fix_init(void)
{
	memset(&fix_vm, 0, sizeof(fix_vm));
	memset(&fix_iso, 0, sizeof(fix_iso));
	fix_vm.iso = &fix_iso;
	memset(&fix_config, 0, sizeof(fix_config));
	memset(fix_line, 0, sizeof(fix_line));
	memset(fix_rises, 0, sizeof(fix_rises));
	fix_config.memory_bytes = MiB(512);
	fix_vm.config = &fix_config;
	fix_vm.nr_vcpus = 1;
	fix_vm.vcpu[0] = &fix_vcpu;
	fix_vcpu.vm = &fix_vm;
	fix_ns = 1000;
	fix_nr_timers = 0;
	fix_nr_fired = 0;
	fix_is_locked = false;
	fix_end = VM_END_NONE;
	fix_seed = 0x123456789abcdefull;
}

/* Reproducible noise. */
static u64 __unused_arg fix_random(void)
{
	fix_seed ^= fix_seed << 13;
	fix_seed ^= fix_seed >> 7;
	fix_seed ^= fix_seed << 17;
	return fix_seed;
}

u64 clock_tsc(void)
{
	return fix_ns * FIX_TSC_PER_NS;
}

u64 clock_ns_from_tsc(u64 ticks)
{
	return ticks / FIX_TSC_PER_NS;
}

u64 clock_tsc_from_ns(u64 ns)
{
	return ns * FIX_TSC_PER_NS;
}

u64 clock_wall_ns(void)
{
	return FIX_EPOCH_SECONDS * 1000000000ull + fix_ns;
}

void timer_init(struct timer *t, u32 cpu, void (*fire)(struct timer *t))
{
	assert_true(fix_nr_timers < FIX_MAX_TIMERS);
	t->cpu = cpu;
	t->fire = fire;
	fix_timers[fix_nr_timers++] = t;
}

void timer_arm(struct timer *t, u64 deadline_tsc)
{
	assert_non_null(t->fire);
	t->deadline_tsc = deadline_tsc;
	t->is_armed = true;
}

void timer_cancel(struct timer *t)
{
	t->is_armed = false;
}

static struct timer *fix_earliest(void)
{
	struct timer *best = NULL;

	for (unsigned i = 0; i < fix_nr_timers; i++) {
		struct timer *t = fix_timers[i];

		if (t->is_armed && (!best || t->deadline_tsc < best->deadline_tsc))
			best = t;
	}
	return best;
}

/* Let `ns` pass; what becomes due fires `late_ns` too late. */
static void __unused_arg fix_advance_late(u64 ns, u64 late_ns)
{
	u64 end = fix_ns + ns;

	for (struct timer *t = fix_earliest(); t; t = fix_earliest()) {
		u64 due = (t->deadline_tsc + FIX_TSC_PER_NS - 1) / FIX_TSC_PER_NS + late_ns;

		if (due > end)
			break;
		if (due > fix_ns)
			fix_ns = due;
		t->is_armed = false;
		fix_nr_fired++;
		t->fire(t);
	}
	fix_ns = end;
}

static void __unused_arg fix_advance(u64 ns)
{
	fix_advance_late(ns, 0);
}

void lock_acquire(struct lock *lock)
{
	assert_ptr_equal(lock, &fix_vm.dev_lock);
	assert_false(fix_is_locked);
	fix_is_locked = true;
}

void lock_release(struct lock *lock __unused_arg)
{
	assert_true(fix_is_locked);
	fix_is_locked = false;
}

void vm_stop(struct vm *vm, enum vm_end why)
{
	assert_ptr_equal(vm, &fix_vm);
	if (fix_end == VM_END_NONE)
		fix_end = why;
}

#ifndef FIX_REAL_IRQ
void irq_line_set(struct vm *vm, u32 gsi, bool level)
{
	assert_ptr_equal(vm, &fix_vm);
	assert_true(gsi < FIX_NR_LINES);
	fix_rises[gsi] += level && !fix_line[gsi];
	fix_line[gsi] = level;
}
#endif

#endif
