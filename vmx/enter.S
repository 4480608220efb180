/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into a guest and out again: SDM "VM Entries", "VM Exits". The counterpart of svm/enter.S, step
 * for step. NMIs may come at any point; they run on a stack of their own.
 */
#include "arch/x86/iso_doors.h"
#include "arch/x86/spec.h"
#include "gen/core/offsets.h"

	.section .iso.text, "ax"
	.balign 64
	.globl vmx_stay
	.type vmx_stay, @function
/*
 * enum next vmx_stay(struct vcpu_hot *hot): interrupts are off. NEXT_AGAIN: a request was set, or
 * timers are to be looked at.
 *
 * On the isolated tables from door to door; RBX is the vCPU's hot page. While exits are handled
 * there, RBP and R12 to R15 keep the guest's values, since C saves what it uses of them, and no
 * secret is in reach. At the door out no register has anything of the guest's any more.
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
	SPEC_BEGIN SPEC_AT_CTRL
	movq HOT_GPRS+8*5(%rbx), %rbp
	movq HOT_GPRS+8*12(%rbx), %r12
	SPEC_END
	movq HOT_GPRS+8*13(%rbx), %r13
	movq HOT_GPRS+8*14(%rbx), %r14
	movq HOT_GPRS+8*15(%rbx), %r15
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
	movq HOT_GPRS+8*6(%rbx), %rsi
	movq HOT_GPRS+8*7(%rbx), %rdi
	movq HOT_GPRS+8*8(%rbx), %r8
	movq HOT_GPRS+8*9(%rbx), %r9
	movq HOT_GPRS+8*10(%rbx), %r10
	SPEC_BEGIN SPEC_AT_ENTRY
	movq HOT_GPRS+8*11(%rbx), %r11
	movq HOT_GPRS+8*3(%rbx), %rbx
	SPEC_END
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
	movq %rbx, HOT_GPRS+8*3-HOT_MODE(%rsp)
	leaq -HOT_MODE(%rsp), %rbx /* RSP is in the VMCS */
	movq HOT_HOST_RSP(%rbx), %rsp
	movq %rax, HOT_GPRS+8*0(%rbx)
	movq %rcx, HOT_GPRS+8*1(%rbx)
	movq %rdx, HOT_GPRS+8*2(%rbx)
	movq %rsi, HOT_GPRS+8*6(%rbx)
	movq %rdi, HOT_GPRS+8*7(%rbx)
	movq %r8, HOT_GPRS+8*8(%rbx)
	movq %r9, HOT_GPRS+8*9(%rbx)
	movq %r10, HOT_GPRS+8*10(%rbx)
	movq %r11, HOT_GPRS+8*11(%rbx)
	movq %rbx, %rdi
	call vmx_exit_fast
	testl %eax, %eax
	jz 1b
	jmp 4f
3:	movb $0, HOT_MODE(%rbx) /* kick.pml: abandon */
	movq %rbx, %rdi
	call vmx_request_fast
	testl %eax, %eax
	jz 1b
	xorl %eax, %eax /* NEXT_AGAIN */
4:	movq %rbp, HOT_GPRS+8*5(%rbx)
	movq %r12, HOT_GPRS+8*12(%rbx)
	movq %r13, HOT_GPRS+8*13(%rbx)
	movq %r14, HOT_GPRS+8*14(%rbx)
	movq %r15, HOT_GPRS+8*15(%rbx)
	movl %eax, %ebp
	/* Nothing of the guest stays in a register. */
5:	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %ebx, %ebx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d
	SPEC_BEGIN SPEC_AT_VMX_EXIT
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	SPEC_END
	movl %ebp, %eax
	ISO_LEAVE
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
	movl $NEXT_KILL, %ebp
	jmp 5b
	.size vmx_stay, . - vmx_stay
