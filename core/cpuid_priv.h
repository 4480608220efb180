/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the maker (core/cpuid_build.c) and the reader (core/cpuid.c) of a CPUID table share.
 */
#ifndef CORE_CPUID_PRIV_H
#define CORE_CPUID_PRIV_H

#include "core/cpuid.h"
#include "core/lib/bits.h"

#define CPUID_EXT_BASE 0x80000000u
#define CPUID_KVM_BASE 0x40000000u
#define CPUID_LAMINA_BASE 0x40000100u

/* struct cpuid_leaf.patch: what cpuid_emulate() changes in an answer. */
#define CPUID_PATCH_LEAF_1 1u /* APIC in EDX, OSXSAVE in ECX */
#define CPUID_PATCH_APIC 2u /* APIC in EDX: the copy in AMD's 0x80000001 */
#define CPUID_PATCH_LEAF_7 3u /* OSPKE in ECX of subleaf 0 */
#define CPUID_PATCH_SUBLEAF 4u /* ECX[7:0] echoes the subleaf */

#define CPUID_1_EDX_APIC BIT(9)
#define CPUID_1_ECX_OSXSAVE BIT(27)
#define CPUID_7_ECX_OSPKE BIT(4)

enum cpuid_reg { CPUID_eax, CPUID_ebx, CPUID_ecx, CPUID_edx };

/* When a guest is shown a bit. Bits without a row are hidden. */
enum cpuid_policy {
	CPUID_HOST, /* if the host has it */
	CPUID_ALWAYS, /* emulated */
	CPUID_INTEL, /* emulated, on Intel CPUs only */
	CPUID_AVX, /* if the host has it and XCR0 may have its state */
	CPUID_AVX512,
	CPUID_PKRU,
	CPUID_XSAVE,
};

struct cpuid_row {
	u32 leaf;
	u8 subleaf;
	u8 reg; /* enum cpuid_reg */
	u8 policy; /* enum cpuid_policy */
	u32 mask;
};

/* The single bits come first, in the order of enum guest_feature; fields follow. */
extern const struct cpuid_row cpuid_rows[];
extern const u32 cpuid_nr_rows;

_Static_assert(offsetof(struct cpuid_regs, edx) == CPUID_edx * sizeof(u32), "one after the other");
static inline u32 *cpuid_reg_of(struct cpuid_regs *e, u8 reg)
{
	return (u32 *)(void *)e + reg;
}

#endif
