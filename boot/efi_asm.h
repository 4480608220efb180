/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions that C has no word for, and the jump to the core. System V calls, no state.
 */
#ifndef BOOT_EFI_ASM_H
#define BOOT_EFI_ASM_H

#include <stdint.h>

uint8_t asm_in8(uint16_t port);
void asm_out8(uint16_t port, uint8_t value);

/* RDMSR: the caller has checked that the register exists. */
uint64_t asm_rdmsr(uint32_t msr);

uint64_t asm_read_cr4(void);

/*
 * After ExitBootServices: load `root_table`, the stack and RDI, and go to `entry`. The code between
 * asm_jump_start and asm_jump_end is mapped at its own address by `root_table`.
 */
void asm_jump(uint64_t root_table, uint64_t entry_virt, uint64_t stack_virt, uint64_t info_virt)
	__attribute__((noreturn));

extern const uint8_t asm_jump_start[], asm_jump_end[];

/* The core's ELF file (payload.S). */
extern const uint8_t payload_start[], payload_end[];

#endif
