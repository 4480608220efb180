/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What RDMSR and WRMSR do for a guest: one row per MSR in core/msr.def. An MSR without a row
 * raises #GP. On the vCPU's own CPU.
 */
#ifndef CORE_MSR_H
#define CORE_MSR_H

#include "core/lib/err.h"
#include "core/lib/types.h"
#include "core/next.h"

struct vm;
struct vcpu;
struct vcpu_hot;

/* Allocate v->msr and give every emulated MSR its value after RESET. ERR_NOMEM. */
enum err msr_create(struct vcpu *v) __must_check;
void msr_reset(struct vcpu *v);

/* Put into this CPU the MSRs that the hardware does not switch (TSC_AUX). With hv_vcpu_load(). */
void msr_load(struct vcpu *v);
void msr_unload(struct vcpu *v);

/* Program the VM's MSR bitmaps through hv_msr_exits() from the rows marked PASS. Creation. */
void msr_passthrough(struct vm *vm);

/*
 * The guest's RDMSR and WRMSR, number in RCX, value in RDX:RAX. NEXT_SKIP when done, NEXT_AGAIN
 * with #GP queued when refused. On the full tables.
 */
enum next msr_read(struct vcpu *v);
enum next msr_write(struct vcpu *v);

/*
 * The same for the few MSRs that can be answered on the isolated tables (x2APIC registers without
 * side effects on others, TSC_DEADLINE); NEXT_SLOW for all others. `hot` is all they may touch.
 */
enum next msr_read_fast(struct vcpu_hot *hot);
enum next msr_write_fast(struct vcpu_hot *hot);

#endif
