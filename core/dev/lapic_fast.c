/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses that need nothing but the register page and the hot page, answered on the isolated
 * tables. Whatever concerns another device or CPU, or is an error, goes the slow way with nothing
 * changed. What becomes deliverable, the vendors' fast loops inject.
 */
#include "core/dev/lapic.h"

#include "arch/x86/regs.h"
#include "core/dev/lapic_priv.h"
#include "core/request.h"
#include "core/vcpu.h"
#include "core/vm_iso.h"

/*
 * The highest vector in service, or -1. Its class is never above that of the PPR, even where the
 * hardware has changed the task priority since that was written.
 */
LAPIC_INLINE int fast_in_service(const u32 *regs)
{
	const u32 *first = &regs[APIC_ISR / 4];
	const u32 *at = first + (reg_get(regs, APIC_PPR) & 0xe0) / 32 * (LAPIC_SLOT_BYTES / 4);

	for (; at >= first; at -= LAPIC_SLOT_BYTES / 4) {
		u32 word = atomic_load_relaxed_u32(at);

		if (word)
			return (int)(at - first) * 8 + (int)bit_last(word);
	}
	return -1;
}

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
	if (offset == APIC_PPR)
		*out = priority_of(reg_get(regs, APIC_TPR), fast_in_service(regs));
	if (offset == APIC_ICR)
		*out |= (u64)reg_get(regs, APIC_X2_ICR_HIGH) << 32;
	return NEXT_SKIP;
}

/* There is something in IRR: the highest vector if it is above `ppr`. */
ISO_TEXT NOINLINE static enum next irr_look(struct vcpu_hot *hot, u32 ppr)
{
	const u32 *regs = hot->apic_regs;

	hot->irq_vector = IRQ_HELD;
#pragma GCC unroll 8
	for (int slot = 7; slot >= 0; slot--) {
		u32 word = reg_get(regs, APIC_IRR + (u32)slot * LAPIC_SLOT_BYTES);
		int vector;

		if (likely(!word))
			continue;
		vector = slot * 32 + (int)bit_last(word);
		if (((u32)vector & 0xf0) > (ppr & 0xf0))
			hot->irq_vector = vector;
		break;
	}
	return NEXT_SKIP;
}

/* After a change: the new PPR, and what can be delivered by it. */
LAPIC_INLINE enum next fast_settle(struct vcpu_hot *hot, u32 *regs, int in_service)
{
	u32 ppr = priority_of(reg_get(regs, APIC_TPR), in_service);

	reg_set(regs, APIC_PPR, ppr);
	if (unlikely(vectors_any(regs, APIC_IRR)))
		return irr_look(hot, ppr);
	hot->irq_vector = IRQ_NONE;
	return NEXT_SKIP;
}

LAPIC_INLINE enum next fast_tpr(struct vcpu_hot *hot, u64 value)
{
	u32 *regs = hot->apic_regs;

	if (value > 0xff)
		return NEXT_SLOW;
	reg_set(regs, APIC_TPR, (u32)value);
	return fast_settle(hot, regs, fast_in_service(regs));
}

LAPIC_INLINE enum next fast_eoi(struct vcpu_hot *hot, u64 value)
{
	u32 *regs = hot->apic_regs;
	int vector = fast_in_service(regs);

	if (value)
		return NEXT_SLOW;
	hot->irq_vector = IRQ_NONE;
	if (vector < 0)
		return NEXT_SKIP;
	if (vector_is_set(regs, APIC_TMR, (u8)vector))
		return NEXT_SLOW;
	*vector_word(regs, APIC_ISR, (u8)vector) &= ~vector_bit((u8)vector);
	vector = vectors_any(regs, APIC_ISR) ? fast_in_service(regs) : -1;
	return fast_settle(hot, regs, vector);
}

/* An edge-triggered interrupt from this CPU. */
LAPIC_INLINE enum next fast_irr(struct vcpu_hot *hot, u8 vector)
{
	u32 *regs = hot->apic_regs;
	u32 *tmr = vector_word(regs, APIC_TMR, vector);

	if (atomic_load_u32(tmr) & vector_bit(vector))
		atomic_and_u32(tmr, ~vector_bit(vector));
	atomic_or_u32(vector_word(regs, APIC_IRR, vector), vector_bit(vector));
	return fast_settle(hot, regs, fast_in_service(regs));
}

/* SDM "Local APIC State After It Has Been Software Disabled": nothing is accepted. */
LAPIC_INLINE bool is_taken_fast(const u32 *regs, u64 vector)
{
	return vector <= LVT_VECTOR && vector >= LAPIC_VECTOR_MIN &&
	       (reg_get(regs, APIC_SVR) & APIC_SVR_ENABLE);
}

LAPIC_INLINE enum next fast_self_ipi(struct vcpu_hot *hot, u64 vector)
{
	if (!is_taken_fast(hot->apic_regs, vector))
		return NEXT_SLOW;
	return fast_irr(hot, (u8)vector);
}

/* Bits of the ICR that mean nothing in a fixed interrupt. */
#define ICR_IGNORED (APIC_ICR_ASSERT | APIC_ICR_LEVEL)

LAPIC_INLINE void icr_store(u32 *regs, u64 value)
{
	reg_set(regs, APIC_ICR, (u32)value);
	reg_set(regs, APIC_X2_ICR_HIGH, (u32)(value >> 32));
}

/* An edge-triggered interrupt for another vCPU of the VM: its own CPU looks at the priorities. */
LAPIC_INLINE enum next fast_ipi(struct vcpu_hot *hot, u64 value)
{
	u64 index = value >> 32;
	u8 vector = (u8)value;
	struct vcpu_hot *to;
	u32 *regs;

	if (index >= hot->vm_iso->nr_vcpus)
		return NEXT_SLOW;
	to = hot->vm_iso->hot[index & (VM_MAX_VCPUS - 1)];
	regs = to->apic_regs;
	if (to == hot || to->apic_live || !(to->apic_base & APIC_BASE_EXTD) ||
	    !is_taken_fast(regs, vector))
		return NEXT_SLOW;
	icr_store(hot->apic_regs, value);
	if (vector_is_set(regs, APIC_TMR, vector))
		atomic_and_u32(vector_word(regs, APIC_TMR, vector), ~vector_bit(vector));
	atomic_or_u32(vector_word(regs, APIC_IRR, vector), vector_bit(vector));
	request_fast(hot, to, REQ_IRQ);
	hot->irq_vector = IRQ_NONE;
	return NEXT_SKIP;
}

LAPIC_INLINE enum next fast_icr(struct vcpu_hot *hot, u64 value)
{
	u32 icr = (u32)value & ~(u32)(ICR_IGNORED | LVT_VECTOR);
	u32 *regs = hot->apic_regs;

	/* Fixed is delivery mode 0, physical is destination mode 0. */
	if (!icr)
		return fast_ipi(hot, value);
	if ((icr & ~(u32)APIC_ICR_LOGICAL) != APIC_ICR_SELF ||
	    !is_taken_fast(regs, value & LVT_VECTOR))
		return NEXT_SLOW;
	icr_store(regs, value);
	return fast_irr(hot, (u8)value);
}

ISO_TEXT enum next lapic_fast_write(struct vcpu_hot *hot, u32 msr, u64 value)
{
	u32 slot = msr - LAPIC_MSR_FIRST;

	/* While the hardware delivers, it has to hear of all. */
	if (!(hot->apic_base & APIC_BASE_EXTD) || hot->apic_live)
		return NEXT_SLOW;
	switch (slot) {
	case APIC_EOI / LAPIC_SLOT_BYTES:
		return fast_eoi(hot, value);
	case APIC_TPR / LAPIC_SLOT_BYTES:
		return fast_tpr(hot, value);
	case APIC_SELF_IPI / LAPIC_SLOT_BYTES:
		return fast_self_ipi(hot, value);
	case APIC_ICR / LAPIC_SLOT_BYTES:
		return fast_icr(hot, value);
	default:
		return NEXT_SLOW;
	}
}

ISO_TEXT enum next lapic_fast_cr8(struct vcpu_hot *hot, u64 value)
{
	return value >> 4 || hot->apic_live ? NEXT_SLOW : fast_tpr(hot, value << 4);
}

/* The timer's interrupt. False: its LVT entry asks for an error, nothing has changed. */
LAPIC_INLINE bool fast_timer_fire(struct vcpu_hot *hot, u32 lvt)
{
	if (lvt & APIC_LVT_MASKED)
		return true;
	if ((lvt & LVT_VECTOR) < LAPIC_VECTOR_MIN)
		return false;
	(void)fast_irr(hot, (u8)lvt);
	return true;
}

ISO_TEXT enum next lapic_fast_deadline(struct vcpu_hot *hot, u64 guest_tsc, u64 guest_now)
{
	u32 lvt = reg_get(hot->apic_regs, APIC_LVT_TIMER);

	if (!hot->has_fast_deadline || (lvt & LVT_TIMER_MODE) != APIC_LVT_DEADLINE)
		return NEXT_SLOW;
	hot->irq_vector = IRQ_NONE;
	if (guest_tsc && guest_tsc <= guest_now) {
		if (hot->apic_live || !fast_timer_fire(hot, lvt))
			return NEXT_SLOW;
		guest_tsc = 0;
	}
	hot->tsc_deadline = guest_tsc;
	hot->is_deadline_noted = true;
	return NEXT_SKIP;
}

ISO_TEXT enum next lapic_fast_expire(struct vcpu_hot *hot, u64 guest_now)
{
	if (!hot->tsc_deadline || hot->tsc_deadline > guest_now)
		return NEXT_SLOW;
	return lapic_fast_deadline(hot, hot->tsc_deadline, guest_now) == NEXT_SKIP ? NEXT_AGAIN
										     : NEXT_SLOW;
}

ISO_TEXT void lapic_fast_look(struct vcpu_hot *hot)
{
	u32 *regs = hot->apic_regs;

	(void)fast_settle(hot, regs, fast_in_service(regs));
}

ISO_TEXT void lapic_fast_ack(struct vcpu_hot *hot, u8 vector)
{
	u32 *regs = hot->apic_regs;

	atomic_and_u32(vector_word(regs, APIC_IRR, vector), ~vector_bit(vector));
	*vector_word(regs, APIC_ISR, vector) |= vector_bit(vector);
	/* It was above all in service and above the task priority. */
	reg_set(regs, APIC_PPR, vector & 0xf0);
	hot->fast_irqs++;
}
