/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time as devices and guests see it: the host's TSC, its conversion to nanoseconds, and the wall
 * clock. A seam: host tests bring their own. From any context.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "core/lib/types.h"

/*
 * The wall clock showed `epoch_seconds` (UTC since 1970; 0: nobody knows) when the TSC was
 * `epoch_tsc`. Boot CPU, once, after TSC calibration.
 */
void clock_init(u64 epoch_seconds, u64 epoch_tsc);

/* Host TSC now. */
u64 clock_tsc(void);

/* Intervals; both round down and do not overflow below 2^63 ns. */
u64 clock_ns_from_tsc(u64 ticks);
u64 clock_tsc_from_ns(u64 ns);

/* Nanoseconds since 1970-01-01 UTC. */
u64 clock_wall_ns(void);

#endif
