/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests and kicks. A request is a bit in vcpu->hot->requests that the vCPU serves before its
 * next entry; a kick is the IPI that makes a vCPU in the guest come out for it. There is no kick
 * without a request, so none is ever lost: the sender sets the bit and then reads the guest-mode
 * word, the entry code marks the word and then reads the bits, each with a full barrier between.
 * An NMI handler does not set requests of the vCPU that its own CPU is about to enter: the look may
 * be behind, and the NMI itself ends nothing (FLG-16).
 * Any CPU, any context, no locks.
 */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "core/lib/bits.h"

struct vcpu;
struct vcpu_hot;

#define REQ_EVENT BIT(0) /* an interrupt or NMI may have become deliverable */
#define REQ_TIMER BIT(1) /* this CPU's timer queue has something due */
#define REQ_STOP BIT(2) /* the VM ends or restarts: leave the run loop */
#define REQ_INIT BIT(3) /* INIT signal */
#define REQ_SIPI BIT(4) /* start-up IPI; see vcpu->startup for both */
#define REQ_TLB BIT(5) /* nested tables changed: drop cached translations before entry */
#define REQ_OUT BIT(6) /* just come out once */
#define REQ_APIC BIT(7) /* the local APIC's hardware is to be brought in line: lapic_hw_update() */
#define REQ_RESCHED BIT(8) /* another vCPU may have a better claim to this CPU */
#define REQ_APIC_TIMER BIT(9) /* the local APIC's timer has expired */
#define REQ_IRQ BIT(10) /* the local APIC's IRR may have got something: no more than that */
#define REQ_PAUSE BIT(11) /* the VM is paused, see core/pause.h */
_Static_assert((REQ_EVENT | REQ_TIMER | REQ_STOP | REQ_INIT | REQ_SIPI | REQ_TLB | REQ_OUT |
		REQ_APIC | REQ_RESCHED | REQ_APIC_TIMER | REQ_IRQ | REQ_PAUSE) == MASK(11, 0),
	       "each of the twelve has a bit of its own");

/* Set the handler of kicks. Boot CPU, once. */
void request_init(void);

/* Set `bits` (not 0) for `v`; make it come out of the guest, or wake it, if need be. */
void vcpu_request(struct vcpu *v, u32 bits);

/*
 * vcpu_request() on the isolated tables, from the vCPU of `hot` to another one of its VM. Who has
 * to be woken is noted in hot->wakes, for vcpu_wake_noted() on the full tables, soon.
 */
void request_fast(struct vcpu_hot *hot, struct vcpu_hot *to, u32 bits);
void vcpu_wake_noted(struct vcpu *v);

/*
 * A kick or notification has come, on the isolated tables, or the timer's interrupt for the guest's
 * own deadline: it is ended, and counted. False for others, with nothing done.
 */
bool request_interrupt_fast(u8 vector);

/*
 * Is all that is asked for a look at IRR? Then that request is taken. On the isolated tables.
 */
bool request_irq_take(struct vcpu_hot *hot);

/* Take and clear `bits` if any is set; returns those that were. The vCPU's own CPU. */
u32 vcpu_request_take(struct vcpu *v, u32 bits);

/* If `v` is parked, put it back into its CPU's run queue. Any CPU, any context, no locks. */
void vcpu_wake(struct vcpu *v);

/*
 * Wait until `v` has left the guest at least once after a request that the caller has just made.
 * The caller holds no lock that v's way out needs.
 */
void vcpu_wait_out(struct vcpu *v);

#endif
