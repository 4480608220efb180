/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SVM's instruction that C code uses. The others are in enter.S. On a CPU with EFER.SVME set.
 */
#ifndef SVM_INSN_H
#define SVM_INSN_H

#include "core/lib/types.h"

/*
 * FS, GS, TR and LDTR with their hidden parts, KernelGSBase, STAR, LSTAR, CSTAR, SFMASK and the
 * SYSENTER MSRs: from this CPU into the VMCB at physical `vmcb_pa`.
 */
static inline void vmsave(u64 vmcb_pa)
{
	__asm__ volatile("vmsave %0" : : "a"(vmcb_pa) : "memory");
}

#endif
