/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot protocols to C in 64-bit mode: multiboot 1 and PVH both start in 32-bit protected
 * mode. All of the first 4 GiB is mapped to itself. And the way of the other CPUs, from real mode.
 */
	.set AP_BASE, 0x8000 /* where ap_start is copied to */

#ifndef PVH_ONLY
	.section .multiboot, "a"
	.balign 4
	.long 0x1badb002, 0, -0x1badb002
#endif

	.section .note.pvh, "a", @note
	.long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	cli
	cld
	movl $stack_top, %esp
	movl %eax, boot_magic
	movl %ebx, boot_info
	call long_mode_enter
	movw $0x10, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	ljmp $0x08, $1f
	.code64
1:	movq $stack_top, %rsp
	xorl %ebp, %ebp
	call guest_start
2:	hlt
	jmp 2b

	/* Paging and long mode on; the caller's next jump is to 64-bit code. */
	.code32
long_mode_enter:
	lgdt gdt_pointer
	movl %cr4, %eax
	orl $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
	movl %eax, %cr4
	movl $pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x901, %eax /* NXE, LME, SCE */
	wrmsr
	movl %cr0, %eax
	andl $~0x6000000c, %eax /* CD, NW, TS, EM */
	orl $0x80010002, %eax /* PG, WP, MP */
	movl %eax, %cr0
	ret

	/* Copied to AP_BASE. A start-up IPI starts it with CS = AP_BASE >> 4, IP = 0. */
	.code16
	.globl ap_start, ap_start_end
ap_start:
	cli
	movw %cs, %ax
	movw %ax, %ds
	movw %ax, ap_cs - ap_start
	lgdtl ap_gdt_pointer - ap_start
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $0x18, $ap_start32
	.balign 4
ap_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
	/* What the CPU's CS was, for a test. */
	.globl ap_cs
ap_cs:	.word 0
ap_start_end:

	.code32
ap_start32:
	movw $0x10, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl ap_stack, %esp
	call long_mode_enter
	ljmp $0x08, $1f
	.code64
1:	movl ap_stack(%rip), %esp
	xorl %ebp, %ebp
	call ap_main
2:	hlt
	jmp 2b

	/* 256 stubs of 16 bytes: error code or 0, then the vector. */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if vector >= 32
	pushq $0
	.elseif ((0x60227d00 >> vector) & 1) == 0
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

trap_common:
	cld
	.irp reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	pushq %\reg
	.endr
	movq %rsp, %rdi
	movq %rsp, %rbp
	andq $-16, %rsp
	call trap
	movq %rbp, %rsp
	.irp reg, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	popq %\reg
	.endr
	addq $16, %rsp
	iretq

	.data
	.balign 16
	.globl gdt
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff /* 0x10: data */
	.quad 0x00cf9b000000ffff /* 0x18: 32-bit code */
	.quad 0x00cff3000000ffff /* 0x20: user data */
	.quad 0x00affb000000ffff /* 0x28: user 64-bit code */
	.quad 0, 0 /* 0x30: TSS */
	.quad 0x00cf13000000ffff /* 0x40: data, not present */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
	.globl ap_stack, boot_magic, boot_info
	.balign 4
ap_stack:
	.long 0
boot_magic:
	.long 0
boot_info:
	.long 0

	.balign 4096
	.globl pml4
pml4:	.quad pdpt + 7
	.fill 511, 8, 0
pdpt:	.quad pd + 7, pd + 0x1007, pd + 0x2007, pd + 0x3007
	.fill 508, 8, 0
	.globl pd
pd:
	.set page, 0
	.rept 2048
	.quad page * 0x200000 + 0x87
	.set page, page + 1
	.endr

	.bss
	.balign 4096
	.skip 65536
	.globl stack_top
stack_top:
	.section .note.GNU-stack, "", @progbits
