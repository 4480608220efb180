/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * V1: the window of the isolated tables. Isolated code may look through it at pages of the VM whose
 * vCPU is loaded, one at a time, with interrupts held back, and closes it before the vCPU enters.
 * The caller has seen that the page is of that VM, and that it stays so meanwhile (ISO-11).
 */
#ifndef ARCH_X86_ISO_WINDOW_H
#define ARCH_X86_ISO_WINDOW_H

#include "arch/x86/insn.h"
#include "arch/x86/iso.h"
#include "arch/x86/percpu.h"

#define ISO_WINDOW_ENTRY (BIT(63) | MASK(6, 5) | MASK(1, 0)) /* NX, D, A, W, P */

static inline __attribute__((always_inline)) void iso_window_set(const struct percpu *cpu,
								 u64 entry)
{
	cpu->iso_window[0] = entry;
	invlpg((const void *)ISO_WINDOW);
}

/* Look at `page`; returns where it appears, writable. `cpu` is this one. */
static inline __attribute__((always_inline)) void *iso_window_open(const struct percpu *cpu,
								   hpa_t page)
{
	iso_window_set(cpu, page.v | ISO_WINDOW_ENTRY);
	return (void *)ISO_WINDOW;
}

static inline __attribute__((always_inline)) void iso_window_close(const struct percpu *cpu)
{
	iso_window_set(cpu, 0);
}

#endif
