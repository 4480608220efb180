/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine of several CPUs around the real core/sched.c and core/request.c, played in one thread:
 * each CPU is a coroutine that runs sched_loop(), time goes on only while guests run or CPUs sleep,
 * interrupts arrive where a CPU waits or takes a step that others can see. With `sim_random` the
 * CPUs change places at such steps, too, and interrupts are late.
 *
 * vcpu_turn() here does what core/run.c does, with a guest that only computes, sleeps, spins, or
 * interrupts another vCPU. It checks that nobody runs twice, where it must not, or unasked.
 */
#ifndef TESTS_HOST_SCHED_SIM_H
#define TESTS_HOST_SCHED_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/ipi.h"
#include "arch/x86/lock.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "core/clock.h"
#include "core/lib/log.h"
#include "core/run.h"
#include "core/vm.h"

#define SIM_CPUS 4
#define SIM_VMS 4
#define SIM_VCPUS 16
#define STACK_SIZE_BYTES (256u << 10)
#define TSC_PER_NS 2ull
#define US (1000 * TSC_PER_NS)
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define NEVER (~0ull)
#define IPI_LATE_MAX (3 * US)
#define STEP_MAX (2 * US)

struct sim_cpu {
	struct percpu percpu;
	ucontext_t context;
	void *stack;
	u64 wake_at; /* when it goes on, unless interrupted */
	u64 ipi_at[256]; /* when the interrupt arrives; 0: none */
	u64 idle_since; /* 0: not idle */
	u64 nr_sleeps, nr_timer_irqs;
	bool irq_on;
	bool is_due; /* timer_is_due() */
};

/* A vCPU and what its guest does: compute for `burst`, then as `kind` says, for ever. */
enum kind {
	HOG, /* just goes on */
	SLEEPER, /* HLT until its own device interrupts it after `rest` */
	WAITER, /* HLT until somebody interrupts it */
	PINGER, /* interrupts `peer`, then like WAITER */
	SPINNER, /* waits for a lock: sched_spin() */
};

struct fake {
	struct vcpu v;
	struct vcpu_hot hot;
	enum kind kind;
	u64 burst, rest; /* TSC ticks */
	bool is_uneven; /* burst and rest are from an eighth of that to a bit more */
	struct fake *peer;

	u64 left; /* of the burst */
	u64 device_at; /* when its device interrupts it */
	bool irq; /* an interrupt waits in its local APIC */
	u64 irq_at; /* since when */
	bool is_asleep;
	bool is_blocked; /* the hardware posts, and its notification is IRQ_WAKE */
	int running_on, loaded_on; /* -1: nowhere */
	u64 wants_since; /* waits for a CPU since then */

	u64 ran; /* results */
	u64 nr_sent, nr_seen; /* interrupts */
	u64 worst_wait; /* from wanting a CPU to running */
	u64 worst_wake; /* from the interrupt that ends a sleep to its handler */
	u64 longest_stint, stint_since;
	u64 in_guest_since; /* 0: not in the guest */
};

static struct sim_cpu sim_cpus[SIM_CPUS];
static u32 sim_nr_cpus;
static struct sim_cpu *sim_cpu; /* whose code runs; NULL: the world outside */
static ucontext_t sim_world;
static u64 sim_now;
static bool sim_random;
static u64 sim_seed;
static struct vm sim_vms[SIM_VMS];
static struct vm_config sim_configs[SIM_VMS];
static struct fake fakes[SIM_VCPUS];
static u32 nr_fakes;
static struct timer *sim_timers[2 * CPUS_MAX];
static u32 nr_sim_timers;
static void (*sim_handlers[256])(void);
static u32 nr_reports;
static char last_report[LOG_LINE_MAX];
static u32 nr_vcpus_stopped;

static struct fake *fake_of(const struct vcpu *v)
{
	return container_of((struct vcpu *)v, struct fake, v);
}

static u64 dice(u64 sides)
{
	sim_seed ^= sim_seed << 13;
	sim_seed ^= sim_seed >> 7;
	sim_seed ^= sim_seed << 17;
	return (sim_seed >> 11) % sides;
}

/* --- interrupts and coroutines --- */

static u64 timer_at(const struct sim_cpu *cpu)
{
	u64 at = NEVER;

	for (u32 i = 0; i < nr_sim_timers; i++)
		if (sim_timers[i]->is_armed && &sim_cpus[sim_timers[i]->cpu] == cpu)
			at = MIN(at, sim_timers[i]->deadline_tsc);
	return cpu->is_due ? NEVER : at;
}

static void timer_irq(void)
{
	sim_cpu->is_due = true;
	sim_cpu->nr_timer_irqs++;
	if (sim_cpu->percpu.vcpu)
		atomic_or_u32(&sim_cpu->percpu.vcpu->hot->requests, REQ_TIMER);
}

static const u8 sim_vectors[] = { IRQ_WAKE, IRQ_KICK };

static void irqs_deliver(void)
{
	if (!sim_cpu || !sim_cpu->irq_on)
		return;
	sim_cpu->irq_on = false;
	for (u32 i = 0; i < ARRAY_SIZE(sim_vectors); i++) {
		u64 *at = &sim_cpu->ipi_at[sim_vectors[i]];

		if (!*at || *at > sim_now)
			continue;
		*at = 0;
		sim_handlers[sim_vectors[i]]();
	}
	if (timer_at(sim_cpu) <= sim_now)
		timer_irq();
	sim_cpu->irq_on = true;
}

/* Let the world go on until `at`, or until an interrupt, which is not taken yet. */
static void cpu_wait_only(u64 at)
{
	sim_cpu->wake_at = at;
	swapcontext(&sim_cpu->context, &sim_world);
}

static void cpu_wait(u64 at)
{
	cpu_wait_only(at);
	irqs_deliver();
}

/* A step that others may see: anything may have happened before it. */
static void sim_point(void)
{
	if (!sim_random || !sim_cpu)
		return;
	if (!dice(12))
		cpu_wait(sim_now + dice(2) * dice(STEP_MAX));
	else if (!dice(10))
		irqs_deliver();
}

static void sim_sti(void)
{
	sim_cpu->irq_on = true;
	irqs_deliver();
}

static void sim_sti_hlt(void)
{
	sim_cpu->irq_on = true;
	sim_cpu->nr_sleeps++;
	sim_cpu->idle_since = sim_now;
	cpu_wait(NEVER);
	sim_cpu->idle_since = 0;
}

static void sim_cli(void)
{
	sim_point();
	sim_cpu->irq_on = false;
}

static u64 sim_irq_save(void)
{
	bool was_on = sim_cpu && sim_cpu->irq_on;

	if (sim_cpu)
		sim_cpu->irq_on = false;
	return was_on;
}

static void sim_irq_restore(u64 flags)
{
	if (flags)
		sim_sti();
}

/* --- the code under test, with these in place of instructions and of the machine --- */

#define this_cpu() (&sim_cpu->percpu)
#define cpu_index() (sim_cpu ? sim_cpu->percpu.index : CPUS_MAX)
#define cli() sim_cli()
#define sti() sim_sti()
#define sti_hlt() sim_sti_hlt()
#define irq_save() sim_irq_save()
#define irq_restore(flags) sim_irq_restore(flags)
#undef atomic_load_ptr
#undef atomic_xchg_ptr
#define atomic_load_ptr(p) (sim_point(), __atomic_load_n((p), __ATOMIC_ACQUIRE))
#define atomic_xchg_ptr(p, value) (sim_point(), __atomic_exchange_n((p), (value), __ATOMIC_SEQ_CST))
#define atomic_load_u32(p) (sim_point(), (atomic_load_u32)(p))
#define atomic_load_u64(p) (sim_point(), (atomic_load_u64)(p))
#define atomic_or_u32(p, value) (sim_point(), (atomic_or_u32)(p, value))
#define atomic_or_u64(p, value) (sim_point(), (atomic_or_u64)(p, value))
#define atomic_xchg_u32(p, value) (sim_point(), (atomic_xchg_u32)(p, value))
#define atomic_cas_u32(p, old, value) (sim_point(), (atomic_cas_u32)(p, old, value))
#define atomic_cas_u64(p, old, value) (sim_point(), (atomic_cas_u64)(p, old, value))

#include "core/request.c"
#include "core/sched.c"

struct percpu *percpu_of(u32 index)
{
	assert_true(index < sim_nr_cpus);
	return &sim_cpus[index].percpu;
}

u32 cpus_online(void)
{
	return sim_nr_cpus;
}

#define APIC_ID_OF(index) (8 + 2 * (index))

void ipi_send(u32 apic_id, u8 vector)
{
	u32 index = (apic_id - 8) / 2;
	u64 *at = &sim_cpus[index].ipi_at[vector];

	sim_point();
	assert_true(index < sim_nr_cpus && apic_id == APIC_ID_OF(index));
	if (!*at)
		*at = sim_now + (sim_random ? dice(2) * dice(IPI_LATE_MAX) : 0);
}

/* No host interrupt is taken on isolated tables here. */
void apic_eoi(void)
{
	fail();
}

void apic_timer_hasten(struct percpu *cpu __unused_arg, u64 deadline_tsc __unused_arg)
{
	fail();
}

enum next lapic_fast_expire(struct vcpu_hot *hot __unused_arg, u64 guest_now __unused_arg)
{
	return NEXT_SLOW;
}

void irq_handler_set(u8 vector, void (*fn)(void))
{
	sim_handlers[vector] = fn;
}

u64 clock_tsc(void)
{
	sim_point();
	return sim_now;
}

u64 clock_tsc_from_ns(u64 ns)
{
	return ns * TSC_PER_NS;
}

void timer_init(struct timer *t, u32 cpu, void (*fire)(struct timer *t))
{
	*t = (struct timer){ .cpu = cpu, .fire = fire };
	assert_true(nr_sim_timers < ARRAY_SIZE(sim_timers));
	if (cpu < sim_nr_cpus)
		sim_timers[nr_sim_timers++] = t;
}

void timer_arm(struct timer *t, u64 deadline_tsc)
{
	assert_int_equal(t->cpu, cpu_index());
	t->deadline_tsc = deadline_tsc;
	t->is_armed = true;
}

void timer_cancel(struct timer *t)
{
	t->is_armed = false;
}

void timer_run(void)
{
	sim_cpu->is_due = false;
	for (u32 i = 0; i < nr_sim_timers; i++) {
		struct timer *t = sim_timers[i];

		if (!t->is_armed || t->cpu != cpu_index() || t->deadline_tsc > sim_now)
			continue;
		t->is_armed = false;
		t->fire(t);
	}
}

bool timer_is_due(void)
{
	return sim_cpu->is_due;
}

void timer_by_guest(bool is_guest)
{
	assert_false(is_guest);
}

bool lapic_has_deliverable(const struct vcpu *v)
{
	return fake_of(v)->irq;
}

u8 lapic_highest(const struct vcpu *v, u32 array __unused_arg)
{
	return fake_of(v)->irq ? 0x42 : 0;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	assert_int_equal(level, LOG_ERROR);
	nr_reports++;
	va_start(ap, fmt);
	vsnprintf(last_report, sizeof(last_report), fmt, ap);
	va_end(ap);
}

void watchdog_beat(void)
{
}

void trace_event(enum trace_event what, u64 datum)
{
	(void)what;
	(void)datum;
}

void vm_vcpu_stopped(struct vcpu *v)
{
	assert_int_equal(v->hot->run_state, RUN_OUT);
	nr_vcpus_stopped++;
}

/* --- a vCPU's turn --- */

/* What whoever interrupts `f` does. `is_lost`: the wake-up does not happen. */
static void fake_interrupt(struct fake *f, bool is_lost)
{
	if (!f->irq)
		f->irq_at = sim_now;
	if (f->is_asleep)
		f->wants_since = sim_now;
	f->nr_sent++;
	f->irq = true;
	if (!is_lost)
		vcpu_request(&f->v, REQ_EVENT);
}

/* The same by hardware: to one that sleeps it only posts, and notifies its CPU. */
static void fake_post(struct fake *f)
{
	sim_point();
	if (!f->is_blocked) {
		fake_interrupt(f, false);
		return;
	}
	f->irq_at = f->wants_since = sim_now;
	f->nr_sent++;
	f->irq = true;
	f->hot.posted.control |= POSTED_ON;
	ipi_send(percpu_of(f->v.cpu)->apic_id, IRQ_WAKE);
}

static void irq_take(struct fake *f)
{
	if (f->is_asleep)
		f->worst_wake = MAX(f->worst_wake, sim_now - f->irq_at);
	f->is_asleep = false;
	f->irq = false;
	f->hot.posted.control = 0;
	f->nr_seen++;
}

void vcpu_unload(struct vcpu *v)
{
	assert_ptr_equal(this_cpu()->vcpu, v);
	assert_int_equal(fake_of(v)->loaded_on, cpu_index());
	fake_of(v)->loaded_on = -1;
	this_cpu()->vcpu = NULL;
}

static void fake_load(struct fake *f)
{
	struct vcpu *loaded = this_cpu()->vcpu;

	if (loaded == &f->v)
		return;
	if (loaded)
		vcpu_unload(loaded);
	assert_int_equal(f->loaded_on, -1);
	f->loaded_on = (int)cpu_index();
	this_cpu()->vcpu = &f->v;
	atomic_or_u32(&f->hot.requests, REQ_RESCHED | REQ_TIMER);
}

static u64 uneven(const struct fake *f, u64 ticks)
{
	return f->is_uneven ? ticks / 8 + 1 + dice(ticks) : ticks;
}

/* The guest's burst is over. */
static void burst_end(struct fake *f)
{
	f->left = uneven(f, f->burst);
	switch (f->kind) {
	case HOG:
		break;
	case SPINNER:
		sched_spin(&f->v);
		break;
	case PINGER:
		if (dice(3))
			fake_interrupt(f->peer, false);
		else
			fake_post(f->peer);
		f->is_asleep = true;
		break;
	case SLEEPER:
		f->device_at = sim_now + uneven(f, f->rest);
		f->is_asleep = true;
		break;
	case WAITER:
		f->is_asleep = true;
		break;
	}
}

static void guest_run(struct fake *f)
{
	u64 *mode = &f->hot.mode;
	u64 begin;

	(void)__atomic_exchange_n(mode, MODE_IN_GUEST | (u64)this_cpu()->apic_id << MODE_APIC_SHIFT,
				  __ATOMIC_SEQ_CST);
	sim_point();
	begin = sim_now;
	if (!(atomic_load_u32)(&f->hot.requests)) {
		f->in_guest_since = begin;
		cpu_wait_only(sim_now + f->left);
		f->in_guest_since = 0;
		assert_in_range(sim_now - begin, 0, f->left);
		f->ran += sim_now - begin;
		f->left -= sim_now - begin;
		irqs_deliver();
	}
	*mode &= ~(MODE_IN_GUEST | MODE_KICKED);
	if (!f->left)
		burst_end(f);
}

static bool fake_park(struct fake *f)
{
	u32 *state = &f->hot.run_state;

	f->v.sched.irq_wakes = true;
	(void)atomic_xchg_u32(state, RUN_PARKED);
	f->is_blocked = true;
	if (!(atomic_load_u32(&f->hot.requests) & ~(REQ_RESCHED | REQ_TIMER)) && !f->irq)
		return true;
	if (!atomic_cas_u32(state, RUN_PARKED, RUN_LOOP))
		return true;
	f->is_blocked = false;
	return false;
}

static void turn_begin(struct fake *f)
{
	struct vcpu *v = &f->v;

	assert_int_equal(f->running_on, -1);
	assert_int_equal(v->cpu, cpu_index());
	assert_true(v->sched.pin == SCHED_ANY_CPU || v->sched.pin == cpu_index());
	assert_int_equal(f->hot.run_state, RUN_LOOP);
	assert_null(v->sched.node.next);
	assert_false(v->sched.is_queued);
	f->worst_wait = MAX(f->worst_wait, sim_now - f->wants_since);
	f->is_blocked = false;
	f->running_on = (int)cpu_index();
	f->stint_since = sim_now;
}

static enum turn turn_over(struct fake *f, enum turn end)
{
	assert_int_equal(f->running_on, cpu_index());
	f->running_on = -1;
	f->longest_stint = MAX(f->longest_stint, sim_now - f->stint_since);
	f->wants_since = sim_now;
	return end;
}

enum turn vcpu_turn(struct vcpu *v)
{
	struct fake *f = fake_of(v);

	turn_begin(f);
	fake_load(f);
	for (;;) {
		u32 requests = vcpu_request_take(v, ~(u32)REQ_STOP);

		if (requests & REQ_TIMER)
			timer_run();
		if (f->hot.requests & REQ_STOP) {
			vcpu_unload(v);
			f->hot.run_state = RUN_OUT;
			return turn_over(f, TURN_STOPPED);
		}
		if (f->irq)
			irq_take(f);
		if (f->is_asleep) {
			/* Whoever ends the sleep, even before this returns, begins the wait. */
			f->wants_since = sim_now;
			if (fake_park(f))
				return turn_over(f, TURN_PARKED);
		} else if (requests & REQ_RESCHED) {
			if (sched_wants_cpu(v))
				return turn_over(f, TURN_PREEMPTED);
		} else {
			guest_run(f);
		}
	}
}

/* --- the world --- */

static void cpu_main(void)
{
	sched_loop();
}

/* Fresh CPUs; nobody runs yet. */
static void sim_make(u32 cpus_wanted)
{
	sim_nr_cpus = cpus_wanted;
	sim_cpu = NULL;
	sim_now = SECOND;
	sim_random = false;
	sim_seed = 0x9e3779b97f4a7c15;
	nr_fakes = nr_sim_timers = nr_reports = nr_vcpus_stopped = 0;
	memset(sim_cpus, 0, sizeof(sim_cpus));
	memset(fakes, 0, sizeof(fakes));
	memset(cpus, 0, sizeof(cpus));
	memset(sim_vms, 0, sizeof(sim_vms));
	hungry = lost_wakes = 0;
	for (u32 i = 0; i < SIM_VMS; i++) {
		snprintf(sim_configs[i].name, sizeof(sim_configs[i].name), "vm%u", i);
		sim_vms[i].config = &sim_configs[i];
	}
	for (u32 i = 0; i < sim_nr_cpus; i++) {
		struct sim_cpu *cpu = &sim_cpus[i];

		cpu->percpu.index = i;
		cpu->percpu.apic_id = APIC_ID_OF(i);
		cpu->irq_on = true;
		cpu->stack = malloc(STACK_SIZE_BYTES);
		getcontext(&cpu->context);
		cpu->context.uc_stack.ss_sp = cpu->stack;
		cpu->context.uc_stack.ss_size = STACK_SIZE_BYTES;
		makecontext(&cpu->context, cpu_main, 0);
	}
	request_init();
	sched_init();
}

static void sim_drop(void)
{
	for (u32 i = 0; i < SIM_CPUS; i++)
		free(sim_cpus[i].stack);
	memset(sim_cpus, 0, sizeof(sim_cpus));
}

static struct fake *fake_add(u32 vm, u32 weight, u32 pin, enum kind kind, u64 burst, u64 rest)
{
	struct fake *f = &fakes[nr_fakes++];

	assert_true(nr_fakes <= SIM_VCPUS);
	f->v.hot = &f->hot;
	f->v.vm = &sim_vms[vm];
	f->v.index = sim_vms[vm].nr_vcpus;
	sim_vms[vm].vcpu[sim_vms[vm].nr_vcpus++] = &f->v;
	f->kind = kind;
	f->burst = burst ? burst : NEVER / 2;
	f->left = f->burst;
	f->rest = rest;
	f->device_at = NEVER;
	f->running_on = f->loaded_on = -1;
	sched_add(&f->v, weight, pin);
	f->wants_since = sim_now;
	sched_start(&f->v);
	return f;
}

static u64 next_of(const struct sim_cpu *cpu)
{
	u64 at = cpu->wake_at;

	if (cpu->irq_on) {
		at = MIN(at, timer_at(cpu));
		for (u32 i = 0; i < ARRAY_SIZE(sim_vectors); i++)
			if (cpu->ipi_at[sim_vectors[i]])
				at = MIN(at, cpu->ipi_at[sim_vectors[i]]);
	}
	return MAX(at, sim_now);
}

/* An idle CPU and, for long, somebody who waits and could run there: `bound` is how long. */
static void idle_check(u64 bound)
{
	for (u32 c = 0; c < sim_nr_cpus; c++) {
		u64 since = sim_cpus[c].idle_since;

		for (u32 i = 0; since && since + bound < sim_now && i < nr_fakes; i++) {
			struct fake *f = &fakes[i];

			if (f->v.sched.is_queued && f->v.sched.pin == SCHED_ANY_CPU &&
			    f->wants_since + bound < sim_now)
				fail_msg("CPU %u idles since %llu, vCPU %u waits since %llu", c,
					 (unsigned long long)since, i,
					 (unsigned long long)f->wants_since);
		}
	}
}

static void devices_run(void)
{
	for (u32 i = 0; i < nr_fakes; i++) {
		struct fake *f = &fakes[i];

		if (f->device_at > sim_now)
			continue;
		f->device_at = NEVER;
		if (sim_random && !dice(3))
			fake_post(f);
		else
			fake_interrupt(f, false);
	}
}

/* The CPU that goes on first, any of those if there are several; the time goes on to it. */
static struct sim_cpu *sim_next(u64 end)
{
	struct sim_cpu *first = NULL;
	u64 at = end;
	u32 same = 1;

	for (u32 i = 0; i < nr_fakes; i++)
		at = MIN(at, MAX(fakes[i].device_at, sim_now));
	for (u32 i = 0; i < sim_nr_cpus; i++) {
		u64 next = next_of(&sim_cpus[i]);

		if (next < at || (next == at && first && sim_random && !dice(++same)) ||
		    (next == at && !first)) {
			if (next < at)
				same = 1;
			at = next;
			first = &sim_cpus[i];
		}
	}
	sim_now = at;
	return first;
}

/* How long it has been in its guest until now. */
static u64 ran(const struct fake *f)
{
	return f->ran + (f->in_guest_since ? sim_now - f->in_guest_since : 0);
}

/* Play on for `ticks`. */
static void sim_run(u64 ticks)
{
	u64 end = sim_now + ticks;

	while (sim_now < end) {
		struct sim_cpu *cpu = sim_next(end);

		devices_run();
		if (!cpu || sim_now >= end)
			continue;
		cpu->wake_at = NEVER;
		sim_cpu = cpu;
		swapcontext(&sim_world, &cpu->context);
		sim_cpu = NULL;
		idle_check(20 * MS);
	}
}

#endif
