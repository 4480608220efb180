/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's ELF file as a blob. The build gives its path: -DCORE_ELF='"path/to/core.elf"'.
 */
	.section .rodata
	.globl payload_start, payload_end
	.hidden payload_start, payload_end
	.balign 4096
payload_start:
	.incbin CORE_ELF
payload_end:

	.section .note.GNU-stack, "", @progbits
