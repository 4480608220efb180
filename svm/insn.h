/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SVM's instructions that C code uses. VMRUN is in enter.S. On a CPU with EFER.SVME set.
 */
#ifndef SVM_INSN_H
#define SVM_INSN_H

#include "core/lib/types.h"

/* Hold all interrupts back, NMIs too. */
static inline void clgi(void)
{
	__asm__ volatile("clgi" : : : "memory");
}

static inline void stgi(void)
{
	__asm__ volatile("stgi" : : : "memory");
}

/*
 * FS, GS, TR and LDTR with their hidden parts, KernelGSBase, STAR, LSTAR, CSTAR, SFMASK and the
 * SYSENTER MSRs: between this CPU and the VMCB at physical `vmcb_pa`.
 */
static inline void vmload(u64 vmcb_pa)
{
	__asm__ volatile("vmload %0" : : "a"(vmcb_pa) : "memory");
}

static inline void vmsave(u64 vmcb_pa)
{
	__asm__ volatile("vmsave %0" : : "a"(vmcb_pa) : "memory");
}

#endif
