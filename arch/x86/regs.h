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

/* CR0, CR3 */
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

/* SPEC_CTRL, PRED_CMD, FLUSH_CMD */
#define SPEC_CTRL_IBRS 1
#define SPEC_CTRL_BHI_DIS_S REG_BIT(10)
#define PRED_CMD_IBPB 1
#define FLUSH_CMD_L1D 1

#define RFLAGS_STATUS 0x8d5 /* CF, PF, AF, ZF, SF, OF */

/* Debug registers: bits that always read 1. */
#define DR6_FIXED 0xffff0ff0
#define DR7_FIXED 0x400

/* Exceptions that push an error code, as a mask of vectors. */
#define EXC_WITH_ERROR_CODE 0x60227d00

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
/*
 * CR4, EFER, RFLAGS, XCR0, causes in DR6 and DR7, the error code of a page fault, IA32_APIC_BASE,
 * IA32_FEATURE_CONTROL, AMD's VM_CR and BP_CFG.
 */
enum {
	CR4_VME = BIT(0), CR4_PVI = BIT(1), CR4_TSD = BIT(2), CR4_DE = BIT(3),
	CR4_PSE = BIT(4), CR4_PAE = BIT(5), CR4_MCE = BIT(6), CR4_PGE = BIT(7),
	CR4_PCE = BIT(8), CR4_OSFXSR = BIT(9), CR4_OSXMMEXCPT = BIT(10), CR4_UMIP = BIT(11),
	CR4_LA57 = BIT(12), CR4_VMXE = BIT(13), CR4_FSGSBASE = BIT(16), CR4_PCIDE = BIT(17),
	CR4_OSXSAVE = BIT(18), CR4_SMEP = BIT(20), CR4_SMAP = BIT(21), CR4_PKE = BIT(22),
	EFER_SCE = BIT(0), EFER_LME = BIT(8), EFER_LMA = BIT(10), EFER_NXE = BIT(11),
	EFER_SVME = BIT(12), EFER_FFXSR = BIT(14), EFER_AIBRSE = BIT(21),
	RFLAGS_FIXED = BIT(1), RFLAGS_TF = BIT(8), RFLAGS_IF = BIT(9), RFLAGS_DF = BIT(10),
	RFLAGS_AC = BIT(18), RFLAGS_ID = BIT(21),
	XCR0_X87 = BIT(0), XCR0_SSE = BIT(1), XCR0_AVX = BIT(2), XCR0_OPMASK = BIT(5),
	XCR0_ZMM_HI256 = BIT(6), XCR0_HI16_ZMM = BIT(7), XCR0_PKRU = BIT(9),
	XCR0_TILEDATA = BIT(18),
	DR6_BD = BIT(13), DR6_BS = BIT(14), DR7_GD = BIT(13),
	/* a fault of a page that is present is one of rights */
	PF_PRESENT = BIT(0), PF_WRITE = BIT(1), PF_USER = BIT(2), PF_RSVD = BIT(3),
	PF_FETCH = BIT(4),
	APIC_BASE_BSP = BIT(8), APIC_BASE_EXTD = BIT(10), APIC_BASE_EN = BIT(11),
	FEATURE_CONTROL_LOCK = BIT(0), FEATURE_CONTROL_VMX = BIT(2),
	VM_CR_LOCK = BIT(3), VM_CR_SVMDIS = BIT(4), BP_CFG_SPEC_REDUCE = BIT(4),
};

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

/* IA32_PAT memory types, and the value of RESET: WB WT UC- UC, twice. */
#define PAT_UC_MINUS 7
#define PAT_RESET 0x0007040600070406
/* The host's: write-combining in the place of write-through. */
#define PAT_HOST 0x0007040600070106

#endif
