/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What exits cost, in ticks of the TSC, which counts instructions on the emulators that measure.
 * Each line "BENCH name value" is the median of many rounds, less the cost of an empty round.
 */
#include "lib/guest.h"

const char guest_name[] = "bench";

#define ROUNDS 301
#define FRESH_BASE 0x4000000ull /* RAM that nobody has touched */
#define FRESH_STEP 0x200000ull

static u64 samples[ROUNDS];

static u64 median(void)
{
	for (u32 i = 1; i < ROUNDS; i++) {
		u64 v = samples[i];
		u32 j = i;

		for (; j && samples[j - 1] > v; j--)
			samples[j] = samples[j - 1];
		samples[j] = v;
	}
	return samples[ROUNDS / 2];
}

static u64 empty_cost;

#define MEASURE(name, statement)                                                                   \
	do {                                                                                       \
		for (u32 i = 0; i < ROUNDS; i++) {                                                 \
			u64 start = rdtsc();                                                       \
			statement;                                                                 \
			samples[i] = rdtsc() - start;                                              \
		}                                                                                  \
		print("BENCH " name " %llu\n", median() - empty_cost);                             \
	} while (0)

static void hypercall(void)
{
	u64 rax = 1; /* a number that does nothing */

	if (is_intel())
		__asm__ volatile("vmcall" : "+a"(rax) : : "memory");
	else
		__asm__ volatile("vmmcall" : "+a"(rax) : : "memory");
}

/* The faults that map fresh memory; page 0 of each large page is the one that faults. */
static void npf_measure(u64 top)
{
	u32 n = 0;

	for (u64 a = FRESH_BASE; a < top && n < ROUNDS; a += FRESH_STEP) {
		u64 start = rdtsc();

		*(volatile u64 *)a = 1;
		samples[n++] = rdtsc() - start;
	}
	for (u32 i = n; i < ROUNDS; i++)
		samples[i] = samples[i % n];
	print("BENCH npf_entry %llu\n", median() - empty_cost);
}

void guest_main(void)
{
	pic_mask_all();
	x2apic_enable();
	MEASURE("empty", (void)0);
	empty_cost = median();
	MEASURE("cpuid", cpuid(0, 0));
	MEASURE("rdmsr", rdmsr(0x802)); /* x2APIC ID */
	MEASURE("rdmsr_slow", rdmsr(0x1b));
	MEASURE("hypercall", hypercall());
	MEASURE("pic_read", in8(0x21));
	MEASURE("ioapic_read", mmio_read(IOAPIC_BASE + 0x10));
	npf_measure(0xf800000);
	check(true, "all measured");
}
