/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's I/O APIC: an 82093AA with 24 pins, of version 0x20, which has the EOI register. Its
 * page is at 0xfec00000. Interrupts leave by lapic_deliver(). Under vm->dev_lock.
 */
#ifndef CORE_DEV_IOAPIC_H
#define CORE_DEV_IOAPIC_H

#include "core/lib/types.h"

struct vm;
struct vcpu;

#define IOAPIC_NR_PINS 24

struct ioapic {
	u64 redir[IOAPIC_NR_PINS]; /* redirection table */
	u32 lines; /* levels of the pins, 1 is active */
	u32 select; /* IOREGSEL */
	u32 id; /* register 0 as written */
};

/* Power-on state: every pin masked. */
void ioapic_reset(struct vm *vm);

/*
 * Access at byte `offset` (below 4096) of the page. Registers are 32 bits wide at multiples of 16;
 * narrower and wider accesses work as on a bus that carries the low bytes.
 */
u64 ioapic_read(struct vm *vm, u32 offset, unsigned width_bytes);
void ioapic_write(struct vm *vm, u32 offset, unsigned width_bytes, u64 value);

/* Does pin 0 give the 8259 pair's interrupts to `v`, as ExtINT? Any CPU, no lock. */
bool ioapic_extint(const struct vm *vm, const struct vcpu *v);

/* Set pin `pin` (0 to 23) to `level`. */
void ioapic_line_set(struct vm *vm, u32 pin, bool level);

/* A local APIC has ended a level-triggered interrupt with `vector`. */
void ioapic_eoi(struct vm *vm, u8 vector);

#endif
