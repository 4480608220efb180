/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floating-point and vector state. The host's code never uses it (it is compiled for general
 * registers only), so the registers always hold a guest's state while one is loaded. Saving and
 * restoring uses XSAVE with XCR0 = all that host and Lamina know, or FXSAVE on old CPUs.
 */
#ifndef ARCH_X86_FPU_H
#define ARCH_X86_FPU_H

#include "core/lib/types.h"

/* Find the components; set CR0, CR4 and XCR0. Boot CPU, once, after cpu_init(). */
void fpu_init(void);

/* The same settings on one more CPU. */
void fpu_enable(void);

/* All XCR0 bits that guests may be given; 0 without XSAVE. */
u64 fpu_xcr0_max(void);

/* Bytes of a save area for fpu_xcr0_max(); areas are 64-byte aligned. */
u32 fpu_area_bytes(void);

/* Make `area` hold the state after RESET. */
void fpu_area_init(void *area);

/*
 * Registers to memory and back. The caller sets XCR0 to fpu_xcr0_max() around them when a guest's
 * value is loaded. fpu_restore() of an area written by fpu_save() or fpu_area_init() cannot fail;
 * an invalid area panics. On the CPU that runs the vCPU.
 */
void fpu_save(void *area);
void fpu_restore(const void *area);

/* May XCR0 be `value`? Only bits of fpu_xcr0_max(), x87 set, AVX needs SSE, AVX-512 all or none. */
bool fpu_xcr0_is_valid(u64 value);

/* Load XCR0; `value` passed fpu_xcr0_is_valid(). Nothing happens without XSAVE. */
void fpu_xcr0_load(u64 value);

#endif
