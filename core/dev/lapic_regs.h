/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The register page of a local APIC: offsets, fields, and the few primitives on it that both the
 * full code and the code on the isolated tables use. Private to core/dev/lapic*.c. A register is
 * the low 32 bits of a 16-byte slot; IRR, ISR and TMR are eight slots of 32 vectors each.
 */
#ifndef CORE_DEV_LAPIC_REGS_H
#define CORE_DEV_LAPIC_REGS_H

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "core/lib/bits.h"

/* Inlined even without optimization, so that code on the isolated tables calls nothing. */
#define LAPIC_INLINE static inline __attribute__((always_inline))

#define LAPIC_SLOT_BYTES 16u
#define LAPIC_NR_SLOTS 64u

/* Offsets that the host's driver has no use for; the others are in arch/x86/apic.h. */
#define APIC_APR 0x090u
#define APIC_PPR 0x0a0u
#define APIC_RRD 0x0c0u

#define APIC_X2_ICR_HIGH 0x304u /* in x2APIC mode ICR is one register of 64 bits */

/* Version 0x14, highest LVT entry number 5, EOI broadcasts can be suppressed. */
#define VERSION_VALUE 0x01050014u

#define DFR_FLAT 0xfu /* in bits 31:28 */
#define DFR_CLUSTER 0x0u
#define DFR_RESET 0xffffffffu
#define DFR_FIXED 0x0fffffffu /* bits that always read 1 */

#define SVR_RESET 0xffu
#define SVR_NO_EOI_BROADCAST 0x1000u

#define LVT_VECTOR 0xffu
#define LVT_MODE 0x700u
#define LVT_MODE_SHIFT 8
#define LVT_STATUS 0x1000u /* read-only */
#define LVT_REMOTE_IRR 0x4000u /* read-only */
#define LVT_LEVEL 0x8000u
#define LVT_TIMER_MODE 0x60000u
#define LVT_RESET APIC_LVT_MASKED
#define LVT_EXTINT 0x700u /* unmasked */

#define ICR_SHORTHAND_SHIFT 18
#define ICR_DEST_SHIFT 24 /* xAPIC, in the high half */

#define ESR_SEND_ILLEGAL_VECTOR 0x20u
#define ESR_RECV_ILLEGAL_VECTOR 0x40u
#define ESR_ILLEGAL_REGISTER 0x80u

/* Vectors below this are reserved for exceptions: no APIC delivers them. */
#define LAPIC_VECTOR_MIN 16u

LAPIC_INLINE u32 reg_get(const u32 *regs, u32 offset)
{
	return atomic_load_relaxed_u32(&regs[offset / 4]);
}

LAPIC_INLINE void reg_set(u32 *regs, u32 offset, u32 value)
{
	atomic_store_relaxed_u32(&regs[offset / 4], value);
}

/* The word of array `base` (APIC_ISR, _TMR, _IRR) that holds `vector`, and its bit there. */
LAPIC_INLINE u32 *vector_word(u32 *regs, u32 base, u8 vector)
{
	return &regs[(base + vector / 32u * LAPIC_SLOT_BYTES) / 4];
}

LAPIC_INLINE u32 vector_bit(u8 vector)
{
	return 1u << (vector % 32);
}

LAPIC_INLINE bool vector_is_set(const u32 *regs, u32 base, u8 vector)
{
	return reg_get(regs, base + vector / 32u * LAPIC_SLOT_BYTES) & vector_bit(vector);
}

/* Is there a vector in array `base`? Most often not, and this finds that out soonest. */
LAPIC_INLINE bool vectors_any(const u32 *regs, u32 base)
{
	u32 all = 0;

#pragma GCC unroll 8
	for (u32 slot = 0; slot < 8; slot++)
		all |= reg_get(regs, base + slot * LAPIC_SLOT_BYTES);
	return all;
}

/* The highest vector in array `base`, or -1. */
LAPIC_INLINE int vector_highest(const u32 *regs, u32 base)
{
	if (!vectors_any(regs, base))
		return -1;
	for (int slot = 7; slot >= 0; slot--) {
		u32 word = reg_get(regs, base + (u32)slot * LAPIC_SLOT_BYTES);

		if (word)
			return slot * 32 + (int)bit_last(word);
	}
	return -1;
}

/* SDM "Task and Processor Priorities": what TPR and the highest vector in service make of PPR. */
LAPIC_INLINE u32 priority_of(u32 tpr, int in_service)
{
	u32 class = in_service < 0 ? 0 : (u32)in_service & 0xf0;

	return (tpr & 0xf0) >= class ? tpr : class;
}

/* The highest vector in IRR whose class is above `ppr`, or -1. */
LAPIC_INLINE int vector_deliverable(const u32 *regs, u32 ppr)
{
	int vector = vector_highest(regs, APIC_IRR);

	return vector >= 0 && ((u32)vector & 0xf0) > (ppr & 0xf0) ? vector : -1;
}

#endif
