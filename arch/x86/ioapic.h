/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's I/O APICs. Lamina uses few of their inputs; the others stay as firmware left them. */
#ifndef ARCH_X86_IOAPIC_H
#define ARCH_X86_IOAPIC_H

#include "arch/x86/types.h"
#include "core/lib/err.h"

/*
 * From now on ISA interrupt `irq` raises `vector` on this CPU. ERR_NOENT: there is no I/O APIC for
 * it; ERR_RANGE: this CPU's APIC ID is too large for one. Boot CPU.
 */
enum err ioapic_isa_route(u8 irq, u8 vector) __must_check;

#endif
