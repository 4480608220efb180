/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kind of CPU this is: read once by cpu_init() on the boot CPU, constant afterwards, asked
 * from any context. All CPUs are taken to be alike, which smp_start() checks as far as it matters.
 */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "arch/x86/insn.h"
#include "core/lib/types.h"

enum cpu_vendor { CPU_OTHER, CPU_INTEL, CPU_AMD };

struct cpu_info {
	enum cpu_vendor vendor; /* CPU_AMD also for Hygon */
	char vendor_text[13];
	char brand[49]; /* without blanks around it; empty if the CPU has none */
	u32 family, model, stepping;
	u32 max_extended_leaf;
	unsigned phys_bits; /* MAXPHYADDR */
	unsigned virt_bits;
};

extern struct cpu_info cpu_info;

enum cpu_feature {
#define FEATURE(name, leaf, subleaf, reg, bit, text) CPU_FEATURE_##name,
#include "arch/x86/features.def"
#undef FEATURE
	NR_CPU_FEATURES
};

/* One bit per enum cpu_feature. */
extern u64 cpu_features;
_Static_assert(NR_CPU_FEATURES <= 64, "features fit one word");

#define FEATURE(name, leaf, subleaf, reg, bit, text)                                               \
	static inline bool cpu_has_##name(void)                                                    \
	{                                                                                          \
		return cpu_features & BIT(CPU_FEATURE_##name);                                     \
	}
#include "arch/x86/features.def"
#undef FEATURE

/* Read everything. First of all; works without any other part. */
void cpu_init(void);

/* Say in the log what was found. */
void cpu_report(void);

/* Print `what` and the names of the bits that are set into `text`; "" is the name of no bit. */
void bits_print(char *text, size_t size, const char *what, const char *const *names, u64 bits);

/* How many low bits of an APIC ID tell the threads of a core apart. */
unsigned cpu_smt_shift(void);

/* CPUID, with zeros for leaves that the CPU does not have (Intel would repeat the last one). */
struct cpuid_regs cpuid_or_zero(u32 leaf, u32 subleaf);

#endif
