/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host CPUs to make guests' CPUID from: an Intel and an AMD with every feature bit set, so that
 * whatever a guest sees of it was let through by policy.
 */
#ifndef TESTS_HOST_CPUID_FIXTURE_H
#define TESTS_HOST_CPUID_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/panic.h"
#include "arch/x86/regs.h"
#include "arch/x86/tsc.h"

#define HOST_SIGNATURE 0x000806f8u
#define TSC_KHZ 2100000u

struct cpu_info cpu_info;
u64 cpu_features;
u64 tsc_khz = TSC_KHZ;
static u64 host_xcr0;
static bool host_is_bare; /* no optional feature at all */

__noreturn void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

u64 fpu_xcr0_max(void)
{
	return host_xcr0;
}

static inline struct cpuid_regs xsave_component(u32 i)
{
	static const struct cpuid_regs regs[] = {
		[2] = { 256, 576, 0, 0 },    [5] = { 64, 1088, 0, 0 },
		[6] = { 512, 1152, 0, 0 },   [7] = { 1024, 1664, 0, 0 },
		[9] = { 8, 2688, 0, 0 },     [11] = { 16, 0, 1, 0 },
		[18] = { 8192, 2816, 6, 0 },
	};

	return i < ARRAY_SIZE(regs) ? regs[i] : (struct cpuid_regs){ 0 };
}

/* Two private caches and a shared one. */
static inline struct cpuid_regs cache_level(u32 i)
{
	static const u32 kinds[] = { 0x121, 0x122, 0x143, 0x163 };

	if (i >= ARRAY_SIZE(kinds))
		return (struct cpuid_regs){ 0 };
	return (struct cpuid_regs){ kinds[i] | 0xfc004000, 0x02c0003f, 63, 4 };
}

static inline struct cpuid_regs vendor_leaf(u32 max)
{
	if (cpu_info.vendor == CPU_AMD)
		return (struct cpuid_regs){ max, 0x68747541, 0x444d4163, 0x69746e65 };
	return (struct cpuid_regs){ max, 0x756e6547, 0x6c65746e, 0x49656e69 };
}

struct cpuid_regs cpuid_or_zero(u32 leaf, u32 subleaf)
{
	u32 all = host_is_bare ? 0 : ~0u;

	switch (leaf) {
	case 0:
		return vendor_leaf(0x24);
	case 1:
		return (struct cpuid_regs){ HOST_SIGNATURE, 0x37400805, all, all };
	case 4:
		return cpu_info.vendor == CPU_INTEL ? cache_level(subleaf)
						    : (struct cpuid_regs){ 0 };
	case 7:
		return (struct cpuid_regs){ subleaf ? all : 2, all, all, all };
	case 0xd:
		if (subleaf < 2)
			return (struct cpuid_regs){ all, all, all, all };
		return xsave_component(subleaf);
	case 0x80000000:
		return vendor_leaf(cpu_info.max_extended_leaf);
	case 0x80000008:
		return (struct cpuid_regs){ 0x3934, all, 0x7fff, all };
	case 0x8000001d:
		return cache_level(subleaf);
	default:
		return (struct cpuid_regs){ all, all, all, all };
	}
}

static inline void host_set(enum cpu_vendor vendor)
{
	cpu_info = (struct cpu_info){
		.vendor = vendor,
		.max_extended_leaf = vendor == CPU_AMD ? 0x80000028 : 0x80000008,
		.phys_bits = 52,
	};
	host_xcr0 = 0x2e7;
	host_is_bare = false;
}

#endif
