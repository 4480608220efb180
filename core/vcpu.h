/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU. Two parts: struct vcpu_hot is the one page that the entry and exit path touches
 * (it stays mapped on the isolated tables), struct vcpu is everything else.
 *
 * Owners, as elsewhere: [c] constant after creation, [o] the CPU that runs the vCPU only,
 * [a] atomic, [p] written only while the VM is stopped.
 */
#ifndef CORE_VCPU_H
#define CORE_VCPU_H

#include "arch/x86/page.h"
#include "core/cpuid.h"
#include "core/debug.h"
#include "core/dev/lapic.h"
#include "core/event.h"
#include "core/exit.h"
#include "core/next.h"
#include "core/request.h"
#include "core/sched.h"
#include "core/timer.h"
#include "core/types.h"

struct trace_entry;
struct vm;
struct vmcb;

/* General registers in instruction-encoding order; RIP and the rest live with the vendor. */
enum gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	NR_GPRS
};

/* What the entry code saves at once: the rest is in gprs[] only on the full tables. */
#define GPRS_SAVED_FAST                                                                            \
	(BIT(GPR_RAX) | BIT(GPR_RCX) | BIT(GPR_RDX) | BIT(GPR_RBX) | BIT(GPR_RSI) | BIT(GPR_RDI) | \
	 MASK(GPR_R11, GPR_R8))

/* The guest-mode word: one layout on both vendors. Byte 0 is stored by assembly only. */
#define MODE_IN_GUEST 0x01ull
#define MODE_KICKED 0x0100ull
#define MODE_EPOCH_ONE 0x10000ull
#define MODE_EPOCH_MASK 0xffff0000ull
#define MODE_APIC_SHIFT 32

/* hot->irq_vector without a vector */
#define IRQ_NONE -1 /* IRR is empty */
#define IRQ_HELD -2 /* the processor priority holds back what is there */

/*
 * Whom the run loop has the vCPU: another word than the guest-mode word, since it tells who may
 * touch the vCPU, not where its CPU is. Only the CPU that v->cpu names moves it out of RUN_LOOP;
 * whoever wins RUN_PARKED or RUN_PAUSED -> RUN_LOOP puts it into that CPU's run queue. wake.pml,
 * pause.pml.
 */
#define RUN_OUT 0u /* not started, or stopped */
#define RUN_LOOP 1u /* loaded, or in a run queue or on its way there */
#define RUN_PARKED 2u /* waits for a request or an interrupt */
#define RUN_PAUSED 3u /* its VM is paused: waits for vm_resume() only, loaded nowhere */

#define VMX_REASON_FAILED 0xffffffffu /* of hot->exit_reason: VMfail, no exit */

/* Posted-interrupt descriptor. SDM "Posted-Interrupt Processing". */
struct posted {
	u32 pir[8]; /* [a] */
	u64 control; /* [a] POSTED_* */
	u64 reserved[3];
} __aligned(64);
#define POSTED_ON BIT(0) /* of control: something was posted */
_Static_assert(sizeof(struct posted) == 64, "posted-interrupt descriptor");

/*
 * The hot page. HOST_RSP points at `mode`, just behind the registers, so that the way out can
 * mark the word with its first store and then find the rest.
 * gprs[GPR_RSP] is a copy that only hv_reg_get(REG_RSP) keeps true; the hardware holds RSP.
 */
struct vcpu_hot {
	struct posted posted; /* [a] VMX */
	u64 gprs[NR_GPRS]; /* [o] */

	u64 mode __aligned(64); /* [a] the guest-mode word */
	u32 requests; /* [a] REQ_* */
	u32 run_state; /* [a] RUN_* */
	u32 apic_live; /* [a] the hardware delivers: see core/dev/lapic_hw.h */

	u64 entry_word __aligned(64); /* [o] what the next entry stores into mode */
	u64 host_rsp; /* [o] stack of the run loop */
	u64 vmcb_pa; /* [c] SVM */
	u64 host_vmcb_pa; /* [o] SVM: VMSAVE area of this CPU */
	struct vmcb *vmcb; /* [c] SVM */
	struct trace_entry *trace_at; /* [o] next entry of this CPU's trace, see core/trace.h */
	struct vcpu *vcpu; /* [c] not mapped on isolated tables: do not follow it there */
	struct cpuid_table *cpuid; /* [p] */
	struct vm_iso *vm_iso; /* [c] the VM's page */
	struct percpu *percpu; /* [o] of the CPU that has loaded it: GS may be the guest's */
	u64 wakes; /* [o] vCPUs, by index, to be woken on the full tables */
	u64 fast_kicks; /* [o] kicks sent from the isolated part */
	u64 tsc_offset; /* [o] guest TSC = host TSC + offset */
	u64 fast_irqs; /* [o] interrupts injected in the isolated part */
	u64 slow_exits; /* [o] those that left the isolated part; exit_counts has all */
	u64 apic_base; /* [o] IA32_APIC_BASE */
	void *apic_regs; /* [c] register page of the local APIC */
	u64 tsc_deadline; /* [o] IA32_TSC_DEADLINE, guest TSC; 0: disarmed */
	u64 others_deadline_tsc; /* [o] first of this CPU's timers but that deadline */
	int irq_vector; /* [o] deliverable after what the isolated code has just done, or IRQ_* */
	u32 timer_shift; /* [c] VMX: the preemption timer counts TSC >> shift */
	u32 exit_reason; /* [o] VMX: of the last exit, or VMX_REASON_FAILED */
	u32 clean_bits; /* [c] SVM: what the VMCB's clean field may say */
	u32 index; /* [c] as vcpu->index */
	bool has_host_timer; /* [c] SVM: the host's timer ends the run for them */
	bool has_fast_deadline; /* [c] run() keeps to tsc_deadline and others_deadline_tsc */
	bool is_deadline_noted; /* [o] the timer queue has not heard of tsc_deadline yet */
	bool is_window_fast; /* [o] the interrupt window is open for the local APIC only */
	bool has_nrip; /* [c] SVM: the VMCB tells where the next instruction is */
	struct exit exit; /* [o] */
	u64 exit_counts[NR_EXIT_KINDS]; /* [o] */
};

_Static_assert(sizeof(struct vcpu_hot) <= PAGE_SIZE, "hot part is one page");
_Static_assert(offsetof(struct vcpu_hot, mode) ==
		       offsetof(struct vcpu_hot, gprs) + sizeof(u64) * NR_GPRS,
	       "HOST_RSP points behind the registers");

/* Where a vCPU is, apart from "in the guest": decides what INIT, SIPI and HLT mean. */
enum vcpu_state {
	VCPU_RUNNING,
	VCPU_HALTED, /* HLT: waits for an event */
	VCPU_WAIT_SIPI, /* after INIT: waits for a start-up IPI */
};

/* How interrupts have reached a vCPU, for the operator and for tests. */
struct irq_counts {
	u64 posted; /* [a] to the hardware: descriptor or AVIC's IRR */
	u64 notified; /* [a] notifications and doorbells for those */
	u64 kicks; /* [a] IPIs that make it leave the guest */
	u64 wakes; /* [a] out of RUN_PARKED */
	u64 injected; /* [o] by software, hot->fast_irqs apart */
	u64 at_halt; /* [o] found by the look before or after a sleep */
};

struct vcpu {
	struct vcpu_hot *hot; /* [c] */
	struct vm *vm; /* [c] */
	u32 index; /* [c] in the VM; also its initial APIC ID */
	u32 cpu; /* [o] index of the CPU that it belongs to; written before it is handed on */
	u32 last_cpu; /* [o] where it was last loaded */
	bool is_fresh; /* [o] to be reset before it runs */
	bool pause_exits; /* [o] hv_pause_exits() in force */
	struct sched sched; /* see core/sched.h */
	enum vcpu_state state; /* [o] */
	u32 startup; /* [a] INIT and start-up IPI on their way, see core/vcpu.c */
	u32 nmi_pending; /* [a] 0, 1 or 2 as the architecture latches them */
	struct irq_counts irqs;
	struct vcpu_debug debug; /* see core/debug.h */
	struct event event; /* [o] exception or undelivered event, first in line */
	u64 pat; /* [o] */
	u64 xcr0; /* [o] */
	u64 tsc_adjust; /* [o] */
	struct lapic lapic; /* see core/dev/lapic.h */
	struct msr_state *msr; /* [o] see core/msr.h */
	void *fpu; /* [c] save area, valid while the vCPU is not loaded */
	void *vendor; /* [c] struct vmx_vcpu or struct svm_vcpu */
};

/* Create vCPU `index` of `vm`. ERR_NOMEM: Lamina cannot go on, so nothing is given back. */
enum err vcpu_create(struct vm *vm, u32 index, struct vcpu **out) __must_check;

/*
 * Everything as after RESET; the first vCPU then stands where vm->boot says, the others wait for a
 * start-up IPI. Loaded on its own CPU.
 */
void vcpu_reset(struct vcpu *v);

/* Registers, line by line. Loaded on this CPU. */
void vcpu_regs_print(struct vcpu *v, void (*say)(const char *fmt, ...));

/* Do what vcpu_signal_*() have asked for. Loaded on its own CPU. */
void vcpu_startup_serve(struct vcpu *v);

/*
 * Signals from local APICs: INIT, start-up IPI (page number). INIT takes back a start-up IPI that
 * is still on its way, and of several start-up IPIs the first counts. Any CPU.
 */
void vcpu_signal_init(struct vcpu *v);
void vcpu_signal_sipi(struct vcpu *v, u8 vector);

#endif
