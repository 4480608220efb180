/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested page faults that can be served between two entries, without a turn of the run loop: pages
 * of RAM that only lack an entry, and plain moves of 64-bit code to and from devices. On the full
 * tables, on the CPU where the vCPU is loaded, interrupts on.
 */
#ifndef CORE_NPF_H
#define CORE_NPF_H

#include "core/lib/types.h"
#include "core/next.h"

struct vcpu;
struct vcpu_hot;

enum npf {
	NPF_AGAIN, /* served: enter again at once */
	NPF_LEAVE, /* served, but interrupts or timers may be others now: back to the run loop */
	NPF_SLOW, /* nothing has changed: core/slow.c serves it, with all checks and faults */
};

/*
 * Serve the fault in v->hot->exit, of which gpa, access, is_final, gva_valid and gva count. Not for
 * a fault on the way to delivering an event.
 */
enum npf npf_serve(struct vcpu *v);

/*
 * The same on the isolated tables, through the window, for RAM whose tables are there already:
 * NEXT_AGAIN, or NEXT_SLOW with nothing changed.
 */
enum next npf_fast(struct vcpu_hot *hot, u64 gpa);

#endif
