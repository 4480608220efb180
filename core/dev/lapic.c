/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/lapic.h"

#include "arch/x86/lock.h"
#include "arch/x86/page.h"
#include "arch/x86/regs.h"
#include "core/cpuid.h"
#include "core/dev/lapic_priv.h"
#include "core/hv.h"
#include "core/request.h"
#include "core/vm.h"

_Static_assert(LAPIC_NR_SLOTS * LAPIC_SLOT_BYTES <= PAGE_SIZE, "registers fit their page");

const struct lapic_rule lapic_rules[LAPIC_NR_SLOTS] ISO_RODATA = {
#define LAPIC_REG(first, last, xapic, x2apic, x2_writable)                                         \
	[(first) / LAPIC_SLOT_BYTES...(last) / LAPIC_SLOT_BYTES] = { xapic, x2apic, x2_writable },
#include "core/dev/lapic_regs.def"
#undef LAPIC_REG
};

u32 lapic_id(const struct vcpu *v)
{
	return v->index;
}

bool lapic_is_enabled(const struct vcpu *v)
{
	return atomic_load_u64(&v->hot->apic_base) & APIC_BASE_EN;
}

bool lapic_is_x2apic(const struct vcpu *v)
{
	return atomic_load_u64(&v->hot->apic_base) & APIC_BASE_EXTD;
}

static void ppr_update(u32 *regs)
{
	reg_set(regs, APIC_PPR,
		priority_of(reg_get(regs, APIC_TPR), vector_highest(regs, APIC_ISR)));
}

bool lapic_is_quiet(struct vcpu *v)
{
	if (v->vm->lapic_path != LAPIC_SOFTWARE && lapic_is_enabled(v))
		hv_apic_sync(v);
	return !vectors_any(v->lapic.regs, APIC_IRR);
}

int lapic_pending(struct vcpu *v)
{
	u32 *regs = v->lapic.regs;

	if (!lapic_is_enabled(v))
		return -1;
	if (v->vm->lapic_path != LAPIC_SOFTWARE) {
		hv_apic_sync(v);
		/* The guest has perhaps written TPR without an exit. */
		ppr_update(regs);
	}
	return vector_deliverable(regs, reg_get(regs, APIC_PPR));
}

u8 lapic_highest(const struct vcpu *v, u32 array)
{
	int vector = vector_highest(v->lapic.regs, array);

	return vector < 0 ? 0 : (u8)vector;
}

bool lapic_has_deliverable(const struct vcpu *v)
{
	const u32 *regs = v->lapic.regs;
	u32 ppr = priority_of(reg_get(regs, APIC_TPR), vector_highest(regs, APIC_ISR));
	int vector = vector_highest(regs, APIC_IRR);

	for (int i = 0; i < 8; i++) {
		u32 word = atomic_load_u32(&v->hot->posted.pir[i]);

		if (word)
			vector = MAX(vector, i * 32 + (int)bit_last(word));
	}
	return lapic_is_enabled(v) && vector >= 0 && ((u32)vector & 0xf0) > (ppr & 0xf0);
}

void lapic_irr_merge(struct vcpu *v, u32 index, u32 bits)
{
	atomic_or_u32(vector_word(v->lapic.regs, APIC_IRR, (u8)(32 * index)), bits);
}

bool lapic_msr_is_plain(u32 msr)
{
	u32 slot = msr - LAPIC_MSR_FIRST;

	return slot < LAPIC_NR_SLOTS && (lapic_rules[slot].x2apic & LAPIC_R) &&
	       slot != APIC_TIMER_CURRENT / LAPIC_SLOT_BYTES;
}

u8 lapic_ack(struct vcpu *v, u8 vector)
{
	u32 *regs = v->lapic.regs;
	u32 *irr = vector_word(regs, APIC_IRR, vector);
	u32 bit = vector_bit(vector);

	if ((vector & 0xf0) <= (reg_get(regs, APIC_PPR) & 0xf0) ||
	    !(atomic_and_u32(irr, ~bit) & bit))
		return reg_get(regs, APIC_SVR) & LVT_VECTOR;
	*vector_word(regs, APIC_ISR, vector) |= bit;
	ppr_update(regs);
	return vector;
}

void lapic_set_irr(struct vcpu *v, u8 vector, bool is_level)
{
	u32 *regs = v->lapic.regs;
	u32 *tmr = vector_word(regs, APIC_TMR, vector);
	bool is_hw = v->vm->lapic_path >= LAPIC_APICV;

	if (is_level && is_hw) {
		atomic_or_u32(&v->lapic.held[vector / 32], vector_bit(vector));
		vcpu_request(v, REQ_APIC | REQ_EVENT);
		return;
	}
	if (is_level)
		atomic_or_u32(tmr, vector_bit(vector));
	else if (atomic_load_u32(tmr) & vector_bit(vector))
		atomic_and_u32(tmr, ~vector_bit(vector));
	if (is_hw) {
		hv_apic_post(v, vector);
		return;
	}
	atomic_or_u32(vector_word(regs, APIC_IRR, vector), vector_bit(vector));
	vcpu_request(v, REQ_IRQ);
}

void lapic_error(struct vcpu *v, u32 esr_bit)
{
	/* Only the first error of a kind is signalled; a bad vector in the LVT ends here. */
	if (!(atomic_or_u32(&v->lapic.esr_pending, esr_bit) & esr_bit))
		lapic_lvt_deliver(v, APIC_LVT_ERROR);
}

void lapic_lvt_deliver(struct vcpu *v, u32 offset)
{
	u32 lvt = reg_get(v->lapic.regs, offset);
	u32 mode = (lvt & LVT_MODE) >> LVT_MODE_SHIFT;
	u8 vector = lvt & LVT_VECTOR;

	if (!lapic_is_enabled(v) || (lvt & APIC_LVT_MASKED))
		return;
	/* ExtINT is asked for, the others have no meaning here. */
	if (mode == LAPIC_NMI)
		event_nmi(v);
	else if (mode == LAPIC_FIXED && vector < LAPIC_VECTOR_MIN)
		lapic_error(v, ESR_RECV_ILLEGAL_VECTOR);
	else if (mode == LAPIC_FIXED)
		lapic_set_irr(v, vector, lvt & LVT_LEVEL);
}

void lapic_lint(struct vcpu *v, unsigned pin)
{
	/* With the APIC off, the pins are INTR and NMI of the processor itself. */
	if (lapic_is_enabled(v))
		lapic_lvt_deliver(v, pin ? APIC_LVT_LINT1 : APIC_LVT_LINT0);
	else if (pin == 1)
		event_nmi(v);
}

bool lapic_accepts_extint(struct vcpu *v)
{
	u32 lvt = reg_get(v->lapic.regs, APIC_LVT_LINT0);

	if (!lapic_is_enabled(v))
		return v->index == 0;
	return (lvt & (LVT_MODE | APIC_LVT_MASKED)) == LVT_EXTINT;
}

static void tpr_set(struct vcpu *v, u32 tpr)
{
	reg_set(v->lapic.regs, APIC_TPR, tpr);
	ppr_update(v->lapic.regs);
}

u64 lapic_cr8_get(struct vcpu *v)
{
	return reg_get(v->lapic.regs, APIC_TPR) >> 4;
}

void lapic_cr8_set(struct vcpu *v, u64 value)
{
	tpr_set(v, ((u32)value & 0xf) << 4);
}

void lapic_eoi_broadcast(struct vcpu *v, u8 vector)
{
	/* SDM "Directed EOI with x2APIC Mode": software writes to the I/O APIC itself. */
	if (reg_get(v->lapic.regs, APIC_SVR) & SVR_NO_EOI_BROADCAST)
		return;
	lock_acquire(&v->vm->dev_lock);
	ioapic_eoi(v->vm, vector);
	lock_release(&v->vm->dev_lock);
}

bool lapic_minds_cr8(struct vcpu *v)
{
	const u32 *regs = v->lapic.regs;

	return (reg_get(regs, APIC_TPR) & 0xf) || vectors_any(regs, APIC_IRR);
}

static void lapic_eoi(struct vcpu *v)
{
	u32 *regs = v->lapic.regs;
	int vector = vector_highest(regs, APIC_ISR);

	if (vector < 0)
		return;
	*vector_word(regs, APIC_ISR, (u8)vector) &= ~vector_bit((u8)vector);
	ppr_update(regs);
	/* Done by software while the hardware delivers: it has to be told. */
	if (v->hot->apic_live)
		hv_apic_update(v, (enum lapic_view)v->lapic.view);
	if (vector_is_set(regs, APIC_TMR, (u8)vector))
		lapic_eoi_broadcast(v, (u8)vector);
}

static const u32 lvt_offsets[] = { APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERF,
				   APIC_LVT_LINT0, APIC_LVT_LINT1,   APIC_LVT_ERROR };

static void svr_write(struct vcpu *v, u32 value)
{
	u32 *regs = v->lapic.regs;

	reg_set(regs, APIC_SVR, value & lapic_rules[APIC_SVR / LAPIC_SLOT_BYTES].x2_writable);
	if (v->vm->lapic_path >= LAPIC_APICV)
		vcpu_request(v, REQ_APIC);
	if (value & APIC_SVR_ENABLE)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(lvt_offsets); i++)
		reg_set(regs, lvt_offsets[i], reg_get(regs, lvt_offsets[i]) | APIC_LVT_MASKED);
}

static void lvt_write(struct vcpu *v, u32 offset, u32 value)
{
	u32 *regs = v->lapic.regs;

	value &= lapic_rules[offset / LAPIC_SLOT_BYTES].x2_writable;
	value &= ~(LVT_STATUS | LVT_REMOTE_IRR);
	/* SDM "Local APIC Software Enable/Disable": no unmasking while the APIC is disabled. */
	if (!(reg_get(regs, APIC_SVR) & APIC_SVR_ENABLE))
		value |= APIC_LVT_MASKED;
	if (offset == APIC_LVT_TIMER)
		lapic_timer_lvt_write(v, value);
	else
		reg_set(regs, offset, value);
}

/* LDR or DFR; hardware that sends by itself has a table of them. */
static void logical_write(struct vcpu *v, u32 offset, u32 value)
{
	value = offset == APIC_LDR ? value & 0xff000000u : value | DFR_FIXED;
	reg_set(v->lapic.regs, offset, value);
	if (v->vm->lapic_path >= LAPIC_APICV)
		vcpu_request(v, REQ_APIC);
}

/* Write a register of the table that both interfaces have, or that only xAPIC has. */
static void reg_write(struct vcpu *v, u32 offset, u32 value)
{
	u32 *regs = v->lapic.regs;

	if (offset == APIC_EOI) {
		lapic_eoi(v);
	} else if (offset == APIC_TPR) {
		tpr_set(v, value & 0xff);
	} else if (offset == APIC_ICR) {
		reg_set(regs, offset, value & ~APIC_ICR_BUSY);
		lapic_ipi_send(v, value, reg_get(regs, APIC_ICR2) >> ICR_DEST_SHIFT, false);
	} else if (offset == APIC_ICR2) {
		reg_set(regs, offset, value & 0xff000000u);
	} else if (offset == APIC_TIMER_INITIAL) {
		lapic_timer_count_write(v, value);
	} else if (offset == APIC_TIMER_DIVIDE) {
		lapic_timer_divide_write(v, value);
	} else if (offset == APIC_LDR || offset == APIC_DFR) {
		logical_write(v, offset, value);
	} else if (offset == APIC_SVR) {
		svr_write(v, value);
	} else if (offset == APIC_ESR) {
		reg_set(regs, offset, atomic_xchg_u32(&v->lapic.esr_pending, 0));
	} else {
		lvt_write(v, offset, value);
	}
}

static u32 reg_read(struct vcpu *v, u32 offset)
{
	if (offset == APIC_TIMER_CURRENT)
		return lapic_timer_count_read(v);
	/* The hardware may have changed the task priority alone. */
	if (offset == APIC_PPR)
		ppr_update(v->lapic.regs);
	return reg_get(v->lapic.regs, offset);
}

bool lapic_mmio_hit(const struct vcpu *v, u64 gpa)
{
	u64 base = v->hot->apic_base;

	return (base & (APIC_BASE_EN | APIC_BASE_EXTD)) == APIC_BASE_EN &&
	       ALIGN_DOWN(gpa, PAGE_SIZE) == ALIGN_DOWN(base, PAGE_SIZE);
}

/* What xAPIC code may do at `offset`; notes an access to a register that is not there. */
static u8 mmio_access(struct vcpu *v, u32 offset)
{
	u32 slot = offset / LAPIC_SLOT_BYTES;
	u8 access = slot < LAPIC_NR_SLOTS ? lapic_rules[slot].xapic : 0;

	if (!access)
		lapic_error(v, ESR_ILLEGAL_REGISTER);
	return access;
}

u64 lapic_mmio_read(struct vcpu *v, u32 offset, unsigned width_bytes)
{
	u32 slot = ALIGN_DOWN(offset, LAPIC_SLOT_BYTES);
	u32 byte = offset - slot;

	if (byte + width_bytes > 4 || !(mmio_access(v, offset) & LAPIC_R))
		return 0;
	return ((u64)reg_read(v, slot) >> (8 * byte)) & MASK(8 * width_bytes - 1, 0);
}

void lapic_mmio_write(struct vcpu *v, u32 offset, unsigned width_bytes, u64 value)
{
	if (offset % LAPIC_SLOT_BYTES || width_bytes != 4)
		return;
	if (mmio_access(v, offset) & LAPIC_W)
		reg_write(v, offset, (u32)value);
}

/* Is this APIC in x2APIC mode, and does its register behind `msr` allow `access`? */
static bool x2apic_allows(struct vcpu *v, u32 msr, u8 access)
{
	u32 slot = msr - LAPIC_MSR_FIRST;

	return lapic_is_x2apic(v) && slot < LAPIC_NR_SLOTS && (lapic_rules[slot].x2apic & access);
}

enum err lapic_msr_read(struct vcpu *v, u32 msr, u64 *out)
{
	u32 offset = (msr - LAPIC_MSR_FIRST) * LAPIC_SLOT_BYTES;

	if (!x2apic_allows(v, msr, LAPIC_R))
		return ERR_INVAL;
	*out = reg_read(v, offset);
	if (offset == APIC_ICR)
		*out |= (u64)reg_get(v->lapic.regs, APIC_X2_ICR_HIGH) << 32;
	return ERR_NONE;
}

/* ICR is 64 bits wide and SELF IPI exists; else as in the page. */
static void x2apic_write(struct vcpu *v, u32 offset, u64 value)
{
	u32 *regs = v->lapic.regs;
	u32 high = (u32)(value >> 32);

	if (offset == APIC_ICR) {
		reg_set(regs, APIC_ICR, (u32)value);
		reg_set(regs, APIC_X2_ICR_HIGH, high);
		/* Where x2AVIC keeps it. */
		reg_set(regs, APIC_ICR2, high);
		lapic_ipi_send(v, (u32)value, high, false);
	} else if (offset == APIC_SELF_IPI) {
		lapic_ipi_send(v, APIC_ICR_SELF | (u8)value, 0, false);
	} else {
		reg_write(v, offset, (u32)value);
	}
}

/* The local APIC ID register; guests cannot change it. */
static u32 id_register(const struct vcpu *v)
{
	return lapic_is_x2apic(v) ? lapic_id(v) : lapic_id(v) << ICR_DEST_SHIFT;
}

void lapic_written(struct vcpu *v, u32 offset)
{
	u32 *regs = v->lapic.regs;
	u32 value;

	/* A register is the first word of its slot; the rest of the page means nothing. */
	if (offset % LAPIC_SLOT_BYTES)
		return;
	value = reg_get(regs, offset);
	if (lapic_is_x2apic(v) && (offset == APIC_ICR || offset == APIC_SELF_IPI))
		x2apic_write(v, offset, value | (u64)reg_get(regs, APIC_X2_ICR_HIGH) << 32);
	else if (offset / LAPIC_SLOT_BYTES < LAPIC_NR_SLOTS && mmio_access(v, offset) & LAPIC_W)
		reg_write(v, offset, value);
	else if (offset == APIC_ID)
		reg_set(regs, APIC_ID, id_register(v));
	else if (offset == APIC_RRD)
		reg_set(regs, APIC_RRD, 0);
}

enum err lapic_msr_write(struct vcpu *v, u32 msr, u64 value)
{
	u32 offset = (msr - LAPIC_MSR_FIRST) * LAPIC_SLOT_BYTES;
	u64 checked = offset == APIC_ICR ? (u32)value : value;

	if (!x2apic_allows(v, msr, LAPIC_W) ||
	    (checked & ~(u64)lapic_rules[offset / LAPIC_SLOT_BYTES].x2_writable))
		return ERR_INVAL;
	x2apic_write(v, offset, value);
	return ERR_NONE;
}

/* LDR as the mode has it, and ID. SDM "Logical Destination Mode in x2APIC Mode". */
static void identity_set(struct vcpu *v)
{
	u32 *regs = v->lapic.regs;
	u32 id = lapic_id(v);

	reg_set(regs, APIC_ID, id_register(v));
	if (lapic_is_x2apic(v)) {
		reg_set(regs, APIC_LDR, (id >> 4) << 16 | 1u << (id & 0xf));
		reg_set(regs, APIC_X2_ICR_HIGH, 0);
		reg_set(regs, APIC_ICR2, 0);
	}
}

static void regs_reset(struct vcpu *v)
{
	u32 *regs = v->lapic.regs;

	lapic_timer_stop(v);
	/* What others have posted until now goes with the rest. */
	if (v->vm->lapic_path != LAPIC_SOFTWARE)
		hv_apic_sync(v);
	for (u32 slot = 0; slot < LAPIC_NR_SLOTS; slot++)
		atomic_store_u32(&regs[slot * LAPIC_SLOT_BYTES / 4], 0);
	reg_set(regs, APIC_X2_ICR_HIGH, 0);
	for (u32 i = 0; i < ARRAY_SIZE(v->lapic.held); i++)
		atomic_store_u32(&v->lapic.held[i], 0);
	atomic_store_u32(&v->lapic.esr_pending, 0);
	v->lapic.timer_mode = 0;
	v->lapic.timer_divide = 0;
	reg_set(regs, APIC_VERSION, VERSION_VALUE);
	reg_set(regs, APIC_DFR, DFR_RESET);
	reg_set(regs, APIC_SVR, SVR_RESET);
	for (size_t i = 0; i < ARRAY_SIZE(lvt_offsets); i++)
		reg_set(regs, lvt_offsets[i], LVT_RESET);
	identity_set(v);
}

void lapic_reset(struct vcpu *v, bool is_init)
{
	u64 bsp = v->index == 0 ? APIC_BASE_BSP : 0;

	if (!is_init)
		atomic_store_u64(&v->hot->apic_base, LAPIC_BASE_RESET | APIC_BASE_EN | bsp);
	regs_reset(v);
	/* Firmware leaves the boot CPU in virtual wire mode, and guests may rely on the PIC. */
	if (!is_init && v->index == 0)
		reg_set(v->lapic.regs, APIC_LVT_LINT0, LVT_EXTINT);
}

/* Modes by EXTD:EN, and to which of them each may change. SDM "x2APIC State Transitions". */
#define APIC_MODE(base) (((base) & (APIC_BASE_EN | APIC_BASE_EXTD)) >> 10)
#define MODE_OFF 0u
#define MODE_INVALID 1u /* EXTD without EN */
#define MODE_XAPIC 2u
#define MODE_X2APIC 3u

static const u8 mode_successors[] = {
	[MODE_OFF] = 1u << MODE_OFF | 1u << MODE_XAPIC,
	[MODE_INVALID] = 0,
	[MODE_XAPIC] = 1u << MODE_OFF | 1u << MODE_XAPIC | 1u << MODE_X2APIC,
	[MODE_X2APIC] = 1u << MODE_OFF | 1u << MODE_X2APIC,
};

enum err lapic_base_write(struct vcpu *v, u64 value)
{
	u64 old = v->hot->apic_base;
	u64 valid = MASK(cpuid_phys_bits(v->hot) - 1, PAGE_SHIFT) | APIC_BASE_BSP |
		    APIC_BASE_EXTD | APIC_BASE_EN;
	bool switches = APIC_MODE(value) != APIC_MODE(old);

	if ((value & ~valid) || !(mode_successors[APIC_MODE(old)] & BIT(APIC_MODE(value))))
		return ERR_INVAL;
	atomic_store_u64(&v->hot->apic_base, value);
	if (value == old)
		return ERR_NONE;
	if (switches && APIC_MODE(value) == MODE_X2APIC)
		identity_set(v);
	else if (switches)
		regs_reset(v);
	/*
	 * The page may have moved, whether the PIC reaches this CPU may have changed, and with it
	 * what the hardware can do.
	 */
	vcpu_request(v, REQ_EVENT | REQ_APIC);
	return ERR_NONE;
}

enum err lapic_create(struct vcpu *v)
{
	v->lapic.regs = page_alloc();
	if (!v->lapic.regs)
		return ERR_NOMEM;
	v->hot->apic_regs = v->lapic.regs;
	timer_init(&v->lapic.timer, v->cpu, lapic_timer_fire);
	return ERR_NONE;
}
