/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: */
/* CPUs shared among vCPUs: the real core/sched.c on the machine of sched_sim.h. */
#include "tests/host/sched_sim.h"

#define ANY SCHED_ANY_CPU
#define EQUAL SCHED_WEIGHT_DEFAULT

static int teardown(void **state)
{
	(void)state;
	sim_drop();
	return 0;
}

static void expect_near(u64 value, u64 wanted, u64 percent, const char *what, u32 who)
{
	if (value * 100 < wanted * (100 - percent) || value * 100 > wanted * (100 + percent))
		fail_msg("%s %u: %llu us instead of %llu us +- %llu %%", what, who,
			 (unsigned long long)(value / US), (unsigned long long)(wanted / US),
			 (unsigned long long)percent);
}

static void shares_expect(const u32 *weights, u32 n, u64 total)
{
	u64 sum = 0;

	for (u32 i = 0; i < n; i++)
		sum += weights[i];
	for (u32 i = 0; i < n; i++)
		expect_near(ran(&fakes[i]), total * weights[i] / sum, 5, "share of vCPU", i);
}

static void shares_follow_weights(void **state)
{
	static const struct {
		u32 n, weights[5];
	} rows[] = {
		{ 2, { 100, 100 } },
		{ 2, { 100, 300 } },
		{ 2, { 1, 50 } },
		{ 2, { 10000, 2500 } },
		{ 3, { 100, 200, 300 } },
		{ 3, { 100, 100, 1000 } },
		{ 5, { 100, 100, 100, 100, 100 } },
		{ 5, { 50, 100, 150, 200, 500 } },
	};

	(void)state;
	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		sim_make(1);
		for (u32 i = 0; i < rows[row].n; i++)
			fake_add(0, rows[row].weights[i], ANY, HOG, 0, 0);
		sim_run(60 * SECOND);
		shares_expect(rows[row].weights, rows[row].n, 60 * SECOND);
		sim_drop();
	}
}

/* Guests that exit all the time, each after another time, count the same. */
static void shares_do_not_depend_on_exits(void **state)
{
	static const u32 weights[] = { 100, 200, 100, 400 };

	(void)state;
	sim_make(1);
	for (u32 i = 0; i < 4; i++)
		fake_add(0, weights[i], ANY, HOG, i ? 77 * US * i : 0, 0);
	sim_run(5 * SECOND);
	shares_expect(weights, 4, 5 * SECOND);
}

static void nobody_starves(void **state)
{
	(void)state;
	sim_make(1);
	for (u32 i = 0; i < 8; i++)
		fake_add(i / 4, EQUAL, ANY, HOG, 0, 0);
	sim_run(10 * SECOND);
	for (u32 i = 0; i < 8; i++)
		assert_in_range(fakes[i].worst_wait, 0, 8 * 5 * MS);
	sim_drop();
	/* The least weight beside the greatest: late, but it comes. */
	sim_make(1);
	fake_add(0, SCHED_WEIGHT_MAX, ANY, HOG, 0, 0);
	fake_add(1, EQUAL, ANY, HOG, 0, 0);
	sim_run(10 * SECOND);
	assert_in_range(fakes[1].worst_wait, 0, 500 * MS);
	expect_near(ran(&fakes[1]), 10 * SECOND / 101, 10, "share of vCPU", 1);
}

/* Those who come and go cannot keep one out that is always there. */
static void sleepers_do_not_starve_a_hog(void **state)
{
	struct fake *hog;

	(void)state;
	sim_make(1);
	hog = fake_add(0, EQUAL, ANY, HOG, 0, 0);
	for (u32 i = 0; i < 6; i++)
		fake_add(1, EQUAL, ANY, SLEEPER, (1 + i) * 700 * US, (1 + i) * 100 * US);
	sim_run(20 * SECOND);
	assert_true(ran(hog) >= 20 * SECOND / 7 * 95 / 100);
	assert_in_range(hog->worst_wait, 0, 7 * 6 * MS);
}

static void a_woken_sleeper_runs_at_once(void **state)
{
	struct fake *sleeper;

	(void)state;
	sim_make(1);
	for (u32 i = 0; i < 3; i++)
		fake_add(0, EQUAL, ANY, HOG, 0, 0);
	sleeper = fake_add(1, EQUAL, ANY, SLEEPER, 100 * US, 10 * MS);
	sim_run(SECOND);
	sleeper->worst_wake = 0; /* all began at the same time */
	sim_run(10 * SECOND);
	assert_in_range(sleeper->worst_wake, 0, 100 * US);
	expect_near(sleeper->nr_seen, 11 * SECOND / (10 * MS + 100 * US), 3, "wake-ups", 0);
}

/* However it mixes work and sleep, it never has more than an equal part. */
static void sleeping_cleverly_gains_nothing(void **state)
{
	static const u64 ticks[] = { 10 * US, 900 * US, 3900 * US, 4 * MS, 4100 * US, 20 * MS };

	(void)state;
	for (size_t b = 0; b < ARRAY_SIZE(ticks); b++) {
		for (size_t r = 0; r < ARRAY_SIZE(ticks); r++) {
			struct fake *sleeper;

			sim_make(1);
			fake_add(0, EQUAL, ANY, HOG, 0, 0);
			fake_add(0, EQUAL, ANY, HOG, 0, 0);
			sleeper = fake_add(1, EQUAL, ANY, SLEEPER, ticks[b], ticks[r]);
			sim_run(3 * SECOND / 2);
			if (ran(sleeper) > 500 * MS * 105 / 100 + 4 * MS)
				fail_msg("%llu us of work, %llu us of sleep: %llu ms of 500",
					 (unsigned long long)(ticks[b] / US),
					 (unsigned long long)(ticks[r] / US),
					 (unsigned long long)(ran(sleeper) / MS));
			sim_drop();
		}
	}
}

/* Time that was not wanted is not kept. */
static void a_long_sleep_saves_nothing(void **state)
{
	struct fake *sleeper, *hog;

	(void)state;
	sim_make(1);
	hog = fake_add(0, EQUAL, ANY, HOG, 0, 0);
	sleeper = fake_add(1, EQUAL, ANY, WAITER, 10 * SECOND, 0);
	sleeper->left = MS;
	sim_run(5 * SECOND);
	hog->worst_wait = 0;
	fake_interrupt(sleeper, false);
	sim_run(SECOND);
	assert_in_range(hog->worst_wait, 0, 3 * 5 * MS);
	expect_near(ran(sleeper) - MS, SECOND / 2, 5, "share of vCPU", 1);
}

static void the_halted_cost_nothing(void **state)
{
	struct fake *hog;
	u64 switches, sleeps;

	(void)state;
	sim_make(2);
	for (u32 i = 0; i < 6; i++)
		fake_add(0, EQUAL, ANY, WAITER, 10 * US, 0);
	hog = fake_add(1, EQUAL, 1, HOG, 0, 0);
	sim_run(10 * MS);
	for (u32 i = 0; i < 6; i++)
		assert_int_equal(fakes[i].hot.run_state, RUN_PARKED);
	switches = hog->v.sched.switches;
	sleeps = sim_cpus[0].nr_sleeps;
	sim_run(10 * SECOND);
	for (u32 i = 0; i < 6; i++) {
		assert_int_equal(fakes[i].v.sched.switches, 1);
		assert_int_equal(ran(&fakes[i]), 10 * US);
	}
	/* One hog alone is not interrupted, but by the tick; the idle CPU sleeps, too. */
	assert_int_equal(hog->v.sched.switches, switches);
	assert_true(ran(hog) >= 10 * SECOND);
	assert_in_range(sim_cpus[1].nr_timer_irqs, 19, 21);
	assert_in_range(sim_cpus[0].nr_sleeps - sleeps, 19, 21);
}

static void the_slice_ends_a_stint(void **state)
{
	(void)state;
	sim_make(1);
	fake_add(0, EQUAL, ANY, HOG, 0, 0);
	fake_add(1, EQUAL, ANY, HOG, 0, 0);
	sim_run(10 * SECOND);
	for (u32 i = 0; i < 2; i++) {
		assert_in_range(fakes[i].longest_stint, 3900 * US, 4100 * US);
		assert_in_range(fakes[i].v.sched.switches, 1200, 1300);
		/* It waits half of the time: that is the steal time. */
		expect_near(fakes[i].v.sched.steal_tsc, 5 * SECOND, 2, "steal time", i);
	}
}

/* All of several wake-ups before the CPU looks, in any order, each once. */
static void the_inbox_keeps_all(void **state)
{
	struct vcpu *v;
	u32 n = 0;

	(void)state;
	sim_make(2);
	for (u32 i = 0; i < 6; i++)
		fake_add(0, EQUAL, 0, WAITER, 10 * US, 0);
	fake_add(1, EQUAL, 1, HOG, 0, 0);
	sim_run(10 * MS);
	for (u32 i = 0; i < 6; i++) {
		fake_interrupt(&fakes[(i * 5 + 2) % 6], false);
		/* A second one before the first is seen wakes nobody twice. */
		fake_interrupt(&fakes[(i * 5 + 2) % 6], false);
	}
	for (v = cpus[0].inbox; v; v = v->sched.next)
		n++;
	assert_int_equal(n, 6);
	sim_run(10 * MS);
	assert_null(cpus[0].inbox);
	for (u32 i = 0; i < 6; i++) {
		assert_int_equal(fakes[i].nr_seen, 1);
		assert_int_equal(fakes[i].v.irqs.wakes, 1);
		assert_int_equal(fakes[i].v.sched.switches, 2);
		assert_int_equal(ran(&fakes[i]), 20 * US);
	}
}

/* Two CPUs, two hogs on the first, a sleeper's home the second. */
static void imbalance_make(u32 pin)
{
	sim_make(2);
	fake_add(0, EQUAL, 0, HOG, 0, 0);
	fake_add(1, 2 * EQUAL, 1, WAITER, MS, 0);
	fake_add(2, EQUAL, pin, HOG, 0, 0);
	assert_int_equal(fakes[2].v.cpu, 0);
}

static void an_idle_cpu_gets_work(void **state)
{
	(void)state;
	imbalance_make(ANY);
	sim_run(10 * SECOND);
	assert_int_equal(fakes[0].v.cpu, 0);
	assert_int_equal(fakes[2].v.cpu, 1);
	assert_true(ran(&fakes[0]) >= 9980 * MS);
	assert_true(ran(&fakes[2]) >= 9980 * MS);
}

static void the_pinned_stay(void **state)
{
	(void)state;
	imbalance_make(0);
	sim_run(10 * SECOND);
	assert_int_equal(fakes[2].v.cpu, 0);
	expect_near(ran(&fakes[0]), 5 * SECOND, 5, "share of vCPU", 0);
	expect_near(ran(&fakes[2]), 5 * SECOND, 5, "share of vCPU", 2);
	assert_int_equal(ran(&fakes[1]), MS);
}

/*
 * One of great weight does not keep the others from an idle CPU until its own claim is over; nor
 * do those that must stay, and are before them.
 */
static void an_idle_cpu_need_not_wait_for_a_heavy_one(void **state)
{
	struct fake *light;

	(void)state;
	sim_make(2);
	light = fake_add(2, EQUAL, ANY, HOG, 0, 0);
	assert_int_equal(light->v.cpu, 0);
	for (u32 i = 0; i < 3; i++)
		fake_add(2, EQUAL, 0, HOG, 0, 0);
	fake_add(1, EQUAL, 1, WAITER, MS, 0);
	fake_add(0, SCHED_WEIGHT_MAX, 0, HOG, 0, 0);
	sim_run(SECOND);
	assert_int_equal(light->v.cpu, 1);
	assert_in_range(light->worst_wait, 0, 6 * MS);
	assert_true(ran(light) >= 990 * MS);
}

static void a_busy_cpu_gets_nothing(void **state)
{
	(void)state;
	sim_make(2);
	fake_add(0, EQUAL, 0, HOG, 0, 0);
	fake_add(1, 2 * EQUAL, 1, WAITER, NEVER / 4, 0)->left = MS;
	sim_run(10 * MS);
	fake_interrupt(&fakes[1], false);
	sim_run(10 * MS);
	fake_add(2, EQUAL, ANY, HOG, 0, 0);
	assert_int_equal(fakes[2].v.cpu, 0);
	sim_run(SECOND);
	assert_int_equal(fakes[2].v.cpu, 0);
	assert_true(ran(&fakes[1]) >= SECOND);
}

static void homes_are_where_the_load_is_least(void **state)
{
	static const struct {
		u32 weight, pin, home;
	} rows[] = { { 100, ANY, 0 }, { 100, ANY, 1 }, { 100, ANY, 2 }, { 300, 1, 1 },
		     { 100, ANY, 0 }, { 250, ANY, 2 }, { 10, ANY, 0 },	{ 200, 0, 0 },
		     { 1, ANY, 2 } };

	(void)state;
	sim_make(3);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_add(0, rows[i].weight, rows[i].pin, HOG, 0, 0);
		assert_int_equal(fakes[i].v.cpu, rows[i].home);
	}
}

/* Two wake at once on one CPU, the one that it still has loaded first or last: one moves. */
static void both_woken_run_at_once(void **state)
{
	(void)state;
	for (u32 order = 0; order < 2; order++) {
		sim_make(2);
		fake_add(0, EQUAL, ANY, WAITER, 10 * MS, 0);
		fake_add(1, 5 * EQUAL, 1, WAITER, 10 * US, 0);
		fake_add(0, EQUAL, ANY, WAITER, 10 * MS, 0);
		sim_run(100 * MS);
		for (u32 i = 0; i < 2; i++)
			if (fakes[2 * i].v.cpu)
				fake_interrupt(&fakes[2 * i], false);
		sim_run(100 * MS);
		for (u32 i = 0; i < 2; i++)
			fake_interrupt(&fakes[2 * (i ^ order)], false);
		sim_run(10 * MS + 100 * US);
		assert_int_equal(fakes[0].hot.run_state, RUN_PARKED);
		assert_int_equal(fakes[2].hot.run_state, RUN_PARKED);
		sim_drop();
	}
}

/* The hardware has posted to one of several that sleep, and can only notify their CPU. */
static void the_hardware_wakes_whom_it_posted_to(void **state)
{
	(void)state;
	sim_make(1);
	for (u32 i = 0; i < 4; i++)
		fake_add(0, EQUAL, ANY, WAITER, 10 * US, 0);
	sim_run(10 * MS);
	fake_post(&fakes[2]);
	sim_run(10 * MS);
	for (u32 i = 0; i < 4; i++) {
		assert_int_equal(fakes[i].nr_seen, i == 2);
		assert_int_equal(fakes[i].v.sched.switches, 1 + (i == 2));
	}
	/* The same while its CPU is busy. */
	fake_add(1, EQUAL, ANY, HOG, 0, 0);
	sim_run(10 * MS);
	fake_post(&fakes[0]);
	sim_run(100 * US);
	assert_int_equal(fakes[0].nr_seen, 1);
}

static void the_woken_goes_where_nobody_is(void **state)
{
	struct fake *waiter;

	(void)state;
	sim_make(2);
	fake_add(0, EQUAL, 0, HOG, 0, 0);
	fake_add(0, 2 * EQUAL, 1, WAITER, MS, 0);
	waiter = fake_add(1, EQUAL, ANY, WAITER, 30 * MS, 0);
	sim_run(100 * MS);
	waiter->v.cpu = 0; /* as if the other CPU had been busy so far */
	if (waiter->loaded_on == 1) {
		waiter->loaded_on = -1;
		sim_cpus[1].percpu.vcpu = NULL;
	}
	list_remove(&waiter->v.sched.node);
	list_push_back(&cpus[0].parked, &waiter->v.sched.node);
	fake_interrupt(waiter, false);
	sim_run(30 * MS + 100 * US);
	assert_int_equal(waiter->v.cpu, 1);
	assert_in_range(waiter->worst_wake, 0, 10 * US);
	assert_int_equal(ran(waiter), 60 * MS);
}

static void who_is_spun_for_goes_first(void **state)
{
	struct fake *spinner, *holder;

	(void)state;
	sim_make(1);
	/* The inbox hands over the newest first. */
	holder = fake_add(0, EQUAL, ANY, HOG, 0, 0);
	for (u32 i = 0; i < 6; i++)
		fake_add(1, EQUAL, ANY, HOG, 0, 0);
	fake_add(0, EQUAL, ANY, WAITER, 10 * US, 0); /* of its VM, but there is no use in it */
	spinner = fake_add(0, EQUAL, ANY, SPINNER, 500 * US, 0);
	sim_run(500 * US + 30 * US);
	/* Last in the queue, but the one that the first spinner's VM has. */
	assert_true(holder->running_on == 0);
	assert_int_equal(ran(spinner), 500 * US);
	sim_run(20 * SECOND);
	/* What it got by that counts: in sum no VM has more than its share. */
	assert_true(ran(spinner) + ran(holder) <= 20 * SECOND / 4 * 105 / 100);
	for (u32 i = 1; i < 7; i++)
		assert_true(ran(&fakes[i]) >= 20 * SECOND / 8 * 95 / 100);
}

/* Two that spin for each other without end. */
static void spinning_starves_nobody(void **state)
{
	(void)state;
	sim_make(1);
	fake_add(0, EQUAL, ANY, SPINNER, 20 * US, 0);
	fake_add(0, EQUAL, ANY, SPINNER, 20 * US, 0);
	fake_add(1, EQUAL, ANY, HOG, 0, 0);
	sim_run(10 * SECOND);
	assert_true(ran(&fakes[2]) >= 10 * SECOND / 3 * 95 / 100);
	assert_in_range(fakes[2].worst_wait, 0, 30 * MS);
}

/* The one that it waits for runs elsewhere: it is pointless to spin on while others wait. */
static void a_spinner_lets_others_go_first(void **state)
{
	(void)state;
	sim_make(2);
	fake_add(0, EQUAL, 1, HOG, 0, 0);
	fake_add(0, EQUAL, 0, SPINNER, 20 * US, 0);
	fake_add(1, EQUAL, 0, HOG, 0, 0);
	sim_run(SECOND);
	assert_true(ran(&fakes[2]) >= 950 * MS);
	assert_true(ran(&fakes[1]) >= MS);
}

static void who_is_spun_for_elsewhere_goes_first(void **state)
{
	struct fake *holder;

	(void)state;
	sim_make(2);
	holder = fake_add(0, EQUAL, 1, HOG, 0, 0);
	for (u32 i = 0; i < 6; i++)
		fake_add(1, EQUAL, 1, HOG, 0, 0);
	fake_add(0, EQUAL, 0, SPINNER, 50 * US, 0);
	sim_run(50 * US + 10 * US);
	assert_int_equal(holder->running_on, 1);
}

static void a_spinner_alone_goes_on(void **state)
{
	(void)state;
	sim_make(1);
	fake_add(0, EQUAL, ANY, SPINNER, 20 * US, 0);
	sim_run(SECOND);
	assert_true(ran(&fakes[0]) >= SECOND * 99 / 100);
}

/* Sleeps without what would wake it: twice seen, once reported, and woken. */
static void the_audit_finds_the_lost(void **state)
{
	struct fake *f;

	(void)state;
	sim_make(2);
	fake_add(0, EQUAL, 0, WAITER, 10 * US, 0);
	f = fake_add(1, EQUAL, 1, WAITER, 10 * US, 0);
	sim_run(500 * MS);
	fake_interrupt(f, true);
	sim_run(SECOND);
	assert_int_equal(nr_reports, 0);
	assert_int_equal(sched_lost_wakes(), 0);
	assert_int_equal(f->nr_seen, 0);
	sim_run(SECOND);
	assert_int_equal(nr_reports, 1);
	assert_string_equal(last_report, "vm1: vCPU 0: asleep with interrupt 0x42 waiting; woken");
	assert_int_equal(sched_lost_wakes(), 1);
	assert_int_equal(f->nr_seen, 1);
	assert_int_equal(ran(f), 20 * US);
	sim_run(5 * SECOND);
	assert_int_equal(nr_reports, 1);
	/* And again, while its CPU has others to run. */
	fake_add(0, EQUAL, 1, HOG, 0, 0);
	fake_interrupt(f, true);
	sim_run(3 * SECOND);
	assert_int_equal(sched_lost_wakes(), 2);
	assert_int_equal(f->nr_seen, 2);
	assert_int_equal(nr_reports, 2);
}

static void the_audit_reports_nobody_else(void **state)
{
	struct fake *masked, *passing;

	(void)state;
	sim_make(1);
	masked = fake_add(0, EQUAL, ANY, WAITER, 10 * US, 0);
	passing = fake_add(0, EQUAL, ANY, WAITER, 10 * US, 0);
	fake_add(0, EQUAL, ANY, SLEEPER, 10 * US, 300 * US);
	sim_run(500 * MS);
	masked->v.sched.irq_wakes = false; /* IF = 0 */
	masked->irq = true;
	/* Seen by one audit only, and again by one only. */
	for (u32 i = 0; i < 3; i++) {
		passing->irq = true;
		sim_run(SECOND);
		passing->irq = false;
		sim_run(SECOND);
	}
	/* Seen in two sleeps, once in each. */
	passing->irq = true;
	sim_run(SECOND);
	passing->irq = false;
	fake_interrupt(passing, false);
	sim_run(500 * MS);
	passing->irq = true;
	sim_run(SECOND);
	assert_int_equal(nr_reports, 0);
	assert_int_equal(sched_lost_wakes(), 0);
	assert_int_equal(masked->v.sched.switches, 1);
}

static void the_stopped_are_gone(void **state)
{
	(void)state;
	sim_make(2);
	fake_add(0, EQUAL, ANY, HOG, 0, 0);
	fake_add(0, EQUAL, ANY, HOG, 0, 0);
	fake_add(0, EQUAL, ANY, WAITER, MS, 0);
	fake_add(1, EQUAL, ANY, HOG, 0, 0);
	sim_run(SECOND);
	for (u32 i = 0; i < 3; i++)
		vcpu_request(&fakes[i].v, REQ_STOP);
	sim_run(20 * MS);
	assert_int_equal(nr_vcpus_stopped, 3);
	sim_run(SECOND);
	assert_int_equal(nr_vcpus_stopped, 3);
	/* On again. */
	fakes[2].hot.requests = 0;
	fakes[2].kind = HOG;
	fakes[2].is_asleep = false;
	fakes[2].left = SECOND;
	sched_start(&fakes[2].v);
	sim_run(SECOND / 2);
	assert_true(ran(&fakes[2]) >= 490 * MS);
}

/* Any mixture: whoever is interrupted wakes, whoever wants runs, and the numbers add up. */
static void random_make(u64 seed)
{
	sim_make(1 + seed % SIM_CPUS);
	sim_random = true;
	sim_seed += seed * 0x5851f42d4c957f2d;
	for (u32 i = 0, n = (u32)(2 + dice(SIM_VCPUS - 2)); i < n; i++) {
		static const enum kind kinds[] = { HOG, SLEEPER, SLEEPER, SPINNER, PINGER };
		u32 pin = dice(4) ? ANY : (u32)dice(sim_nr_cpus);
		struct fake *f = fake_add((u32)dice(SIM_VMS), 20 + (u32)dice(400), pin,
					  kinds[dice(ARRAY_SIZE(kinds))],
					  50 * US + dice(3 * MS), 20 * US + dice(5 * MS));

		f->is_uneven = dice(2);
	}
	/* Each PINGER throws to the next one round. */
	for (u32 i = 0; i < nr_fakes; i++) {
		u32 j = i;

		do
			j = (j + 1) % nr_fakes;
		while (fakes[j].kind != PINGER && j != i);
		fakes[i].peer = &fakes[j];
	}
}

static void random_check(u64 seed)
{
	u64 sum = 0;

	for (u32 i = 0; i < nr_fakes; i++) {
		struct fake *f = &fakes[i];

		sum += ran(f);
		if (!ran(f) || f->worst_wait > 500 * MS || f->worst_wake > 500 * MS)
			fail_msg("seed %llu: vCPU %u of %u, kind %u: ran %llu us, waited %llu us, "
				 "woke after %llu us",
				 (unsigned long long)seed, i, nr_fakes, f->kind,
				 (unsigned long long)(ran(f) / US),
				 (unsigned long long)(f->worst_wait / US),
				 (unsigned long long)(f->worst_wake / US));
		if (f->hot.run_state == RUN_LOOP && f->running_on < 0 &&
		    f->wants_since + 500 * MS < sim_now)
			fail_msg("seed %llu: vCPU %u of %u is lost",
				 (unsigned long long)seed, i, nr_fakes);
		if (f->hot.run_state == RUN_PARKED && f->irq && f->irq_at + 10 * MS < sim_now)
			fail_msg("seed %llu: vCPU %u of %u sleeps with an interrupt",
				 (unsigned long long)seed, i, nr_fakes);
		if (f->kind == PINGER && f->peer != f && f->peer->nr_seen < 5)
			fail_msg("seed %llu: vCPU %u of %u was pinged %llu times only",
				 (unsigned long long)seed, i, nr_fakes,
				 (unsigned long long)f->peer->nr_seen);
	}
	assert_true(sum <= (sim_now - SECOND) * sim_nr_cpus);
	assert_int_equal(sched_lost_wakes(), 0);
	assert_int_equal(nr_reports, 0);
}

static void random_runs(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 60; seed++) {
		random_make(seed);
		sim_run(3 * SECOND / 2);
		random_check(seed);
		sim_drop();
	}
}

/*
 * Three CPUs wake vCPUs of a fourth, which wake them in turn, in bursts not longer than the steps
 * of a wake-up: every order of those comes about. A wake-up that is lost or runs somebody twice
 * ends the game of its pair.
 */
static void random_wakes(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 18; seed++) {
		sim_make(4);
		sim_random = true;
		sim_seed += seed * 0x2545f4914f6cdd1d;
		for (u32 i = 0; i < 2 + 4 * (seed % 3); i++) {
			u32 pin = i & 1 ? 1 + i / 2 % 3 : 0;

			fake_add(0, EQUAL, pin, PINGER, US, 0)->is_uneven = true;
			fakes[i].peer = &fakes[i ^ 1];
		}
		sim_run(15 * MS);
		for (u32 i = 0; i < nr_fakes; i++)
			if (fakes[i].nr_seen < 80 || fakes[i].worst_wake > MS)
				fail_msg("seed %llu: vCPU %u saw %llu of %llu, one after %llu us",
					 (unsigned long long)seed, i,
					 (unsigned long long)fakes[i].nr_seen,
					 (unsigned long long)fakes[i].nr_sent,
					 (unsigned long long)(fakes[i].worst_wake / US));
		sim_drop();
	}
}

/* Shares hold with the same disorder in the order of steps. */
static void random_shares(void **state)
{
	static const u32 weights[] = { 100, 200, 300 };

	(void)state;
	for (u64 seed = 1; seed <= 5; seed++) {
		sim_make(1);
		sim_random = true;
		sim_seed += seed;
		for (u32 i = 0; i < 3; i++)
			fake_add(i, weights[i], ANY, HOG, 0, 0)->is_uneven = true;
		sim_run(5 * SECOND);
		shares_expect(weights, 3, 5 * SECOND);
		sim_drop();
	}
}

#define CASE(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(shares_follow_weights),
		CASE(shares_do_not_depend_on_exits),
		CASE(nobody_starves),
		CASE(sleepers_do_not_starve_a_hog),
		CASE(a_woken_sleeper_runs_at_once),
		CASE(sleeping_cleverly_gains_nothing),
		CASE(a_long_sleep_saves_nothing),
		CASE(the_halted_cost_nothing),
		CASE(the_slice_ends_a_stint),
		CASE(the_inbox_keeps_all),
		CASE(an_idle_cpu_gets_work),
		CASE(the_pinned_stay),
		CASE(an_idle_cpu_need_not_wait_for_a_heavy_one),
		CASE(a_busy_cpu_gets_nothing),
		CASE(homes_are_where_the_load_is_least),
		CASE(both_woken_run_at_once),
		CASE(the_hardware_wakes_whom_it_posted_to),
		CASE(the_woken_goes_where_nobody_is),
		CASE(who_is_spun_for_goes_first),
		CASE(spinning_starves_nobody),
		CASE(a_spinner_lets_others_go_first),
		CASE(who_is_spun_for_elsewhere_goes_first),
		CASE(a_spinner_alone_goes_on),
		CASE(the_audit_finds_the_lost),
		CASE(the_audit_reports_nobody_else),
		CASE(the_stopped_are_gone),
		CASE(random_runs),
		CASE(random_wakes),
		CASE(random_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
