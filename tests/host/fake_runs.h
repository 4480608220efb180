/* SPDX-License-Identifier: BSD-2-Clause */
/* Random runs of the fake machine: right ones lose nothing, and each wrong variant is caught. */
#ifndef TESTS_HOST_FAKE_RUNS_H
#define TESTS_HOST_FAKE_RUNS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/host/fake_cpu.h"

#define SEEDS 4u
#define STEPS 100000u
#define WRONG_SEEDS 40u

static inline void result_print(const char *name, u64 seed, const struct fake_result *r)
{
	printf("  %s, seed %llu: sent %llu, taken %llu, lost %llu, duplicated %llu; %llu entries, "
	       "%llu doorbells, %llu notifications, %llu kicks, %llu wakes, %llu IPI exits, "
	       "%llu EOI exits, %llu ExtINTs%s%s\n",
	       name, (unsigned long long)seed, (unsigned long long)r->sent,
	       (unsigned long long)r->taken, (unsigned long long)r->lost,
	       (unsigned long long)r->duplicated, (unsigned long long)r->entries,
	       (unsigned long long)r->doorbells, (unsigned long long)r->notifications,
	       (unsigned long long)r->kicks, (unsigned long long)r->wakes,
	       (unsigned long long)r->ipi_exits, (unsigned long long)r->eoi_exits,
	       (unsigned long long)r->extints, r->fault ? ": " : "", r->fault ? r->fault : "");
}

/* Returns the sums over all seeds. */
static inline struct fake_result runs_right(const char *name, struct fake_config config)
{
	struct fake_result sum = { 0 };

	config.steps = STEPS;
	for (u32 seed = 1; seed <= SEEDS; seed++) {
		struct fake_result r;

		config.seed = seed;
		r = fake_run(&config);
		result_print(name, seed, &r);
		if (r.fault)
			fail_msg("%s, seed %u: %s", name, seed, r.fault);
		assert_int_equal(r.lost + r.duplicated, 0);
		assert_int_equal(r.sent, r.taken);
		assert_true(r.taken > 100);
		sum.doorbells += r.doorbells;
		sum.notifications += r.notifications;
		sum.kicks += r.kicks;
		sum.wakes += r.wakes;
		sum.ipi_exits += r.ipi_exits;
		sum.eoi_exits += r.eoi_exits;
		sum.extints += r.extints;
		sum.taken += r.taken;
	}
	return sum;
}

/* The variant has to be noticed, as a loss or a duplicate, by one of the seeds. */
static inline void runs_wrong(const char *name, struct fake_config config, bool as_duplicate)
{
	config.steps = STEPS / 2;
	for (u32 seed = 1; seed <= WRONG_SEEDS; seed++) {
		struct fake_result r;

		config.seed = seed;
		r = fake_run(&config);
		if (!r.fault)
			continue;
		result_print(name, seed, &r);
		if (as_duplicate ? !r.duplicated : !r.lost)
			fail_msg("%s: not what was to be found: %s", name, r.fault);
		return;
	}
	fail_msg("%s: not noticed in %u runs", name, WRONG_SEEDS);
}

#endif
