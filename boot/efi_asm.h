/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions that C has no word for, and the jump to the core. System V calls, no state.
 */
#ifndef BOOT_EFI_ASM_H
#define BOOT_EFI_ASM_H

#include <stdint.h>

/* RDMSR: the caller has checked that the register exists. */
static inline uint64_t asm_rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline uint64_t asm_read_cr4(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr4, %0" : "=r"(value));
	return value;
}

/*
 * After ExitBootServices: load `root_table`, the stack and RDI, and go to `entry`. The code between
 * asm_jump_start and asm_jump_end is mapped at its own address by `root_table`.
 */
void asm_jump(uint64_t root_table, uint64_t entry_virt, uint64_t stack_virt, uint64_t info_virt)
	__attribute__((noreturn));

extern const uint8_t asm_jump_start[], asm_jump_end[];

/* The core's ELF file (payload.S). */
extern const uint8_t payload_start[];

#endif
