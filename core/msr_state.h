/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSRs of a vCPU that live in memory, and the handlers that core/msr.def names. Private to
 * core/msr*.c, core/mtrr.c and core/kvm_pv.c. Handlers return ERR_INVAL for #GP; all run on the
 * vCPU's own CPU.
 */
#ifndef CORE_MSR_STATE_H
#define CORE_MSR_STATE_H

#include "core/lib/bits.h"
#include "core/lib/err.h"

struct vcpu;

/* AMD's HWCR after RESET: the TSC counts at the nominal frequency. */
#define HWCR_TSC_FREQ_SEL BIT(24)
#define HWCR_RESET HWCR_TSC_FREQ_SEL

#define MTRR_NR_VARIABLE 8
#define MTRR_NR_FIXED 11
#define MCE_NR_BANKS 10

struct msr_state {
	u64 mtrr_variable[2 * MTRR_NR_VARIABLE]; /* base, mask, base, ... */
	u64 mtrr_fixed[MTRR_NR_FIXED]; /* 64K, 16K twice, 4K eight times */
	u64 mtrr_def_type;
	u64 mce_bank[4 * MCE_NR_BANKS]; /* CTL, STATUS, ADDR, MISC */
	u64 mcg_status;
	u64 mcg_ctl;
	u64 misc_enable;
	u64 tsc_aux;
	u64 spec_ctrl; /* while not loaded */
	u64 hwcr;
	u64 kvm_wall_clock;
	u64 kvm_system_time;
	u64 kvm_steal_time;
	u32 kvm_steal_version; /* of the structure in guest memory; even */
	u32 kvm_time_version; /* of the structure in guest memory; even */
};

/* All of IA32_ARCH_CAPABILITIES that a guest may see, given the host's value. */
u64 arch_capabilities_filter(u64 host);

/* Handlers that core/msr.def names. */
#define MSR_VALUE(first, last, vendor, value, name)                                                \
	enum err name##_write(struct vcpu *v, u32 msr, u64 value_);
#define MSR_CALL(first, last, vendor, name)                                                        \
	enum err name##_read(struct vcpu *v, u32 msr, u64 *out);                                   \
	enum err name##_write(struct vcpu *v, u32 msr, u64 value);
#include "core/msr.def"

/* Is each of the eight bytes a memory type up to `max`, but none of the reserved 2 and 3? */
bool memory_types_are_valid(u64 types, u8 max);

/* The value of one of the fixed-range MTRRs. */
u64 *mtrr_fixed(struct vcpu *v, u32 msr);

/* Values after RESET, with the memory types that firmware would have set up. */
void mtrr_reset(struct vcpu *v);

/* The guest's TSC has moved: write its time structure anew if it has one. */
void kvm_pv_tsc_changed(struct vcpu *v);

#endif
