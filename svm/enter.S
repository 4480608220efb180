/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into a guest and out again: APM volume 2, "VMRUN Instruction". The counterpart of
 * vmx/enter.S, step for step.
 */
#include "gen/core/offsets.h"
#include "gen/svm/offsets.h"

	.section .iso.text, "ax"
	.balign 64
	.globl svm_enter
	.type svm_enter, @function
/*
 * bool svm_enter(struct vcpu_hot *hot): GIF is 0, RFLAGS.IF is 1, the guest's VMLOAD state is in
 * the CPU.
 */
svm_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, HOT_HOST_RSP(%rdi)
	movq HOT_VMCB(%rdi), %rbx
	movq HOT_GPRS+8*0(%rdi), %rcx
	movq %rcx, VMCB_RAX(%rbx)
	/*
	 * Mark, then look: XCHG is the full barrier between the two. vcpu_request() sets a request
	 * and then reads the mark. The epoch in bytes 2 and 3 tells one entry from the next.
	 */
	incw HOT_ENTRY_WORD+2(%rdi)
	movq HOT_ENTRY_WORD(%rdi), %rax
	xchgq %rax, HOT_MODE(%rdi) /* kick.pml: XCHG */
	cmpl $0, HOT_REQUESTS(%rdi) /* kick.pml: test */
	jne 1f
	movq HOT_VMCB_PA(%rdi), %rax
	leaq HOT_MODE(%rdi), %rsp
	movq HOT_GPRS+8*1(%rdi), %rcx
	movq HOT_GPRS+8*2(%rdi), %rdx
	movq HOT_GPRS+8*3(%rdi), %rbx
	movq HOT_GPRS+8*5(%rdi), %rbp
	movq HOT_GPRS+8*6(%rdi), %rsi
	movq HOT_GPRS+8*8(%rdi), %r8
	movq HOT_GPRS+8*9(%rdi), %r9
	movq HOT_GPRS+8*10(%rdi), %r10
	movq HOT_GPRS+8*11(%rdi), %r11
	movq HOT_GPRS+8*12(%rdi), %r12
	movq HOT_GPRS+8*13(%rdi), %r13
	movq HOT_GPRS+8*14(%rdi), %r14
	movq HOT_GPRS+8*15(%rdi), %r15
	movq HOT_GPRS+8*7(%rdi), %rdi
	vmrun %rax /* kick.pml: entry */
	/* The first store of every way out, refused entries included: not in the guest. */
	movb $0, (%rsp) /* kick.pml: first store */
	pushq %r15
	pushq %r14
	pushq %r13
	pushq %r12
	pushq %r11
	pushq %r10
	pushq %r9
	pushq %r8
	pushq %rdi
	pushq %rsi
	pushq %rbp
	pushq $0 /* RSP is in the VMCB */
	pushq %rbx
	pushq %rdx
	pushq %rcx
	leaq -(8 + HOT_GPRS)(%rsp), %rdi
	movq HOT_HOST_RSP(%rdi), %rsp
	movq HOT_VMCB(%rdi), %rbx
	movq VMCB_RAX(%rbx), %rcx
	movq %rcx, HOT_GPRS+8*0(%rdi)
	/* Nothing of the guest stays in a register. */
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	xorl %eax, %eax
	jmp 2f
1:	movb $0, HOT_MODE(%rdi) /* kick.pml: abandon */
	movl $1, %eax
2:	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.size svm_enter, . - svm_enter
