/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's parts in the order in which they need each other. Boot CPU, at boot: first
 * machine_early(), then consoles that need nothing but ports, then machine_init(), then
 * smp_start(). Interrupts stay off; whoever starts the timers turns them on.
 */
#ifndef ARCH_X86_MACHINE_H
#define ARCH_X86_MACHINE_H

#include "arch/x86/page.h"
#include "core/lib/err.h"

/* What the loader knows, without its types. */
struct machine_setup {
	const struct mem_range *ranges; /* sorted, without overlap */
	u32 nr_ranges;
	hpa_t image; /* where the core lies */
	u64 image_bytes;
	u64 rsdp; /* 0: none */
	u64 tsc_hz; /* firmware's hint, 0: none */
};

/* CPU features, exceptions, log hooks. Cannot fail. */
void machine_early(void);

/*
 * Memory, own page tables, stacks for interrupts, FPU, ACPI, time, local APIC. What fails is
 * logged; nothing of it can be left out.
 */
enum err machine_init(const struct machine_setup *setup) __must_check;

#endif
