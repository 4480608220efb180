/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest registers in the VMCB. The guest's VMLOAD state is in it whenever C code runs here. */
#include "svm/svm.h"

#include "arch/x86/regs.h"

#define AT(field) offsetof(struct vmcb, field)

/* Where in the VMCB each register lies. */
static u64 *reg_field(struct vmcb *vmcb, enum reg r)
{
	static const u16 at[NR_REGS] = {
		[REG_RIP] = AT(rip), [REG_RSP] = AT(rsp), [REG_RFLAGS] = AT(rflags),
		[REG_CR0] = AT(cr0), [REG_CR2] = AT(cr2), [REG_CR3] = AT(cr3), [REG_CR4] = AT(cr4),
		[REG_EFER] = AT(efer), [REG_DR6] = AT(dr6), [REG_DR7] = AT(dr7),
		[REG_PAT] = AT(pat), [REG_FS_BASE] = AT(fs.base), [REG_GS_BASE] = AT(gs.base),
		[REG_KERNEL_GS_BASE] = AT(kernel_gs_base),
		[REG_STAR] = AT(star), [REG_LSTAR] = AT(lstar), [REG_CSTAR] = AT(cstar),
		[REG_SFMASK] = AT(sfmask), [REG_SYSENTER_CS] = AT(sysenter_cs),
		[REG_SYSENTER_ESP] = AT(sysenter_esp), [REG_SYSENTER_EIP] = AT(sysenter_eip),
		[REG_DEBUGCTL] = AT(debugctl),
	};

	return (u64 *)(void *)((u8 *)vmcb + at[r]);
}

/* VMRUN demands SVME of a guest, too. */
u64 svm_reg_get(struct vcpu *v, enum reg r)
{
	u64 value = *reg_field(svm_vmcb(v), r);

	return r == REG_EFER ? value & ~EFER_SVME : value;
}

void svm_reg_set(struct vcpu *v, enum reg r, u64 value)
{
	*reg_field(svm_vmcb(v), r) = r == REG_EFER ? value | EFER_SVME : value;
	svm_dirty(v);
}

#define ATTRIB_L BIT(9)

bool svm_code64_get(struct vcpu *v, struct code64 *out)
{
	const struct vmcb *vmcb = svm_vmcb(v);

	if (!(vmcb->efer & EFER_LMA) || !(vmcb->cs.attrib & ATTRIB_L) || (vmcb->cr4 & CR4_LA57))
		return false;
	out->rip = vmcb->rip;
	out->rflags = vmcb->rflags;
	out->cr3 = vmcb->cr3;
	out->is_user = vmcb->cpl == 3;
	out->has_smep = vmcb->cr4 & CR4_SMEP;
	return true;
}

/* The same of segments. */
static struct vmcb_seg *seg_field(struct vmcb *vmcb, enum seg s)
{
	static const u16 at[NR_SEGS] = {
		AT(es), AT(cs), AT(ss), AT(ds), AT(fs),
		AT(gs), AT(ldtr), AT(tr), AT(gdtr), AT(idtr),
	};

	return (struct vmcb_seg *)(void *)((u8 *)vmcb + at[s]);
}

/* The VMCB has descriptor bits 55:52 right above bits 47:40. */
static u32 ar_from_attrib(u16 attrib)
{
	return (attrib & 0xffu) | (attrib & 0xf00u) << 4;
}

static u16 attrib_from_ar(u32 ar)
{
	if (ar & AR_UNUSABLE)
		return 0;
	return (u16)((ar & 0xff) | (ar >> 4 & 0xf00));
}

void svm_seg_get(struct vcpu *v, enum seg s, struct segment *out)
{
	struct vmcb *vmcb = svm_vmcb(v);
	const struct vmcb_seg *seg = seg_field(vmcb, s);

	*out = (struct segment){ .base = seg->base,
				 .limit = seg->limit,
				 .ar = ar_from_attrib(seg->attrib),
				 .sel = seg->sel };
	if (s != SEG_CS && s < SEG_GDTR && !(out->ar & AR_P))
		out->ar |= AR_UNUSABLE;
	/* The CPL has a field of its own; everybody else looks for it in SS. */
	if (s == SEG_SS)
		out->ar = (out->ar & ~(u32)AR_DPL) | (u32)vmcb->cpl << 5;
}

void svm_seg_set(struct vcpu *v, enum seg s, const struct segment *seg)
{
	struct vmcb *vmcb = svm_vmcb(v);

	*seg_field(vmcb, s) = (struct vmcb_seg){ .sel = seg->sel,
						 .attrib = attrib_from_ar(seg->ar),
						 .limit = seg->limit,
						 .base = seg->base };
	if (s == SEG_SS)
		vmcb->cpl = (u8)bits_get(seg->ar, 6, 5);
	svm_dirty(v);
}
