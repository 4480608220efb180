/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts from CPU to CPU. Sending is bounded, from any context. Stores before the call are
 * visible to the handler: the fence is inside, since an x2APIC write orders nothing.
 */
#ifndef ARCH_X86_IPI_H
#define ARCH_X86_IPI_H

#include "core/lib/err.h"
#include "core/lib/types.h"

struct percpu;

/* Register the handlers of IRQ_CALL, and of IRQ_POSTED, which only ends. Boot CPU. */
void ipi_init(void);

/* Raise `vector` on the CPU with `apic_id`, which may be this one. */
void ipi_send(u32 apic_id, u8 vector);

/* Raise an NMI there. */
void ipi_nmi(u32 apic_id);

/*
 * Run fn(arg) on CPU `index` in its IRQ_CALL handler (interrupts off, no lock held by the handler)
 * and wait for the end; directly if it is this CPU. Interrupts on, no lock held.
 * ERR_TIMEOUT if the CPU does not answer within a second (fn may still run later, so what `arg`
 * points to must last), ERR_RANGE if it is not on line.
 */
enum err ipi_call(u32 index, void (*fn)(void *arg), void *arg) __must_check;

#endif
