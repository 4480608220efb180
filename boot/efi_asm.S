/* SPDX-License-Identifier: BSD-2-Clause */
	.text

/*
 * RDI = root table, RSI = entry, RDX = stack, RCX = bootinfo. NXE must be set before the tables
 * with NX bits are loaded; clearing PGE drops the firmware's global translations.
 */
	.globl asm_jump, asm_jump_start, asm_jump_end
	.hidden asm_jump, asm_jump_start, asm_jump_end
	.balign 64
asm_jump_start:
asm_jump:
	cli
	cld
	movq %rdx, %r8
	movq %rcx, %r9

	movl $0xc0000080, %ecx /* EFER */
	rdmsr
	btsl $11, %eax /* NXE */
	wrmsr

	movq %cr4, %rax
	btrq $7, %rax /* PGE */
	btsq $5, %rax /* PAE */
	movq %rax, %cr4
	movq %cr0, %rax
	btsq $16, %rax /* WP */
	movq %rax, %cr0

	movq %rdi, %cr3
	leaq -8(%r8), %rsp /* as if called: RSP + 8 is a multiple of 16 */
	movq %r9, %rdi
	xorl %ebp, %ebp
	jmp *%rsi
asm_jump_end:

	.section .note.GNU-stack, "", @progbits
