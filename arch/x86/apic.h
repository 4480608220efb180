/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's local APIC: x2APIC where the CPU has it, else the registers in memory. Owns the
 * hardware of this CPU; guests have models of their own. All functions act on the CPU that calls
 * them, from any context, and do not wait except where said.
 */
#ifndef ARCH_X86_APIC_H
#define ARCH_X86_APIC_H

#include "core/lib/err.h"
#include "core/lib/types.h"

/* Page of the registers of an xAPIC, NULL with x2APIC. Any CPU, after apic_init(). */
const void *apic_page(void);

/* Registers, by their offset in the memory page; the x2APIC MSR is 0x800 + offset / 16. */
enum {
	APIC_ID = 0x020, APIC_VERSION = 0x030, APIC_TPR = 0x080, APIC_EOI = 0x0b0,
	APIC_LDR = 0x0d0, APIC_DFR = 0x0e0, APIC_SVR = 0x0f0, APIC_ISR = 0x100, APIC_TMR = 0x180,
	APIC_IRR = 0x200, APIC_ESR = 0x280, APIC_ICR = 0x300, APIC_ICR2 = 0x310,
	APIC_LVT_TIMER = 0x320, APIC_LVT_THERMAL = 0x330, APIC_LVT_PERF = 0x340,
	APIC_LVT_LINT0 = 0x350, APIC_LVT_LINT1 = 0x360, APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380, APIC_TIMER_CURRENT = 0x390, APIC_TIMER_DIVIDE = 0x3e0,
	APIC_SELF_IPI = 0x3f0,
};

/* Bits of those: APIC_ICR_* are delivery modes and other bits of that register. */
enum {
	APIC_SVR_ENABLE = 0x100, APIC_LVT_MASKED = 0x10000, APIC_LVT_PERIODIC = 0x20000,
	APIC_LVT_DEADLINE = 0x40000,
	APIC_ICR_FIXED = 0x000, APIC_ICR_NMI = 0x400, APIC_ICR_INIT = 0x500,
	APIC_ICR_STARTUP = 0x600, APIC_ICR_MODE_MASK = 0x700, APIC_ICR_LOGICAL = 0x800,
	APIC_ICR_BUSY = 0x1000, APIC_ICR_ASSERT = 0x4000, APIC_ICR_LEVEL = 0x8000,
	APIC_ICR_SELF = 0x40000, APIC_ICR_ALL = 0x80000, APIC_ICR_OTHERS = 0xc0000,
};

/*
 * Find and enable the boot CPU's APIC. Needs the host tables (mmio_map). Boot CPU, once.
 * ERR_UNSUPPORTED without an APIC, ERR_DISABLED if firmware switched it off for good.
 */
enum err apic_init(void) __must_check;

/* Enable this CPU's APIC with everything masked. Every CPU; apic_init() does it for the first. */
void apic_enable(void);

/* Measure the timer where the CPU has no TSC deadline. Boot CPU, after tsc_init(). */
void apic_timer_calibrate(void);

bool apic_is_x2apic(void);

/* This CPU's APIC ID. */
u32 apic_id(void);

u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 value);

/* End the interrupt in service. */
void apic_eoi(void);

/* Send what `low` (APIC_ICR_*, vector) says to `apic_id`. Waits for a former command, bounded. */
void apic_icr_write(u32 apic_id, u32 low);

/*
 * apic_timer_arm() for `cpu`, which is this one, unless its timer is armed for something earlier.
 * On the isolated tables too, and with any GS.
 */
struct percpu;
void apic_timer_hasten(struct percpu *cpu, u64 deadline_tsc);

/*
 * Raise IRQ_TIMER once, not before host TSC `deadline_tsc`; a deadline in the past fires at once.
 * Without TSC deadline the interrupt may come early for a far deadline: re-arm then.
 */
void apic_timer_arm(u64 deadline_tsc);
void apic_timer_stop(void);

#endif
