/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPU a CPU runs. Each CPU has a run queue of its own that no other CPU touches: others put
 * vCPUs into its inbox, a lock-free list, and interrupt it (IRQ_WAKE). Time is shared by weight: of
 * those that want to run, the one goes first that has had least for its weight. A vCPU that waits
 * is in no queue and costs nothing.
 *
 * A vCPU belongs to the CPU that v->cpu names, from the push into its inbox until that CPU hands it
 * on. Its stack is the CPU's: handlers run to completion, so a switch saves only the guest.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "core/lib/list.h"
#include "core/lib/types.h"

struct vcpu;

#define SCHED_WEIGHT_DEFAULT 100u
#define SCHED_WEIGHT_MAX 10000u

/* Not pinned. */
#define SCHED_ANY_CPU (~0u)

/* The scheduler's part of a vCPU. */
struct sched {
	struct list_node node; /* [o] in its CPU's run queue or list of parked vCPUs */
	struct vcpu *next; /* [L:inbox] */
	u64 vruntime; /* [o] weighted time it has had, TSC ticks at the default weight */
	u64 since_tsc; /* [o] when it began to run, or to wait in the queue */
	u64 steal_tsc; /* [o] how long it has waited in queues */
	u64 switches; /* [o] times it was put on a CPU */
	u32 weight; /* [c] */
	u32 pin; /* [c] the only CPU it may run on, or SCHED_ANY_CPU */
	u32 is_queued; /* [a] waits in a run queue */
	u32 is_boosted; /* [a] somebody of its VM spins for what it holds */
	bool irq_wakes; /* [o] while parked: an interrupt would end the sleep */
	bool is_suspect; /* [o] while parked: the last audit found an interrupt that waits */
};

/* Give `v` a home: the least loaded CPU, or the one that `pin` names. Creation, boot CPU. */
void sched_add(struct vcpu *v, u32 weight, u32 pin);

/* Set every CPU's queue up. Boot CPU, once, before the other CPUs run vCPUs. */
void sched_init(void);

/* Let `v`, which is RUN_OUT, run. Any CPU. */
void sched_start(struct vcpu *v);

/* Hand `v` to its CPU: the caller has moved it to RUN_LOOP. Any CPU, any context, no locks. */
void sched_push(struct vcpu *v);

/*
 * Has another vCPU of this CPU a better claim than `v`, which runs on it? Called when REQ_RESCHED
 * was set. The CPU's own.
 */
bool sched_wants_cpu(struct vcpu *v);

/* Does another vCPU wait for this CPU? */
bool sched_has_others(void);

/* `v`, which runs on this CPU, only waits for another one: let others go first. */
void sched_spin(struct vcpu *v);

/* How often the audit found a vCPU asleep with an interrupt waiting. Any CPU. */
u64 sched_lost_wakes(void);

/* Run this CPU's vCPUs for ever. Every CPU ends up here. */
__noreturn void sched_loop(void);

#endif
