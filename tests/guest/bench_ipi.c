/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an interrupt to another CPU costs its sender, and how long it takes to arrive there, in
 * ticks of a TSC that the emulator's CPUs share: see tests/bench/bench.py for what these are.
 */
#include "lib/bench.h"

const char guest_name[] = "bench_ipi";

#define VECTOR 0x55

static volatile u64 ready, stop, arrived, nr_arrivals;

/* First of all the time, then what the library's way to a handler in C costs too. */
static void on_ipi(struct frame *f)
{
	(void)f;
	arrived = rdtsc();
	wrmsr(0x80b, 0);
	nr_arrivals++;
}

static void wait_running(void)
{
	x2apic_enable();
	sti();
	ready = 1;
	while (!stop)
		pause();
	cli();
}

static void wait_halted(void)
{
	x2apic_enable();
	ready = 1;
	while (!stop)
		sti_hlt_cli();
}

static void round_of(const char *sent, const char *arrival, void (*fn)(void))
{
	static u64 delays[ROUNDS];
	bool all;

	ready = 0;
	stop = 0;
	all = cpu_start(1, fn) && wait_for(&ready, 1);
	for (u32 i = 0; i < ROUNDS && all; i++) {
		u64 before = nr_arrivals;
		u64 start;

		/* Let it come to rest. */
		wait_ticks(20000);
		start = rdtsc();
		wrmsr(0x830, 1ull << 32 | 0x4000 | VECTOR);
		samples[i] = rdtsc() - start;
		all = wait_for(&nr_arrivals, before + 1);
		delays[i] = arrived - start;
	}
	report(sent);
	for (u32 i = 0; i < ROUNDS; i++)
		samples[i] = delays[i];
	report(arrival);
	check(all, "%s", sent);
	stop = 1;
	wrmsr(0x830, 1ull << 32 | 0x4000 | VECTOR);
	wait_ticks(100000);
}

void guest_main(void)
{
	pic_mask_all();
	x2apic_enable();
	handler_set(VECTOR, on_ipi);
	bench_begin();
	round_of("ipi_running", "ipi_running_arrival", wait_running);
	round_of("ipi_halted", "ipi_halted_arrival", wait_halted);
}
