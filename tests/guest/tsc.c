/* SPDX-License-Identifier: BSD-2-Clause */
/* The TSC never goes back, on one CPU and from one to the other; it can be set. */
#include "lib/guest.h"

const char guest_name[] = "tsc";

#define ROUNDS 20000

static volatile u64 turn, shared_tsc, nr_backwards, done;

static void exchange(u64 me)
{
	for (u64 i = 0; i < ROUNDS; i++) {
		u64 now;

		while (turn != me)
			pause();
		now = rdtsc();
		if (now < shared_tsc)
			nr_backwards++;
		shared_tsc = now;
		turn = !me;
	}
}

static void other(void)
{
	exchange(1);
	done = 1;
}

void guest_main(void)
{
	u64 last = rdtsc(), back = 0, aux;
	u32 lo, hi, id;

	apic_enable();
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 now = rdtsc();

		back += now < last;
		last = now;
	}
	check(back == 0, "never back on one CPU");
	check(cpu_start(1, other), "the other CPU starts");
	exchange(0);
	check(wait_for(&done, 1) && nr_backwards == 0, "never back over two CPUs: %llu",
	      nr_backwards);
	wrmsr(0x10, 1000000000000);
	last = rdtsc();
	check(last >= 1000000000000 && last < 1000000000000 + 1000000000, "the TSC can be written");
	if (cpuid(7, 0).b & BIT(1)) {
		check(rdmsr(0x3b) != 0, "TSC_ADJUST tells of it");
		wrmsr(0x3b, rdmsr(0x3b) + 5000000000000);
		check(rdtsc() > 6000000000000, "TSC_ADJUST moves the TSC");
	}
	if (cpuid(0x80000001, 0).d & BIT(27)) {
		aux = 0x1234;
		wrmsr(0xc0000103, aux);
		__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(id));
		check(id == aux, "RDTSCP gives TSC_AUX");
	}
}
