/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host-physical addresses and the page size. Owns nothing; from any context.
 */
#ifndef ARCH_X86_TYPES_H
#define ARCH_X86_TYPES_H

#include "core/lib/bits.h"
#include "core/lib/types.h"

/* A host-physical address. A structure, so that it cannot be mixed with a guest's. */
typedef struct {
	u64 v;
} hpa_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul

/* What CPUID returns. */
struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

#endif
