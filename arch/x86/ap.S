/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a CPU starts after a start-up IPI: real mode, CS:IP = the trampoline page:0. smp.c copies
 * the bytes between ap_start and ap_end there and fills in the fields at ap_params. From real mode
 * straight to long mode on the host's tables, which map this page at its own address meanwhile.
 */
#include "arch/x86/regs.h"
#include "gen/arch/x86/offsets.h"

	.section .rodata.ap, "a"
	.balign 16
	.globl ap_start
ap_start:
	.code16
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl ap_gdtr - ap_start
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl ap_cr3 - ap_start, %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	movl $(EFER_LME | EFER_NXE), %eax
	xorl %edx, %edx
	wrmsr
	movl $(CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG), %eax
	movl %eax, %cr0
	ljmpl *(ap_jump - ap_start)

	.code64
ap_long:
	xorl %eax, %eax
	.irp segment, ds, es, ss, fs, gs
	movl %eax, %\segment
	.endr
	/* Whoever comes too late, after the boot CPU has given up on it, finds 0 and sleeps. */
	movq ap_claim(%rip), %rcx
	xchgl %eax, (%rcx)
	testl %eax, %eax
	jz ap_late
	movq ap_percpu(%rip), %rdi
	movl $MSR_GS_BASE, %ecx
	movl %edi, %eax
	movq %rdi, %rdx
	shrq $32, %rdx
	wrmsr
	movq ap_stack(%rip), %rsp
	xorl %ebp, %ebp
	pushq %rbp /* the return address that ap_main never uses; aligns the stack */
	jmpq *ap_entry(%rip)
ap_late:
	cli
	hlt
	jmp ap_late

	.balign 8
ap_gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.word 0
	.globl ap_gdtr
ap_gdtr:
	.word . - ap_gdt - 3
	.globl ap_gdt_base
ap_gdt_base:
	.long ap_gdt - ap_start /* plus the page's address */
	.globl ap_jump
ap_jump:
	.long ap_long - ap_start /* plus the page's address */
	.word SEL_CODE
	.balign 8
/* struct ap_params of smp.c */
	.globl ap_params
ap_params:
ap_entry:	.quad 0
ap_percpu:	.quad 0
ap_stack:	.quad 0
/* The page itself is read-only here, so the claim is reached through the direct map. */
ap_claim:	.quad 0
ap_cr3:		.long 0, 0
	.globl ap_end
ap_end:

	.section .note.GNU-stack, "", @progbits
