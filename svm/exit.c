/* SPDX-License-Identifier: BSD-2-Clause */
/* From exit codes to what core understands: the fast ones at once, the rest as a record. */
#include "svm/svm.h"

#include "arch/x86/regs.h"
#include "core/dev/uart.h"
#include "core/emulate.h"
#include "core/cpuid_fast.h"
#include "core/hypercall.h"
#include "core/msr.h"
#include "core/trace.h"

/*
 * Without NRIP save the length of the few fast instructions is taken for granted: a prefix in
 * front of them, which no compiler emits, is not seen then. Others are decoded on the slow path.
 */
#define LEN_CPUID 2
#define LEN_MSR 2
#define LEN_VMMCALL 3
#define LEN_HLT 1
#define LEN_CACHE 2

ISO_TEXT static enum next skip_fast(struct vcpu_hot *hot, struct vmcb *vmcb, enum exit_kind kind,
				    u64 len_bytes)
{
	vmcb->rip = hot->has_nrip ? vmcb->nrip : vmcb->rip + len_bytes;
	vmcb->int_state = 0;
	hot->exit_counts[kind]++;
	return NEXT_AGAIN;
}

#define X2APIC_TPR (MSR_X2APIC + 8)

#define X2APIC_PPR (MSR_X2APIC + 10)

/* The guest may have written CR8 without an exit, and may read the TPR there next. */
ISO_TEXT static void tpr_take(struct vcpu_hot *hot, const struct vmcb *vmcb)
{
	u64 tpr = vmcb->vintr & VINTR_TPR;

	if (tpr != svm_apic_tpr(hot) >> 4)
		(void)lapic_fast_cr8(hot, tpr);
}

ISO_TEXT static void tpr_give(const struct vcpu_hot *hot, struct vmcb *vmcb)
{
	u32 tpr = svm_apic_tpr(hot);

	if (tpr & 0xf)
		svm_cr8_intercept(vmcb);
	if ((vmcb->vintr & VINTR_TPR) == tpr >> 4)
		return;
	vmcb->vintr = (vmcb->vintr & ~VINTR_TPR) | tpr >> 4;
	vmcb->clean = 0;
}

/*
 * Give the guest what its local APIC has for it. A window that is open already does that as soon as
 * it can. An NMI that waits has opened one too, or waits for an IRET that no interrupt waits for.
 */
ISO_TEXT NOINLINE static void irq_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	if (hot->irq_vector == IRQ_HELD || (vmcb->vintr & VINTR_IRQ)) {
		svm_cr8_intercept(vmcb);
		return;
	}
	if (vmcb->rflags & RFLAGS_IF) {
		lapic_fast_ack(hot, (u8)hot->irq_vector);
		vmcb->event_inj = (u64)hot->irq_vector | EVENT_VALID;
		return;
	}
	svm_cr8_intercept(vmcb);
	svm_window_open(vmcb);
	hot->is_window_fast = true;
}

/* The window that irq_fast() has opened. */
ISO_TEXT NOINLINE static enum next window_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	if (!hot->is_window_fast)
		return NEXT_SLOW;
	hot->is_window_fast = false;
	svm_window_close(vmcb);
	hot->exit_counts[EXIT_IRQ_WINDOW]++;
	tpr_take(hot, vmcb);
	lapic_fast_look(hot);
	if (hot->irq_vector != IRQ_NONE)
		irq_fast(hot, vmcb);
	return NEXT_AGAIN;
}

ISO_TEXT NOINLINE static enum next wrmsr_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	u64 value = hot->gprs[GPR_RDX] << 32 | (u32)hot->gprs[GPR_RAX];

	if ((u32)hot->gprs[GPR_RCX] == X2APIC_TPR) {
		if (lapic_fast_write(hot, X2APIC_TPR, value) != NEXT_SKIP)
			return NEXT_SLOW;
		tpr_give(hot, vmcb);
	} else {
		tpr_take(hot, vmcb);
		if (msr_write_fast(hot) != NEXT_SKIP)
			return NEXT_SLOW;
		if ((u32)hot->gprs[GPR_RCX] == MSR_TSC_DEADLINE && hot->tsc_deadline)
			apic_timer_hasten(hot->percpu, hot->tsc_deadline - hot->tsc_offset);
	}
	skip_fast(hot, vmcb, EXIT_MSR_WRITE, LEN_MSR);
	if (unlikely(hot->irq_vector != IRQ_NONE))
		irq_fast(hot, vmcb);
	return NEXT_AGAIN;
}

ISO_TEXT NOINLINE static enum next rdmsr_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	/* The PPR is two behind the TPR. */
	if (((u32)hot->gprs[GPR_RCX] | 2) == X2APIC_PPR)
		tpr_take(hot, vmcb);
	if (msr_read_fast(hot) != NEXT_SKIP)
		return NEXT_SLOW;
	return skip_fast(hot, vmcb, EXIT_MSR_READ, LEN_MSR);
}

ISO_TEXT NOINLINE static enum next cpuid_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	u32 subleaf;
	const struct cpuid_leaf *leaf = cpuid_answer(hot, &subleaf);

	if (unlikely(leaf->patch))
		cpuid_patch(hot, leaf->patch, subleaf, vmcb->cr4);
	return skip_fast(hot, vmcb, EXIT_CPUID, LEN_CPUID);
}

ISO_TEXT NOINLINE static enum next vmmcall_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	hypercall_fast(hot);
	return skip_fast(hot, vmcb, EXIT_HYPERCALL, LEN_VMMCALL);
}

/* Port accesses by one byte that are no string instruction, APM "IOIO Intercepts". */
ISO_TEXT NOINLINE static enum next io_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	u64 info = vmcb->exit_info1;

	if ((info & (IOIO_STRING | IOIO_REP)) || bits_get(info, 6, 4) != 1 ||
	    uart_fast_io(hot, (u16)(info >> 16), info & IOIO_IN) != NEXT_SKIP)
		return NEXT_SLOW;
	return skip_fast(hot, vmcb, EXIT_IO, vmcb->exit_info2 - vmcb->rip);
}

/* An interrupt that waits already wakes it at once. */
ISO_TEXT NOINLINE static enum next hlt_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	if (hot->apic_live || !(vmcb->rflags & RFLAGS_IF))
		return NEXT_SLOW;
	tpr_take(hot, vmcb);
	lapic_fast_look(hot);
	if (hot->irq_vector < 0)
		return NEXT_SLOW;
	skip_fast(hot, vmcb, EXIT_HLT, LEN_HLT);
	irq_fast(hot, vmcb);
	return NEXT_AGAIN;
}

/* An event whose delivery has faulted is the full code's. */
ISO_TEXT NOINLINE static enum next npt_fast(struct vcpu_hot *hot, const struct vmcb *vmcb)
{
	return vmcb->exit_int_info & EVENT_VALID ? NEXT_SLOW : npf_fast(hot, vmcb->exit_info2);
}

/* What the full code wants to inject must not be overwritten. */
ISO_TEXT enum next svm_request_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	if ((vmcb->event_inj & EVENT_VALID) || !request_irq_take(hot))
		return NEXT_SLOW;
	tpr_take(hot, vmcb);
	lapic_fast_look(hot);
	if (hot->irq_vector != IRQ_NONE)
		irq_fast(hot, vmcb);
	return NEXT_AGAIN;
}

/* The host's interrupt or NMI is taken by the entry code. */
ISO_TEXT NOINLINE static enum next host_fast(struct vcpu_hot *hot, const struct vmcb *vmcb,
					     u64 code)
{
	/* What was to be injected is still to be. */
	if (vmcb->exit_int_info & EVENT_VALID)
		return NEXT_SLOW;
	hot->exit_counts[code == SVM_EXIT_INTR ? EXIT_INTR : EXIT_NMI]++;
	return NEXT_OPEN;
}

/* Nothing but jumps: each of the others has a frame of its own, if it needs one. */
ISO_TEXT enum next svm_exit_fast(struct vcpu_hot *hot, struct vmcb *vmcb)
{
	u64 code = vmcb->exit_code;
	struct trace_entry *entry = trace_exit(hot, (u32)code);

	entry->rip = vmcb->rip;
	entry->info = vmcb->exit_info1;
	vmcb->tlb_control = TLB_KEEP;
	vmcb->event_inj = 0;
	vmcb->clean = hot->clean_bits;
	/* Single-stepped instructions raise #DB afterwards; the slow path knows how. */
	if (unlikely(vmcb->rflags & RFLAGS_TF))
		return NEXT_SLOW;
	if (code == SVM_EXIT_CPUID)
		return cpuid_fast(hot, vmcb);
	if (code == SVM_EXIT_MSR)
		return vmcb->exit_info1 & 1 ? wrmsr_fast(hot, vmcb) : rdmsr_fast(hot, vmcb);
	if (code == SVM_EXIT_VMMCALL)
		return vmmcall_fast(hot, vmcb);
	if (code == SVM_EXIT_VINTR)
		return window_fast(hot, vmcb);
	if (code == SVM_EXIT_NPF)
		return npt_fast(hot, vmcb);
	if (code == SVM_EXIT_INTR || code == SVM_EXIT_NMI)
		return host_fast(hot, vmcb, code);
	if (code == SVM_EXIT_IOIO)
		return io_fast(hot, vmcb);
	if (code == SVM_EXIT_HLT)
		return hlt_fast(hot, vmcb);
	/* All of the guest's memory is coherent write-back memory: nothing is to be done. */
	if (code == SVM_EXIT_WBINVD || code == SVM_EXIT_INVD)
		return skip_fast(hot, vmcb, EXIT_CACHE, LEN_CACHE);
	return NEXT_SLOW;
}

static void decode_nothing(struct vcpu *v __unused_arg, struct exit *x __unused_arg)
{
}

static void decode_info(struct vcpu *v, struct exit *x)
{
	x->info = svm_vmcb(v)->exit_info1;
}

/*
 * How long is the instruction? Found before it has any effect: afterwards it may be too late. Not
 * readable any more: another vCPU has changed the code; let the guest run into it.
 */
static void decode_insn(struct vcpu *v, struct exit *x)
{
	const struct vmcb *vmcb = svm_vmcb(v);
	struct emul_insn insn;

	if (svm_caps.has_nrip && vmcb->nrip)
		x->insn_len = (u8)(vmcb->nrip - vmcb->rip);
	else if (emulate_decode(v, &insn))
		x->kind = EXIT_NONE;
	else
		x->insn_len = insn.len;
}

static void decode_msr(struct vcpu *v, struct exit *x)
{
	x->kind = svm_vmcb(v)->exit_info1 & 1 ? EXIT_MSR_WRITE : EXIT_MSR_READ;
	decode_insn(v, x);
}

static void decode_io(struct vcpu *v, struct exit *x)
{
	const struct vmcb *vmcb = svm_vmcb(v);
	u64 info = vmcb->exit_info1;

	x->port = (u16)(info >> 16);
	x->width_bytes = (u8)bits_get(info, 6, 4);
	x->is_in = info & IOIO_IN;
	x->is_string = info & IOIO_STRING;
	x->insn_len = (u8)(vmcb->exit_info2 - vmcb->rip);
}

static void decode_exception(struct vcpu *v, struct exit *x)
{
	const struct vmcb *vmcb = svm_vmcb(v);

	x->vector = (u8)(vmcb->exit_code - 0x40);
	if (x->vector == EXC_DB && svm_step_done(v)) {
		x->kind = EXIT_NMI_WINDOW;
		return;
	}
	x->err = (u32)vmcb->exit_info1;
	/* The processor has brought DR6 and DR7 up to date before the intercept. */
	x->info = x->vector == EXC_DB ? vmcb->dr6 : 0;
}

/* APM "Nested versus Guest Page Faults, Fault Ordering". */
#define NPF_FINAL BIT(32)

static void decode_npf(struct vcpu *v, struct exit *x)
{
	const struct vmcb *vmcb = svm_vmcb(v);
	u64 err = vmcb->exit_info1;

	x->gpa = vmcb->exit_info2;
	x->is_final = err & NPF_FINAL;
	x->gva_valid = false;
	x->access = err & PF_FETCH ? ACCESS_FETCH : err & PF_WRITE ? ACCESS_WRITE : ACCESS_READ;
}

static void decode_iret(struct vcpu *v, struct exit *x __unused_arg)
{
	svm_nmi_iret(v);
}

static void decode_avic_ipi(struct vcpu *v, struct exit *x)
{
	svm_apic_ipi_decode(v, x);
}

static void decode_avic_access(struct vcpu *v, struct exit *x)
{
	svm_apic_access_decode(v, x);
}

static u64 gpr_get(struct vcpu *v, u8 gpr)
{
	return gpr == GPR_RSP ? svm_vmcb(v)->rsp : v->hot->gprs[gpr];
}

/* MOV to CR4 or CR8: which register it comes from. */
static void decode_cr(struct vcpu *v, struct exit *x)
{
	const struct vmcb *vmcb = svm_vmcb(v);
	struct emul_insn insn;

	x->cr = (u8)(vmcb->exit_code & 0xf);
	if (svm_caps.has_decode_assists && (vmcb->exit_info1 & CR_IS_MOV)) {
		x->gpr = vmcb->exit_info1 & 0xf;
		decode_insn(v, x);
	} else if (emulate_decode(v, &insn) || insn.opnd[1].kind != EMUL_OPND_REG) {
		x->kind = EXIT_NONE;
	} else {
		x->gpr = insn.opnd[1].reg;
		x->insn_len = insn.len;
	}
	x->info = gpr_get(v, x->gpr);
}

enum npf svm_npf_serve(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_vmcb(v);

	if (vmcb->exit_code != SVM_EXIT_NPF || (vmcb->exit_int_info & EVENT_VALID))
		return NPF_SLOW;
	decode_npf(v, &v->hot->exit);
	return npf_serve(v);
}

void svm_exit_decode(struct vcpu *v)
{
	u64 exit_code = svm_vmcb(v)->exit_code;
	struct exit *x = &v->hot->exit;

	*x = (struct exit){ .raw = (u32)exit_code };
	switch (exit_code) {
#define X(code, name, kind_, decode, class)                                                        \
	case (u64)(code):                                                                          \
		x->kind = kind_;                                                                   \
		decode_##decode(v, x);                                                             \
		break;
#include "svm/exits.def"
#undef X
	default:
		x->kind = exit_code - SVM_EXIT_DR < SVM_NR_EXIT_DR ? EXIT_DR : EXIT_UNKNOWN;
		x->info = svm_vmcb(v)->exit_info1;
		break;
	}
}

void svm_insn_done(struct vcpu *v, u64 rip)
{
	struct vmcb *vmcb = svm_vmcb(v);

	vmcb->rip = rip;
	vmcb->int_state &= ~INT_SHADOW;
}

void svm_insn_skip(struct vcpu *v)
{
	struct vmcb *vmcb = svm_vmcb(v);

	vmcb->rip += v->hot->exit.insn_len;
	vmcb->int_state &= ~INT_SHADOW;
}
