/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run loop of one vCPU: serve requests, enter the guest, handle what it comes out for, until it
 * has nothing to do or another has a better claim to the CPU. On the CPU that v->cpu names.
 */
#ifndef CORE_RUN_H
#define CORE_RUN_H

struct vcpu;

/* Why a turn ended. */
enum turn {
	TURN_PREEMPTED, /* wants to go on */
	TURN_PARKED, /* RUN_PARKED: whoever has something for it wakes it */
	TURN_PAUSED, /* RUN_PAUSED: vm_resume() sends it back */
	TURN_STOPPED, /* RUN_OUT: its VM has stopped */
};

/* Run `v`, which is RUN_LOOP and in no queue. It may stay loaded on this CPU afterwards. */
enum turn vcpu_turn(struct vcpu *v);

/* Put `v`, loaded nowhere, on this CPU, which has none loaded. */
void vcpu_load(struct vcpu *v);

/* Take `v`, loaded on this CPU, off it: its state is in memory, any CPU may load it. */
void vcpu_unload(struct vcpu *v);

#endif
