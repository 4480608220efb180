/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of the host's consoles as one: what is put goes to each, what is got comes from any. They are
 * 16550 lines at the legacy ports, on PCI cards and where ACPI says, the emulators' debug port, and
 * the framebuffer. What does not answer is not used, and no wait is without bound.
 *
 * The second legacy port, 0x2f8, is left to a debugger, unless ACPI names it or it is the only one.
 */
#ifndef DRIVERS_HOSTCON_H
#define DRIVERS_HOSTCON_H

#include "drivers/fbcon.h"

/* Find what needs nothing but the old ports. Boot CPU; the log comes here already. */
void hostcon_find_early(void);

/*
 * Find the others, once memory can be mapped and ACPI's tables are read; each shows the log so far.
 * `screen` may be NULL. Boot CPU, once.
 */
void hostcon_find_late(const struct fbcon_screen *screen);

/* Is the 16550 at `port` one of them? */
bool hostcon_has_port(u16 port);

/*
 * The first legacy line, which nearly every operator uses, raises `vector` on this CPU when it has
 * received something, if the machine's tables say how; the others are polled. Boot CPU.
 */
void hostcon_irq_on(u8 vector);

/* Put one byte; calls are serialized but in a panic. */
void hostcon_put(u8 byte);

/* A received byte, or -1; serialized with hostcon_put(). */
int hostcon_get(void);

#endif
