/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts turns of a loop for SECONDS of guest time, which goes on while others have the CPU: how
 * much of a CPU the VM gets. tests/e2e/share.py compares two of them.
 */
#include "lib/guest.h"

const char guest_name[] = "count";

#define SECONDS 4

#define MSR_SYSTEM_TIME 0x4b564d01
#define NS_PER_SECOND 1000000000ull

/* What KVM's paravirtual clock leaves in memory. */
static volatile struct {
	u32 version, pad;
	u64 tsc, ns;
	u32 mul;
	int8_t shift;
	u8 flags, pad2[2];
} clock __attribute__((aligned(64)));

/* TSC ticks of `ns`; shift is positive for a TSC below 1 GHz. */
static u64 ticks_of(u64 ns)
{
	u64 ticks = (ns << 32) / clock.mul;

	return clock.shift < 0 ? ticks << -clock.shift : ticks >> clock.shift;
}

void guest_main(void)
{
	u64 count = 0;
	u64 end;

	wrmsr(MSR_SYSTEM_TIME, (u64)&clock | 1);
	check(clock.mul != 0, "the TSC's rate is known");
	end = rdtsc() + SECONDS * ticks_of(NS_PER_SECOND);
	while ((s64)(rdtsc() - end) < 0)
		count++;
	print("counted %llu\n", count);
}
