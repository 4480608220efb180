/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/pause.h"

#include "arch/x86/atomic.h"
#include "arch/x86/percpu.h"
#include "core/hv.h"
#include "core/run.h"
#include "core/trace.h"
#include "core/vm.h"

void vm_pause(struct vm *vm)
{
	trace_event(TRACE_PAUSE, vm->index);
	atomic_add_u32(&vm->pauses, 1); /* pause.pml: count, then ask */
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		vcpu_request(vm->vcpu[i], REQ_PAUSE);
}

bool vm_is_paused(const struct vm *vm)
{
	if (!atomic_load_u32(&vm->pauses))
		return false;
	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		u32 state = atomic_load_u32(&vm->vcpu[i]->hot->run_state);

		if (state != RUN_PAUSED && state != RUN_OUT)
			return false;
	}
	return true;
}

/* The one who moves it out of RUN_PAUSED sends it on its way: pause.pml, CAS. */
static bool unpause(struct vcpu *v)
{
	return atomic_cas_u32(&v->hot->run_state, RUN_PAUSED, RUN_LOOP);
}

void vm_resume(struct vm *vm)
{
	trace_event(TRACE_RESUME, vm->index);
	if (atomic_sub_u32(&vm->pauses, 1) != 1)
		return;
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		if (unpause(vm->vcpu[i]))
			sched_push(vm->vcpu[i]);
}

bool vcpu_is_to_pause(const struct vcpu *v)
{
	return atomic_load_u32(&v->vm->pauses) || v->debug.is_held;
}

bool vcpu_pause(struct vcpu *v)
{
	vcpu_unload(v);
	atomic_xchg_u32(&v->hot->run_state, RUN_PAUSED); /* pause.pml: say so, then look again */
	return vcpu_is_to_pause(v) || !unpause(v);
}

struct vcpu *vcpu_borrow(struct vcpu *v)
{
	struct vcpu *before = this_cpu()->vcpu;
	/* One that only happens to be here still is loaded again when its turn comes. */
	bool is_running = before && atomic_load_u32(&before->hot->run_state) == RUN_LOOP &&
			  !atomic_load_u32(&before->sched.is_queued);

	if (before)
		vcpu_unload(before);
	vcpu_load(v);
	return is_running ? before : NULL;
}

void vcpu_give_back(struct vcpu *v, struct vcpu *before)
{
	vcpu_unload(v);
	if (!before)
		return;
	vcpu_load(before);
	/* What came meanwhile was noted for the borrowed one: wake.pml, look. */
	atomic_or_u32(&before->hot->requests, REQ_RESCHED | REQ_TIMER);
	hv_apic_load(before);
}
