/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of architectural bits: control registers, EFER, RFLAGS, debug registers, exceptions,
 * page-fault errors, selectors, MSR numbers. Constants only, also for assembly files.
 */
#ifndef ARCH_X86_REGS_H
#define ARCH_X86_REGS_H

#ifdef __ASSEMBLER__
#define REG_BIT(n) (1 << (n))
#else
#include "core/lib/bits.h"
#define REG_BIT(n) BIT(n)
#endif

/* CR0, CR3, CR4 */
#define CR0_PE REG_BIT(0)
#define CR0_MP REG_BIT(1)
#define CR0_EM REG_BIT(2)
#define CR0_TS REG_BIT(3)
#define CR0_ET REG_BIT(4)
#define CR0_NE REG_BIT(5)
#define CR0_WP REG_BIT(16)
#define CR0_AM REG_BIT(18)
#define CR0_NW REG_BIT(29)
#define CR0_CD REG_BIT(30)
#define CR0_PG REG_BIT(31)

#define CR3_PCID_MASK 0xfff
#define CR3_NO_FLUSH REG_BIT(63)

#define CR4_VME REG_BIT(0)
#define CR4_PVI REG_BIT(1)
#define CR4_TSD REG_BIT(2)
#define CR4_DE REG_BIT(3)
#define CR4_PSE REG_BIT(4)
#define CR4_PAE REG_BIT(5)
#define CR4_MCE REG_BIT(6)
#define CR4_PGE REG_BIT(7)
#define CR4_PCE REG_BIT(8)
#define CR4_OSFXSR REG_BIT(9)
#define CR4_OSXMMEXCPT REG_BIT(10)
#define CR4_UMIP REG_BIT(11)
#define CR4_LA57 REG_BIT(12)
#define CR4_VMXE REG_BIT(13)
#define CR4_FSGSBASE REG_BIT(16)
#define CR4_PCIDE REG_BIT(17)
#define CR4_OSXSAVE REG_BIT(18)
#define CR4_SMEP REG_BIT(20)
#define CR4_SMAP REG_BIT(21)
#define CR4_PKE REG_BIT(22)

#define EFER_SCE REG_BIT(0)
#define EFER_LME REG_BIT(8)
#define EFER_LMA REG_BIT(10)
#define EFER_NXE REG_BIT(11)
#define EFER_SVME REG_BIT(12)
#define EFER_FFXSR REG_BIT(14)
#define EFER_AIBRSE REG_BIT(21)

/* SPEC_CTRL, PRED_CMD, FLUSH_CMD and AMD's BP_CFG */
#define SPEC_CTRL_IBRS 1
#define SPEC_CTRL_BHI_DIS_S REG_BIT(10)
#define PRED_CMD_IBPB 1
#define FLUSH_CMD_L1D 1
#define BP_CFG_SPEC_REDUCE REG_BIT(4)

#define RFLAGS_STATUS 0x8d5 /* CF, PF, AF, ZF, SF, OF */
#define RFLAGS_FIXED REG_BIT(1) /* always 1 */
#define RFLAGS_TF REG_BIT(8)
#define RFLAGS_IF REG_BIT(9)
#define RFLAGS_DF REG_BIT(10)
#define RFLAGS_AC REG_BIT(18)
#define RFLAGS_ID REG_BIT(21)

#define XCR0_X87 REG_BIT(0)
#define XCR0_SSE REG_BIT(1)
#define XCR0_AVX REG_BIT(2)
#define XCR0_OPMASK REG_BIT(5)
#define XCR0_ZMM_HI256 REG_BIT(6)
#define XCR0_HI16_ZMM REG_BIT(7)
#define XCR0_PKRU REG_BIT(9)
#define XCR0_TILEDATA REG_BIT(18)

/* Debug registers: bits that always read 1, and causes in DR6. */
#define DR6_FIXED 0xffff0ff0
#define DR6_BD REG_BIT(13)
#define DR6_BS REG_BIT(14)
#define DR7_FIXED 0x400
#define DR7_GD REG_BIT(13)

/* Exceptions that push an error code, as a mask of vectors. */
#define EXC_WITH_ERROR_CODE 0x60227d00

/* Page-fault error code */
#define PF_PRESENT REG_BIT(0) /* 1: rights, 0: not present */
#define PF_WRITE REG_BIT(1)
#define PF_USER REG_BIT(2)
#define PF_RSVD REG_BIT(3)
#define PF_FETCH REG_BIT(4) /* instruction fetch */

/* Selectors of the host's GDT; the data selector is needed by nobody but SS after a fault. */
#define SEL_NULL 0x00
#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS 0x18 /* 16 bytes */

/* Host interrupt vectors. The upper nibble is the priority class. */
#define IRQ_FIRST 0x20
#define IRQ_TIMER 0xf0
#define IRQ_KICK 0xf1 /* leave the guest; means nothing more */
#define IRQ_WAKE 0xf2 /* leave HLT */
#define IRQ_POSTED 0xf3 /* posted-interrupt notification */
#define IRQ_CALL 0xf4 /* run the function in the per-CPU mail box */
#define IRQ_TIMER_MOVED 0xf5 /* as IRQ_TIMER, from a CPU that has put a timer into the queue */
#define IRQ_CONSOLE 0xf6 /* a serial line has received something */
#define IRQ_SPURIOUS 0xff

/* Assembly has those of the following that it needs from arch/x86/offsets.c. */
#ifndef __ASSEMBLER__
/* MSR numbers: MSR_<name> for each of msrs.def. */
enum msr {
#define MSR(name, number) MSR_##name = (number),
#define MSR_RANGE(name, first, last) MSR_##name = (first), MSR_##name##_LAST = (last),
#include "arch/x86/msrs.def"
#undef MSR
#undef MSR_RANGE
};

/* Exception vectors */
enum {
#define EXCEPTION(name, vector, text) EXC_##name = (vector),
#include "arch/x86/exceptions.def"
#undef EXCEPTION
};
#endif

/* IA32_APIC_BASE */
#define APIC_BASE_BSP REG_BIT(8)
#define APIC_BASE_EXTD REG_BIT(10)
#define APIC_BASE_EN REG_BIT(11)

/* IA32_FEATURE_CONTROL */
#define FEATURE_CONTROL_LOCK REG_BIT(0)
#define FEATURE_CONTROL_VMX REG_BIT(2)

/* AMD VM_CR */
#define VM_CR_LOCK REG_BIT(3)
#define VM_CR_SVMDIS REG_BIT(4)

/* IA32_PAT memory types, and the value of RESET: WB WT UC- UC, twice. */
#define PAT_UC_MINUS 7
#define PAT_RESET 0x0007040600070406
/* The host's: write-combining in the place of write-through. */
#define PAT_HOST 0x0007040600070106

#endif
