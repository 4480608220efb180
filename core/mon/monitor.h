/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor: commands for the operator on the console, core/mon/commands.def. Runs on the boot
 * CPU from the console's timer, beside running guests.
 */
#ifndef CORE_MON_MONITOR_H
#define CORE_MON_MONITOR_H

#include "core/lib/types.h"

/* `end_run` is called by the command quit. Boot CPU, once. */
void monitor_init(u8 escape, void (*end_run)(void));

/* For struct console_reader. */
void monitor_enter(void);
bool monitor_input(u8 byte);
void monitor_tick(void);

#endif
