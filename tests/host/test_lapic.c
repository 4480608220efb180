/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/lapic.c core/dev/lapic_msg.c core/dev/lapic_timer.c core/dev/lapic_fast.c */
/* Registers, priorities and modes of the local APIC. */
#include "tests/host/lapic_fixture.h"

#include "core/dev/lapic_regs.h"

#define PHYS_BITS 40

unsigned cpuid_phys_bits(const struct vcpu_hot *hot)
{
	(void)hot;
	return PHYS_BITS;
}

static int setup(void **state)
{
	(void)state;
	vm_make(FIXTURE_CPUS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_drop();
	return 0;
}

static void reset_values(void **state)
{
	(void)state;
	for (u32 i = 0; i < FIXTURE_CPUS; i++) {
		struct vcpu *v = &vcpus[i];

		assert_int_equal(v->hot->apic_base, 0xfee00800 | (i == 0 ? 0x100 : 0));
		assert_int_equal(mmio_get(v, APIC_ID), i << 24);
		assert_int_equal(mmio_get(v, APIC_VERSION), 0x01050014);
		assert_int_equal(mmio_get(v, APIC_SVR), 0xff);
		assert_int_equal(mmio_get(v, APIC_DFR), 0xffffffff);
		assert_int_equal(mmio_get(v, APIC_LDR), 0);
		assert_int_equal(mmio_get(v, APIC_TPR), 0);
		assert_int_equal(mmio_get(v, APIC_LVT_TIMER), 0x10000);
		assert_int_equal(mmio_get(v, APIC_LVT_LINT0), i == 0 ? 0x700 : 0x10000);
		assert_int_equal(mmio_get(v, APIC_LVT_LINT1), 0x10000);
		assert_int_equal(lapic_pending(v), -1);
		assert_ptr_equal(v->hot->apic_regs, v->lapic.regs);
	}
}

static void init_keeps_mode_and_clears_rest(void **state)
{
	struct vcpu *v = &vcpus[1];

	(void)state;
	x2apic_enter(v);
	x2_set(v, APIC_SVR, 0x1f0);
	x2_set(v, APIC_TPR, 0x40);
	lapic_set_irr(v, 0x55, true);
	lapic_reset(v, true);
	assert_true(v->hot->apic_base & APIC_BASE_EXTD);
	assert_int_equal(x2_get(v, APIC_ID), 1);
	assert_int_equal(x2_get(v, APIC_LDR), 2);
	assert_int_equal(x2_get(v, APIC_SVR), 0xff);
	assert_int_equal(x2_get(v, APIC_TPR), 0);
	assert_int_equal(x2_get(v, APIC_IRR + 0x20), 0);
	/* The boot CPU's virtual wire is firmware's work, which INIT undoes. */
	lapic_reset(&vcpus[0], true);
	assert_int_equal(mmio_get(&vcpus[0], APIC_LVT_LINT0), 0x10000);
	lapic_reset(v, false);
	assert_false(v->hot->apic_base & APIC_BASE_EXTD);
}

static void highest_vector_wins_and_eoi_uncovers(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	xapic_enable(v);
	lapic_set_irr(v, 0x31, false);
	lapic_set_irr(v, 0x92, false);
	lapic_set_irr(v, 0x35, false);
	assert_int_equal(requests[0], 3);
	assert_int_equal(lapic_pending(v), 0x92);
	assert_int_equal(lapic_ack(v, 0x92), 0x92);
	assert_int_equal(mmio_get(v, APIC_PPR), 0x90);
	assert_int_equal(lapic_pending(v), -1);
	mmio_set(v, APIC_EOI, 0);
	assert_int_equal(lapic_pending(v), 0x35);
	assert_int_equal(lapic_ack(v, 0x35), 0x35);
	/* Same priority class: has to wait. */
	assert_int_equal(lapic_pending(v), -1);
	mmio_set(v, APIC_EOI, 0);
	assert_int_equal(lapic_pending(v), 0x31);
	assert_int_equal(nr_eois, 0);
}

static void tpr_blocks_its_class(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	xapic_enable(v);
	lapic_set_irr(v, 0x4f, false);
	mmio_set(v, APIC_TPR, 0x40);
	assert_int_equal(lapic_pending(v), -1);
	mmio_set(v, APIC_TPR, 0x3f);
	assert_int_equal(lapic_pending(v), 0x4f);
	assert_int_equal(mmio_get(v, APIC_PPR), 0x3f);
	lapic_cr8_set(v, 5);
	assert_int_equal(mmio_get(v, APIC_TPR), 0x50);
	assert_int_equal(lapic_cr8_get(v), 5);
	assert_int_equal(lapic_pending(v), -1);
	lapic_cr8_set(v, 0x13);
	assert_int_equal(lapic_cr8_get(v), 3);
	/* Equal classes: the task priority shows. */
	lapic_ack(v, 0x4f);
	mmio_set(v, APIC_TPR, 0x42);
	assert_int_equal(mmio_get(v, APIC_PPR), 0x42);
}

static void late_ack_is_spurious(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	mmio_set(v, APIC_SVR, 0x1e7);
	lapic_set_irr(v, 0x60, false);
	mmio_set(v, APIC_TPR, 0x60);
	assert_int_equal(lapic_ack(v, 0x60), 0xe7);
	/* Nothing is in service, and the request is still there. */
	assert_int_equal(mmio_get(v, APIC_ISR + 0x30), 0);
	mmio_set(v, APIC_TPR, 0);
	assert_int_equal(lapic_pending(v), 0x60);
	assert_int_equal(lapic_ack(v, 0x61), 0xe7);
}

/* SVR bit 12: software tells the I/O APIC itself. */
static void eoi_broadcast_suppressed(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	mmio_set(v, APIC_SVR, 0x11ff);
	assert_int_equal(mmio_get(v, APIC_SVR), 0x11ff);
	lapic_set_irr(v, 0x70, true);
	assert_int_equal(lapic_ack(v, 0x70), 0x70);
	mmio_set(v, APIC_EOI, 0);
	assert_int_equal(lapic_pending(v), -1);
	assert_int_equal(nr_eois, 0);
}

static void level_eoi_reaches_ioapic(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	xapic_enable(v);
	lapic_set_irr(v, 0x70, true);
	assert_int_equal(mmio_get(v, APIC_TMR + 0x30), 1u << 16);
	lapic_ack(v, 0x70);
	assert_int_equal(nr_eois, 0);
	mmio_set(v, APIC_EOI, 0);
	assert_int_equal(nr_eois, 1);
	assert_int_equal(last_eoi, 0x70);
	/* The same vector as an edge clears TMR again. */
	lapic_set_irr(v, 0x70, false);
	assert_int_equal(mmio_get(v, APIC_TMR + 0x30), 0);
	lapic_ack(v, 0x70);
	mmio_set(v, APIC_EOI, 0);
	/* And an EOI with nothing in service does nothing. */
	mmio_set(v, APIC_EOI, 0);
	assert_int_equal(nr_eois, 1);
}

static void mmio_rules(void **state)
{
	struct vcpu *v = &vcpus[2];

	(void)state;
	xapic_enable(v);
	mmio_set(v, APIC_ID, 0xff000000);
	assert_int_equal(mmio_get(v, APIC_ID), 2u << 24);
	mmio_set(v, APIC_VERSION, 0);
	assert_int_equal(mmio_get(v, APIC_VERSION), 0x01050014);
	mmio_set(v, APIC_LDR, 0x12345678);
	assert_int_equal(mmio_get(v, APIC_LDR), 0x12000000);
	mmio_set(v, APIC_DFR, 0);
	assert_int_equal(mmio_get(v, APIC_DFR), 0x0fffffff);
	mmio_set(v, APIC_LVT_LINT1, 0xffffffff);
	assert_int_equal(mmio_get(v, APIC_LVT_LINT1), 0x1a7ff);
	/* Parts of a register read, everything crooked reads zero. */
	assert_int_equal(lapic_mmio_read(v, APIC_LDR + 3, 1), 0x12);
	assert_int_equal(lapic_mmio_read(v, APIC_LDR + 2, 2), 0x1200);
	assert_int_equal(lapic_mmio_read(v, APIC_LDR + 3, 2), 0);
	assert_int_equal(lapic_mmio_read(v, APIC_LDR, 8), 0);
	assert_int_equal(lapic_mmio_read(v, APIC_LDR + 4, 4), 0);
	assert_int_equal(lapic_mmio_read(v, APIC_EOI, 4), 0);
	/* Writes are whole registers or nothing. */
	lapic_mmio_write(v, APIC_TPR, 1, 0x20);
	lapic_mmio_write(v, APIC_TPR + 4, 4, 0x20);
	lapic_mmio_write(v, APIC_TPR, 8, 0x20);
	assert_int_equal(mmio_get(v, APIC_TPR), 0);
}

static void mmio_decodes_at_base(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	assert_true(lapic_mmio_hit(v, 0xfee00000));
	assert_true(lapic_mmio_hit(v, 0xfee00fff));
	assert_false(lapic_mmio_hit(v, 0xfee01000));
	base_set(v, 0xfed40000 | APIC_BASE_EN | APIC_BASE_BSP);
	assert_false(lapic_mmio_hit(v, 0xfee00000));
	assert_true(lapic_mmio_hit(v, 0xfed40020));
	x2apic_enter(v);
	assert_false(lapic_mmio_hit(v, 0xfed40020));
	base_set(v, 0xfed40000);
	assert_false(lapic_mmio_hit(v, 0xfed40020));
}

static void illegal_register_sets_esr(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	xapic_enable(v);
	mmio_set(v, APIC_LVT_ERROR, 0xee);
	mmio_get(v, 0x040);
	assert_int_equal(lapic_pending(v), 0xee);
	assert_int_equal(mmio_get(v, APIC_ESR), 0);
	mmio_set(v, APIC_ESR, 0);
	assert_int_equal(mmio_get(v, APIC_ESR), 0x80);
	mmio_set(v, 0xff0, 1);
	mmio_set(v, APIC_ESR, 0);
	assert_int_equal(mmio_get(v, APIC_ESR), 0x80);
	mmio_set(v, APIC_ESR, 0);
	assert_int_equal(mmio_get(v, APIC_ESR), 0);
}

static void bad_error_vector_ends(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	xapic_enable(v);
	mmio_set(v, APIC_LVT_ERROR, 0x05);
	mmio_get(v, 0x040);
	mmio_set(v, APIC_ESR, 0);
	assert_int_equal(mmio_get(v, APIC_ESR), 0x80 | 0x40);
	assert_int_equal(lapic_pending(v), -1);
}

static void software_disable_masks_lvts(void **state)
{
	struct vcpu *v = &vcpus[1];

	(void)state;
	mmio_set(v, APIC_LVT_LINT1, 0x400);
	assert_int_equal(mmio_get(v, APIC_LVT_LINT1), 0x10400);
	lapic_lint(v, 1);
	assert_int_equal(nmis[1], 0);
	xapic_enable(v);
	mmio_set(v, APIC_LVT_LINT1, 0x400);
	assert_int_equal(mmio_get(v, APIC_LVT_LINT1), 0x400);
	lapic_lint(v, 1);
	assert_int_equal(nmis[1], 1);
	/* What is pending stays so. */
	lapic_set_irr(v, 0x80, false);
	mmio_set(v, APIC_SVR, 0xff);
	assert_int_equal(mmio_get(v, APIC_LVT_LINT1), 0x10400);
	assert_int_equal(lapic_pending(v), 0x80);
}

static void lint_pins(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	assert_true(lapic_accepts_extint(v));
	assert_false(lapic_accepts_extint(&vcpus[1]));
	lapic_lint(v, 0);
	assert_int_equal(lapic_pending(v), -1);
	xapic_enable(v);
	mmio_set(v, APIC_LVT_LINT0, 0x8044);
	assert_false(lapic_accepts_extint(v));
	lapic_lint(v, 0);
	assert_int_equal(lapic_pending(v), 0x44);
	assert_int_equal(mmio_get(v, APIC_TMR + 0x20), 1u << 4);
	mmio_set(v, APIC_LVT_LINT0, 0x10700);
	assert_false(lapic_accepts_extint(v));
	/* Without APIC the pins are the processor's own, of the boot CPU at least. */
	base_set(v, LAPIC_BASE_RESET);
	base_set(&vcpus[1], LAPIC_BASE_RESET);
	assert_true(lapic_accepts_extint(v));
	assert_false(lapic_accepts_extint(&vcpus[1]));
	lapic_lint(v, 1);
	assert_int_equal(nmis[0], 1);
	lapic_lint(v, 0);
	assert_int_equal(lapic_pending(v), -1);
}

static void base_transitions(void **state)
{
	static const u64 modes[] = { 0, APIC_BASE_EXTD, APIC_BASE_EN,
				     APIC_BASE_EN | APIC_BASE_EXTD };
	static const bool legal[4][4] = {
		{ true, false, true, false },
		{ false, false, false, false },
		{ true, false, true, true },
		{ true, false, false, true },
	};
	struct vcpu *v = &vcpus[3];

	(void)state;
	for (unsigned from = 0; from < 4; from++) {
		for (unsigned to = 0; to < 4; to++) {
			u64 old = LAPIC_BASE_RESET | modes[from];
			u64 new = LAPIC_BASE_RESET | modes[to];

			v->hot->apic_base = old;
			assert_int_equal(lapic_base_write(v, new),
					 legal[from][to] ? ERR_NONE : ERR_INVAL);
			assert_int_equal(v->hot->apic_base, legal[from][to] ? new : old);
		}
	}
}

static void base_reserved_bits(void **state)
{
	struct vcpu *v = &vcpus[0];
	u64 good = v->hot->apic_base;

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		bool reserved = bit < 8 || bit == 9 || bit >= PHYS_BITS;

		if (bit == 10 || bit == 11)
			continue;
		assert_int_equal(lapic_base_write(v, good ^ BIT(bit)),
				 reserved ? ERR_INVAL : ERR_NONE);
		v->hot->apic_base = good;
	}
}

static void disabling_forgets(void **state)
{
	struct vcpu *v = &vcpus[1];

	(void)state;
	xapic_enable(v);
	lapic_set_irr(v, 0x99, false);
	mmio_set(v, APIC_LVT_TIMER, 0x20030);
	mmio_set(v, APIC_TIMER_INITIAL, 1000000);
	base_set(v, LAPIC_BASE_RESET);
	assert_int_equal(lapic_pending(v), -1);
	assert_false(v->lapic.timer.is_armed);
	base_set(v, LAPIC_BASE_RESET | APIC_BASE_EN);
	assert_int_equal(lapic_pending(v), -1);
	assert_int_equal(mmio_get(v, APIC_SVR), 0xff);
	assert_int_equal(mmio_get(v, APIC_ID), 1u << 24);
}

static void x2apic_keeps_state(void **state)
{
	struct vcpu *v = &vcpus[3];

	(void)state;
	xapic_enable(v);
	mmio_set(v, APIC_TPR, 0x20);
	mmio_set(v, APIC_ICR2, 0x05000000);
	lapic_set_irr(v, 0x99, false);
	x2apic_enter(v);
	assert_int_equal(x2_get(v, APIC_ID), 3);
	assert_int_equal(x2_get(v, APIC_LDR), 8);
	assert_int_equal(x2_get(v, APIC_TPR), 0x20);
	assert_int_equal(x2_get(v, APIC_SVR), 0x1ff);
	assert_int_equal(x2_get(v, APIC_ICR), 0);
	assert_int_equal(lapic_pending(v), 0x99);
}

static void x2apic_cluster_ids(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	v->index = 37;
	base_set(v, LAPIC_BASE_RESET);
	base_set(v, LAPIC_BASE_RESET | APIC_BASE_EN);
	x2apic_enter(v);
	assert_int_equal(x2_get(v, APIC_ID), 37);
	assert_int_equal(x2_get(v, APIC_LDR), 2 << 16 | 1 << 5);
	v->index = 0;
}

/* What the SDM's table of x2APIC registers says, independent of the table in the code. */
static unsigned x2_access(u32 msr)
{
	switch (msr) {
	case 0x802:
	case 0x803:
	case 0x80a:
	case 0x80d:
	case 0x810 ... 0x827:
	case 0x839:
		return 1;
	case 0x808:
	case 0x80f:
	case 0x828:
	case 0x830:
	case 0x832 ... 0x838:
	case 0x83e:
		return 3;
	case 0x80b:
	case 0x83f:
		return 2;
	default:
		return 0;
	}
}

static void x2apic_register_map(void **state)
{
	struct vcpu *v = &vcpus[0];
	u64 value;

	(void)state;
	x2apic_enter(v);
	for (u32 msr = 0x800; msr <= 0x8ff; msr++) {
		assert_int_equal(lapic_msr_read(v, msr, &value),
				 x2_access(msr) & 1 ? ERR_NONE : ERR_INVAL);
		assert_int_equal(lapic_msr_write(v, msr, 0),
				 x2_access(msr) & 2 ? ERR_NONE : ERR_INVAL);
	}
}

static void x2apic_needs_its_mode(void **state)
{
	u64 value;

	(void)state;
	for (u32 msr = 0x800; msr <= 0x8ff; msr++) {
		assert_int_equal(lapic_msr_read(&vcpus[0], msr, &value), ERR_INVAL);
		assert_int_equal(lapic_msr_write(&vcpus[0], msr, 0), ERR_INVAL);
		assert_int_equal(lapic_fast_read(&hots[0], msr, &value), NEXT_SLOW);
		assert_int_equal(lapic_fast_write(&hots[0], msr, 0), NEXT_SLOW);
	}
}

static void x2apic_reserved_bits(void **state)
{
	static const struct {
		u32 msr;
		u64 valid;
	} regs[] = {
		{ 0x808, 0xff },	{ 0x80b, 0 },	      { 0x80f, 0x13ff },
		{ 0x828, 0 },		{ 0x832, 0x710ff },   { 0x833, 0x117ff },
		{ 0x834, 0x117ff },	{ 0x835, 0x1f7ff },   { 0x836, 0x1f7ff },
		{ 0x837, 0x110ff },	{ 0x838, 0xffffffff }, { 0x83e, 0xb },
		{ 0x83f, 0xff },	{ 0x830, 0xffffffff000ccfff },
	};
	struct vcpu *v = &vcpus[0];

	(void)state;
	x2apic_enter(v);
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		for (unsigned bit = 0; bit < 64; bit++)
			assert_int_equal(lapic_msr_write(v, regs[i].msr, BIT(bit)),
					 regs[i].valid & BIT(bit) ? ERR_NONE : ERR_INVAL);
	}
}

static void self_ipi(void **state)
{
	struct vcpu *v = &vcpus[1];

	(void)state;
	x2apic_enter(v);
	x2_set(v, APIC_SELF_IPI, 0x50);
	assert_int_equal(lapic_pending(v), -1);
	x2_set(v, APIC_SVR, 0x1ff);
	x2_set(v, APIC_SELF_IPI, 0x50);
	assert_int_equal(lapic_pending(v), 0x50);
	x2_set(v, APIC_SELF_IPI, 0x0f);
	x2_set(v, APIC_ESR, 0);
	assert_int_equal(x2_get(v, APIC_ESR), 0x20);
}

static void fast_reads(void **state)
{
	struct vcpu *v = &vcpus[2];

	(void)state;
	x2apic_enter(v);
	x2_set(v, APIC_ICR, 0x7000000004ull << 8 | 0xfb);
	for (u32 msr = 0x800; msr <= 0x8ff; msr++) {
		u64 slow = 0, fast = 0;
		enum err e = lapic_msr_read(v, msr, &slow);
		enum next next = lapic_fast_read(v->hot, msr, &fast);

		if (next == NEXT_SKIP) {
			assert_int_equal(e, ERR_NONE);
			assert_int_equal(slow, fast);
		}
		assert_true(next == NEXT_SLOW || next == NEXT_SKIP);
	}
	assert_int_equal(lapic_fast_read(v->hot, 0x839, &(u64){ 0 }), NEXT_SLOW);
	assert_int_equal(lapic_fast_read(v->hot, 0x802, &(u64){ 0 }), NEXT_SKIP);
	/* Numbers that would alias if the index wrapped. */
	assert_int_equal(lapic_fast_write(v->hot, 0x10000808, 0), NEXT_SLOW);
	assert_int_equal(lapic_fast_read(v->hot, 0x10000808, &(u64){ 0 }), NEXT_SLOW);
	assert_int_equal(lapic_fast_write(v->hot, 0, 0), NEXT_SLOW);
}

static void fast_writes(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	x2apic_enter(v);
	x2_set(v, APIC_SVR, 0x1ff);
	assert_int_equal(lapic_fast_write(v->hot, 0x808, 0x50), NEXT_SKIP);
	assert_int_equal(x2_get(v, APIC_PPR), 0x50);
	assert_int_equal(v->hot->irq_vector, -1);
	lapic_set_irr(v, 0x44, false);
	/* The same class is held back still. */
	assert_int_equal(lapic_fast_write(v->hot, 0x808, 0x40), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, IRQ_HELD);
	assert_int_equal(lapic_fast_write(v->hot, 0x808, 0x100), NEXT_SLOW);
	assert_int_equal(x2_get(v, APIC_TPR), 0x40);
	assert_int_equal(lapic_fast_write(v->hot, 0x808, 0x3f), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, 0x44);
	assert_int_equal(x2_get(v, APIC_PPR), 0x3f);
	assert_int_equal(lapic_fast_write(v->hot, 0x80b, 1), NEXT_SLOW);
	lapic_fast_ack(v->hot, 0x44);
	assert_int_equal(x2_get(v, APIC_PPR), 0x40);
	assert_int_equal(x2_get(v, APIC_IRR + 0x20), 0);
	assert_int_equal(x2_get(v, APIC_ISR + 0x20), 1u << 4);
	/* Two in service, one waits between them. */
	lapic_set_irr(v, 0x71, false);
	lapic_fast_look(v->hot);
	assert_int_equal(v->hot->irq_vector, 0x71);
	lapic_fast_ack(v->hot, 0x71);
	lapic_set_irr(v, 0x52, false);
	lapic_fast_look(v->hot);
	assert_int_equal(v->hot->irq_vector, IRQ_HELD);
	assert_int_equal(lapic_fast_write(v->hot, 0x80b, 0), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, 0x52);
	assert_int_equal(x2_get(v, APIC_PPR), 0x40);
	lapic_fast_ack(v->hot, 0x52);
	assert_int_equal(lapic_fast_write(v->hot, 0x80b, 0), NEXT_SKIP);
	assert_int_equal(lapic_fast_write(v->hot, 0x80b, 0), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, -1);
	assert_int_equal(x2_get(v, APIC_PPR), 0x3f);
	assert_int_equal(lapic_fast_write(v->hot, 0x80b, 0), NEXT_SKIP);
	/* Level: the I/O APIC has to hear of it. */
	lapic_set_irr(v, 0x42, true);
	lapic_ack(v, 0x42);
	assert_int_equal(lapic_fast_write(v->hot, 0x80b, 0), NEXT_SLOW);
	assert_int_equal(x2_get(v, APIC_ISR + 0x20), 1u << 2);
	assert_int_equal(nr_eois, 0);
}

static void fast_self_ipis(void **state)
{
	struct vcpu *v = &vcpus[1];
	static const u64 slow[] = {
		0x4410 | 0x40000, /* NMI */
		0x40150, /* lowest priority */
		0x4000f, /* illegal vector */
		0x41050, /* reserved bit */
		0x80050, 0xc0050, /* other shorthands */
		0x50, 1ull << 32 | 0x50, /* addressed, to itself too */
	};

	(void)state;
	x2apic_enter(v);
	/* Software-disabled: not accepted, and not here. */
	assert_int_equal(lapic_fast_write(v->hot, 0x83f, 0x50), NEXT_SLOW);
	assert_int_equal(lapic_fast_write(v->hot, 0x830, 0x40050), NEXT_SLOW);
	x2_set(v, APIC_SVR, 0x1ff);
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		assert_int_equal(lapic_fast_write(v->hot, 0x830, slow[i]), NEXT_SLOW);
	assert_int_equal(lapic_fast_write(v->hot, 0x83f, 0x0f), NEXT_SLOW);
	assert_int_equal(lapic_fast_write(v->hot, 0x83f, 0x150), NEXT_SLOW);
	assert_int_equal(lapic_pending(v), -1);
	assert_int_equal(x2_get(v, APIC_ICR), 0);
	/* Edge-triggered, whatever the vector was before. */
	lapic_set_irr(v, 0x50, true);
	lapic_ack(v, 0x50);
	x2_set(v, APIC_EOI, 0);
	assert_int_equal(lapic_fast_write(v->hot, 0x83f, 0x50), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, 0x50);
	assert_int_equal(x2_get(v, APIC_TMR + 0x20), 0);
	lapic_fast_ack(v->hot, 0x50);
	assert_int_equal(lapic_fast_write(v->hot, 0x830, 0x70004c841), NEXT_SKIP);
	assert_int_equal(x2_get(v, APIC_ICR), 0x70004c841);
	assert_int_equal(v->hot->irq_vector, IRQ_HELD);
	assert_int_equal(lapic_fast_write(v->hot, 0x83f, 0x61), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, 0x61);
}

/* While the hardware delivers, nothing may happen behind its back. */
static void fast_is_slow_while_live(void **state)
{
	static const struct {
		u32 msr;
		u64 value;
	} writes[] = { { 0x808, 0x20 }, { 0x80b, 0 }, { 0x830, 0x44055 }, { 0x83f, 0x55 } };
	static u8 before[PAGE_SIZE];
	struct vcpu *v = &vcpus[1];

	(void)state;
	x2apic_enter(v);
	x2_set(v, APIC_SVR, 0x1ff);
	x2_set(v, APIC_LVT_TIMER, 0x40077);
	lapic_set_irr(v, 0x44, false);
	lapic_ack(v, 0x44);
	v->hot->has_fast_deadline = true;
	v->hot->apic_live = 1;
	memcpy(before, v->lapic.regs, PAGE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		assert_int_equal(lapic_fast_write(v->hot, writes[i].msr, writes[i].value),
				 NEXT_SLOW);
	assert_int_equal(lapic_fast_cr8(v->hot, 3), NEXT_SLOW);
	assert_int_equal(lapic_fast_deadline(v->hot, 1, 1000), NEXT_SLOW);
	/* One that does not fire yet is only noted. */
	assert_int_equal(lapic_fast_deadline(v->hot, 2000, 1000), NEXT_SKIP);
	assert_int_equal(lapic_fast_expire(v->hot, 2000), NEXT_SLOW);
	assert_int_equal(v->hot->tsc_deadline, 2000);
	assert_memory_equal(before, v->lapic.regs, PAGE_SIZE);
	v->hot->apic_live = 0;
}

/* Hardware that has the TPR writes it alone. */
static void fast_follows_the_tpr(void **state)
{
	struct vcpu *v = &vcpus[0];
	u64 ppr = 0;

	(void)state;
	x2apic_enter(v);
	x2_set(v, APIC_SVR, 0x1ff);
	v->lapic.regs[APIC_TPR / 4] = 0x70;
	assert_int_equal(lapic_fast_read(v->hot, 0x80a, &ppr), NEXT_SKIP);
	assert_int_equal(ppr, 0x70);
	assert_int_equal(lapic_fast_write(v->hot, 0x83f, 0x61), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, IRQ_HELD);
	v->lapic.regs[APIC_TPR / 4] = 0x10;
	assert_int_equal(x2_get(v, APIC_PPR), 0x10);
	assert_int_equal(lapic_fast_write(v->hot, 0x80b, 0), NEXT_SKIP);
	lapic_fast_look(v->hot);
	assert_int_equal(v->hot->irq_vector, 0x61);
}

static void fast_cr8(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	lapic_set_irr(v, 0x44, false);
	lapic_cr8_set(v, 9);
	assert_int_equal(lapic_fast_cr8(v->hot, 0x10), NEXT_SLOW);
	assert_int_equal(lapic_fast_cr8(v->hot, BIT(63)), NEXT_SLOW);
	assert_int_equal(lapic_cr8_get(v), 9);
	mmio_set(v, APIC_TPR, 0x9f);
	assert_int_equal(lapic_fast_cr8(v->hot, 9), NEXT_SKIP);
	assert_int_equal(mmio_get(v, APIC_TPR), 0x90);
	assert_int_equal(v->hot->irq_vector, IRQ_HELD);
	assert_int_equal(lapic_fast_cr8(v->hot, 3), NEXT_SKIP);
	assert_int_equal(v->hot->irq_vector, 0x44);
	assert_int_equal(mmio_get(v, APIC_PPR), 0x30);
}

static void cr8_matters(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	xapic_enable(v);
	assert_false(lapic_minds_cr8(v));
	mmio_set(v, APIC_TPR, 0x51);
	assert_true(lapic_minds_cr8(v));
	mmio_set(v, APIC_TPR, 0x50);
	assert_false(lapic_minds_cr8(v));
	lapic_set_irr(v, 0x44, false);
	assert_true(lapic_minds_cr8(v));
	mmio_set(v, APIC_TPR, 0);
	lapic_ack(v, 0x44);
	assert_false(lapic_minds_cr8(v));
}

/* Random accesses; whenever the fast way takes one, the slow way must come to the same page. */
static void fuzz(void **state)
{
	static const u32 fast_msrs[] = { 0x808, 0x80b, 0x830, 0x83f };
	static u8 before[PAGE_SIZE], after_fast[PAGE_SIZE];
	struct vcpu *v = &vcpus[0];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 200000; round++) {
		u32 r = (u32)rand();
		u64 value = (u64)rand() << 33 ^ (u64)rand() << 10 ^ (u64)rand();
		u32 msr = 0x800 + r % 0x100;
		bool was_pending;
		enum err e;
		int vector;

		value >>= rand() % 64;
		v = &vcpus[r / 256 % FIXTURE_CPUS];
		switch (rand() % 8) {
		case 0:
			lapic_mmio_write(v, r % 4096, 1u << rand() % 4, value);
			break;
		case 1:
			(void)lapic_mmio_read(v, r % 4096, 1u << rand() % 4);
			break;
		case 2:
			e = lapic_base_write(v, value);
			assert_true(e == ERR_NONE || e == ERR_INVAL);
			break;
		case 3:
			lapic_deadline_set(v, value);
			break;
		case 4:
			vector = lapic_pending(v);
			if (vector >= 0)
				assert_int_equal(lapic_ack(v, (u8)vector), vector);
			break;
		case 5:
			ns_pass((u64)rand() % 100000);
			break;
		case 6:
			if (!(v->hot->apic_base & APIC_BASE_EN))
				base_set(v, LAPIC_BASE_RESET | APIC_BASE_EN);
			else
				x2apic_enter(v);
			break;
		default:
			memcpy(before, v->lapic.regs, PAGE_SIZE);
			was_pending = lapic_pending(v) >= 0;
			msr = rand() % 2 ? msr : fast_msrs[rand() % ARRAY_SIZE(fast_msrs)];
			if (msr == 0x830 && rand() % 2)
				value = 0x40000 | (value & 0xcff);
			if (lapic_fast_write(v->hot, msr, value) == NEXT_SLOW) {
				assert_memory_equal(before, v->lapic.regs, PAGE_SIZE);
				e = lapic_msr_write(v, msr, value);
				assert_true(e == ERR_NONE || e == ERR_INVAL);
				break;
			}
			memcpy(after_fast, v->lapic.regs, PAGE_SIZE);
			memcpy(v->lapic.regs, before, PAGE_SIZE);
			assert_int_equal(lapic_msr_write(v, msr, value), ERR_NONE);
			assert_memory_equal(after_fast, v->lapic.regs, PAGE_SIZE);
			/* What could be delivered before has a window that is open. */
			if (v->hot->irq_vector >= 0 || !was_pending)
				assert_int_equal(lapic_pending(v), MAX(v->hot->irq_vector, -1));
			break;
		}
		assert_false(dev_locked);
	}
}

static void create_again(void **state)
{
	struct vcpu *v = &vcpus[0];

	(void)state;
	page_free(v->lapic.regs);
	fake_no_memory = true;
	assert_int_equal(lapic_create(v), ERR_NOMEM);
	fake_no_memory = false;
	assert_int_equal(lapic_create(v), ERR_NONE);
	lapic_reset(v, false);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reset_values),
		T(init_keeps_mode_and_clears_rest),
		T(highest_vector_wins_and_eoi_uncovers),
		T(tpr_blocks_its_class),
		T(late_ack_is_spurious),
		T(level_eoi_reaches_ioapic),
		T(eoi_broadcast_suppressed),
		T(mmio_rules),
		T(mmio_decodes_at_base),
		T(illegal_register_sets_esr),
		T(bad_error_vector_ends),
		T(software_disable_masks_lvts),
		T(lint_pins),
		T(base_transitions),
		T(base_reserved_bits),
		T(disabling_forgets),
		T(x2apic_keeps_state),
		T(x2apic_cluster_ids),
		T(x2apic_register_map),
		T(x2apic_needs_its_mode),
		T(x2apic_reserved_bits),
		T(self_ipi),
		T(fast_reads),
		T(fast_writes),
		T(fast_self_ipis),
		T(fast_is_slow_while_live),
		T(fast_follows_the_tpr),
		T(fast_cr8),
		T(cr8_matters),
		T(fuzz),
		T(create_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
