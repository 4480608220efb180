/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cpuid.h"

#include "core/cpuid_fast.h"

void cpuid_emulate(struct vcpu_hot *hot, u64 cr4)
{
	u32 subleaf;
	const struct cpuid_leaf *leaf = cpuid_answer(hot, &subleaf);

	if (leaf->patch)
		cpuid_patch(hot, leaf->patch, subleaf, cr4);
}

bool cpuid_has(const struct vcpu_hot *hot, enum guest_feature feature)
{
	const struct cpuid_row *row = &cpuid_rows[feature];
	const struct cpuid_table *t = hot->cpuid;
	struct cpuid_regs e = *entry_find(t, leaf_find(t, row->leaf), row->subleaf);

	return *cpuid_reg_of(&e, row->reg) & row->mask;
}

unsigned cpuid_phys_bits(const struct vcpu_hot *hot)
{
	const struct cpuid_table *t = hot->cpuid;

	return entry_find(t, leaf_find(t, CPUID_EXT_BASE + 8), 0)->eax & 0xff;
}
