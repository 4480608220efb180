/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into a guest and out again: APM volume 2, "VMRUN Instruction". The counterpart of
 * vmx/enter.S, step for step.
 */
#include "arch/x86/iso_doors.h"
#include "arch/x86/spec.h"
#include "gen/core/offsets.h"
#include "gen/svm/offsets.h"

	.section .iso.text, "ax"
	.balign 64
	.globl svm_stay
	.type svm_stay, @function
/*
 * enum next svm_stay(struct vcpu_hot *hot): interrupts are on. NEXT_AGAIN: a request was set.
 *
 * On the isolated tables from door to door; RBX is the vCPU's hot page. While exits are handled
 * there, RBP and R12 to R15 keep the guest's values, since C saves what it uses of them, and no
 * secret is in reach. At the door out no register has anything of the guest's any more. GIF is 0
 * all the while, so nothing needs the host's FS, GS and TR: they come back only at the end. With
 * V_INTR_MASKING the host's RFLAGS.IF = 1 at VMRUN is what lets a host interrupt end the run.
 */
svm_stay:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	/* RSP is all that the way out has: GS is still the guest's then. */
	pushq %rdi
	movq %rdi, %rbx
	movq %rsp, HOT_HOST_RSP(%rbx)
	clgi
	ISO_ENTER
	movq HOT_VMCB_PA(%rbx), %rax
	vmload %rax
	movq HOT_GPRS+8*5(%rbx), %rbp
	movq HOT_GPRS+8*12(%rbx), %r12
	movq HOT_GPRS+8*13(%rbx), %r13
	movq HOT_GPRS+8*14(%rbx), %r14
	movq HOT_GPRS+8*15(%rbx), %r15
	/*
	 * Mark, then look: XCHG is the full barrier between the two. vcpu_request() sets a request
	 * and then reads the mark. The epoch in bytes 2 and 3 tells one entry from the next.
	 */
1:	movq HOT_VMCB(%rbx), %rsi
	movq HOT_GPRS+8*0(%rbx), %rcx
	movq %rcx, VMCB_RAX(%rsi)
	incw HOT_ENTRY_WORD+2(%rbx)
	movq HOT_ENTRY_WORD(%rbx), %rax
	xchgq %rax, HOT_MODE(%rbx) /* kick.pml: XCHG */
	cmpl $0, HOT_REQUESTS(%rbx) /* kick.pml: test */
	jne 2f
	movq HOT_VMCB_PA(%rbx), %rax
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
3:	vmrun %rax /* kick.pml: entry */
	/* The first store of every way out, refused entries included: not in the guest. */
	movq (%rsp), %rax
	movb $0, HOT_MODE(%rax) /* kick.pml: first store */
	movq %rcx, HOT_GPRS+8*1(%rax)
	movq %rdx, HOT_GPRS+8*2(%rax)
	movq %rbx, HOT_GPRS+8*3(%rax) /* RSP is in the VMCB */
	movq %rsi, HOT_GPRS+8*6(%rax)
	movq %rdi, HOT_GPRS+8*7(%rax)
	movq %r8, HOT_GPRS+8*8(%rax)
	movq %r9, HOT_GPRS+8*9(%rax)
	movq %r10, HOT_GPRS+8*10(%rax)
	movq %r11, HOT_GPRS+8*11(%rax)
	movq %rax, %rbx
	movq HOT_VMCB(%rbx), %rsi
	movq VMCB_RAX(%rsi), %rcx
	movq %rcx, HOT_GPRS+8*0(%rbx)
4:	movq %rbx, %rdi
	call svm_exit_fast
	testl %eax, %eax
	jz 1b
	movl %eax, %edi
	cmpl $NEXT_OPEN, %eax
	jne 6f
	/* The interrupt or NMI that ended the run is taken here: the stubs are isolated code. */
	movq HOT_VMCB_PA(%rbx), %rax
	vmsave %rax
	movq HOT_HOST_VMCB_PA(%rbx), %rax
	vmload %rax
	stgi
	nop
	clgi
	movq HOT_VMCB_PA(%rbx), %rax
	vmload %rax
	jmp 1b
2:	movb $0, HOT_MODE(%rbx) /* kick.pml: abandon */
	movq HOT_VMCB(%rbx), %rsi
	movq %rbx, %rdi
	call svm_request_fast
	testl %eax, %eax
	jz 1b
	xorl %edi, %edi /* NEXT_AGAIN */
6:	movq %rbp, HOT_GPRS+8*5(%rbx)
	movq %r12, HOT_GPRS+8*12(%rbx)
	movq %r13, HOT_GPRS+8*13(%rbx)
	movq %r14, HOT_GPRS+8*14(%rbx)
	movq %r15, HOT_GPRS+8*15(%rbx)
	movl %edi, %ebp
7:	movq HOT_VMCB_PA(%rbx), %rax
	vmsave %rax
	movq HOT_HOST_VMCB_PA(%rbx), %rax
	vmload %rax
	/* Nothing of the guest stays in a register. */
	xorl %eax, %eax
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
	SPEC_BEGIN SPEC_AT_EXIT
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	SPEC_END
	movl %ebp, %eax
	ISO_LEAVE
	/* A host interrupt or NMI that ended the run is taken here. */
	stgi
	popq %rdi
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
5:	movq (%rsp), %rbx
	movb $0, HOT_MODE(%rbx) /* kick.pml: first store */
	movq HOT_VMCB(%rbx), %rsi
	movq $SVM_EXIT_INVALID, VMCB_EXIT_CODE(%rsi)
	jmp 4b
	/* The handler of a fault in between has given up this vCPU: out, as it is. */
	.globl svm_aborted
svm_aborted:
	movq (%rsp), %rbx
	movb $0, HOT_MODE(%rbx)
	movl $NEXT_KILL, %ebp
	jmp 7b
	.size svm_stay, . - svm_stay

	.section .ex_table, "a"
	.balign 4
	.long 3b - ., 5b - .
