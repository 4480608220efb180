/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events on their way into a guest: exceptions, NMIs, interrupts. Owns the choice of the one event
 * that the next entry injects. Everything here runs on the vCPU's own CPU, on the full tables,
 * except event_nmi(), which any CPU may call.
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "arch/x86/regs.h"
#include "core/lib/types.h"
#include "core/next.h"

struct vcpu;

/* The encodings are the ones that VM-entry interruption information and EVENTINJ share. */
enum event_type {
	EVENT_INTR = 0,
	EVENT_NMI = 2,
	EVENT_EXCEPTION = 3, /* hardware exception; #BP and #OF by instruction are EVENT_SOFT_EXC */
	EVENT_SOFT_INT = 4,
	EVENT_PRIV_SOFT_EXC = 5, /* INT1 */
	EVENT_SOFT_EXC = 6, /* INT3, INTO */
};

struct event {
	bool is_valid;
	u8 type; /* enum event_type */
	u8 vector;
	bool has_err;
	u32 err;
	u8 insn_len; /* software events: RIP advances by this much */
};

/* Blocking of events, struct-free so that vendors can translate it cheaply. */
#define BLOCK_STI BIT(0) /* one instruction after STI */
#define BLOCK_MOV_SS BIT(1)
#define BLOCK_NMI BIT(3) /* until IRET */

/*
 * Queue exception `vector` for the next entry, with `err` if it is one that pushes an error code.
 * A second exception on top of one that is still queued becomes #DF or a triple fault as in SDM
 * "Interrupt 8 - Double Fault Exception".
 */
void event_exception(struct vcpu *v, u8 vector, u32 err);
/* Queue the #BP of the INT3 at RIP. */
void event_int3(struct vcpu *v);

/* The instruction at RIP is refused, with #UD or #GP(0). */
static inline enum next event_ud(struct vcpu *v)
{
	event_exception(v, EXC_UD, 0);
	return NEXT_AGAIN;
}

static inline enum next event_gp(struct vcpu *v)
{
	event_exception(v, EXC_GP, 0);
	return NEXT_AGAIN;
}

/* Make one NMI pending on `v` and kick it. Any CPU. */
void event_nmi(struct vcpu *v);

/* Forget everything queued: after INIT or reset, on the vCPU's CPU. */
void event_reset(struct vcpu *v);

/* All NMIs that wait are one: none of them could be handled so far. The vCPU's CPU. */
void event_nmi_merge(struct vcpu *v);

/* Take back what the last entry did not deliver, so that it is injected again exactly once. */
void event_collect(struct vcpu *v);

/* Choose at most one event, inject it, and ask for windows for the rest. Last thing before entry.
 */
void event_deliver(struct vcpu *v);

/* True if an event waits that HLT must not sleep through. */
bool event_wakes(struct vcpu *v);

#endif
