/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timer of a local APIC. In the count modes it counts nanoseconds over the divider; only the
 * time of expiry is kept, the current count follows from it. SDM "APIC Timer".
 */
#include "core/dev/lapic.h"

#include "core/clock.h"
#include "core/dev/lapic_priv.h"
#include "core/vm.h"

#define NS_PER_TICK (1000000000u / LAPIC_TIMER_HZ)
_Static_assert(NS_PER_TICK * LAPIC_TIMER_HZ == 1000000000u, "a tick is whole nanoseconds");

/* Divide configuration: bits 3, 1 and 0 are the power of two minus one, but 7 is "by 1". */
static unsigned divide_shift(const struct vcpu *v)
{
	u32 tdcr = v->lapic.timer_divide;

	return (((tdcr & 8) >> 1 | (tdcr & 3)) + 1) & 7;
}

static u64 ns_from_count(const struct vcpu *v, u32 count)
{
	return ((u64)count << divide_shift(v)) * NS_PER_TICK;
}

/* Host TSC ticks from one expiry to the next in periodic mode. */
static u64 period_tsc(const struct vcpu *v)
{
	u64 ns = ns_from_count(v, reg_get(v->lapic.regs, APIC_TIMER_INITIAL));
	u64 ticks = clock_tsc_from_ns(MAX(ns, (u64)LAPIC_PERIOD_MIN_NS));

	return MAX(ticks, 1ull);
}

/* The vCPU may have moved since the timer was last armed: it fires where the vCPU is. */
static void host_timer_arm(struct vcpu *v, u64 deadline_tsc)
{
	timer_move(&v->lapic.timer, v->cpu);
	timer_arm(&v->lapic.timer, deadline_tsc);
}

static void count_arm(struct vcpu *v, u64 deadline_tsc)
{
	v->lapic.timer_deadline_tsc = deadline_tsc;
	host_timer_arm(v, deadline_tsc);
}

void lapic_timer_stop(struct vcpu *v)
{
	v->lapic.timer_deadline_tsc = 0;
	v->hot->tsc_deadline = 0;
	v->hot->is_deadline_noted = false;
	timer_cancel(&v->lapic.timer);
}

/* Count expiry at or before `now`: reload or stop. Periods that passed unnoticed are one. */
static void count_expire(struct vcpu *v, u64 now)
{
	struct lapic *l = &v->lapic;

	if (v->lapic.timer_mode == APIC_LVT_PERIODIC && reg_get(l->regs, APIC_TIMER_INITIAL)) {
		u64 period = period_tsc(v);
		u64 late = now - l->timer_deadline_tsc;

		count_arm(v, now + period - late % period);
	} else {
		l->timer_deadline_tsc = 0;
	}
	lapic_lvt_deliver(v, APIC_LVT_TIMER);
}

/* Fires or re-arms, whichever is right by now. */
static void deadline_check(struct vcpu *v, u64 guest_tsc)
{
	u64 now = clock_tsc();
	u64 guest_now = now + v->hot->tsc_offset;

	if (guest_tsc <= guest_now) {
		v->hot->tsc_deadline = 0;
		lapic_lvt_deliver(v, APIC_LVT_TIMER);
		return;
	}
	v->hot->tsc_deadline = guest_tsc;
	/* A deadline beyond the end of the host's counter is one that never comes. */
	host_timer_arm(v, now + MIN(guest_tsc - guest_now, ~now));
}

/* The registers are the vCPU's CPU's business, which need not be this one. */
void lapic_timer_fire(struct timer *t)
{
	struct lapic *l = container_of(t, struct lapic, timer);

	vcpu_request(container_of(l, struct vcpu, lapic), REQ_APIC_TIMER);
}

void lapic_timer_expired(struct vcpu *v)
{
	struct lapic *l = &v->lapic;
	u64 now = clock_tsc();

	if (v->hot->tsc_deadline)
		deadline_check(v, v->hot->tsc_deadline);
	else if (l->timer_deadline_tsc && now >= l->timer_deadline_tsc)
		count_expire(v, now);
	else if (l->timer_deadline_tsc)
		host_timer_arm(v, l->timer_deadline_tsc);
}

void lapic_timer_count_write(struct vcpu *v, u32 count)
{
	/* Neither TSC-deadline mode nor the reserved one counts; hardware may have stored it. */
	if (v->lapic.timer_mode > APIC_LVT_PERIODIC) {
		reg_set(v->lapic.regs, APIC_TIMER_INITIAL, 0);
		return;
	}
	lapic_timer_stop(v);
	reg_set(v->lapic.regs, APIC_TIMER_INITIAL, count);
	if (!count)
		return;
	if (v->lapic.timer_mode == APIC_LVT_PERIODIC)
		count_arm(v, clock_tsc() + period_tsc(v));
	else
		count_arm(v, clock_tsc() + clock_tsc_from_ns(ns_from_count(v, count)));
}

/* Ticks of the host's TSC until expiry; in periodic mode also when a reload is overdue. */
static u64 remaining_tsc(const struct vcpu *v, u64 now)
{
	u64 deadline = v->lapic.timer_deadline_tsc;

	if (now < deadline)
		return deadline - now;
	if (v->lapic.timer_mode != APIC_LVT_PERIODIC)
		return 0;
	return period_tsc(v) - (now - deadline) % period_tsc(v);
}

u32 lapic_timer_count_read(struct vcpu *v)
{
	u32 initial = reg_get(v->lapic.regs, APIC_TIMER_INITIAL);
	u64 count;

	if (!v->lapic.timer_deadline_tsc)
		return 0;
	count = clock_ns_from_tsc(remaining_tsc(v, clock_tsc())) / NS_PER_TICK >> divide_shift(v);
	/* A period that was stretched to the floor counts from the initial value late. */
	return (u32)MIN(count, (u64)initial);
}

void lapic_timer_divide_write(struct vcpu *v, u32 value)
{
	u32 count = lapic_timer_count_read(v);

	v->lapic.timer_divide = value & 0xb;
	reg_set(v->lapic.regs, APIC_TIMER_DIVIDE, value & 0xb);
	/* The count goes on from where it is, at the new rate. */
	if (v->lapic.timer_deadline_tsc)
		count_arm(v, clock_tsc() + clock_tsc_from_ns(ns_from_count(v, count)));
}

void lapic_timer_lvt_write(struct vcpu *v, u32 value)
{
	u32 old = v->lapic.timer_mode;
	u32 new = value & LVT_TIMER_MODE;

	/* One-shot and periodic share a running count; the other modes start from nothing. */
	if (old != new && !(old <= APIC_LVT_PERIODIC && new <= APIC_LVT_PERIODIC)) {
		lapic_timer_stop(v);
		reg_set(v->lapic.regs, APIC_TIMER_INITIAL, 0);
	}
	reg_set(v->lapic.regs, APIC_LVT_TIMER, value);
	v->lapic.timer_mode = new;
}

void lapic_deadline_set(struct vcpu *v, u64 guest_tsc)
{
	if (v->lapic.timer_mode != APIC_LVT_DEADLINE)
		return;
	lapic_timer_stop(v);
	if (guest_tsc)
		deadline_check(v, guest_tsc);
}

void lapic_deadline_settle(struct vcpu *v)
{
	if (!v->hot->is_deadline_noted)
		return;
	v->hot->is_deadline_noted = false;
	if (v->hot->tsc_deadline)
		deadline_check(v, v->hot->tsc_deadline);
	else
		timer_cancel(&v->lapic.timer);
}

void lapic_tsc_changed(struct vcpu *v)
{
	if (v->hot->tsc_deadline)
		lapic_deadline_set(v, v->hot->tsc_deadline);
}
