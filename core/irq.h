/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt lines of the guest's platform: a device raises or lowers a line (GSI), this part tells
 * the PIC and the IOAPIC. Callers hold vm->dev_lock.
 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include "core/lib/types.h"

struct vm;
struct vcpu;

/* Fixed wiring of the platform. */
#define IRQ_LINE_PIT 0
#define IRQ_LINE_UART 4
#define IRQ_LINE_RTC 8
#define IRQ_LINE_SCI 9

/*
 * Set line `gsi` (0 to 23) to `level`. PIC line n is IOAPIC pin n, but line 0 is pin 2. Line 2, the
 * cascade of the PICs, and lines above 23 do nothing.
 */
void irq_line_set(struct vm *vm, u32 gsi, bool level);

/*
 * The output of the 8259 pair has risen; it is LINT0 of every local APIC. vCPUs that take it as
 * ExtINT come out of the guest to acknowledge it.
 */
void irq_extint_raised(struct vm *vm);

/* Does `v` take the interrupts of the 8259 pair, through its LINT0 or from the I/O APIC? */
bool irq_extint_accepted(struct vcpu *v);

#endif
