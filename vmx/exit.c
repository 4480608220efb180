/* SPDX-License-Identifier: BSD-2-Clause */
/* From exit reasons to what core understands: the fast ones at once, the rest as a record. */
#include "vmx/vmx.h"

#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/regs.h"
#include "core/cpuid_fast.h"
#include "core/dev/uart.h"
#include "core/hypercall.h"
#include "core/msr.h"
#include "core/trace.h"

#define QUAL_NMI_UNBLOCKED BIT(12) /* of an EPT violation */

/* RIP behind an instruction that has been carried out. */
VMCS_INLINE void rip_write(u64 rip)
{
	u32 blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

	vmwrite_sure(VMCS_GUEST_RIP, rip);
	if (unlikely(blocking & (BLOCK_STI | BLOCK_MOV_SS)))
		vmwrite32(VMCS_GUEST_INTERRUPTIBILITY,
			  blocking & ~(u32)(BLOCK_STI | BLOCK_MOV_SS));
}

/* Outside 64-bit code RIP wraps at 4 GiB: an entry with more is refused. */
VMCS_INLINE void skip(u64 rip)
{
	u64 len_bytes = vmread(VMCS_EXIT_INSN_LEN);

	rip += len_bytes;
	if (unlikely((u32)rip < len_bytes) && !vmx_is_code64())
		rip = (u32)rip;
	rip_write(rip);
}

VMCS_INLINE enum next fast_done(struct vcpu_hot *hot, enum exit_kind kind, u64 rip)
{
	hot->exit_counts[kind]++;
	skip(rip);
	return NEXT_AGAIN;
}

VMCS_INLINE bool is_single_stepped(void)
{
	return vmreadnat(VMCS_GUEST_RFLAGS) & RFLAGS_TF;
}

VMCS_INLINE bool is_irq_open(void)
{
	return (vmreadnat(VMCS_GUEST_RFLAGS) & RFLAGS_IF) &&
	       !(vmread32(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCK_STI | BLOCK_MOV_SS));
}

/*
 * Give the guest what its local APIC has for it. A window that is open already does that as soon as
 * it can; NMIs come first, and those the full code has.
 */
ISO_TEXT static void irq_give(struct vcpu_hot *hot)
{
	u32 controls = vmread32(VMCS_PROC_CONTROLS);

	/* Only the full code moves the threshold below which the guest's own writes exit. */
	if ((controls & PROC_TPR_SHADOW) &&
	    (hot->irq_vector == IRQ_HELD || vmread32(VMCS_TPR_THRESHOLD)))
		atomic_or_u32(&hot->requests, REQ_EVENT);
	if (atomic_load_u32(&hot->requests) || hot->irq_vector == IRQ_HELD)
		return;
	if (controls & (PROC_INTR_WINDOW | PROC_NMI_WINDOW)) {
		if (!(controls & PROC_INTR_WINDOW))
			atomic_or_u32(&hot->requests, REQ_EVENT);
	} else if (is_irq_open()) {
		lapic_fast_ack(hot, (u8)hot->irq_vector);
		vmwrite32(VMCS_ENTRY_INTR_INFO, (u32)hot->irq_vector | (u32)INTR_VALID);
	} else {
		vmwrite32(VMCS_PROC_CONTROLS, controls | (u32)PROC_INTR_WINDOW);
		hot->is_window_fast = true;
	}
}

VMCS_INLINE void irq_fast(struct vcpu_hot *hot)
{
	if (unlikely(hot->irq_vector != IRQ_NONE))
		irq_give(hot);
}

/* The window that irq_give() has opened. */
ISO_TEXT NOINLINE static enum next window_fast(struct vcpu_hot *hot)
{
	if (!hot->is_window_fast)
		return NEXT_SLOW;
	hot->is_window_fast = false;
	vmwrite32(VMCS_PROC_CONTROLS, vmread32(VMCS_PROC_CONTROLS) & ~(u32)PROC_INTR_WINDOW);
	hot->exit_counts[EXIT_IRQ_WINDOW]++;
	lapic_fast_look(hot);
	irq_fast(hot);
	return NEXT_AGAIN;
}

/* The timer has run out: if that was for the guest's deadline, it is the guest's interrupt. */
ISO_TEXT NOINLINE static enum next timer_fast(struct vcpu_hot *hot)
{
	u64 now = rdtsc();

	if (hot->others_deadline_tsc <= now)
		return NEXT_SLOW;
	if (lapic_fast_expire(hot, now + hot->tsc_offset) == NEXT_SLOW)
		return NEXT_SLOW;
	hot->exit_counts[EXIT_TIMER]++;
	vmx_timer_write(hot);
	irq_fast(hot);
	return NEXT_AGAIN;
}

ISO_TEXT NOINLINE static enum next wrmsr_fast(struct vcpu_hot *hot, u64 rip)
{
	if (is_single_stepped() || msr_write_fast(hot) != NEXT_SKIP)
		return NEXT_SLOW;
	if ((u32)hot->gprs[GPR_RCX] == MSR_TSC_DEADLINE)
		vmx_timer_write(hot);
	fast_done(hot, EXIT_MSR_WRITE, rip);
	irq_fast(hot);
	return NEXT_AGAIN;
}

/* MOV to CR8; to other control registers the slow way. */
#define QUAL_CR_AND_ACCESS MASK(5, 0)

ISO_TEXT NOINLINE static enum next cr_fast(struct vcpu_hot *hot, u64 rip)
{
	u64 qualification = vmreadnat(VMCS_QUALIFICATION);
	u64 gpr = bits_get(qualification, 11, 8);

	/* RBP and R12 to R15 are not in gprs[] yet. */
	if ((qualification & QUAL_CR_AND_ACCESS) != 8 || !(GPRS_SAVED_FAST >> gpr & 1) ||
	    is_single_stepped() || lapic_fast_cr8(hot, hot->gprs[gpr]) != NEXT_SKIP)
		return NEXT_SLOW;
	fast_done(hot, EXIT_CR_WRITE, rip);
	irq_fast(hot);
	return NEXT_AGAIN;
}

ISO_TEXT NOINLINE static enum next rdmsr_fast(struct vcpu_hot *hot, u64 rip)
{
	if (is_single_stepped() || msr_read_fast(hot) != NEXT_SKIP)
		return NEXT_SLOW;
	return fast_done(hot, EXIT_MSR_READ, rip);
}

ISO_TEXT NOINLINE static enum next vmcall_fast(struct vcpu_hot *hot, u64 rip)
{
	if (is_single_stepped())
		return NEXT_SLOW;
	hypercall_fast(hot);
	return fast_done(hot, EXIT_HYPERCALL, rip);
}

/* Single-stepped instructions raise #DB afterwards; the slow path knows how. */
VMCS_INLINE enum next cpuid_fast(struct vcpu_hot *hot, u64 rip)
{
	const struct cpuid_leaf *leaf;
	u32 subleaf;

	if (unlikely(is_single_stepped()))
		return NEXT_SLOW;
	leaf = cpuid_answer(hot, &subleaf);
	if (unlikely(leaf->patch))
		cpuid_patch(hot, leaf->patch, subleaf, vmreadnat(VMCS_GUEST_CR4));
	return fast_done(hot, EXIT_CPUID, rip);
}

/* Port accesses by one byte, SDM "Exit Qualification for I/O Instructions". */
#define QUAL_IO_WIDER (MASK(2, 0) | BIT(4) | BIT(5)) /* or by a string instruction */
#define QUAL_IO_IN BIT(3)

ISO_TEXT NOINLINE static enum next io_fast(struct vcpu_hot *hot, u64 rip)
{
	u64 qualification = vmreadnat(VMCS_QUALIFICATION);

	if ((qualification & QUAL_IO_WIDER) || is_single_stepped() ||
	    uart_fast_io(hot, (u16)(qualification >> 16), qualification & QUAL_IO_IN) != NEXT_SKIP)
		return NEXT_SLOW;
	return fast_done(hot, EXIT_IO, rip);
}

/* The exit has acknowledged it. */
ISO_TEXT NOINLINE static enum next intr_fast(struct vcpu_hot *hot)
{
	if ((vmread32(VMCS_IDT_VECTORING_INFO) & INTR_VALID) ||
	    !request_interrupt_fast((u8)vmread32(VMCS_EXIT_INTR_INFO)))
		return NEXT_SLOW;
	hot->exit_counts[EXIT_INTR]++;
	return NEXT_AGAIN;
}

/* All of the guest's memory is coherent write-back memory: nothing is to be done. */
ISO_TEXT NOINLINE static enum next cache_fast(struct vcpu_hot *hot, u64 rip)
{
	return is_single_stepped() ? NEXT_SLOW : fast_done(hot, EXIT_CACHE, rip);
}

/* An interrupt that waits already wakes it at once. */
ISO_TEXT NOINLINE static enum next hlt_fast(struct vcpu_hot *hot, u64 rip)
{
	if (hot->apic_live || is_single_stepped() ||
	    !(vmreadnat(VMCS_GUEST_RFLAGS) & RFLAGS_IF))
		return NEXT_SLOW;
	lapic_fast_look(hot);
	if (hot->irq_vector < 0)
		return NEXT_SLOW;
	fast_done(hot, EXIT_HLT, rip);
	irq_give(hot);
	return NEXT_AGAIN;
}

/* An event whose delivery has faulted, or an IRET that opened NMIs too early: the full code's. */
ISO_TEXT NOINLINE static enum next ept_fast(struct vcpu_hot *hot)
{
	if ((vmread32(VMCS_IDT_VECTORING_INFO) & INTR_VALID) ||
	    (vmreadnat(VMCS_QUALIFICATION) & QUAL_NMI_UNBLOCKED))
		return NEXT_SLOW;
	return npf_fast(hot, vmread64(VMCS_GUEST_PHYSICAL));
}

/* What the full code wants to inject must not be overwritten. */
ISO_TEXT enum next vmx_request_fast(struct vcpu_hot *hot)
{
	if ((vmread32(VMCS_ENTRY_INTR_INFO) & INTR_VALID) || !request_irq_take(hot))
		return NEXT_SLOW;
	lapic_fast_look(hot);
	irq_fast(hot);
	return NEXT_AGAIN;
}

/* Nothing but jumps: each of the others has a frame of its own, if it needs one. */
ISO_TEXT enum next vmx_exit_fast(struct vcpu_hot *hot)
{
	u32 reason = vmread32(VMCS_EXIT_REASON);
	struct trace_entry *entry = trace_exit(hot, reason);
	u64 rip = vmreadnat(VMCS_GUEST_RIP);

	entry->rip = rip;
	if (reason == VMX_EXIT_CPUID)
		return cpuid_fast(hot, rip);
	vmread_to(&entry->info, VMCS_QUALIFICATION);
	switch (reason) {
	case VMX_EXIT_RDMSR:
		return rdmsr_fast(hot, rip);
	case VMX_EXIT_WRMSR:
		return wrmsr_fast(hot, rip);
	case VMX_EXIT_CR_ACCESS:
		return cr_fast(hot, rip);
	case VMX_EXIT_INTERRUPT_WINDOW:
		return window_fast(hot);
	case VMX_EXIT_PREEMPTION_TIMER:
		return timer_fast(hot);
	case VMX_EXIT_VMCALL:
		return vmcall_fast(hot, rip);
	case VMX_EXIT_EPT_VIOLATION:
		return ept_fast(hot);
	case VMX_EXIT_IO:
		return io_fast(hot, rip);
	case VMX_EXIT_EXTERNAL_INTERRUPT:
		return intr_fast(hot);
	case VMX_EXIT_HLT:
		return hlt_fast(hot, rip);
	case VMX_EXIT_INVD:
	case VMX_EXIT_WBINVD:
		return cache_fast(hot, rip);
	default:
		return NEXT_SLOW;
	}
}

static void decode_nothing(struct vcpu *v __unused_arg, struct exit *x __unused_arg)
{
}

static void decode_info(struct vcpu *v __unused_arg, struct exit *x)
{
	x->info = vmreadnat(VMCS_QUALIFICATION);
}

/* An IRET that faulted has opened NMIs too early: SDM "NMI Unblocking Due to IRET". */
static void nmi_block_again(struct vcpu *v, bool was_unblocked)
{
	if (was_unblocked && !(vmread32(VMCS_IDT_VECTORING_INFO) & INTR_VALID))
		vmx_blocking_set(v, vmx_blocking_get(v) | BLOCK_NMI);
}

#define DEBUGCTL_BTF BIT(1)
#define DEBUG_CAUSES (MASK(3, 0) | DR6_BD | DR6_BS)

static void decode_debug(struct exit *x, u32 type)
{
	u32 blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

	x->info = vmreadnat(VMCS_QUALIFICATION) & DEBUG_CAUSES;
	/* SDM "Single-Stepping on Branches": #DB clears BTF, but not when it exits. */
	vmwrite64(VMCS_GUEST_DEBUGCTL, vmread64(VMCS_GUEST_DEBUGCTL) & ~DEBUGCTL_BTF);
	/* INT1 is trap-like: its #DB finds RIP behind it. */
	if (type == EVENT_PRIV_SOFT_EXC)
		skip(vmreadnat(VMCS_GUEST_RIP));
	/* SDM "Checks on Guest Non-Register State": TF under STI or MOV SS blocking means BS. */
	else if ((blocking & (BLOCK_STI | BLOCK_MOV_SS)) && is_single_stepped())
		vmwritenat(VMCS_GUEST_PENDING_DEBUG,
			   vmreadnat(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static void decode_exception(struct vcpu *v, struct exit *x)
{
	u32 info = vmread32(VMCS_EXIT_INTR_INFO);
	u32 type = (u32)bits_get(info, 10, 8);

	x->vector = (u8)info;
	x->err = vmread32(VMCS_EXIT_ERROR_CODE);
	if (type == EVENT_NMI) {
		x->kind = EXIT_NMI;
		return;
	}
	if (x->vector != EXC_DF)
		nmi_block_again(v, info & INTR_NMI_UNBLOCKED);
	if (x->vector == EXC_MC)
		x->kind = EXIT_MC;
	else if (x->vector == EXC_DB)
		decode_debug(x, type);
}

#define QUAL_LINEAR_VALID BIT(7)
#define QUAL_LINEAR_FINAL BIT(8) /* not a guest paging-structure entry */

static void decode_ept(struct vcpu *v, struct exit *x)
{
	u64 qualification = vmreadnat(VMCS_QUALIFICATION);

	x->gpa = vmread64(VMCS_GUEST_PHYSICAL);
	x->access = qualification & (ACCESS_READ | ACCESS_WRITE | ACCESS_FETCH);
	x->gva_valid = qualification & QUAL_LINEAR_VALID;
	x->is_final = x->gva_valid && (qualification & QUAL_LINEAR_FINAL);
	x->gva = vmreadnat(VMCS_GUEST_LINEAR);
	nmi_block_again(v, qualification & QUAL_NMI_UNBLOCKED);
}

/* SDM "Exit Qualification for APIC-Access VM Exits": linear accesses by an instruction. */
#define APIC_ACCESS_WRITE 1u
#define APIC_ACCESS_INSN_MAX 2u

static void decode_apic_access(struct vcpu *v __unused_arg, struct exit *x)
{
	u64 qualification = vmreadnat(VMCS_QUALIFICATION);
	u64 type = bits_get(qualification, 15, 12);

	x->gpa = LAPIC_BASE_RESET | (qualification & MASK(11, 0));
	x->info = qualification;
	x->access = type == APIC_ACCESS_WRITE ? ACCESS_WRITE : ACCESS_READ;
	/* The guest has its stack or its tables in the APIC page. */
	if (type > APIC_ACCESS_INSN_MAX)
		x->kind = EXIT_UNKNOWN;
}

static void decode_eoi(struct vcpu *v __unused_arg, struct exit *x)
{
	x->vector = (u8)vmreadnat(VMCS_QUALIFICATION);
}

/* Our tables have no such entries: a bug that costs the VM. */
static void decode_ept_misconfig(struct vcpu *v __unused_arg, struct exit *x)
{
	x->gpa = vmread64(VMCS_GUEST_PHYSICAL);
	x->info = x->gpa;
}

static void decode_io(struct vcpu *v __unused_arg, struct exit *x)
{
	u64 qualification = vmreadnat(VMCS_QUALIFICATION);

	x->width_bytes = (u8)(bits_get(qualification, 2, 0) + 1);
	x->is_in = qualification & BIT(3);
	x->is_string = qualification & BIT(4);
	x->port = (u16)(qualification >> 16);
}

/* What MOV writes to a control register: 32 bits outside 64-bit code. */
static u64 cr_source(struct vcpu *v, u8 gpr)
{
	u64 value = gpr == GPR_RSP ? vmreadnat(VMCS_GUEST_RSP) : v->hot->gprs[gpr];

	return vmx_is_code64() ? value : (u32)value;
}

/* LMSW sets the low four bits of CR0, but cannot clear PE. */
static u64 lmsw_value(u64 cr0, u64 source)
{
	u64 low = MASK(3, 0);

	return (cr0 & ~low) | (source & low) | (cr0 & CR0_PE);
}

static void decode_cr(struct vcpu *v, struct exit *x)
{
	u64 qualification = vmreadnat(VMCS_QUALIFICATION);

	x->cr = qualification & 0xf;
	x->gpr = (u8)bits_get(qualification, 11, 8);
	switch (bits_get(qualification, 5, 4)) {
	case 0:
		x->info = cr_source(v, x->gpr);
		break;
	case 1:
		x->kind = EXIT_CR_READ;
		break;
	case 2:
		x->info = vmx_reg_get(v, REG_CR0) & ~CR0_TS;
		break;
	default:
		x->info = lmsw_value(vmx_reg_get(v, REG_CR0), bits_get(qualification, 31, 16));
		break;
	}
}

enum npf vmx_npf_serve(struct vcpu *v)
{
	if (v->hot->exit_reason != VMX_EXIT_EPT_VIOLATION ||
	    (vmread32(VMCS_IDT_VECTORING_INFO) & INTR_VALID))
		return NPF_SLOW;
	decode_ept(v, &v->hot->exit);
	return npf_serve(v);
}

void vmx_exit_decode(struct vcpu *v)
{
	u32 reason = v->hot->exit_reason;
	struct exit *x = &v->hot->exit;

	*x = (struct exit){ .raw = reason };
	if (reason == VMX_REASON_FAILED) {
		*x = (struct exit){ .kind = EXIT_ENTRY_FAILED, .info = vmread32(VMCS_INSN_ERROR) };
		return;
	}
	switch (reason & EXIT_REASON_MASK) {
#define X(number, name, kind_, decode, class)                                                      \
	case number:                                                                               \
		x->kind = kind_;                                                                   \
		decode_##decode(v, x);                                                             \
		break;
#include "vmx/exits.def"
#undef X
	default:
		x->kind = EXIT_UNKNOWN;
		x->info = vmreadnat(VMCS_QUALIFICATION);
		break;
	}
}

void vmx_insn_done(struct vcpu *v __unused_arg, u64 rip)
{
	rip_write(rip);
}

void vmx_insn_skip(struct vcpu *v __unused_arg)
{
	skip(vmreadnat(VMCS_GUEST_RIP));
}
