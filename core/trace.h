/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exit trace: each CPU writes its exits and events into a ring that lies in pages of its own,
 * so that the isolated tables can map it. Always on: an exit costs nine instructions. Writers own
 * their CPU's ring and take no lock; whoever reads another CPU's gets a copy, and skips the oldest
 * entries, which may be torn.
 *
 * An exit has the low half of the time stamp only. Events have all of it, and every CPU writes one
 * twice a second; so the time of an exit follows from its neighbours.
 */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/percpu.h"
#include "core/vcpu.h"

/* One row per event: name, what its datum is. */
#define TRACE_EVENTS(X)                                                                            \
	X(TICK, "tick") /* 0 */                                                                    \
	X(VCPU, "vcpu") /* who runs from here on, TRACE_NOBODY: none */                            \
	X(ABANDON, "abandon") /* requests that kept the CPU from entering */                       \
	X(INJECT, "inject") /* type << 8 | vector */                                               \
	X(PARK, "park") /* enum vcpu_state */                                                      \
	X(VM_START, "vm-start") /* number of the VM */                                             \
	X(VM_STOP, "vm-stop") /* number of the VM << 8 | enum vm_end */                            \
	X(PAUSE, "pause") /* number of the VM */                                                   \
	X(RESUME, "resume")

enum trace_event {
#define X(name, text) TRACE_##name,
	TRACE_EVENTS(X)
#undef X
	NR_TRACE_EVENTS
};

#define TRACE_EVENT 0x40000000u /* in trace_entry.code; no exit has it alone in the upper half */
#define TRACE_EVENT_MASK 0xffff0000u
#define TRACE_NOBODY 0xffffffffu
#define TRACE_WHO(v) ((v)->vm->index << 16 | (v)->index)

struct trace_entry {
	u32 tsc_low;
	u32 code; /* the vendor's exit code or reason; TRACE_EVENT | enum trace_event */
	u64 rip; /* of the guest; an event's datum */
	u64 info; /* qualification or EXITINFO1; an event's time stamp */
	u64 who; /* events only: TRACE_WHO() of the vCPU that the entries before belong to */
};
_Static_assert(sizeof(struct trace_entry) == 32, "two entries in a cache line");

#define TRACE_ENTRIES (TRACE_BYTES / (u32)sizeof(struct trace_entry))

/* Step on to the next entry, past *at, which is to be filled. True: that is the ring's first. */
static inline __attribute__((always_inline)) bool trace_advance(struct trace_entry **at)
{
	return add_is_zero_u16((u16 *)at, sizeof(**at));
}

/*
 * First thing after an exit, also on the isolated tables and with the guest's GS. The caller stores
 * rip and info, the way its vendor has them. Once in each round of the ring the vCPU comes out, to
 * look after what needs the full tables: the VMX-preemption timer stands still outside the guest.
 */
static inline __attribute__((always_inline)) struct trace_entry *
trace_exit(struct vcpu_hot *hot, u32 code)
{
	struct trace_entry *entry = hot->trace_at;

	if (unlikely(trace_advance(&hot->trace_at)))
		atomic_or_u32(&hot->requests, REQ_OUT);
	entry->tsc_low = (u32)rdtsc();
	entry->code = code;
	return entry;
}

/* Note an event of this CPU. Not from interrupts, not on the isolated tables. */
void trace_event(enum trace_event what, u64 datum);

/* Make the ring of CPU `index`. ERR_NOMEM. Boot CPU, before a vCPU runs. */
enum err trace_create(u32 index) __must_check;

/* One entry with what its neighbours tell of it. */
struct trace_line {
	u64 tsc;
	u64 gap; /* ticks since the entry before; 0 for the first */
	u32 who; /* TRACE_WHO() or TRACE_NOBODY */
	struct trace_entry entry;
};

/* A walk through a ring, oldest entry first. */
struct trace_walk {
	const struct trace_entry *ring;
	u32 index; /* of the next entry */
	u32 left;
	u64 tsc; /* of the entry before */
	u32 who;
	bool is_begun;
};

/*
 * Begin to walk through the last `count` entries of CPU `cpu`: on that CPU, or while it is stopped,
 * or through trace_hold().
 */
void trace_walk_cpu(struct trace_walk *walk, u32 cpu, u32 count);

/* The next entry into *line; false at the end. */
bool trace_walk_next(struct trace_walk *walk, struct trace_line *line);

/* `line` of CPU `cpu` as text, without newline. */
void trace_format(char *text, u32 size_bytes, u32 cpu, const struct trace_line *line);

/* Log the last entries of CPU `cpu`, which is this one or stopped. */
void trace_dump(u32 cpu);

/*
 * Keep a copy of all rings as they are now, for trace_walk_cpu() to read; the rings themselves are
 * written on, so that this costs an exit nothing. ERR_NOMEM. Boot CPU.
 */
enum err trace_hold(void) __must_check;
void trace_release(void);
bool trace_is_held(void);

#endif
