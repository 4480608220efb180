/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/clock.h"

#include "arch/x86/tsc.h"
#include "core/lib/log.h"

#define NS_PER_SECOND 1000000000ull

/* [c] the wall clock's time when the TSC was 0, in ns since 1970; wraps as unsigned numbers do */
static u64 wall_at_tsc0_ns;

void clock_init(u64 epoch_seconds, u64 epoch_tsc)
{
	if (!epoch_seconds)
		log_warn("clock: firmware has no time of day; guests start in 1970");
	wall_at_tsc0_ns = epoch_seconds * NS_PER_SECOND - ns_from_tsc(epoch_tsc);
}

u64 clock_tsc(void)
{
	return rdtsc();
}

u64 clock_ns_from_tsc(u64 ticks)
{
	return ns_from_tsc(ticks);
}

u64 clock_tsc_from_ns(u64 ns)
{
	return tsc_from_ns(ns);
}

u64 clock_wall_ns(void)
{
	return wall_at_tsc0_ns + ns_from_tsc(rdtsc());
}
