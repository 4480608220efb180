/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest registers: in the VMCS, or in the CPU itself for those that VMX does not switch and the
 * host does not use.
 */
#include "vmx/vmx.h"

#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/regs.h"
#include "core/cr.h"
#include "core/gmem.h"

/* What the guest may not decide: NE is needed by VMX, caching is the host's. */
#define CR0_HELD (CR0_NE | CR0_NW | CR0_CD)

static u64 masked(u64 real, u64 mask, u64 shadow)
{
	return (real & ~mask) | (shadow & mask);
}

/* Registers that are simply somewhere: in a field of the VMCS, or in an MSR. */
static const u16 reg_fields[NR_REGS] = {
	[REG_RIP] = VMCS_GUEST_RIP, [REG_RSP] = VMCS_GUEST_RSP, [REG_RFLAGS] = VMCS_GUEST_RFLAGS,
	[REG_DR7] = VMCS_GUEST_DR7, [REG_PAT] = VMCS_GUEST_PAT, [REG_FS_BASE] = VMCS_GUEST_FS_BASE,
	[REG_GS_BASE] = VMCS_GUEST_GS_BASE, [REG_SYSENTER_CS] = VMCS_GUEST_SYSENTER_CS,
	[REG_SYSENTER_ESP] = VMCS_GUEST_SYSENTER_ESP, [REG_SYSENTER_EIP] = VMCS_GUEST_SYSENTER_EIP,
	[REG_DEBUGCTL] = VMCS_GUEST_DEBUGCTL,
};
static const u32 reg_msrs[NR_REGS] = {
	[REG_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE, [REG_STAR] = MSR_STAR, [REG_LSTAR] = MSR_LSTAR,
	[REG_CSTAR] = MSR_CSTAR, [REG_SFMASK] = MSR_FMASK,
};

u64 vmx_reg_get(struct vcpu *v __unused_arg, enum reg r)
{
	switch (r) {
	case REG_CR0:
		return masked(vmreadnat(VMCS_GUEST_CR0), CR0_HELD, vmreadnat(VMCS_CR0_SHADOW));
	case REG_CR2:
		return read_cr2();
	case REG_CR3:
		return vmreadnat(VMCS_GUEST_CR3);
	case REG_CR4:
		return masked(vmreadnat(VMCS_GUEST_CR4), vmreadnat(VMCS_CR4_MASK),
			      vmreadnat(VMCS_CR4_SHADOW));
	case REG_EFER:
		return vmread64(VMCS_GUEST_EFER);
	case REG_DR6:
		return read_dr6();
	default:
		return reg_fields[r] ? vmread(reg_fields[r]) : rdmsr(reg_msrs[r]);
	}
}

static u64 cr4_mask(const struct vcpu *v)
{
	return ~cr4_valid(v->hot) | CR4_VMXE | CR4_MCE;
}

#define PDPTE_P BIT(0)
#define PDPTE_RESERVED (MASK(2, 1) | MASK(8, 5))

/*
 * With PAE paging the CPU keeps the four top entries in registers and loads them when it writes
 * CR0, CR3 or CR4 itself; a write that is done for the guest has to do the same. SDM "PDPTE
 * Registers". An entry that VM entry would refuse becomes not present.
 */
static void pdptes_load(struct vcpu *v)
{
	u64 cr3 = vmreadnat(VMCS_GUEST_CR3) & MASK(31, 5);
	u64 reserved = PDPTE_RESERVED | ~MASK(cpu_info.phys_bits - 1, 0);
	u64 entry[4] = { 0 };

	if (!(vmreadnat(VMCS_GUEST_CR0) & CR0_PG) || !(vmreadnat(VMCS_GUEST_CR4) & CR4_PAE) ||
	    (vmread64(VMCS_GUEST_EFER) & EFER_LMA))
		return;
	/* Tables outside RAM: not present, so that the guest faults. */
	if (gmem_read(v->vm, (gpa_t){ cr3 }, entry, sizeof(entry)))
		memset(entry, 0, sizeof(entry));
	for (unsigned i = 0; i < ARRAY_SIZE(entry); i++) {
		bool is_bad = (entry[i] & PDPTE_P) && (entry[i] & reserved);

		vmwrite64((enum vmcs64)(VMCS_GUEST_PDPTE0 + 2 * i), is_bad ? 0 : entry[i]);
	}
}

static void cr0_set(struct vcpu *v, u64 value)
{
	vmwritenat(VMCS_CR0_MASK, CR0_HELD);
	vmwritenat(VMCS_CR0_SHADOW, value);
	vmwritenat(VMCS_GUEST_CR0, (value & ~CR0_HELD) | CR0_NE);
	pdptes_load(v);
}

/* A machine check that finds CR4.MCE clear would shut the whole CPU down. */
static void cr4_set(struct vcpu *v, u64 value)
{
	vmwritenat(VMCS_CR4_MASK, cr4_mask(v));
	vmwritenat(VMCS_CR4_SHADOW, value);
	vmwritenat(VMCS_GUEST_CR4, value | CR4_VMXE | (read_cr4() & CR4_MCE));
	pdptes_load(v);
}

static void efer_set(u64 value)
{
	u64 entry = vmread32(VMCS_ENTRY_CONTROLS);

	vmwrite32(VMCS_ENTRY_CONTROLS, (u32)bits_put(entry, ENTRY_GUEST_64, value & EFER_LMA));
	vmwrite64(VMCS_GUEST_EFER, value);
}

void vmx_reg_set(struct vcpu *v, enum reg r, u64 value)
{
	switch (r) {
	case REG_CR0:
		return cr0_set(v, value);
	case REG_CR2:
		return write_cr2(value);
	case REG_CR3:
		vmwritenat(VMCS_GUEST_CR3, value);
		return pdptes_load(v);
	case REG_CR4:
		return cr4_set(v, value);
	case REG_EFER:
		return efer_set(value);
	case REG_DR6:
		return write_dr6(value);
	default:
		if (reg_fields[r])
			vmwrite(reg_fields[r], value);
		else
			wrmsr(reg_msrs[r], value);
	}
}

bool vmx_code64_get(struct vcpu *v __unused_arg, struct code64 *out)
{
	/* Neither bit is one that the guest sees otherwise than it is. */
	u64 cr4 = vmreadnat(VMCS_GUEST_CR4);

	if (!vmx_is_code64() || (cr4 & CR4_LA57))
		return false;
	out->rip = vmreadnat(VMCS_GUEST_RIP);
	out->rflags = vmreadnat(VMCS_GUEST_RFLAGS);
	out->cr3 = vmreadnat(VMCS_GUEST_CR3);
	out->is_user = bits_get(vmread32(VMCS_GUEST_SS_AR), 6, 5) == 3;
	out->has_smep = cr4 & CR4_SMEP;
	return true;
}

/* Encodings of neighbouring registers are 2 apart; the table registers have no AR and selector. */
#define SEG_FIELD(type, first, s) ((enum type)(VMCS_GUEST_ES_##first + 2 * (unsigned)(s)))
_Static_assert(VMCS_GUEST_IDTR_BASE == VMCS_GUEST_ES_BASE + 2 * SEG_IDTR &&
		       VMCS_GUEST_IDTR_LIMIT == VMCS_GUEST_ES_LIMIT + 2 * SEG_IDTR,
	       "the same order");

void vmx_seg_get(struct vcpu *v __unused_arg, enum seg s, struct segment *out)
{
	*out = (struct segment){ .base = vmreadnat(SEG_FIELD(vmcsnat, BASE, s)),
				 .limit = vmread32(SEG_FIELD(vmcs32, LIMIT, s)) };
	if (s >= SEG_GDTR)
		return;
	out->ar = vmread32(SEG_FIELD(vmcs32, AR, s));
	out->sel = vmread16(SEG_FIELD(vmcs16, SEL, s));
}

void vmx_seg_set(struct vcpu *v __unused_arg, enum seg s, const struct segment *seg)
{
	vmwritenat(SEG_FIELD(vmcsnat, BASE, s), seg->base);
	vmwrite32(SEG_FIELD(vmcs32, LIMIT, s), seg->limit);
	if (s >= SEG_GDTR)
		return;
	vmwrite32(SEG_FIELD(vmcs32, AR, s), seg->ar);
	vmwrite16(SEG_FIELD(vmcs16, SEL, s), seg->sel);
}
