/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine control block, as APM volume 2, "VMCB Layout", has it. Layout and names
 * only; who may touch a VMCB is svm.h's business.
 */
#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include "core/lib/bits.h"

#define TLB_KEEP 0
#define TLB_FLUSH_ALL 1
#define TLB_FLUSH_ASID 3

/* Virtual interrupt control, the 64-bit field at 0x60 */
#define VINTR_TPR MASK(3, 0)
#define VINTR_IRQ BIT(8)
#define VINTR_NMI BIT(11) /* pending */
#define VINTR_NMI_MASK BIT(12) /* blocked until IRET */
#define VINTR_PRIO_MAX MASK(19, 16)
#define VINTR_IGN_TPR BIT(20)
#define VINTR_MASKING BIT(24)
#define VINTR_NMI_ENABLE BIT(26)
#define VINTR_X2AVIC BIT(30) /* needs VINTR_AVIC */
#define VINTR_AVIC BIT(31) /* VINTR_IRQ and its companions count for nothing then */

#define INT_SHADOW BIT(0)
#define NESTED_NP_ENABLE BIT(0)

/* EVENTINJ and EXITINTINFO */
#define EVENT_TYPE_SHIFT 8
#define EVENT_HAS_ERR BIT(11)
#define EVENT_VALID BIT(31)

/* EXITINFO1 of an I/O intercept */
#define IOIO_IN BIT(0)
#define IOIO_STRING BIT(2)
#define IOIO_REP BIT(3)

/* EXITINFO1 and 2 of exits 401h and 402h: APM "AVIC_INCOMPLETE_IPI", "AVIC_NOACCEL". */
#define AVIC_IPI_ID_SHIFT 32 /* info 2; info 1 is ICR, its high half in bits 63:32 */
#define AVIC_ACCESS_OFFSET MASK(11, 4) /* info 1 */
#define AVIC_ACCESS_WRITE BIT(32) /* info 1 */
#define AVIC_EOI_VECTOR MASK(7, 0) /* info 2 */

/* EXITINFO1 of a CR intercept with decode assists: it was a MOV, the register is in bits 3:0. */
#define CR_IS_MOV BIT(63)

struct vmcb_seg {
	u16 sel;
	u16 attrib;
	u32 limit;
	u64 base;
};

struct vmcb {
	u32 intercepts[6]; /* bit n: exit code n, see svm_intercept() */
	u8 reserved1[36];
	u16 pause_threshold;
	u16 pause_count;
	u64 iopm_pa;
	u64 msrpm_pa;
	u64 tsc_offset;
	u32 asid;
	u32 tlb_control;
	u64 vintr;
	u64 int_state;
	u64 exit_code;
	u64 exit_info1;
	u64 exit_info2;
	u64 exit_int_info;
	u64 nested_ctl;
	u64 avic_bar;
	u64 ghcb_pa;
	u64 event_inj;
	u64 nested_cr3;
	u64 virt_ext;
	u32 clean;
	u32 reserved2;
	u64 nrip;
	u8 insn_count;
	u8 insn[15];
	u64 avic_backing_page;
	u64 reserved3;
	u64 avic_logical_table;
	u64 avic_physical_table; /* with the highest valid index in bits 11:0 */
	u8 reserved4[0x400 - 0x100];

	struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved5[43];
	u8 cpl;
	u32 reserved6;
	u64 efer;
	u8 reserved7[112];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u8 reserved8[88];
	u64 rsp;
	u8 reserved9[24];
	u64 rax;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 cr2;
	u8 reserved10[32];
	u64 pat;
	u64 debugctl;
	u8 reserved11[0x1000 - 0x678];
};

#define VMCB_AT(field, offset) _Static_assert(offsetof(struct vmcb, field) == (offset), #field)
VMCB_AT(pause_threshold, 0x3c);
VMCB_AT(tsc_offset, 0x50);
VMCB_AT(vintr, 0x60);
VMCB_AT(exit_code, 0x70);
VMCB_AT(nested_ctl, 0x90);
VMCB_AT(avic_bar, 0x98);
VMCB_AT(event_inj, 0xa8);
VMCB_AT(clean, 0xc0);
VMCB_AT(insn, 0xd1);
VMCB_AT(avic_backing_page, 0xe0);
VMCB_AT(avic_logical_table, 0xf0);
VMCB_AT(avic_physical_table, 0xf8);
VMCB_AT(es, 0x400);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(cr2, 0x640);
VMCB_AT(pat, 0x668);
_Static_assert(sizeof(struct vmcb) == 4096, "a VMCB is one page");

#endif
