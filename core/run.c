/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vCPU's side of the run loop; core/sched.c has the CPU's.
 */
#include "core/run.h"

#include "arch/x86/atomic.h"
#include "arch/x86/fpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/spec.h"
#include "core/hv.h"
#include "core/isolation.h"
#include "core/kvm_pv.h"
#include "core/msr.h"
#include "core/pause.h"
#include "core/sched.h"
#include "core/slow.h"
#include "core/trace.h"
#include "core/vm.h"

/* Everything but REQ_STOP, which stays set until the vCPU is powered on again. */
#define REQ_SERVED                                                                                 \
	(REQ_EVENT | REQ_IRQ | REQ_TIMER | REQ_INIT | REQ_SIPI | REQ_TLB | REQ_OUT | REQ_APIC |    \
	 REQ_APIC_TIMER | REQ_PAUSE)

/* What does not keep a vCPU from sleeping: the CPU's loop looks after these itself. */
#define REQ_OF_CPU (REQ_RESCHED | REQ_TIMER)

static void requests_serve(struct vcpu *v, u32 requests)
{
	if (requests & REQ_TIMER)
		timer_run();
	if (requests & REQ_TLB)
		hv_tlb_flush(v);
	if (requests & REQ_APIC)
		lapic_hw_update(v);
	if (requests & REQ_APIC_TIMER)
		lapic_timer_expired(v);
	if (requests & (REQ_INIT | REQ_SIPI))
		vcpu_startup_serve(v);
}

/*
 * Sleep, unless there is something to do after all. Announced before the last look, as the guest
 * mode is: whoever sets a request or posts an interrupt after that look sees RUN_PARKED. True if
 * the vCPU sleeps now, or somebody has woken it already: it is this turn's no more. wake.pml.
 */
static bool vcpu_park(struct vcpu *v)
{
	u32 *state = &v->hot->run_state;

	trace_event(TRACE_PARK, v->state);
	v->sched.irq_wakes = v->state == VCPU_HALTED && (hv_reg_get(v, REG_RFLAGS) & RFLAGS_IF);
	atomic_xchg_u32(state, RUN_PARKED);
	hv_apic_block(v);
	if (!(atomic_load_u32(&v->hot->requests) & ~REQ_OF_CPU) &&
	    !(v->state == VCPU_HALTED && event_wakes(v)))
		return true;
	return !atomic_cas_u32(state, RUN_PARKED, RUN_LOOP);
}

/* Until anything else than a nested page fault that can be served here ends the run. */
static enum next guest_run(struct vcpu *v)
{
	enum next next;
	enum npf npf;

	do {
		next = hv_run(v);
		if (next == NEXT_AGAIN)
			trace_event(TRACE_ABANDON, v->hot->requests);
		if (next != NEXT_SLOW)
			return next;
		npf = hv_npf_serve(v);
	} while (npf == NPF_AGAIN);
	if (npf == NPF_LEAVE)
		return NEXT_AGAIN;
	hv_exit_decode(v);
	v->hot->exit_counts[v->hot->exit.kind]++;
	return NEXT_SLOW;
}

static void vcpu_enter(struct vcpu *v)
{
	struct vcpu_hot *hot = v->hot;
	enum next next;

	/* VMX has a timer that ends the run; else the host's interrupt has to. */
	timer_by_guest(hot->has_fast_deadline && !hot->has_host_timer);
	event_deliver(v);
	/* An earlier deadline that somebody else sets meanwhile comes with a request. */
	hot->others_deadline_tsc =
		timer_deadline_except(hot->tsc_deadline ? &v->lapic.timer : NULL);
	next = guest_run(v);
	lapic_deadline_settle(v);
	if (unlikely(atomic_load_u64(&hot->mode) & MODE_IN_GUEST))
		panic("a way out of the guest leaves its mark");
	vcpu_wake_noted(v);
	event_collect(v);
	if (next == NEXT_SLOW)
		slow_exit(v);
	else
		isolation_left(hot, EXIT_NONE);
}

void vcpu_load(struct vcpu *v)
{
	u32 cpu = cpu_index();

	trace_event(TRACE_VCPU, TRACE_WHO(v));
	v->hot->trace_at = this_cpu()->trace_at;
	this_cpu()->vcpu = v;
	this_cpu()->hot = v->hot;
	v->hot->percpu = this_cpu();
	v->hot->entry_word = (v->hot->entry_word & MODE_EPOCH_MASK) | MODE_IN_GUEST |
			     (u64)this_cpu()->apic_id << MODE_APIC_SHIFT;
	if (isolation_show(v))
		vm_kill(v->vm, NULL, "no memory for its isolated tables");
	if (this_cpu()->last_vm != v->vm)
		spec_vm_switch();
	this_cpu()->last_vm = v->vm;
	hv_vcpu_load(v);
	/* What it has left in this CPU's translation caches is as old as its last stay here. */
	if (v->last_cpu != cpu)
		hv_tlb_flush(v);
	v->last_cpu = cpu;
	fpu_xcr0_load(fpu_xcr0_max());
	fpu_restore(v->fpu);
	fpu_xcr0_load(v->xcr0);
	msr_load(v);
}

void vcpu_unload(struct vcpu *v)
{
	fpu_xcr0_load(fpu_xcr0_max());
	fpu_save(v->fpu);
	msr_unload(v);
	hv_vcpu_unload(v);
	trace_event(TRACE_VCPU, TRACE_NOBODY);
	this_cpu()->trace_at = v->hot->trace_at;
	this_cpu()->vcpu = NULL;
	this_cpu()->hot = NULL;
}

/* Spinning is of interest only while somebody else could have the CPU. */
static void pause_follow(struct vcpu *v)
{
	bool exits = sched_has_others();

	if (exits != v->pause_exits)
		hv_pause_exits(v, exits);
	v->pause_exits = exits;
}

/* Make `v` the one that this CPU has loaded; it may still be from its last turn. */
static void vcpu_switch(struct vcpu *v)
{
	struct vcpu *loaded = this_cpu()->vcpu;

	if (loaded != v) {
		if (loaded)
			vcpu_unload(loaded);
		vcpu_load(v);
		/* What came since the CPU's look was noted for who was loaded: wake.pml, look. */
		atomic_or_u32(&v->hot->requests, REQ_RESCHED | REQ_TIMER);
	}
	hv_apic_load(v);
	kvm_pv_steal_update(v, false);
	if (v->is_fresh) {
		v->is_fresh = false;
		vcpu_reset(v);
	}
	pause_follow(v);
}

static enum turn vcpu_stop(struct vcpu *v)
{
	timer_by_guest(false);
	vcpu_unload(v);
	atomic_store_u32(&v->hot->run_state, RUN_OUT);
	return TURN_STOPPED;
}

enum turn vcpu_turn(struct vcpu *v)
{
	/* pause.pml: a vCPU that was started or woken looks, whether it was asked or not. */
	u32 first = REQ_PAUSE;

	vcpu_switch(v);
	for (;; first = 0) {
		u32 requests = first | vcpu_request_take(v, REQ_SERVED | REQ_RESCHED);

		requests_serve(v, requests);
		if (atomic_load_u32(&v->hot->requests) & REQ_STOP)
			return vcpu_stop(v);
		if ((requests & REQ_PAUSE) && vcpu_is_to_pause(v))
			return vcpu_pause(v) ? TURN_PAUSED : TURN_PREEMPTED;
		if (v->state == VCPU_HALTED && event_wakes(v)) {
			v->state = VCPU_RUNNING;
			v->irqs.at_halt++;
		}
		if (v->state != VCPU_RUNNING) {
			if (vcpu_park(v))
				return TURN_PARKED;
			hv_apic_load(v);
		} else if (requests & REQ_RESCHED) {
			if (sched_wants_cpu(v)) {
				kvm_pv_steal_update(v, true);
				return TURN_PREEMPTED;
			}
			pause_follow(v);
		} else {
			vcpu_enter(v);
		}
	}
}
