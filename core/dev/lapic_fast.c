/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x2APIC accesses that need nothing but the register page and the hot page, answered on the
 * isolated tables. Whatever could make an interrupt deliverable, or concerns another device or
 * CPU, goes the slow way with nothing changed.
 */
#include "core/dev/lapic.h"

#include "arch/x86/regs.h"
#include "core/dev/lapic_priv.h"
#include "core/vcpu.h"

ISO_TEXT enum next lapic_fast_read(struct vcpu_hot *hot, u32 msr, u64 *out)
{
	u32 slot = msr - LAPIC_MSR_FIRST;
	u32 offset = slot * LAPIC_SLOT_BYTES;
	const u32 *regs = hot->apic_regs;

	if (!(hot->apic_base & APIC_BASE_EXTD) || slot >= LAPIC_NR_SLOTS)
		return NEXT_SLOW;
	if (!(lapic_rules[slot].x2apic & LAPIC_R) || offset == APIC_TIMER_CURRENT)
		return NEXT_SLOW;
	*out = reg_get(regs, offset);
	if (offset == APIC_ICR)
		*out |= (u64)reg_get(regs, APIC_X2_ICR_HIGH) << 32;
	return NEXT_SKIP;
}

LAPIC_INLINE enum next fast_tpr(u32 *regs, u64 value)
{
	u32 ppr = priority_of((u32)value, vector_highest(regs, APIC_ISR));

	if (value > 0xff || vector_deliverable(regs, ppr) >= 0)
		return NEXT_SLOW;
	reg_set(regs, APIC_TPR, (u32)value);
	reg_set(regs, APIC_PPR, ppr);
	return NEXT_SKIP;
}

LAPIC_INLINE enum next fast_eoi(u32 *regs, u64 value)
{
	int vector = vector_highest(regs, APIC_ISR);
	u32 *word;
	u32 ppr;

	if (value)
		return NEXT_SLOW;
	if (vector < 0)
		return NEXT_SKIP;
	if (vector_is_set(regs, APIC_TMR, (u8)vector))
		return NEXT_SLOW;
	word = vector_word(regs, APIC_ISR, (u8)vector);
	*word &= ~vector_bit((u8)vector);
	ppr = priority_of(reg_get(regs, APIC_TPR), vector_highest(regs, APIC_ISR));
	if (vector_deliverable(regs, ppr) >= 0) {
		*word |= vector_bit((u8)vector);
		return NEXT_SLOW;
	}
	reg_set(regs, APIC_PPR, ppr);
	return NEXT_SKIP;
}

ISO_TEXT enum next lapic_fast_write(struct vcpu_hot *hot, u32 msr, u64 value)
{
	u32 slot = msr - LAPIC_MSR_FIRST;

	if (!(hot->apic_base & APIC_BASE_EXTD) || slot >= LAPIC_NR_SLOTS)
		return NEXT_SLOW;
	switch (slot * LAPIC_SLOT_BYTES) {
	case APIC_TPR:
		return fast_tpr(hot->apic_regs, value);
	case APIC_EOI:
		return fast_eoi(hot->apic_regs, value);
	default:
		return NEXT_SLOW;
	}
}
