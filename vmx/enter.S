/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into a guest and out again: SDM "VM Entries", "VM Exits". The counterpart of svm/enter.S, step
 * for step. NMIs may come at any point; they run on a stack of their own.
 */
#include "arch/x86/iso_doors.h"
#include "gen/core/offsets.h"

	.section .iso.text, "ax"
	.balign 64
	.globl vmx_stay
	.type vmx_stay, @function
/*
 * enum next vmx_stay(struct vcpu_hot *hot): interrupts are off. On the isolated tables from door to
 * door; RBX is the vCPU's hot page. NEXT_AGAIN: a request was set, or timers are to be looked at.
 */
vmx_stay:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	movq %rdi, %rbx
	movq %rsp, HOT_HOST_RSP(%rbx)
	ISO_ENTER
	/*
	 * Mark, then look: XCHG is the full barrier between the two. vcpu_request() sets a request
	 * and then reads the mark. The epoch in bytes 2 and 3 tells one entry from the next.
	 */
1:	incw HOT_ENTRY_WORD+2(%rbx)
	movq HOT_ENTRY_WORD(%rbx), %rax
	xchgq %rax, HOT_MODE(%rbx) /* kick.pml: XCHG */
	cmpl $0, HOT_REQUESTS(%rbx) /* kick.pml: test */
	jne 3f
	/* Interrupts posted before the mark bring no notification: ON tells of them. */
	testb $1, HOT_POSTED_CONTROL(%rbx) /* posted.pml: test ON */
	jnz 3f
	movq HOT_GPRS+8*0(%rbx), %rax
	movq HOT_GPRS+8*1(%rbx), %rcx
	movq HOT_GPRS+8*2(%rbx), %rdx
	movq HOT_GPRS+8*5(%rbx), %rbp
	movq HOT_GPRS+8*6(%rbx), %rsi
	movq HOT_GPRS+8*7(%rbx), %rdi
	movq HOT_GPRS+8*8(%rbx), %r8
	movq HOT_GPRS+8*9(%rbx), %r9
	movq HOT_GPRS+8*10(%rbx), %r10
	movq HOT_GPRS+8*11(%rbx), %r11
	movq HOT_GPRS+8*12(%rbx), %r12
	movq HOT_GPRS+8*13(%rbx), %r13
	movq HOT_GPRS+8*14(%rbx), %r14
	movq HOT_GPRS+8*15(%rbx), %r15
	movq HOT_GPRS+8*3(%rbx), %rbx
	/* The first fails, without effect, for a VMCS that has not been launched yet. */
	vmresume /* kick.pml: entry */
	vmlaunch
	/* Both failed: not in the guest. */
	movq (%rsp), %rbx
	movb $0, HOT_MODE(%rbx) /* kick.pml: first store */
	movl $VMX_REASON_FAILED, HOT_EXIT_REASON(%rbx)
	movl $NEXT_SLOW, %eax
	jmp 4f

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
	leaq -HOT_GPRS(%rsp), %rbx
	movq HOT_HOST_RSP(%rbx), %rsp
	/* Nothing of the guest stays in a register. */
	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %ebp, %ebp
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d
	movq %rbx, %rdi
	call vmx_exit_fast
	testl %eax, %eax
	jnz 5f
	decl HOT_FAST_LEFT(%rbx)
	jnz 1b
	jmp 5f
3:	movb $0, HOT_MODE(%rbx) /* kick.pml: abandon */
	xorl %eax, %eax /* NEXT_AGAIN */
4:	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
5:	ISO_LEAVE
	popq %rdi
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	/* The handler of a fault in between has given up this vCPU: out, as it is. */
	.globl vmx_aborted
vmx_aborted:
	movq (%rsp), %rbx
	movb $0, HOT_MODE(%rbx)
	movl $NEXT_KILL, %eax
	jmp 4b
	.size vmx_stay, . - vmx_stay
