/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes to control registers that exit: the checks that the processor would make, then the
 * effect. On the full tables, on the CPU where the vCPU is loaded.
 */
#ifndef CORE_CR_H
#define CORE_CR_H

#include "core/lib/types.h"
#include "core/next.h"

struct vcpu;
struct vcpu_hot;

/* Bits of CR4 that this guest may set: what its CPUID promises. */
u64 cr4_valid(const struct vcpu_hot *hot);

/* The guest writes `value` to CR0, CR4 or CR8. NEXT_SKIP, or NEXT_AGAIN with a fault queued. */
enum next cr_write(struct vcpu *v, unsigned cr, u64 value);

/* The guest executes XSETBV with its RCX and RDX:RAX. NEXT_SKIP, or NEXT_AGAIN with a fault. */
enum next xcr_write(struct vcpu *v);

#endif
