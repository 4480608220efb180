/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What belongs to one CPU. Each struct percpu lies in pages of its own, so that tables for one
 * CPU can map it and nothing of its neighbours. GS base points at it while the host runs; SVM
 * code on the way out of a guest has to restore it first (VMLOAD).
 *
 * Owners: [c] constant once the CPU is up, [o] this CPU only, [a] atomic.
 */
#ifndef ARCH_X86_PERCPU_H
#define ARCH_X86_PERCPU_H

#include "arch/x86/insn.h"
#include "arch/x86/types.h"

#define CPUS_MAX 64
#define GDT_ENTRIES 5
/* Of the trace ring: as large as aligned, and as the low 16 bits of a pointer reach. */
#define TRACE_BYTES 65536u
#define ISO_REASONS 64 /* at least core's enum exit_kind */

/* Interrupt stacks in the TSS, numbered as in IDT gates. */
#define IST_NMI 1
#define IST_DF 2
#define IST_MC 3
#define NR_ISTS 3

struct vcpu;
struct vcpu_hot;
struct trace_entry;
struct trap_frame;

/* 64-bit task state segment: only its stack pointers matter. */
struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7]; /* ist[n - 1] for gate value n */
	u64 reserved2;
	u16 reserved3;
	u16 iopb_offset;
} __packed;
_Static_assert(sizeof(struct tss) == 104, "TSS layout");

struct percpu {
	struct percpu *self; /* [c] first, so that GS:0 is the structure's address */
	struct vcpu *vcpu; /* [o] loaded on this CPU, or NULL */
	u32 index; /* [c] 0 is the boot CPU */
	u32 apic_id; /* [c] */
	u32 is_online; /* [a] runs the core's code */
	u32 is_stopped; /* [a] parked by a panic */
	u64 reserved;
	u64 canary; /* [c] GS:40, where the compiler looks for it */
	struct vcpu_hot *hot; /* [o] hot page of `vcpu` */
	u64 stack_top; /* [c] of the stack that C code runs on */
	void *vendor; /* [c] VMXON region or host save area: vmx/ or svm/ decides */
	struct trace_entry *trace_at; /* [o] next entry of core/trace.h while no vCPU is loaded */
	u64 spec_guest; /* [o] the loaded guest's SPEC_CTRL: spec_ctrl_set() */
	const void *last_vm; /* [o] whose guests have trained this CPU's predictors */
	u64 deadline_tsc; /* [o] what the timer hardware is armed for, 0 when stopped */
	void (*call_fn)(void *arg); /* [a] mail box of IRQ_CALL: NULL when done */
	void *call_arg; /* [L:call_lock] */
	u32 call_lock; /* [a] 1: the mail box is taken */
	const struct trap_frame *stop_frame; /* [a] where this CPU was when a panic stopped it */
	u32 panic_depth; /* [o] */
	u32 locks_held; /* [o] ticket locks, for checks */
	u64 nmis; /* [o] */
	u64 stray_kicks; /* [o] kicks that came too late; IRQ_POSTED in irqs[] always has */
	u64 stray_irqs; /* [o] vectors that nobody handles */
	u64 iso_cr3; /* [c] what the doors load: this CPU's isolated tables, see iso_cpu.h */
	u64 full_cr3; /* [c] and the full ones */
	u64 *iso_window; /* [c] the window's entries: isolated code may write them */
	u64 iso_kicks; /* [o] those that ended a guest's run, taken on the isolated tables */
	u64 iso_faults; /* [o] faults on the isolated tables */
	u64 iso_left[ISO_REASONS]; /* [o] ways out of them, by what for */
	u64 irqs[256]; /* [o] by vector */
	u64 gdt[GDT_ENTRIES] __aligned(16); /* [c] */
	struct tss tss __aligned(16); /* [c] */
} __aligned(4096);
_Static_assert(offsetof(struct percpu, self) == 0, "this_cpu() reads GS:0");
_Static_assert(offsetof(struct percpu, canary) == 40, "-mstack-protector-guard-offset");
_Static_assert(sizeof(struct percpu) % PAGE_SIZE == 0, "pages of its own");

/* The boot CPU's structure, in use from the first instruction of the core on. */
extern struct percpu percpu_boot;

/* This CPU's structure. Interrupts may be on, since nothing migrates between CPUs. */
static inline struct percpu *this_cpu(void)
{
	return (struct percpu *)gs_read(0);
}

/* This CPU's number, 0 .. cpus_known() - 1. Valid from the first line of core_main() on. */
static inline u32 cpu_index(void)
{
	return this_cpu()->index;
}

/* The structure of CPU `index` < cpus_known(); never NULL for those. */
struct percpu *percpu_of(u32 index);

/* CPUs with a struct percpu; all of them run once smp_start() is done. */
u32 cpus_known(void);

/* CPUs that run: counts is_online. */
u32 cpus_online(void);

/*
 * Make the structure and the stacks of one more CPU; with `index` 0 only the missing interrupt
 * stacks of the boot CPU. Needs the page allocator and the host tables. ERR_NOMEM, ERR_RANGE.
 */
enum err percpu_create(u32 index, u32 apic_id) __must_check;

/* Take back the last index: its CPU does not start. The memory stays, should it come to life. */
void percpu_forget(u32 index);

#endif
