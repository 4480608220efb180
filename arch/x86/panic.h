/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end after a bug of ours: stops every CPU, prints registers and a backtrace with names of
 * each, then calls the end hook. From any context on any CPU, also from NMI and from inside
 * panic() itself; waits are bounded. Guests cannot cause it: for them there is vm_kill().
 */
#ifndef ARCH_X86_PANIC_H
#define ARCH_X86_PANIC_H

#include "core/lib/types.h"

struct trap_frame;

__noreturn void panic(const char *fmt, ...) __printf(1, 2);

/* The same for an exception; its registers are printed. */
__noreturn void panic_trap(const struct trap_frame *frame);

/* A condition that must hold. Stays in release builds. */
#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (unlikely(!(cond)))                                                             \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond);           \
	} while (0)

/*
 * What to do before the report, and after it: end the run, stay, reset; returns to halt. `report`
 * adds to the report of CPU `cpu`, on the one that reports. Boot CPU, once.
 */
void panic_hooks_set(void (*begin)(void), void (*end)(void), void (*report)(u32 cpu));
void panic_report(u32 cpu);

/*
 * From the NMI handler, first of all: does not return if a panic or cpus_stop() wants this CPU to
 * stop. True if the NMI was to hold this CPU for a while. `frame` as for nmi_handle().
 */
bool panic_nmi(const struct trap_frame *frame);

/* Log the calls from frame pointer `rbp` on, at most 32; reads only mapped stacks. */
void backtrace_print(u64 rip, u64 rbp);

/*
 * The same in two steps: take the addresses, from frames in [low, high) only, and log them. Returns
 * how many there are, at least 1.
 */
u32 backtrace_take(u64 rip, u64 rbp, u64 low, u64 high, u64 *calls, u32 max_calls);
void backtrace_log(const u64 *calls, u32 nr_calls);

/*
 * A debugger of the host: `fn` is called for its #DB and #BP, and when a panic has been reported.
 * It runs with interrupts off, and returns to go on. Boot CPU, once.
 */
void panic_debugger_set(void (*fn)(struct trap_frame *frame));

bool panic_has_debugger(void);

/* From the exception handler. False if there is no debugger. */
bool panic_debug(struct trap_frame *frame);

/*
 * cpus_stop() for a while. False if another CPU holds the rest: this one has been held too, where
 * `frame` says, and has been let go.
 */
bool cpus_hold(const struct trap_frame *frame);
void cpus_release(void);

/* Stop all other CPUs by NMI and wait for them, at most 100 ms; for power-off and reset too. */
void cpus_stop(void);

#endif
