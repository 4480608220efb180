/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/sched.h"

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/ipi.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/trap.h"
#include "arch/x86/watchdog.h"
#include "core/clock.h"
#include "core/lib/log.h"
#include "core/run.h"
#include "core/timer.h"
#include "core/trace.h"
#include "core/vm.h"

/* How long a vCPU runs while others wait, and how much less a woken one must have had. */
#define SLICE_NS 4000000ull
#define WAKE_MARGIN_NS 1000000ull

/*
 * How often the trace gets a whole time stamp, before 32 bits of one go round; every other time the
 * sleepers are looked through.
 */
#define TICK_NS 500000000ull

struct sched_cpu {
	struct list queue; /* [o] of those that want to run, by vruntime */
	struct list parked; /* [o] */
	u64 floor; /* [o] vruntime that nobody in the queue is below */
	u64 slice_end_tsc; /* [o] */
	struct timer slice; /* fires when the running one has had its slice */
	struct timer audit;
	u32 index; /* [c] */
	u32 ticks; /* [o] */
	u32 load; /* [c] sum of weights of those created here */
	bool is_woken; /* [o] IRQ_WAKE has come since posted_wake() */
	struct vcpu *inbox __aligned(64); /* [a] newest first */
};

static struct sched_cpu cpus[CPUS_MAX];
static u64 hungry; /* [a] bit per CPU that has nothing to run */
static u64 lost_wakes; /* [a] */
static u64 slice_tsc, margin_tsc; /* [c] */
_Static_assert(CPUS_MAX <= 64, "one word for the hungry");

static struct sched_cpu *this_sched(void)
{
	return &cpus[cpu_index()];
}

static struct vcpu *vcpu_of_node(struct list_node *node)
{
	return container_of(node, struct vcpu, sched.node);
}

/* The loop, or the guest, that was interrupted looks at its requests before it goes on. */
static void resched_request(void)
{
	struct vcpu *v = this_cpu()->vcpu;

	if (v)
		atomic_or_u32(&v->hot->requests, REQ_RESCHED);
}

static void wake_interrupt(void)
{
	this_sched()->is_woken = true;
	resched_request();
}

/* posted.pml, the wake handler: hardware that posts to a parked vCPU cannot move it to RUN_LOOP. */
static void posted_wake(struct sched_cpu *c)
{
	struct list_node *node;

	if (!c->is_woken)
		return;
	c->is_woken = false;
	compiler_barrier();
	list_for_each(node, &c->parked)
	{
		struct vcpu *v = vcpu_of_node(node);

		if (atomic_load_u64(&v->hot->posted.control) & POSTED_ON)
			vcpu_wake(v);
	}
}

static void slice_over(struct timer *t __unused_arg)
{
	resched_request();
}

/*
 * A deliverable interrupt and a vCPU asleep, twice in a row: a wake-up has been lost, here or in
 * the hardware. Say so and make up for it.
 */
static void audit_one(struct vcpu *v)
{
	bool was_suspect = v->sched.is_suspect;

	v->sched.is_suspect = v->sched.irq_wakes && lapic_has_deliverable(v);
	if (!v->sched.is_suspect || !was_suspect)
		return;
	v->sched.is_suspect = false;
	atomic_add_u64(&lost_wakes, 1);
	log_err("%s: vCPU %u: asleep with interrupt 0x%x waiting; woken", v->vm->config->name,
		v->index, lapic_highest(v, APIC_IRR));
	vcpu_request(v, REQ_EVENT);
}

static void audit_fire(struct timer *t)
{
	struct sched_cpu *c = container_of(t, struct sched_cpu, audit);
	struct list_node *node;

	watchdog_beat();
	trace_event(TRACE_TICK, 0);
	if (c->ticks++ % 2)
		list_for_each(node, &c->parked) audit_one(vcpu_of_node(node));
	timer_arm(t, clock_tsc() + clock_tsc_from_ns(TICK_NS));
}

u64 sched_lost_wakes(void)
{
	return atomic_load_u64(&lost_wakes);
}

void sched_init(void)
{
	slice_tsc = clock_tsc_from_ns(SLICE_NS);
	margin_tsc = clock_tsc_from_ns(WAKE_MARGIN_NS);
	for (u32 i = 0; i < CPUS_MAX; i++) {
		struct sched_cpu *c = &cpus[i];

		list_init(&c->queue);
		list_init(&c->parked);
		c->index = i;
		timer_init(&c->slice, i, slice_over);
		timer_init(&c->audit, i, audit_fire);
	}
	irq_handler_set(IRQ_WAKE, wake_interrupt);
}

static u32 least_loaded(void)
{
	u32 best = 0;

	for (u32 i = 1; i < cpus_online(); i++)
		if (cpus[i].load < cpus[best].load)
			best = i;
	return best;
}

void sched_add(struct vcpu *v, u32 weight, u32 pin)
{
	v->sched.weight = weight;
	v->sched.pin = pin;
	v->cpu = pin == SCHED_ANY_CPU ? least_loaded() : pin;
	cpus[v->cpu].load += weight;
}

void sched_push(struct vcpu *v)
{
	u32 to = v->cpu;
	struct vcpu **inbox = &cpus[to].inbox;
	struct vcpu *first;

	/* wake.pml: load, link, CAS; from here on v is that CPU's. Then send. */
	do {
		first = atomic_load_ptr(inbox);
		v->sched.next = first;
	} while (!atomic_cas_ptr(inbox, first, v));
	if (to == cpu_index())
		resched_request();
	else
		ipi_send(percpu_of(to)->apic_id, IRQ_WAKE);
}

void sched_start(struct vcpu *v)
{
	atomic_store_u32(&v->hot->run_state, RUN_LOOP);
	sched_push(v);
}

static void queue_insert(struct sched_cpu *c, struct vcpu *v)
{
	struct list_node *node;

	list_for_each(node, &c->queue) if ((s64)(vcpu_of_node(node)->sched.vruntime -
						 v->sched.vruntime) > 0) break;
	list_insert_before(node ? node : &c->queue.head, &v->sched.node);
	v->sched.since_tsc = clock_tsc();
	atomic_store_u32(&v->sched.is_queued, 1);
}

static void queue_take(struct vcpu *v)
{
	list_remove(&v->sched.node);
	v->sched.steal_tsc += clock_tsc() - v->sched.since_tsc;
	atomic_store_u32(&v->sched.is_queued, 0);
	atomic_store_u32(&v->sched.is_boosted, 0);
}

/* Claim one CPU that has nothing to do; -1 if there is none. */
static int hungry_take(void)
{
	u64 old;

	do {
		old = atomic_load_u64(&hungry);
		if (!old)
			return -1;
	} while (!atomic_cas_u64(&hungry, old, old & (old - 1)));
	return (int)bit_first(old);
}

/* This CPU has other work: give `v`, which is in none of its lists, to an idle CPU, if any is. */
static bool give_away(struct sched_cpu *c, struct vcpu *v)
{
	int to = v->sched.pin == SCHED_ANY_CPU ? hungry_take() : -1;

	if (to < 0 || (u32)to == c->index)
		return false;
	if (this_cpu()->vcpu == v)
		vcpu_unload(v);
	/* Weighted time is comparable within one queue only. */
	v->sched.vruntime += atomic_load_relaxed_u64(&cpus[to].floor) - c->floor;
	v->cpu = (u32)to;
	sched_push(v);
	return true;
}

/* An idle CPU takes it, or else it waits here. */
static void place(struct sched_cpu *c, struct vcpu *v)
{
	if (!give_away(c, v))
		queue_insert(c, v);
}

/*
 * Who has slept enters not behind, but not with all the time that it did not use. wake.pml: XCHG
 * takes the whole list.
 */
static void inbox_drain(struct sched_cpu *c, bool is_busy)
{
	u64 least = c->floor - slice_tsc;
	struct vcpu *v, *next;

	posted_wake(c);
	v = atomic_load_ptr(&c->inbox) ? atomic_xchg_ptr(&c->inbox, NULL) : NULL;
	for (; v; v = next, is_busy = true) {
		next = v->sched.next;
		if (v->sched.node.next)
			list_remove(&v->sched.node);
		if ((s64)(v->sched.vruntime - least) < 0)
			v->sched.vruntime = least;
		if (is_busy)
			place(c, v);
		else
			queue_insert(c, v);
	}
}

/* The first in the queue, but whoever is spun for goes before it. */
static struct vcpu *queue_first(struct sched_cpu *c)
{
	struct list_node *node;

	list_for_each(node, &c->queue) if (atomic_load_u32(&vcpu_of_node(node)->sched.is_boosted))
		return vcpu_of_node(node);
	node = list_first(&c->queue);
	return node ? vcpu_of_node(node) : NULL;
}

/*
 * Count what `v`, which runs, has had since it was last counted. The floor rises with the one that
 * has had least, `v` or in the queue.
 */
static void charge(struct sched_cpu *c, struct vcpu *v)
{
	struct list_node *node = list_first(&c->queue);
	u64 now = clock_tsc();
	u64 ran = now - v->sched.since_tsc;
	u64 least;

	v->sched.since_tsc = now;
	v->sched.vruntime += ran * SCHED_WEIGHT_DEFAULT / v->sched.weight;
	least = v->sched.vruntime;
	if (node && (s64)(vcpu_of_node(node)->sched.vruntime - least) < 0)
		least = vcpu_of_node(node)->sched.vruntime;
	if ((s64)(least - c->floor) > 0)
		c->floor = least;
}

static void slice_start(struct sched_cpu *c)
{
	c->slice_end_tsc = clock_tsc() + slice_tsc;
	if (list_is_empty(&c->queue))
		timer_cancel(&c->slice);
	else
		timer_arm(&c->slice, c->slice_end_tsc);
}

/* Whoever waits here need not, while a CPU is idle: one goes there. */
static void queue_share(struct sched_cpu *c)
{
	struct list_node *node = atomic_load_u64(&hungry) ? list_first(&c->queue) : NULL;
	struct vcpu *v;

	while (node && vcpu_of_node(node)->sched.pin != SCHED_ANY_CPU)
		node = list_next(&c->queue, node);
	if (!node)
		return;
	v = vcpu_of_node(node);
	queue_take(v);
	place(c, v);
}

bool sched_wants_cpu(struct vcpu *v)
{
	struct sched_cpu *c = this_sched();
	struct vcpu *first;
	bool is_over;

	/* First, since those who arrive begin at the floor that this raises. */
	charge(c, v);
	inbox_drain(c, true);
	queue_share(c);
	first = queue_first(c);
	if (!first)
		return false;
	is_over = (s64)(clock_tsc() - c->slice_end_tsc) >= 0;
	if (atomic_load_u32(&first->sched.is_boosted) ||
	    (s64)(v->sched.vruntime - first->sched.vruntime) >= (is_over ? 0 : (s64)margin_tsc))
		return true;
	if (is_over || !c->slice.is_armed)
		slice_start(c);
	return false;
}

bool sched_has_others(void)
{
	return !list_is_empty(&this_sched()->queue);
}

/* Let another vCPU of the VM go first, wherever it waits for its CPU. */
static void boost_one(struct vcpu *v)
{
	struct vm *vm = v->vm;

	for (u32 i = 1; i < vm->nr_vcpus; i++) {
		struct vcpu *other = vm->vcpu[(v->index + i) % vm->nr_vcpus];

		if (!atomic_load_u32(&other->sched.is_queued) ||
		    atomic_xchg_u32(&other->sched.is_boosted, 1))
			continue;
		if (other->cpu != v->cpu)
			ipi_send(percpu_of(other->cpu)->apic_id, IRQ_WAKE);
		return;
	}
}

void sched_spin(struct vcpu *v)
{
	struct sched_cpu *c = this_sched();
	struct vcpu *first;

	boost_one(v);
	charge(c, v);
	first = queue_first(c);
	if (!first)
		return;
	/* It gives up what it is behind the next, but no more. */
	if (!atomic_load_u32(&first->sched.is_boosted) &&
	    (s64)(first->sched.vruntime - v->sched.vruntime) >= 0)
		v->sched.vruntime = first->sched.vruntime + 1;
	c->slice_end_tsc = clock_tsc();
	vcpu_request(v, REQ_RESCHED);
}

/* Sleep until an interrupt. wake.pml: CLI, look, "STI, HLT". */
static void idle(struct sched_cpu *c)
{
	atomic_or_u64(&hungry, BIT(c->index));
	timer_by_guest(false);
	cli();
	if (atomic_load_ptr(&c->inbox) || c->is_woken || timer_is_due())
		sti();
	else
		sti_hlt();
	atomic_and_u64(&hungry, ~BIT(c->index));
}

static void turn(struct sched_cpu *c, struct vcpu *v)
{
	enum turn end;

	queue_take(v);
	v->sched.since_tsc = clock_tsc();
	v->sched.switches++;
	slice_start(c);
	end = vcpu_turn(v);
	charge(c, v);
	timer_cancel(&c->slice);
	if (end == TURN_PREEMPTED) {
		place(c, v);
	} else if (end == TURN_PARKED) {
		v->sched.is_suspect = false;
		list_push_back(&c->parked, &v->sched.node);
	} else if (end == TURN_STOPPED) {
		vm_vcpu_stopped(v);
	}
}

__noreturn void sched_loop(void)
{
	struct sched_cpu *c = this_sched();
	struct vcpu *v;

	timer_arm(&c->audit, clock_tsc() + clock_tsc_from_ns(TICK_NS));
	for (;;) {
		timer_run();
		inbox_drain(c, false);
		v = queue_first(c);
		if (v)
			turn(c, v);
		else
			idle(c);
	}
}
