/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the local APIC (registers, messages, timer) call of each other. Private to
 * core/dev/lapic*.c.
 */
#ifndef CORE_DEV_LAPIC_PRIV_H
#define CORE_DEV_LAPIC_PRIV_H

#include "core/dev/lapic.h"
#include "core/dev/lapic_regs.h"

#define LAPIC_R 1u
#define LAPIC_W 2u

/* What may be done with a register slot; made from lapic_regs.def. */
struct lapic_rule {
	u8 xapic; /* LAPIC_R, LAPIC_W; 0: no such register */
	u8 x2apic;
	u32 x2_writable; /* other bits set in an x2APIC write raise #GP */
};

extern const struct lapic_rule lapic_rules[LAPIC_NR_SLOTS];

bool lapic_is_enabled(const struct vcpu *v); /* IA32_APIC_BASE.EN; any CPU */
bool lapic_is_x2apic(const struct vcpu *v); /* any CPU */

/* Collect an error and raise the error interrupt. Any CPU. */
void lapic_error(struct vcpu *v, u32 esr_bit);

/* Act on the local vector table entry at `offset`: Fixed and NMI, unless masked. Any CPU. */
void lapic_lvt_deliver(struct vcpu *v, u32 offset);

/* Tell the I/O APIC that a level interrupt has ended. Takes dev_lock. */
void lapic_eoi_broadcast(struct vcpu *v, u8 vector);

/* What lapic.timer calls. */
void lapic_timer_fire(struct timer *t);

/* The timer's registers. On the vCPU's CPU. */
void lapic_timer_stop(struct vcpu *v);
void lapic_timer_count_write(struct vcpu *v, u32 count);
u32 lapic_timer_count_read(struct vcpu *v);
void lapic_timer_divide_write(struct vcpu *v, u32 value);
void lapic_timer_lvt_write(struct vcpu *v, u32 value);

#endif
