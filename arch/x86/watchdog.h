/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog: every CPU looks once a second whether its neighbour still does the same. One that
 * has not for WATCHDOG_SECONDS is reported with a backtrace of every CPU, taken by NMI; all go on
 * afterwards. Needs no performance counters, costs an exit nothing, and finds both a CPU with
 * interrupts off and one that loops with interrupts on. A machine with one CPU has no neighbour.
 */
#ifndef ARCH_X86_WATCHDOG_H
#define ARCH_X86_WATCHDOG_H

#include "core/lib/types.h"

struct trap_frame;

#define WATCHDOG_SECONDS 10

/* This CPU does its work. From a timer about once a second, interrupts on, no lock held. */
void watchdog_beat(void);

/* From the NMI handler: note where this CPU is if the watchdog asks. Did it? */
bool watchdog_nmi(const struct trap_frame *frame);

#endif
