/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's console: one serial line shared by Lamina's log, the guests' consoles and the
 * monitor. One guest is selected: what it prints appears, what the operator types goes to it. What
 * others print waits in a buffer until they are selected. The escape character changes between the
 * selected guest and the monitor. Output from any CPU and context; input is polled by a timer on
 * the boot CPU.
 */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include "core/lib/types.h"

struct vm;

/* The line behind the console. Calls are serialized but in a panic; none may log. */
struct console_line {
	void (*put)(u8 byte);
	int (*get)(void); /* a received byte, or -1 */
};

/* What gets the operator's input outside a guest, byte by byte. */
typedef void (*console_reader_fn)(u8 byte);

/*
 * Attach the serial line; from here on the log goes there. `escape` is the control character that
 * leaves a guest. Boot CPU, once.
 */
void console_init(const struct console_line *line, u8 escape);

/* Start polling for input; `monitor` reads it while no guest does. After timer_start(). */
void console_start(console_reader_fn monitor);

/* Give the console to VM `index`; false if there is none. Boot CPU. */
bool console_select(u32 index);

/* One byte that a guest sent to its first serial port. Caller holds vm->dev_lock. */
void console_guest_output(struct vm *vm, u8 byte);

/* Text of the monitor. */
void console_print(const char *fmt, ...) __printf(1, 2);

#endif
