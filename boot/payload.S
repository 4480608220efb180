/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's ELF file as a blob. The build gives its path: -DCORE_ELF='"path/to/core.elf"'.
 */
	.section .rodata
	.globl payload_start
	.hidden payload_start
	.balign 4096
payload_start:
	.incbin CORE_ELF

	.section .note.GNU-stack, "", @progbits
