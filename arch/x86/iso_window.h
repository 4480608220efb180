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

static inline __attribute__((always_inline)) void iso_window_set(u64 entry)
{
	/* Not by way of GS, which may be the guest's. */
	const struct percpu *cpu = (const struct percpu *)ISO_SELF;

	cpu->iso_window[0] = entry;
	invlpg((const void *)ISO_WINDOW);
}

/* Look at `page`; returns where it appears, writable. */
static inline __attribute__((always_inline)) void *iso_window_open(hpa_t page)
{
	iso_window_set(page.v | ISO_WINDOW_ENTRY);
	return (void *)ISO_WINDOW;
}

static inline __attribute__((always_inline)) void iso_window_close(void)
{
	iso_window_set(0);
}

#endif
