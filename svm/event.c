/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events into a guest: APM volume 2, "Event Injection", "Virtual Interrupts" and "NMI
 * Virtualization". Where the CPU has no virtual NMIs, their blocking is kept in software: from the
 * injection on IRET is intercepted, and NMIs are open again when the guest has left the address of
 * that IRET. If an NMI waits for that, the IRET is single-stepped, so that the NMI comes right
 * behind it.
 */
#include "svm/svm.h"

#include "arch/x86/regs.h"

static void nmi_block(struct vcpu *v)
{
	svm_vcpu(v)->nmi = SVM_NMI_BLOCKED;
	svm_intercept(svm_vmcb(v), SVM_EXIT_IRET, true);
}

static void nmi_reopen(struct vcpu *v)
{
	svm_vcpu(v)->nmi = SVM_NMI_OPEN;
	svm_intercept(svm_vmcb(v), SVM_EXIT_IRET, false);
}

/* The CPU delivers it as soon as nothing blocks it, and blocks further ones itself. */
static void vnmi_inject(struct vcpu *v)
{
	svm_vmcb(v)->vintr |= VINTR_NMI;
	nmi_reopen(v);
}

/* At the IRET of a handler the next one may be handed over: it comes right behind. */
static bool is_vnmi_blocked(struct vcpu *v)
{
	u64 vintr = svm_vmcb(v)->vintr;

	return (vintr & VINTR_NMI) ||
	       ((vintr & VINTR_NMI_MASK) && svm_vcpu(v)->nmi != SVM_NMI_IRET);
}

static void vnmi_block_set(struct vcpu *v, bool is_blocked)
{
	svm_vmcb(v)->vintr = bits_put(svm_vmcb(v)->vintr, VINTR_NMI_MASK, is_blocked);
	svm_dirty(v);
}

void svm_inject(struct vcpu *v, const struct event *event)
{
	struct vmcb *vmcb = svm_vmcb(v);
	u64 type = event->type;

	if (type == EVENT_NMI && svm_caps.has_vnmi) {
		vnmi_inject(v);
		return;
	}

	/*
	 * Vectors 3 and 4 as exceptions mean INT3 and INTO here; INT1 is injected as #DB. What the
	 * guest is to return to is next_RIP, or RIP where the CPU has no such thing.
	 */
	if (type == EVENT_SOFT_EXC)
		vmcb->nrip = vmcb->rip = vmcb->rip + event->insn_len;
	if (type == EVENT_SOFT_EXC || type == EVENT_PRIV_SOFT_EXC)
		type = EVENT_EXCEPTION;
	vmcb->event_inj = event->vector | type << EVENT_TYPE_SHIFT | EVENT_VALID;
	if (event->has_err)
		vmcb->event_inj |= EVENT_HAS_ERR | (u64)event->err << 32;
	if (type == EVENT_NMI)
		nmi_block(v);
}

static bool is_by_instruction(const struct event *e)
{
	return e->type == EVENT_SOFT_INT ||
	       (e->type == EVENT_EXCEPTION && (e->vector == EXC_BP || e->vector == EXC_OF));
}

static __attribute__((noinline)) struct event injection_decode(struct vcpu *v)
{
	struct vmcb *vmcb = svm_vmcb(v);
	u64 info = vmcb->exit_int_info & EVENT_VALID ? vmcb->exit_int_info : vmcb->event_inj;
	struct event e = { .is_valid = true,
			   .type = (u8)bits_get(info, 10, 8),
			   .vector = (u8)info,
			   .has_err = info & EVENT_HAS_ERR,
			   .err = (u32)(info >> 32) };

	vmcb->exit_int_info = 0;
	vmcb->event_inj = 0;
	/* RIP is still at the instruction, which raises the event again, or was moved behind it. */
	if (is_by_instruction(&e)) {
		e.is_valid = false;
		vmcb->rip -= v->debug.is_on && e.vector == EXC_BP;
	}
	if (e.type == EVENT_NMI && svm_caps.has_vnmi)
		vnmi_block_set(v, false);
	else if (e.type == EVENT_NMI)
		nmi_reopen(v);
	return e;
}

struct event svm_injection_take(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_vmcb(v);

	if (likely(!((vmcb->exit_int_info | vmcb->event_inj) & EVENT_VALID)))
		return (struct event){ 0 };
	return injection_decode(v);
}

void svm_nmi_iret(struct vcpu *v)
{
	struct svm_vcpu *svm = svm_vcpu(v);

	svm->nmi = SVM_NMI_IRET;
	svm->iret_rip = svm_vmcb(v)->rip;
	svm_intercept(svm_vmcb(v), SVM_EXIT_IRET, false);
}

u32 svm_blocking_get(struct vcpu *v)
{
	struct svm_vcpu *svm = svm_vcpu(v);
	struct vmcb *vmcb = svm_vmcb(v);
	u32 blocking = vmcb->int_state & INT_SHADOW ? BLOCK_STI : 0;

	if (svm->nmi == SVM_NMI_IRET && vmcb->rip != svm->iret_rip)
		nmi_reopen(v);
	if (svm_caps.has_vnmi)
		return is_vnmi_blocked(v) ? blocking | BLOCK_NMI : blocking;
	return svm->nmi == SVM_NMI_OPEN ? blocking : blocking | BLOCK_NMI;
}

void svm_blocking_set(struct vcpu *v, u32 blocking)
{
	struct vmcb *vmcb = svm_vmcb(v);

	vmcb->int_state =
		bits_put(vmcb->int_state, INT_SHADOW, blocking & (BLOCK_STI | BLOCK_MOV_SS));
	if (svm_caps.has_vnmi)
		vnmi_block_set(v, blocking & BLOCK_NMI);
	else if (!(blocking & BLOCK_NMI))
		nmi_reopen(v);
	else if (svm_vcpu(v)->nmi == SVM_NMI_OPEN)
		nmi_block(v);
}

static void vintr_window(struct vcpu *v, bool is_wanted)
{
	struct vmcb *vmcb = svm_vmcb(v);

	v->hot->is_window_fast = false;
	if (is_wanted == !!(vmcb->vintr & VINTR_IRQ))
		return;
	if (is_wanted)
		svm_window_open(vmcb);
	else
		svm_window_close(vmcb);
}

/* The flags that IRET loads are the guest's own, so TF needs no cleaning up behind it. */
static void iret_step(struct vcpu *v)
{
	struct svm_vcpu *svm = svm_vcpu(v);
	struct vmcb *vmcb = svm_vmcb(v);

	if (svm->is_stepping || (vmcb->rflags & RFLAGS_TF))
		return;
	svm->is_stepping = true;
	svm->dr6_before = vmcb->dr6;
	vmcb->rflags |= RFLAGS_TF;
}

/*
 * Has a breakpoint hit that DR7 enables? Bits 3:0 of DR6 also tell of others. SDM "Debug Status
 * Register (DR6)".
 */
static bool is_breakpoint_hit(const struct vmcb *vmcb)
{
	for (unsigned i = 0; i < 4; i++)
		if ((vmcb->dr6 & BIT(i)) && (vmcb->dr7 & MASK(2 * i + 1, 2 * i)))
			return true;
	return false;
}

bool svm_step_done(struct vcpu *v)
{
	struct svm_vcpu *svm = svm_vcpu(v);
	struct vmcb *vmcb = svm_vmcb(v);

	if (!svm->is_stepping)
		return false;
	svm->is_stepping = false;
	/* Breakpoints of the guest's own hit at the same time. */
	if (is_breakpoint_hit(vmcb)) {
		vmcb->dr6 &= ~DR6_BS;
		return false;
	}
	vmcb->dr6 = svm->dr6_before;
	svm_dirty(v);
	return true;
}

void svm_window(struct vcpu *v, bool irq, bool nmi)
{
	if (svm_caps.has_vnmi) {
		svm_intercept(svm_vmcb(v), SVM_EXIT_IRET, nmi);
		nmi = false;
	}
	if (nmi && svm_vcpu(v)->nmi == SVM_NMI_IRET)
		iret_step(v);
	/* An NMI that only waits for the end of an interrupt shadow comes before any interrupt. */
	irq = irq || (nmi && svm_vcpu(v)->nmi == SVM_NMI_OPEN);
	/* NAP-6: AVIC does not know V_IRQ. */
	if (irq ? v->hot->apic_live : v->lapic.is_paused)
		lapic_hw_pause(v, irq);
	vintr_window(v, irq);
}
