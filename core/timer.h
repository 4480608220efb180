/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One-shot timers in TSC ticks, one queue per CPU under that CPU's lock. The timer interrupt only
 * notes that something is due; callbacks run from the run loop or the idle loop of the timer's CPU
 * (timer_run()), on the full tables, interrupts on, no lock held, so that they may take any lock.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "core/lib/list.h"
#include "core/lib/types.h"

struct timer {
	struct list_node node; /* [L:queue] */
	u64 deadline_tsc; /* [L:queue] host TSC */
	void (*fire)(struct timer *t); /* [c] */
	u32 cpu; /* [p] whose queue */
	bool is_armed; /* [L:queue] */
};

/* Set the host timer interrupt up on every CPU. Boot CPU, once. */
void timer_start(void);

/* Prepare `t` for CPU `cpu`; `fire` is called once per arming. A timer moves only while idle. */
void timer_init(struct timer *t, u32 cpu, void (*fire)(struct timer *t));

/* Arm or re-arm `t` for host TSC `deadline_tsc`; a deadline in the past fires at once. Any CPU. */
void timer_arm(struct timer *t, u64 deadline_tsc);

/*
 * Disarm `t`. The callback may still be about to run on another CPU: callbacks check their device's
 * state under its lock. Any CPU.
 */
void timer_cancel(struct timer *t);

/*
 * Let `t` fire as soon as this CPU runs its timers, if it is armed or will be until then. From an
 * interrupt handler of the CPU that `t` belongs to; one timer on each CPU may be hastened.
 */
void timer_hasten(struct timer *t);

/* Run what is due on this CPU and program the hardware for the next. */
void timer_run(void);

/* Has the timer interrupt come since the last timer_run()? Before sleeping, interrupts off. */
bool timer_is_due(void);

/*
 * Disarm `t` and let it belong to CPU `cpu`. Its last callback may still be about to run on the old
 * one. Whoever arms it.
 */
void timer_move(struct timer *t, u32 cpu);

#define TIMER_NEVER (~0ull)

/* The first deadline of this CPU's queue but that of `t`, which may be NULL; or TIMER_NEVER. */
u64 timer_deadline_except(const struct timer *t);

/*
 * From now on the guest's own exit at the first deadline takes the place of this CPU's timer
 * interrupt (`is_guest`), or the interrupt is used again: before sleeping, and when no vCPU runs.
 */
void timer_by_guest(bool is_guest);

#endif
