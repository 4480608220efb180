/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/timer.h"

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/ipi.h"
#include "arch/x86/lock.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc.h"
#include "core/vcpu.h"

/* One per CPU, in a cache line of its own. Interrupt handlers do not take the lock. */
struct timer_queue {
	struct lock lock;
	struct list timers; /* [L:queue] sorted by deadline */
	bool is_by_guest; /* [o] see timer_by_guest() */
	struct timer *hastened; /* [o] by an interrupt handler; NULL: none */
	bool is_due; /* [o] the interrupt has come since timer_run() */
} __aligned(64);

static struct timer_queue queues[CPUS_MAX];

/*
 * Something is due, or another CPU has put an earlier deadline into this CPU's queue. The loop that
 * was interrupted looks at its requests before it enters a guest or sleeps.
 */
static void timer_interrupt(void)
{
	struct vcpu *v = this_cpu()->vcpu;

	queues[cpu_index()].is_due = true;
	if (v)
		atomic_or_u32(&v->hot->requests, REQ_TIMER);
}

void timer_start(void)
{
	for (u32 i = 0; i < CPUS_MAX; i++)
		list_init(&queues[i].timers);
	irq_handler_set(IRQ_TIMER, timer_interrupt);
	irq_handler_set(IRQ_TIMER_MOVED, timer_interrupt);
}

void timer_init(struct timer *t, u32 cpu, void (*fire)(struct timer *t))
{
	*t = (struct timer){ .fire = fire, .cpu = cpu };
}

static struct timer *timer_of(struct list_node *node)
{
	return node ? container_of(node, struct timer, node) : NULL;
}

static struct timer *queue_first(struct timer_queue *q)
{
	return timer_of(list_first(&q->timers));
}

/* Program this CPU's timer for its queue, whose lock is held. */
static void hardware_arm(struct timer_queue *q)
{
	struct timer *t = queue_first(q);

	if (t && !q->is_by_guest)
		apic_timer_arm(t->deadline_tsc);
	else
		apic_timer_stop();
}

static void queue_insert(struct timer_queue *q, struct timer *t)
{
	struct list_node *node;

	list_for_each(node, &q->timers) if ((s64)(t->deadline_tsc -
						  timer_of(node)->deadline_tsc) < 0) break;
	list_insert_before(node ? node : &q->timers.head, &t->node);
	t->is_armed = true;
}

static void queue_remove(struct timer *t)
{
	if (t->is_armed)
		list_remove(&t->node);
	t->is_armed = false;
}

void timer_arm(struct timer *t, u64 deadline_tsc)
{
	struct timer_queue *q = &queues[t->cpu];
	bool is_first;

	lock_acquire(&q->lock);
	queue_remove(t);
	t->deadline_tsc = deadline_tsc;
	queue_insert(q, t);
	is_first = queue_first(q) == t;
	if (is_first && t->cpu == cpu_index())
		hardware_arm(q);
	lock_release(&q->lock);
	if (is_first && t->cpu != cpu_index())
		ipi_send(percpu_of(t->cpu)->apic_id, IRQ_TIMER_MOVED);
}

void timer_hasten(struct timer *t)
{
	atomic_store_ptr(&queues[cpu_index()].hastened, t);
	timer_interrupt();
}

void timer_cancel(struct timer *t)
{
	struct timer_queue *q = &queues[t->cpu];

	lock_acquire(&q->lock);
	queue_remove(t);
	lock_release(&q->lock);
}

/* Take one timer that is due, or program the hardware for the first that is not. */
static struct timer *queue_take_due(struct timer_queue *q)
{
	struct timer *t;

	lock_acquire(&q->lock);
	t = atomic_xchg_ptr(&q->hastened, NULL);
	if (!t || !t->is_armed) {
		t = queue_first(q);
		t = t && tsc_is_past(t->deadline_tsc) ? t : NULL;
	}
	if (t)
		queue_remove(t);
	else
		hardware_arm(q);
	lock_release(&q->lock);
	return t;
}

void timer_run(void)
{
	struct timer_queue *q = &queues[cpu_index()];
	struct timer *t;

	q->is_due = false;
	compiler_barrier();
	while ((t = queue_take_due(q)))
		t->fire(t);
}

bool timer_is_due(void)
{
	return *(volatile bool *)&queues[cpu_index()].is_due;
}

void timer_move(struct timer *t, u32 cpu)
{
	if (t->cpu == cpu)
		return;
	timer_cancel(t);
	t->cpu = cpu;
}

u64 timer_deadline_except(const struct timer *t)
{
	struct timer_queue *q = &queues[cpu_index()];
	const struct timer *first;
	u64 deadline_tsc;

	lock_acquire(&q->lock);
	first = queue_first(q);
	if (first && first == t)
		first = timer_of(list_next(&q->timers, &t->node));
	deadline_tsc = first ? first->deadline_tsc : TIMER_NEVER;
	lock_release(&q->lock);
	return deadline_tsc;
}

void timer_by_guest(bool is_guest)
{
	struct timer_queue *q = &queues[cpu_index()];

	if (q->is_by_guest == is_guest)
		return;
	lock_acquire(&q->lock);
	q->is_by_guest = is_guest;
	hardware_arm(q);
	lock_release(&q->lock);
}
