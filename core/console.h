/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's console: one serial line shared by Lamina's log, the guests' consoles and the
 * monitor. One guest is selected: what it prints appears, what the operator types goes to it. The
 * last 64 KiB of each guest are kept; what it printed unseen is shown when it is selected. The
 * escape character changes between the selected guest and the monitor. Output from any CPU and
 * context; input is taken by an interrupt of the boot CPU, by a timer there, and by everybody who
 * waits for the line.
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

/* What gets the operator's input outside a guest, byte by byte. Called on the boot CPU. */
struct console_reader {
	void (*enter)(void); /* it has got the console */
	bool (*input)(u8 byte); /* false: cannot take it now, again at the next poll */
	void (*tick)(void); /* at every poll */
};

/*
 * Attach the serial line; from here on the log goes there. `escape` is the control character that
 * leaves a guest. Boot CPU, once.
 */
void console_init(const struct console_line *line, u8 escape);

/* Start polling for input; `monitor`, which lasts, reads it while no guest does. */
void console_start(const struct console_reader *monitor);

/* The line has received something, or is about to. In an interrupt handler of the boot CPU. */
void console_interrupt(void);

/* The console for VM `index`, or for the one that had it last; false: there is none. Boot CPU. */
bool console_select(u32 index);
bool console_select_last(void);

/* One byte that a guest sent to its first serial port. Caller holds vm->dev_lock. */
void console_guest_output(struct vm *vm, u8 byte);

/* Show the last `nr_lines` lines of a guest, as far as they are kept, marked "(name)". Boot CPU. */
void console_lines(const struct vm *vm, u64 nr_lines);

/* Text of the monitor. */
void console_print(const char *fmt, ...) __printf(1, 2);

#endif
