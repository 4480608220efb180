/* SPDX-License-Identifier: BSD-2-Clause */
/* What the measuring guests share: samples, their median, and the cost of measuring nothing. */
#ifndef TESTS_GUEST_LIB_BENCH_H
#define TESTS_GUEST_LIB_BENCH_H

#include "guest.h"

#define ROUNDS 301

static u64 samples[ROUNDS];
static u64 empty_cost;

static inline u64 median(void)
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

static inline void report(const char *name)
{
	print("BENCH %s %llu\n", name, median() - empty_cost);
}

#define SAMPLE(statement)                                                                          \
	do {                                                                                       \
		for (u32 i = 0; i < ROUNDS; i++) {                                                 \
			u64 start = rdtsc();                                                       \
			statement;                                                                 \
			samples[i] = rdtsc() - start;                                              \
		}                                                                                  \
	} while (0)

/* `statement` may use i, the number of the round. */
#define MEASURE(name, statement)                                                                   \
	do {                                                                                       \
		SAMPLE(statement);                                                                 \
		report(name);                                                                      \
	} while (0)

static inline void bench_begin(void)
{
	SAMPLE((void)0);
	empty_cost = median();
}

#endif
