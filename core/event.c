/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/event.h"

#include "arch/x86/atomic.h"
#include "arch/x86/regs.h"
#include "core/hv.h"
#include "core/irq.h"
#include "core/lib/log.h"
#include "core/trace.h"
#include "core/vm.h"

/*
 * The processor latches one NMI beside the one that it handles. Senders cannot know whether one is
 * being handled, so they count to two and event_deliver() takes the second off where it must.
 */
#define NMI_LATCH_MAX 2u

enum exc_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE_FAULT };

#define CONTRIBUTORY                                                                               \
	(BIT(EXC_DE) | BIT(EXC_TS) | BIT(EXC_NP) | BIT(EXC_SS) | BIT(EXC_GP) | BIT(EXC_CP))

/* SDM "Interrupt 8 - Double Fault Exception (#DF)", interrupt and exception classes. */
static enum exc_class exc_class(u8 vector)
{
	if (vector == EXC_PF)
		return CLASS_PAGE_FAULT;
	if (vector == EXC_DF)
		return CLASS_DOUBLE_FAULT;
	return CONTRIBUTORY >> vector & 1 ? CLASS_CONTRIBUTORY : CLASS_BENIGN;
}

/* Does `second`, raised while `first` was being delivered, make a double fault? */
static bool is_double_fault(enum exc_class first, enum exc_class second)
{
	if (first == CLASS_CONTRIBUTORY)
		return second == CLASS_CONTRIBUTORY;
	return first == CLASS_PAGE_FAULT && second != CLASS_BENIGN;
}

void event_exception(struct vcpu *v, u8 vector, u32 err)
{
	bool is_second = v->event.is_valid && v->event.type == EVENT_EXCEPTION;
	enum exc_class first = is_second ? exc_class(v->event.vector) : CLASS_BENIGN;
	enum exc_class second = exc_class(vector);

	if (first == CLASS_DOUBLE_FAULT && second != CLASS_BENIGN) {
		log_info("%s: vCPU %u: triple fault at 0x%llx, by exception %u",
			 v->vm->config->name, v->index,
			 (unsigned long long)hv_reg_get(v, REG_RIP), vector);
		trace_dump(v->cpu);
		vm_stop(v->vm, VM_END_RESET);
		return;
	}
	if (is_double_fault(first, second)) {
		vector = EXC_DF;
		err = 0;
	}
	v->event = (struct event){ .is_valid = true,
				   .type = EVENT_EXCEPTION,
				   .vector = vector,
				   .has_err = EXC_WITH_ERROR_CODE >> vector & 1,
				   .err = err };
	/* Real mode pushes no error codes, and VM entry checks that none is asked for. */
	if (!(hv_reg_get(v, REG_CR0) & CR0_PE))
		v->event.has_err = false;
}

void event_int3(struct vcpu *v)
{
	v->event = (struct event){
		.is_valid = true, .type = EVENT_SOFT_EXC, .vector = EXC_BP, .insn_len = 1
	};
}

void event_nmi(struct vcpu *v)
{
	u32 old = atomic_load_u32(&v->nmi_pending);

	while (old < NMI_LATCH_MAX && !atomic_cas_u32(&v->nmi_pending, old, old + 1))
		old = atomic_load_u32(&v->nmi_pending);
	vcpu_request(v, REQ_EVENT);
}

void event_reset(struct vcpu *v)
{
	v->event.is_valid = false;
	atomic_store_u32(&v->nmi_pending, 0);
}

void event_collect(struct vcpu *v)
{
	struct event e = hv_injection_take(v);

	if (!e.is_valid)
		return;
	if (e.type == EVENT_NMI)
		atomic_add_u32(&v->nmi_pending, 1);
	else
		v->event = e;
}

static bool extint_pending(struct vcpu *v)
{
	return pic_output(v->vm) && irq_extint_accepted(v);
}

/* An interrupt that has to be injected: the local APIC's are not while the hardware delivers. */
static bool injection_pending(struct vcpu *v)
{
	return (!lapic_hw_delivers(v) && lapic_pending(v) >= 0) || extint_pending(v);
}

/* Take the interrupt that the guest would now acknowledge: PIC through LINT0 first, as ExtINT. */
static int irq_take(struct vcpu *v)
{
	int vector = -1;

	if (extint_pending(v)) {
		lock_acquire(&v->vm->dev_lock);
		/* Another vCPU may have been quicker. */
		if (pic_output(v->vm))
			vector = pic_ack(v->vm);
		lock_release(&v->vm->dev_lock);
		if (vector >= 0)
			return vector;
	}
	vector = lapic_hw_delivers(v) ? -1 : lapic_pending(v);
	return vector < 0 ? vector : lapic_ack(v, (u8)vector);
}

static void inject(struct vcpu *v, const struct event *e)
{
	trace_event(TRACE_INJECT, (u64)e->type << 8 | e->vector);
	hv_inject(v, e);
}

static bool inject_nmi(struct vcpu *v, u32 blocking)
{
	struct event e = { .is_valid = true, .type = EVENT_NMI, .vector = EXC_NMI };

	if (!atomic_load_u32(&v->nmi_pending) ||
	    (blocking & (BLOCK_NMI | BLOCK_STI | BLOCK_MOV_SS)))
		return false;
	atomic_sub_u32(&v->nmi_pending, 1);
	inject(v, &e);
	return true;
}

static void inject_irq(struct vcpu *v, u32 blocking)
{
	struct event e = { .is_valid = true, .type = EVENT_INTR };
	int vector;

	if (!injection_pending(v) || !(hv_reg_get(v, REG_RFLAGS) & RFLAGS_IF) ||
	    (blocking & (BLOCK_STI | BLOCK_MOV_SS)))
		return;
	vector = irq_take(v);
	if (vector < 0)
		return;
	e.vector = (u8)vector;
	inject(v, &e);
	v->irqs.injected++;
}

void event_nmi_merge(struct vcpu *v)
{
	u32 pending = atomic_load_u32(&v->nmi_pending);

	while (pending > 1 && !atomic_cas_u32(&v->nmi_pending, pending, 1))
		pending = atomic_load_u32(&v->nmi_pending);
}

/* Nothing waits, be it blocked or not: what nearly every entry finds. */
static bool is_quiet(struct vcpu *v)
{
	return !v->event.is_valid && !atomic_load_u32(&v->nmi_pending) && lapic_is_quiet(v) &&
	       !pic_output(v->vm);
}

/* Kept out of the way of the common case, which needs no registers saved. */
static __attribute__((noinline)) void event_choose(struct vcpu *v)
{
	u32 blocking = hv_blocking_get(v);
	bool irq, nmi;

	/* While one is handled, all that arrive are one. */
	if (blocking & BLOCK_NMI)
		event_nmi_merge(v);
	if (v->event.is_valid) {
		inject(v, &v->event);
		v->event.is_valid = false;
	} else if (!v->debug.is_stepping && !inject_nmi(v, blocking)) {
		inject_irq(v, blocking);
	}
	/* A debugger's step is of the instruction that it sees, and no handler's. */
	irq = !v->debug.is_stepping && injection_pending(v);
	nmi = !v->debug.is_stepping && atomic_load_u32(&v->nmi_pending);
	hv_window(v, irq, nmi);
	/* What the local APIC alone waits for is given on the isolated tables. */
	v->hot->is_window_fast = irq && !nmi && !extint_pending(v) && !v->hot->apic_live;
}

void event_deliver(struct vcpu *v)
{
	if (likely(is_quiet(v)))
		hv_window(v, false, false);
	else
		event_choose(v);
	if (v->vm->lapic_path != LAPIC_SOFTWARE)
		hv_apic_enter(v);
}

bool event_wakes(struct vcpu *v)
{
	u32 blocking = hv_blocking_get(v);

	if (v->event.is_valid)
		return true;
	if (atomic_load_u32(&v->nmi_pending) && !(blocking & BLOCK_NMI))
		return true;
	return (hv_reg_get(v, REG_RFLAGS) & RFLAGS_IF) &&
	       (lapic_pending(v) >= 0 || extint_pending(v));
}
