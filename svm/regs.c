/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest registers in the VMCB. The guest's VMLOAD state is in it whenever C code runs here. */
#include "svm/svm.h"

#include "arch/x86/regs.h"

/* One line per register that is simply a field: which field, and whether a clean bit covers it. */
#define REG_FIELDS(X)                                                                              \
	X(REG_RIP, rip)                                                                            \
	X(REG_RSP, rsp)                                                                            \
	X(REG_RFLAGS, rflags)                                                                      \
	X(REG_CR0, cr0)                                                                            \
	X(REG_CR2, cr2)                                                                            \
	X(REG_CR3, cr3)                                                                            \
	X(REG_CR4, cr4)                                                                            \
	X(REG_DR6, dr6)                                                                            \
	X(REG_DR7, dr7)                                                                            \
	X(REG_PAT, pat)                                                                            \
	X(REG_FS_BASE, fs.base)                                                                    \
	X(REG_GS_BASE, gs.base)                                                                    \
	X(REG_KERNEL_GS_BASE, kernel_gs_base)                                                      \
	X(REG_STAR, star)                                                                          \
	X(REG_LSTAR, lstar)                                                                        \
	X(REG_CSTAR, cstar)                                                                        \
	X(REG_SFMASK, sfmask)                                                                      \
	X(REG_SYSENTER_CS, sysenter_cs)                                                            \
	X(REG_SYSENTER_ESP, sysenter_esp)                                                          \
	X(REG_SYSENTER_EIP, sysenter_eip)                                                          \
	X(REG_DEBUGCTL, debugctl)

u64 svm_reg_get(struct vcpu *v, enum reg r)
{
	const struct vmcb *vmcb = svm_vmcb(v);

	switch (r) {
#define X(reg, field)                                                                              \
	case reg:                                                                                  \
		return vmcb->field;
		REG_FIELDS(X)
#undef X
	case REG_EFER:
		return vmcb->efer & ~EFER_SVME;
	case NR_REGS:
		break;
	}
	return 0;
}

void svm_reg_set(struct vcpu *v, enum reg r, u64 value)
{
	struct vmcb *vmcb = svm_vmcb(v);

	switch (r) {
#define X(reg, field)                                                                              \
	case reg:                                                                                  \
		vmcb->field = value;                                                               \
		break;
		REG_FIELDS(X)
#undef X
	case REG_EFER:
		/* VMRUN demands SVME of a guest, too. */
		vmcb->efer = value | EFER_SVME;
		break;
	case NR_REGS:
		break;
	}
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

/* Where in the VMCB each one lies. */
#define AT(seg) offsetof(struct vmcb, seg)

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
