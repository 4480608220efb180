/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of svm/ share: capabilities, the vCPU's SVM side, and the VM's. Everything on a
 * vCPU runs on the CPU where it is loaded.
 */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include "arch/x86/apic.h"
#include "arch/x86/lock.h"
#include "core/hv.h"
#include "svm/vmcb.h"

enum svm_exit_code {
#define X(code, name, kind, decode, class) SVM_EXIT_##name = (int)(code),
#include "svm/exits.def"
#undef X
};

/* Reads of DR0 to DR15, then writes. */
#define SVM_EXIT_DR 0x20u
#define SVM_NR_EXIT_DR 0x20u

/* Exit codes below have an intercept each, by the same number. */
#define SVM_NR_INTERCEPTS 0xc0u

/* CPUID 0x8000000a. [c] after svm_probe() */
struct svm_caps {
	u32 nr_asids;
	bool has_nrip;
	bool has_decode_assists;
	bool has_flush_by_asid;
	bool has_clean_bits;
	bool has_vnmi;
	bool has_pause_filter;
	bool has_pause_threshold;
	bool has_avic;
	bool has_x2avic;
	bool has_stale_is_running; /* see svm_apic_probe() */
};

extern struct svm_caps svm_caps;

#define SVM_MSRPM_BYTES 8192
#define IOPM_BYTES 12288

struct svm_vm {
	u8 *msrpm; /* [c] 2 bits per MSR: read, write */
	u8 *x2apic_msrpm; /* [c] the same for vCPUs whose x2APIC is the hardware's; or NULL */
	u8 *iopm; /* [c] all ones */
	u64 *physical_ids; /* [a] AVIC: by APIC ID, each written by its vCPU's CPU; or NULL */
	u32 *logical_ids; /* [a] AVIC: written under logical_lock; or NULL */
	struct lock logical_lock; /* innermost */
};

/* NMIs without hardware support for virtual ones: where the guest is between NMI and IRET. */
enum svm_nmi {
	SVM_NMI_OPEN,
	SVM_NMI_BLOCKED, /* a handler runs; IRET is intercepted */
	SVM_NMI_IRET, /* the IRET at iret_rip runs or has run */
};

struct svm_vcpu {
	struct vmcb *vmcb; /* [c] */
	enum svm_nmi nmi; /* [o] */
	u64 iret_rip; /* [o] */
	bool is_stepping; /* [o] RFLAGS.TF is ours: an NMI waits for that IRET */
	u64 dr6_before; /* [o] */
	u64 dr[4]; /* [o] DR0 to DR3 while not loaded */
	u64 physical_id; /* [o] what physical_ids has to say, IsRunning on erratum CPUs included */
	u32 logical_seen; /* [o] what of LDR and DFR logical_ids was made from */
};

static inline struct svm_vcpu *svm_vcpu(struct vcpu *v)
{
	return v->vendor;
}

static inline struct vmcb *svm_vmcb(struct vcpu *v)
{
	return v->hot->vmcb;
}

/*
 * enter.S: into the guest, and stay there while its exits are handled on the spot. Interrupts on.
 * NEXT_SLOW: the VMCB has an exit for the full code; NEXT_AGAIN: a request is set.
 */
enum next svm_stay(struct vcpu_hot *hot);

/* Handle an exit that needs nothing but the hot page; NEXT_AGAIN: enter again, NEXT_SLOW. */
enum next svm_exit_fast(struct vcpu_hot *hot, struct vmcb *vmcb);

/* An entry was abandoned for a request: NEXT_AGAIN if that is served now, else NEXT_SLOW. */
enum next svm_request_fast(struct vcpu_hot *hot, struct vmcb *vmcb);

/* MSR_EXIT_* of `msr` in one map; others than its three ranges always exit. */
void svm_msrpm_set(u8 *map, u32 msr, u32 exits);

/* What of AVIC this CPU can use; says so in the log. From svm_probe(). */
void svm_apic_probe(void);

/* The addresses that AVIC needs, into the VMCB. */
void svm_apic_fields_write(struct vcpu *v);

/* Exits 401h and 402h, for exit.c. */
void svm_apic_ipi_decode(struct vcpu *v, struct exit *x);
void svm_apic_access_decode(struct vcpu *v, struct exit *x);

/* From exit.c: the guest is about to execute IRET in an NMI handler. */
void svm_nmi_iret(struct vcpu *v);

/* From exit.c: #DB. True if it only ends the single step over that IRET, and is not the guest's. */
bool svm_step_done(struct vcpu *v);

/* Have the guest exit with `code`, or not. On the isolated tables too. */
static inline __attribute__((always_inline)) void svm_intercept(struct vmcb *vmcb, u32 code,
								bool is_on)
{
	u32 *word = &vmcb->intercepts[code / 32];

	*word = is_on ? *word | 1u << code % 32 : *word & ~(1u << code % 32);
	vmcb->clean = 0;
}

static inline bool svm_intercepts(const struct vmcb *vmcb, u32 code)
{
	return vmcb->intercepts[code / 32] >> code % 32 & 1;
}

/*
 * A virtual interrupt of the highest priority that is intercepted when the guest would take it.
 * On the isolated tables too.
 */
static inline __attribute__((always_inline)) void svm_window_open(struct vmcb *vmcb)
{
	vmcb->vintr |= VINTR_IRQ | VINTR_PRIO_MAX | VINTR_IGN_TPR;
	svm_intercept(vmcb, SVM_EXIT_VINTR, true);
}

static inline __attribute__((always_inline)) void svm_window_close(struct vmcb *vmcb)
{
	vmcb->vintr &= ~(VINTR_IRQ | VINTR_PRIO_MAX | VINTR_IGN_TPR);
	svm_intercept(vmcb, SVM_EXIT_VINTR, false);
}

/* The TPR in the register page. On the isolated tables too. */
static inline __attribute__((always_inline)) u32 svm_apic_tpr(const struct vcpu_hot *hot)
{
	return ((const u32 *)hot->apic_regs)[APIC_TPR / sizeof(u32)];
}

/*
 * The guest reads and writes CR8 in the VMCB, without an exit, as long as nothing depends on it:
 * its write frees no interrupt if none waits, and clears bits 3:0 of the TPR, which CR8 does not
 * show, if they are clear.
 */
static inline __attribute__((always_inline)) void svm_cr8_intercept(struct vmcb *vmcb)
{
	svm_intercept(vmcb, SVM_EXIT_CR8_WRITE, true);
}

/* Something that a clean bit covers has changed: the next entry reads the whole VMCB. */
static inline void svm_dirty(struct vcpu *v)
{
	svm_vmcb(v)->clean = 0;
}

#endif
