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
	/* RSP is all that the way out has: GS is still the guest's then. */
	pushq %rdi
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
3:	vmrun %rax /* kick.pml: entry */
	/* The first store of every way out, refused entries included: not in the guest. */
	movq (%rsp), %rax
	movb $0, HOT_MODE(%rax) /* kick.pml: first store */
	movq %rcx, HOT_GPRS+8*1(%rax)
	movq %rdx, HOT_GPRS+8*2(%rax)
	movq %rbx, HOT_GPRS+8*3(%rax)
	movq %rbp, HOT_GPRS+8*5(%rax) /* RSP is in the VMCB */
	movq %rsi, HOT_GPRS+8*6(%rax)
	movq %rdi, HOT_GPRS+8*7(%rax)
	movq %r8, HOT_GPRS+8*8(%rax)
	movq %r9, HOT_GPRS+8*9(%rax)
	movq %r10, HOT_GPRS+8*10(%rax)
	movq %r11, HOT_GPRS+8*11(%rax)
	movq %r12, HOT_GPRS+8*12(%rax)
	movq %r13, HOT_GPRS+8*13(%rax)
	movq %r14, HOT_GPRS+8*14(%rax)
	movq %r15, HOT_GPRS+8*15(%rax)
	movq HOT_VMCB(%rax), %rbx
	movq VMCB_RAX(%rbx), %rcx
	movq %rcx, HOT_GPRS+8*0(%rax)
	/* Nothing of the guest stays in a register. */
4:	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	xorl %eax, %eax
	jmp 2f
1:	movb $0, HOT_MODE(%rdi) /* kick.pml: abandon */
	movl $1, %eax
2:	popq %rcx /* the vCPU */
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	/*
	 * VMRUN itself has faulted: a way out like the others, as if the CPU had refused the state.
	 * GIF is still 0; the fault's frame was on the host's stack.
	 */
5:	movq (%rsp), %rax
	movb $0, HOT_MODE(%rax) /* kick.pml: first store */
	movq HOT_VMCB(%rax), %rax
	movq $SVM_EXIT_INVALID, VMCB_EXIT_CODE(%rax)
	jmp 4b
	.size svm_enter, . - svm_enter

	.section .ex_table, "a"
	.balign 4
	.long 3b - ., 5b - .
