/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conversion between nanoseconds and the ticks of a device's oscillator, exact over any time.
 * Pure; from any context.
 */
#ifndef CORE_DEV_TICKS_H
#define CORE_DEV_TICKS_H

#include "core/lib/types.h"

#define NS_PER_SECOND 1000000000ull

/* Whole ticks of `hz` (up to 4 GHz) in `ns`. */
static inline u64 ticks_from_ns(u64 ns, u32 hz)
{
	return ns / NS_PER_SECOND * hz + ns % NS_PER_SECOND * hz / NS_PER_SECOND;
}

/* The first nanosecond at which ticks_from_ns() gives `ticks`. */
static inline u64 ticks_to_ns(u64 ticks, u32 hz)
{
	return ticks / hz * NS_PER_SECOND + (ticks % hz * NS_PER_SECOND + hz - 1) / hz;
}

#endif
