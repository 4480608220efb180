/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time stamp counter: its rate, conversions and bounded waits. From any context after
 * tsc_init(); intervals only, no wall clock. Conversions round down and do not overflow.
 */
#ifndef ARCH_X86_TSC_H
#define ARCH_X86_TSC_H

#include "arch/x86/insn.h"
#include "core/lib/types.h"

/* Ticks per millisecond. [c] after tsc_init() */
extern u64 tsc_khz;

/*
 * Find the rate: asks CPUID, a hypervisor's leaf and firmware's hint `hint_hz` (0 = none), measures
 * against the PIT and, with `pm_timer_port` (0 = none), the ACPI timer; compares, chooses, and
 * says so in the log. Takes at most about 0.2 s. Boot CPU, once, interrupts off.
 */
void tsc_init(u64 hint_hz, u16 pm_timer_port);

/* Intervals to and from TSC ticks. */
u64 tsc_from_us(u64 us);
u64 tsc_from_ns(u64 ns);
u64 us_from_tsc(u64 ticks);
u64 ns_from_tsc(u64 ticks);

/* Spin for `us` microseconds. */
void tsc_wait_us(u64 us);

/* TSC value `us` from now, for loops that give up. */
static inline u64 tsc_after_us(u64 us)
{
	return rdtsc() + tsc_from_us(us);
}

/* Has host TSC `deadline_tsc` passed? */
static inline bool tsc_is_past(u64 deadline_tsc)
{
	return (s64)(rdtsc() - deadline_tsc) >= 0;
}

#endif
