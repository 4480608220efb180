/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MC146818 real-time clock of the guest's PC and its 128 bytes of CMOS RAM. Owns ports 0x70
 * and 0x71 and raises line 8. The time is the host's wall clock plus what the guest has set.
 * Nothing ticks: flags are computed when asked for, and a timer is armed only for the next
 * interrupt that is enabled and not yet pending. So a guest that does not acknowledge costs
 * nothing, and no rate exceeds 8192 Hz (122 us). Under vm->dev_lock; the timer callback takes it.
 */
#ifndef CORE_DEV_RTC_H
#define CORE_DEV_RTC_H

#include "core/lib/types.h"
#include "core/timer.h"

struct vm;

#define RTC_CMOS_BYTES 128

struct rtc {
	u8 cmos[RTC_CMOS_BYTES]; /* registers and RAM; the time in it is true while halted */
	u8 index;
	u64 phase_ns; /* divider chain - host wall clock; below one second */
	s64 offset_seconds; /* guest time - seconds of the divider chain */
	u64 seen_ns; /* divider chain's time up to which the flags are computed */
	struct timer timer; /* next interrupt */
};

/* What rtc.timer of a VM calls. */
void rtc_fire(struct timer *t);

/*
 * Power-on state: the host's UTC, BCD, 24 hours, no interrupts, CMOS describing the VM's memory.
 * The configuration must be known.
 */
void rtc_reset(struct vm *vm);

/* Ports 0x70 and 0x71; `width_bytes` is 1. */
u32 rtc_read(struct vm *vm, u16 port, unsigned width_bytes);
void rtc_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

#endif
