/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first instructions of the core, and the stubs behind the IDT.
 */
#include "arch/x86/iso_doors.h"
#include "arch/x86/regs.h"
#include "arch/x86/spec.h"
#include "gen/arch/x86/offsets.h"

	.macro gs_base_set base
	movl $MSR_GS_BASE, %ecx
	movq \base, %rax
	movq %rax, %rdx
	shrq $32, %rdx
	wrmsr
	.endm

	.section .text.start, "ax"
	.globl _start
	.type _start, @function
/* From the loader, with the address of struct bootinfo in RDI: see boot/bootinfo.h. */
_start:
	cli
	cld
	gs_base_set $percpu_boot
	leaq boot_stack_end(%rip), %rsp
	xorl %ebp, %ebp
	call core_main
1:	cli
	hlt
	jmp 1b
	.size _start, . - _start

/*
 * The stubs and what stands between them and C are mapped on the isolated tables too; the C code is
 * not, so CR3 changes on the way and is put back to exactly what it was (ISO-10).
 *
 * 256 stubs, 16 bytes apart. The CPU has aligned the stack to 16 and pushed 5 words, with some
 * exceptions a sixth; the vector and 15 registers complete struct trap_frame, and RSP is aligned
 * again.
 */
	.section .iso.text, "ax"
	.balign 16
	.globl trap_stubs
	.type trap_stubs, @function
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if vector >= 32
	pushq $0
	.elseif ((EXC_WITH_ERROR_CODE >> vector) & 1) == 0
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr
	.size trap_stubs, . - trap_stubs

	.macro registers_push
	cld
	.irp r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	pushq %\r
	.endr
	.endm

	.macro registers_pop_iret
	.irp r, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	popq %\r
	.endr
	addq $16, %rsp
	iretq
	.endm

	.type trap_common, @function
trap_common:
	registers_push
	movq %cr3, %rbx
	movq iso_full_root(%rip), %rax
	cmpq %rax, %rbx
	je 1f
	testq %rax, %rax
	jnz trap_isolated
1:	movq %rsp, %rdi
	call trap_handle
	registers_pop_iret
	.size trap_common, . - trap_common

	.macro gs_base_swap new, old
	movl $MSR_GS_BASE, %ecx
	rdmsr
	movl %eax, \old\()d
	shlq $32, %rdx
	orq %rdx, \old
	gs_base_set \new
	.endm

/*
 * On the isolated tables, which map struct percpu at ISO_SELF: with a fault GS may be the guest's.
 * Kicks and notifications are done with there.
 */
	.type trap_isolated, @function
trap_isolated:
	movzbl TRAP_FRAME_VECTOR(%rsp), %edi
	cmpl $IRQ_FIRST, %edi
	jb 1f
	call request_interrupt_fast
	testb %al, %al
	jnz 2f
1:	movabsq $ISO_SELF, %rax
	movq (%rax), %r13
	gs_base_swap %r13, %r12
	movq %gs:PERCPU_FULL_CR3, %rax
	movq %rax, %cr3
	movq %rsp, %rdi
	call iso_trap
	movq %gs:PERCPU_ISO_CR3, %rax
	movq %rax, %cr3
	gs_base_set %r12
2:	registers_pop_iret
	.size trap_isolated, . - trap_isolated

/*
 * NMI, #DF and #MC can hit anywhere, so they trust no register and not GS: the word above the
 * frame, at the top of their own stack, is the address of this CPU's struct percpu. GS base and
 * CR3 are restored. They may come before the way out of a guest has done what arch/x86/spec.h says.
 */
	.type trap_paranoid, @function
trap_paranoid:
	SPEC_BEGIN SPEC_AT_NMI
	registers_push
	SPEC_END
	gs_base_swap TRAP_FRAME_BYTES(%rsp), %r12
	movq %cr3, %rbx
	movq iso_full_root(%rip), %r13
	cmpq %r13, %rbx
	je 1f
	movq %gs:PERCPU_FULL_CR3, %rax
	movq %rax, %cr3
1:	movq %rsp, %rdi
	call trap_handle
	SPEC_BEGIN SPEC_AT_NMI_END
	.nops SPEC_JUMP_BYTES
	SPEC_END
	cmpq %r13, %rbx
	je 2f
	movq %gs:PERCPU_ISO_CR3, %rax
	movq %rax, %cr3
2:	gs_base_set %r12
	registers_pop_iret
	.size trap_paranoid, . - trap_paranoid

	.macro stub_paranoid name, vector
	.globl \name
	.type \name, @function
\name:
	.if ((EXC_WITH_ERROR_CODE >> \vector) & 1) == 0
	pushq $0
	.endif
	pushq $\vector
	jmp trap_paranoid
	.size \name, . - \name
	.endm

	stub_paranoid trap_stub_nmi, EXC_NMI
	stub_paranoid trap_stub_df, EXC_DF
	stub_paranoid trap_stub_mc, EXC_MC

/* The boot CPU's stack; the page below it is not mapped (arch/x86/pt_host.c). */
	.section .bss.boot_stack, "aw", @nobits
	.balign 4096
	.globl boot_stack_guard
boot_stack_guard:
	.skip 4096
	.globl boot_stack_start
boot_stack_start:
	.skip BOOT_STACK_BYTES
	.globl boot_stack_end
boot_stack_end:

	.section .note.GNU-stack, "", @progbits
