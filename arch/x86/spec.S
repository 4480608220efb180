/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pieces that sites are made of, in the order in which they run, and the thunks for indirect
 * branches. Pieces are copied and never run where they stand.
 */
#include "arch/x86/regs.h"
#include "arch/x86/spec.h"
#include "gen/arch/x86/offsets.h"

#define RSB_ENTRIES 16
#define SPEC_DO_RSB_ANY (SPEC_DO_RSB | SPEC_DO_RSB_MORE | SPEC_DO_RSB_ONE)
#define SPEC_DO_AT_EXIT (SPEC_DO_IBPB | SPEC_DO_RSB_ANY | SPEC_DO_IBRS | SPEC_DO_BHB)
#define BHB_ROUNDS 22 /* of 9 taken branches each: no CPU remembers as many as that makes */

	/* Up to the next one. The table is struct piece of spec_patch.c. */
	.macro PIECE actions, kinds
	.pushsection .rodata.spec_pieces, "a"
	.quad 773f
	.long \actions, \kinds
	.popsection
773:
	.endm
	.macro MSR_SET number, value
	movl $\number, %ecx
	movl \value, %eax
	xorl %edx, %edx
	wrmsr
	.endm
	.section .rodata.spec_pieces, "a"
	.globl spec_pieces
spec_pieces:
	.text
	PIECE SPEC_DO_IBRS, SPEC_AT_CTRL
	MSR_SET MSR_SPEC_CTRL, %gs:PERCPU_SPEC_GUEST

	/* The site's own instructions. */
	PIECE 0, -1

	/* Only the form with a memory operand clears buffers. */
	PIECE SPEC_DO_VERW, SPEC_AT_ENTRY
	verw spec_selector

	PIECE SPEC_DO_IBPB, SPEC_AT_EXIT | SPEC_AT_NMI
	MSR_SET MSR_PRED_CMD, $PRED_CMD_IBPB

	.irp action, SPEC_DO_RSB, SPEC_DO_RSB_MORE
	PIECE \action, SPEC_AT_EXIT | SPEC_AT_NMI
	.rept RSB_ENTRIES
	call 1f
	int3
1:
	.endr
	addq $8 * RSB_ENTRIES, %rsp
	.endr
	PIECE SPEC_DO_RSB_ONE, SPEC_AT_EXIT | SPEC_AT_NMI
	call 1f
	int3
1:	addq $8, %rsp

	/* Intel's alone. */
	PIECE SPEC_DO_IBRS, (SPEC_AT_VMX_EXIT & ~SPEC_AT_EXIT)
	movl $MSR_SPEC_CTRL, %ecx
	rdmsr
	movl %eax, %gs:PERCPU_SPEC_GUEST
	PIECE SPEC_DO_IBRS, SPEC_AT_NMI
	movl $MSR_SPEC_CTRL, %ecx
	rdmsr
	movl %eax, %r14d
	PIECE SPEC_DO_IBRS, (SPEC_AT_VMX_EXIT & ~SPEC_AT_EXIT) | SPEC_AT_NMI
	MSR_SET MSR_SPEC_CTRL, $SPEC_CTRL_IBRS

	PIECE SPEC_DO_BHB, SPEC_AT_EXIT | SPEC_AT_NMI
	movl $BHB_ROUNDS, %ecx
1:	.rept 8
	jmp 2f
2:
	.endr
	decl %ecx
	jnz 1b

	PIECE SPEC_DO_AT_EXIT, SPEC_AT_EXIT | SPEC_AT_NMI
	lfence

	PIECE SPEC_DO_IBRS, SPEC_AT_NMI_END
	MSR_SET MSR_SPEC_CTRL, %r14d

	PIECE 0, 0 /* the end */

/* Call and jump through a register, as gcc has it do: the guess leads into the loop. */
	.macro THUNK register
	.balign 32
	.globl __x86_indirect_thunk_\register
	.type __x86_indirect_thunk_\register, @function
__x86_indirect_thunk_\register:
	call 2f
1:	pause
	lfence
	jmp 1b
2:	movq %\register, (%rsp)
	ret
	int3
	.size __x86_indirect_thunk_\register, . - __x86_indirect_thunk_\register
	.endm

	.balign 32
	.globl spec_thunks
spec_thunks:
	.irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	THUNK \register
	.endr

	.section .iso.rodata, "a"
	.balign 2
spec_selector:
	.short SEL_DATA

	.section .note.GNU-stack, "", @progbits
