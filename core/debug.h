/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A debugger's hold on a VM: break- and watchpoints, single steps, and the stop that follows. In
 * force only between debug_on() and debug_off(), while the VM runs for a debugger: in a stopped
 * vCPU everything is the guest's own.
 *
 * A software breakpoint is INT3 in guest memory, kept by guest-physical address. Points in hardware
 * take DR0 to DR3 and DR7 of each vCPU, until the guest itself turns to its debug registers: then
 * that vCPU has its own back, and no points until the next stop. A step is RFLAGS.TF, which the
 * guest does not get to see in what PUSHF pushes.
 */
#ifndef CORE_DEBUG_H
#define CORE_DEBUG_H

#include "core/lib/err.h"
#include "core/types.h"

struct vcpu;
struct vm;

#define DEBUG_BREAKS 64
#define DEBUG_SLOTS 4

/* Why a vCPU has stopped. */
enum debug_why { DEBUG_NONE, DEBUG_STEP, DEBUG_BREAK, DEBUG_SLOT };

struct vm_debug {
	u32 is_stopping; /* [a] */
	struct debug_break {
		u64 gpa;
		u8 byte; /* what INT3 replaces */
		bool is_used;
	} breaks[DEBUG_BREAKS]; /* [p] */
	struct debug_slot {
		u64 address;
		u8 control; /* four bits of DR7; SDM "Debug Control Register (DR7)" */
		bool is_used;
	} slots[DEBUG_SLOTS]; /* [p] */
};

struct vcpu_debug {
	bool is_on; /* [o] as all here; while the VM is paused the debugger's */
	bool is_held; /* does not run though the VM does */
	bool is_stepping;
	bool is_cut; /* a step was not finished: TF may come back from the guest's stack */
	bool has_slots; /* DR0 to DR3 and DR7 are ours */
	u8 opcode; /* of the instruction that is stepped over, behind its prefixes */
	u8 why; /* enum debug_why */
	u8 slot; /* with DEBUG_SLOT */
	u64 tf; /* the guest's own RFLAGS.TF */
	u64 dr[4], dr7; /* the guest's own */
};

/* Put the debugger's things in force on `v`, or take them off. The VM is paused, v borrowed. */
void debug_on(struct vcpu *v, bool is_step);
void debug_off(struct vcpu *v);

/* Pause the VM for the debugger, once until debug_go(). Any CPU, not from interrupts. */
void debug_stop(struct vm *vm);
void debug_go(struct vm *vm);

/* After INIT or RESET: breakpoints stay in force. The vCPU's CPU. */
void debug_reset(struct vcpu *v);

/*
 * #DB or #BP has left the guest, or an emulated instruction ends with the #DB of a single step: is
 * it the debugger's? Else it is the guest's. `causes` as in DR6. The vCPU's CPU.
 */
bool debug_db(struct vcpu *v, u64 causes);
bool debug_bp(struct vcpu *v);

/* The guest is about to access a debug register. The vCPU's CPU. */
void debug_dr_access(struct vcpu *v);

/*
 * Guest memory at a linear or guest-physical address, without INT3s of ours. ERR_FAULT; what lies
 * before has been copied then. The VM is paused, `v` borrowed.
 */
enum err debug_memory(struct vcpu *v, bool is_physical, u64 address, u8 *buf, u64 len_bytes,
		      bool is_write) __must_check;

/*
 * Set or take away a software breakpoint at linear address `gva`. ERR_FAULT, ERR_NOENT, ERR_NOMEM:
 * too many. The VM is paused, `v` borrowed.
 */
enum err debug_break(struct vcpu *v, u64 gva, bool is_set) __must_check;

/* The same in hardware: `kind` 0 for execution, 1 for writes, 3 for accesses; 1 to 8 bytes. */
enum err debug_slot(struct vm *vm, u64 gva, u8 kind, u64 len_bytes, bool is_set) __must_check;

/* Take all points away. The VM is paused. */
void debug_clear(struct vm *vm);

#endif
