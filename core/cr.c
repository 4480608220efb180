/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cr.h"

#include "arch/x86/fpu.h"
#include "arch/x86/regs.h"
#include "core/hv.h"

#define CR0_DEFINED                                                                                \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
	 CR0_PG)

static bool is_long_code(struct vcpu *v)
{
	struct segment cs;

	hv_seg_get(v, SEG_CS, &cs);
	return cs.ar & AR_L;
}

/* Turning paging on or off moves between modes: SDM "Initializing IA-32e Mode". */
static bool paging_change_is_valid(struct vcpu *v, u64 old, u64 value)
{
	u64 efer = hv_reg_get(v, REG_EFER);
	u64 cr4 = hv_reg_get(v, REG_CR4);

	if (!((old ^ value) & CR0_PG))
		return true;
	if (value & CR0_PG)
		return !(efer & EFER_LME) || ((cr4 & CR4_PAE) && !is_long_code(v));
	return !(cr4 & CR4_PCIDE) && !((efer & EFER_LMA) && is_long_code(v));
}

/* SDM "MOV - Move to/from Control Registers", protected mode exceptions. */
static bool cr0_is_valid(struct vcpu *v, u64 old, u64 value)
{
	return !(value >> 32) && (!(value & CR0_PG) || (value & CR0_PE)) &&
	       (!(value & CR0_NW) || (value & CR0_CD)) && paging_change_is_valid(v, old, value);
}

static enum next cr0_write(struct vcpu *v, u64 value)
{
	u64 old = hv_reg_get(v, REG_CR0);
	u64 efer = hv_reg_get(v, REG_EFER);

	if (!cr0_is_valid(v, old, value))
		return event_gp(v);
	value = (value & CR0_DEFINED) | CR0_ET;
	hv_reg_set(v, REG_CR0, value);
	if (((old ^ value) & CR0_PG) && (efer & EFER_LME))
		hv_reg_set(v, REG_EFER, value & CR0_PG ? efer | EFER_LMA : efer & ~EFER_LMA);
	/* The hardware's own write would have dropped them. */
	if ((old ^ value) & (CR0_PG | CR0_WP))
		hv_tlb_flush(v);
	return NEXT_SKIP;
}

u64 cr4_valid(const struct vcpu_hot *hot)
{
	u64 valid = CR4_TSD | CR4_PCE | CR4_MCE | CR4_OSXMMEXCPT;

	valid |= cpuid_has(hot, GUEST_VME) ? CR4_VME | CR4_PVI : 0;
	valid |= cpuid_has(hot, GUEST_DE) ? CR4_DE : 0;
	valid |= cpuid_has(hot, GUEST_PSE) ? CR4_PSE : 0;
	valid |= cpuid_has(hot, GUEST_PAE) ? CR4_PAE : 0;
	valid |= cpuid_has(hot, GUEST_PGE) ? CR4_PGE : 0;
	valid |= cpuid_has(hot, GUEST_FXSR) ? CR4_OSFXSR : 0;
	valid |= cpuid_has(hot, GUEST_UMIP) ? CR4_UMIP : 0;
	valid |= cpuid_has(hot, GUEST_FSGSBASE) ? CR4_FSGSBASE : 0;
	valid |= cpuid_has(hot, GUEST_PCID) ? CR4_PCIDE : 0;
	valid |= cpuid_has(hot, GUEST_XSAVE) ? CR4_OSXSAVE : 0;
	valid |= cpuid_has(hot, GUEST_SMEP) ? CR4_SMEP : 0;
	valid |= cpuid_has(hot, GUEST_SMAP) ? CR4_SMAP : 0;
	valid |= cpuid_has(hot, GUEST_PKU) ? CR4_PKE : 0;
	return valid;
}

#define CR4_FLUSHES (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE)

static enum next cr4_write(struct vcpu *v, u64 value)
{
	u64 old = hv_reg_get(v, REG_CR4);
	u64 efer = hv_reg_get(v, REG_EFER);

	if (value & ~cr4_valid(v->hot))
		return event_gp(v);
	if ((efer & EFER_LMA) && !(value & CR4_PAE))
		return event_gp(v);
	/* PCIDs can be turned on in IA-32e mode only, and only from PCID 0. */
	if ((value & ~old & CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || (hv_reg_get(v, REG_CR3) & CR3_PCID_MASK)))
		return event_gp(v);
	hv_reg_set(v, REG_CR4, value);
	if ((old ^ value) & CR4_FLUSHES)
		hv_tlb_flush(v);
	return NEXT_SKIP;
}

enum next cr_write(struct vcpu *v, unsigned cr, u64 value)
{
	switch (cr) {
	case 0:
		return cr0_write(v, value);
	case 4:
		return cr4_write(v, value);
	case 8:
		if (value >> 4)
			return event_gp(v);
		lapic_cr8_set(v, value);
		return NEXT_SKIP;
	default:
		return event_ud(v);
	}
}

enum next xcr_write(struct vcpu *v)
{
	const u64 *gprs = v->hot->gprs;
	u64 value = gprs[GPR_RDX] << 32 | (u32)gprs[GPR_RAX];
	struct segment ss;

	if (!(hv_reg_get(v, REG_CR4) & CR4_OSXSAVE))
		return event_ud(v);
	hv_seg_get(v, SEG_SS, &ss);
	if ((ss.ar & AR_DPL) || (u32)gprs[GPR_RCX] || !fpu_xcr0_is_valid(value))
		return event_gp(v);
	v->xcr0 = value;
	fpu_xcr0_load(value);
	cpuid_xcr0_changed(v);
	return NEXT_SKIP;
}
