/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions and interrupts of the host. Exceptions of an instruction in .ex_table continue at
 * its fix-up; any other panics. Interrupt handlers run with interrupts off on the interrupted
 * stack; irq_dispatch() ends the interrupt at the local APIC after the handler has run.
 */
#ifndef ARCH_X86_TRAP_H
#define ARCH_X86_TRAP_H

#include "core/lib/types.h"

/* What entry.S leaves on the stack; arch/x86/offsets.c knows it too. */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "trap_frame layout");

/* Call `fn` for `vector` (0x20 .. 0xfe), on every CPU. Set-up time, any CPU. */
void irq_handler_set(u8 vector, void (*fn)(void));

/*
 * Run the handler of `vector` and end the interrupt. Interrupts off. Also called by the VMX exit
 * with the vector that the exit acknowledged. A vector without handler is counted and ended.
 */
void irq_dispatch(u8 vector);

/*
 * Handle an NMI of this CPU; `frame` is where it was, NULL after an exit of a guest for NMI. On the
 * NMI stack, the interrupted code may be anywhere: takes no lock and does not fault.
 */
void nmi_handle(const struct trap_frame *frame);

/* Call `fn` on every NMI that neither stops CPUs nor is the watchdog's; from where, see above. */
void nmi_handler_set(void (*fn)(const struct trap_frame *frame));

/* Continue at the fix-up of the faulting instruction, if the exception table has one. */
bool trap_fix_up(struct trap_frame *frame);

/* From entry.S: any exception but NMI, and any interrupt. */
void trap_handle(struct trap_frame *frame);

/* A name such as "page fault" for vectors below 32; never NULL. */
const char *trap_name(u64 vector);

#endif
