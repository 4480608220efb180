/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into a guest and out again: SDM "VM Entries", "VM Exits". The counterpart of svm/enter.S, step
 * for step. NMIs may come at any point; they run on a stack of their own.
 */
#include "gen/core/offsets.h"

	.section .iso.text, "ax"
	.balign 64
	.globl vmx_enter
	.type vmx_enter, @function
/* enum vmx_entered vmx_enter(struct vcpu_hot *hot): interrupts are off. */
vmx_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	movq %rsp, HOT_HOST_RSP(%rdi)
	/*
	 * Mark, then look: XCHG is the full barrier between the two. vcpu_request() sets a request
	 * and then reads the mark. The epoch in bytes 2 and 3 tells one entry from the next.
	 */
	incw HOT_ENTRY_WORD+2(%rdi)
	movq HOT_ENTRY_WORD(%rdi), %rax
	xchgq %rax, HOT_MODE(%rdi) /* kick.pml: XCHG */
	cmpl $0, HOT_REQUESTS(%rdi) /* kick.pml: test */
	jne 1f
	/* Interrupts posted before the mark bring no notification: ON tells of them. */
	testb $1, HOT_POSTED_CONTROL(%rdi) /* posted.pml: test ON */
	jnz 1f
	movq HOT_GPRS+8*0(%rdi), %rax
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
	/* The first fails, without effect, for a VMCS that has not been launched yet. */
	vmresume /* kick.pml: entry */
	vmlaunch
	/* Both failed: not in the guest. */
	movq (%rsp), %rdi
	movb $0, HOT_MODE(%rdi) /* kick.pml: first store */
	movl $2, %eax
	jmp 2f

	.globl vmx_exit
vmx_exit:
	/* HOST_RSP is the mark's address. The first store of every exit: not in the guest. */
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
	pushq $0 /* RSP is in the VMCS */
	pushq %rbx
	pushq %rdx
	pushq %rcx
	pushq %rax
	leaq -HOT_GPRS(%rsp), %rdi
	movq HOT_HOST_RSP(%rdi), %rsp
	xorl %eax, %eax
	jmp 2f
1:	movb $0, HOT_MODE(%rdi) /* kick.pml: abandon */
	movl $1, %eax
	/* Nothing of the guest stays in a register. */
2:	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	popq %rdi
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.size vmx_enter, . - vmx_enter
