/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's console: one serial line shared by Lamina's log, the guests' consoles and the
 * monitor. Ctrl-] changes between the selected guest and the monitor. Output from any CPU; input
 * is polled by a timer on the boot CPU.
 */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include "core/lib/types.h"

struct vm;

/* Find the host's serial line and debug port; from here on the log goes there. Boot CPU, once. */
void console_init(void);

/* Start polling for input. After the timers work. */
void console_start(void);

/* One byte that a guest sent to its first serial port. Caller holds vm->dev_lock. */
void console_guest_output(struct vm *vm, u8 byte);

/* Text of the monitor. */
void console_print(const char *fmt, ...) __printf(1, 2);

#endif
