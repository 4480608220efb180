/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking up an answer of CPUID, inline: the most frequent exit of many guests has no call to
 * spare. On the isolated tables too: nothing but the hot page and the guest's table is touched.
 */
#ifndef CORE_CPUID_FAST_H
#define CORE_CPUID_FAST_H

#include "arch/x86/regs.h"
#include "core/cpuid_priv.h"
#include "core/vcpu.h"

#define LOOKUP static inline __attribute__((always_inline))

LOOKUP const struct cpuid_leaf *leaf_find(const struct cpuid_table *t, u32 leaf)
{
	if (likely(leaf < CPUID_BASIC_LEAVES))
		return &t->basic[leaf];
	if (leaf - CPUID_EXT_BASE < CPUID_EXT_LEAVES)
		return &t->ext[leaf - CPUID_EXT_BASE];
	if (leaf - CPUID_KVM_BASE < ARRAY_SIZE(t->kvm))
		return &t->kvm[leaf - CPUID_KVM_BASE];
	if (leaf == CPUID_LAMINA_BASE)
		return &t->lamina;
	return &t->beyond;
}

/* The index is masked, so that no wrong guess of the CPU about the subleaf leaves the table. */
LOOKUP const struct cpuid_regs *entry_find(const struct cpuid_table *t,
					    const struct cpuid_leaf *l, u32 subleaf)
{
	u32 index = l->other;

	if (subleaf < l->count)
		index = l->first + subleaf;
	return &t->entry[index & (CPUID_MAX_ENTRIES - 1)];
}

/* Bits that follow the guest's state. SDM "CPUID - CPU Identification", leaves 1, 7 and 0xb. */
LOOKUP void cpuid_patch(struct vcpu_hot *hot, u8 patch, u32 subleaf, u64 cr4)
{
	u64 *gprs = hot->gprs;

	if (patch == CPUID_PATCH_LEAF_1 && (cr4 & CR4_OSXSAVE))
		gprs[GPR_RCX] |= CPUID_1_ECX_OSXSAVE;
	if (patch <= CPUID_PATCH_APIC && !(hot->apic_base & APIC_BASE_EN))
		gprs[GPR_RDX] &= ~CPUID_1_EDX_APIC;
	if (patch == CPUID_PATCH_LEAF_7 && subleaf == 0 && (cr4 & CR4_PKE))
		gprs[GPR_RCX] |= CPUID_7_ECX_OSPKE;
	if (patch == CPUID_PATCH_SUBLEAF)
		gprs[GPR_RCX] |= subleaf & 0xff;
}

/*
 * Answer the guest's CPUID. If the leaf that this returns has a `patch`, the caller goes on with
 * cpuid_patch().
 */
LOOKUP const struct cpuid_leaf *cpuid_answer(struct vcpu_hot *hot, u32 *subleaf)
{
	const struct cpuid_table *t = hot->cpuid;
	const struct cpuid_leaf *l = leaf_find(t, (u32)hot->gprs[GPR_RAX]);
	const struct cpuid_regs *e;

	*subleaf = (u32)hot->gprs[GPR_RCX];
	e = entry_find(t, l, *subleaf);
	hot->gprs[GPR_RAX] = e->eax;
	hot->gprs[GPR_RBX] = e->ebx;
	hot->gprs[GPR_RCX] = e->ecx;
	hot->gprs[GPR_RDX] = e->edx;
	return l;
}

#undef LOOKUP

#endif
