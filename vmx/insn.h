/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX instructions. Fields of each width have a type of their own, so that the compiler refuses
 * to read a 32-bit field as a 64-bit one. VMLAUNCH and VMRESUME are in enter.S. On a CPU in VMX
 * operation; VMREAD and VMWRITE need a current VMCS. SDM "VMX Instruction Reference".
 */
#ifndef VMX_INSN_H
#define VMX_INSN_H

#include "arch/x86/types.h"
#include "core/lib/err.h"
#include "vmx/fields.h"

/* Always inlined: code on the isolated tables must not call a copy outside. */
#define VMCS_INLINE static inline __attribute__((always_inline))

/* Reading a field that exists cannot fail, so nothing is checked. */
VMCS_INLINE u64 vmread(u64 encoding)
{
	u64 value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(encoding) : "cc");
	return value;
}

/* The same, into memory, without a register in between. */
VMCS_INLINE void vmread_to(u64 *value, enum vmcsnat field)
{
	__asm__ volatile("vmread %1, %0" : "=m"(*value) : "r"((u64)field) : "cc");
}

/* To a field that every VMCS has and may have any value: cannot fail. */
VMCS_INLINE void vmwrite_sure(u64 encoding, u64 value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(encoding), "r"(value) : "cc", "memory");
}

/* A write that the CPU refuses is a bug of ours: undefined instruction, thus panic. */
VMCS_INLINE void vmwrite(u64 encoding, u64 value)
{
	__asm__ volatile("vmwrite %1, %0\n\tja 1f\n\tud2\n1:"
			 :
			 : "r"(encoding), "r"(value)
			 : "cc", "memory");
}

#define VMCS_ACCESS(suffix, type)                                                                  \
	VMCS_INLINE type vmread##suffix(enum vmcs##suffix field)                                   \
	{                                                                                          \
		return (type)vmread(field);                                                        \
	}                                                                                          \
	VMCS_INLINE void vmwrite##suffix(enum vmcs##suffix field, type value)                      \
	{                                                                                          \
		vmwrite(field, value);                                                             \
	}
VMCS_ACCESS(16, u16)
VMCS_ACCESS(32, u32)
VMCS_ACCESS(64, u64)
VMCS_ACCESS(nat, u64)

/* Instructions that take the physical address of a region from memory; ERR_INVAL is VMfail. */
#define VMX_REGION_INSN(name)                                                                      \
	static inline enum err name(hpa_t region)                                                  \
	{                                                                                          \
		bool failed;                                                                       \
		__asm__ volatile(#name " %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");       \
		return failed ? ERR_INVAL : ERR_NONE;                                              \
	}
VMX_REGION_INSN(vmxon)
VMX_REGION_INSN(vmclear)
VMX_REGION_INSN(vmptrld)

/*
 * Instructions with a type of operation and two words in memory: EPTP or VPID, and a linear address
 * or 0. A refusal is a bug of ours as that of vmwrite() is.
 */
#define VMX_INV_INSN(name)                                                                         \
	static inline void name(u64 type, u64 context)                                             \
	{                                                                                          \
		u64 operand[2] = { context, 0 };                                                   \
		__asm__ volatile(#name " %0, %1\n\tja 1f\n\tud2\n1:"                               \
				 :                                                                 \
				 : "m"(operand), "r"(type)                                         \
				 : "cc", "memory");                                                \
	}
VMX_INV_INSN(invept)
VMX_INV_INSN(invvpid)

/*
 * Let the host's own handlers have an exit for an NMI or a machine check. The handler's IRET also
 * ends the blocking of NMIs that the exit has begun: SDM "VM Exits: Loading Host State".
 */
static inline void nmi_raise(void)
{
	__asm__ volatile("int $2" : : : "memory");
}

static inline void machine_check_raise(void)
{
	__asm__ volatile("int $18" : : : "memory");
}

#endif
