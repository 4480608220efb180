/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor: a few commands for the operator on the console. Runs on the boot CPU from the
 * console's timer, beside running guests.
 */
#ifndef CORE_MON_MONITOR_H
#define CORE_MON_MONITOR_H

#include "core/lib/types.h"

/* `end_run` is called by the command quit. Boot CPU, once. */
void monitor_init(u8 escape, void (*end_run)(void));

/* One byte of input. The escape character means that the monitor has just been entered. */
void monitor_input(u8 byte);

#endif
