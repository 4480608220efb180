/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not linked: compiled to assembly, from which the build makes gen/svm/offsets.h.
 */
#include "svm/vmcb.h"

#define OFFSET(name, type, member)                                                                 \
	__asm__ volatile("\n.ascii \"->" #name " %c0\"" : : "i"(offsetof(struct type, member)))

void offsets(void);

void offsets(void)
{
	OFFSET(VMCB_RAX, vmcb, rax);
	OFFSET(VMCB_EXIT_CODE, vmcb, exit_code);
	__asm__ volatile("\n.ascii \"->SVM_EXIT_INVALID %c0\"" : : "i"(-1));
}
