/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing the other CPUs up. Boot CPU only, once, after apic_init() and tsc_init().
 */
#ifndef ARCH_X86_SMP_H
#define ARCH_X86_SMP_H

#include "arch/x86/types.h"
#include "core/lib/err.h"

/*
 * Start each CPU of `apic_ids` that is not this one, through code put into the page `trampoline`
 * (below 1 MiB, kept by the loader). A CPU that comes up sets its tables, per-CPU data, APIC and
 * FPU, turns interrupts on and calls `entry`, which does not return. One that does not come up
 * within its time is reported in the log and left out. Returns the number of CPUs on line.
 */
u32 smp_start(const u32 *apic_ids, u32 nr_ids, hpa_t trampoline, void (*entry)(void));

#endif
