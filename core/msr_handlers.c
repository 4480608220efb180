/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs that do more than store a value: processor modes, time, machine checks. */
#include "core/msr_state.h"

#include "arch/x86/cpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/spec.h"
#include "core/clock.h"
#include "core/cpuid.h"
#include "core/dev/lapic.h"
#include "core/hv.h"
#include "core/msr_hw.h"
#include "core/vm.h"

static bool is_amd(void)
{
	return cpu_info.vendor == CPU_AMD;
}

/* Bits saying what this CPU is affected by, and that VERW and the like help. */
#define ARCH_CAP_GUEST                                                                             \
	(BIT(0) /* RDCL_NO */ | BIT(1) /* IBRS_ALL */ | BIT(2) /* RSBA */ |                        \
	 BIT(3) /* SKIP_L1DFL_VMENTRY */ | BIT(4) /* SSB_NO */ | BIT(19) /* RRSBA */ |             \
	 BIT(5) /* MDS_NO */ | BIT(6) /* IF_PSCHANGE_MC_NO */ | BIT(8) /* TAA_NO */ |              \
	 BIT(13) /* SBDR_SSDP_NO */ | BIT(14) /* FBSDP_NO */ | BIT(15) /* PSDP_NO */ |             \
	 BIT(17) /* FB_CLEAR */ | BIT(20) /* BHI_NO */ | BIT(24) /* PBRSB_NO */ |                  \
	 BIT(26) /* GDS_NO */ | BIT(27) /* RFDS_NO */ | BIT(28) /* RFDS_CLEAR */ |                 \
	 BIT(62) /* ITS_NO */)

u64 arch_capabilities_filter(u64 host)
{
	return host & ARCH_CAP_GUEST;
}

enum err msr_spec_ctrl_read(struct vcpu *v __unused_arg, u32 msr __unused_arg, u64 *out)
{
	*out = spec_ctrl_get();
	return spec_plan.ctrl_valid ? ERR_NONE : ERR_INVAL;
}

enum err msr_spec_ctrl_write(struct vcpu *v __unused_arg, u32 msr __unused_arg, u64 value)
{
	if (!spec_plan.ctrl_valid || (value & ~(u64)spec_plan.ctrl_valid))
		return ERR_INVAL;
	spec_ctrl_set(value);
	return ERR_NONE;
}

static u64 efer_valid(const struct vcpu_hot *hot)
{
	u64 valid = EFER_LMA;

	valid |= cpuid_has(hot, GUEST_SYSCALL) ? EFER_SCE : 0;
	valid |= cpuid_has(hot, GUEST_LM) ? EFER_LME : 0;
	valid |= cpuid_has(hot, GUEST_NX) ? EFER_NXE : 0;
	valid |= cpuid_has(hot, GUEST_FFXSR) ? EFER_FFXSR : 0;
	valid |= cpuid_has(hot, GUEST_AUTOMATIC_IBRS) ? EFER_AIBRSE : 0;
	return valid;
}

enum err msr_efer_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	u64 old = hv_reg_get(v, REG_EFER);

	if (value & ~efer_valid(v->hot))
		return ERR_INVAL;
	if (((value ^ old) & EFER_LME) && (hv_reg_get(v, REG_CR0) & CR0_PG))
		return ERR_INVAL;
	/* LMA follows LME and paging; software cannot write it. */
	hv_reg_set(v, REG_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	return ERR_NONE;
}

enum err msr_pat_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	if (!memory_types_are_valid(value, PAT_UC_MINUS))
		return ERR_INVAL;
	v->pat = value;
	hv_reg_set(v, REG_PAT, value);
	return ERR_NONE;
}

#define DEBUGCTL_LBR BIT(0)
#define DEBUGCTL_BTF BIT(1)
#define DEBUGCTL_AMD_PINS MASK(5, 2)

/* Last-branch records are not offered: asking for them is accepted and does nothing. */
enum err msr_debugctl_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	u64 valid = DEBUGCTL_LBR | DEBUGCTL_BTF | (is_amd() ? DEBUGCTL_AMD_PINS : 0);

	if (value & ~valid)
		return ERR_INVAL;
	if (!is_amd())
		hv_reg_set(v, REG_DEBUGCTL, value & DEBUGCTL_BTF);
	return ERR_NONE;
}

static void tsc_offset_set(struct vcpu *v, u64 offset)
{
	v->hot->tsc_offset = offset;
	hv_tsc_offset(v);
	lapic_tsc_changed(v);
	kvm_pv_tsc_changed(v);
}

/* SDM "Time-Stamp Counter Adjustment": a write to either MSR moves both by the same amount. */
enum err msr_tsc_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	u64 delta = value - (clock_tsc() + v->hot->tsc_offset);

	v->tsc_adjust += delta;
	tsc_offset_set(v, v->hot->tsc_offset + delta);
	return ERR_NONE;
}

enum err msr_tsc_adjust_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	u64 delta = value - v->tsc_adjust;

	v->tsc_adjust = value;
	tsc_offset_set(v, v->hot->tsc_offset + delta);
	return ERR_NONE;
}

enum err msr_tsc_deadline_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	lapic_deadline_set(v, value);
	return ERR_NONE;
}

static bool has_tsc_aux(const struct vcpu *v)
{
	return cpuid_has(v->hot, GUEST_RDTSCP) || cpuid_has(v->hot, GUEST_RDPID);
}

enum err msr_tsc_aux_read(struct vcpu *v, u32 msr __unused_arg, u64 *out)
{
	*out = v->msr->tsc_aux;
	return has_tsc_aux(v) ? ERR_NONE : ERR_INVAL;
}

/* RDTSCP and RDPID read the real register, which Lamina has no use for. */
enum err msr_tsc_aux_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	if (!has_tsc_aux(v) || (!is_amd() && value >> 32))
		return ERR_INVAL;
	v->msr->tsc_aux = (u32)value;
	msr_hw_tsc_aux_load((u32)value);
	return ERR_NONE;
}

enum err msr_apic_base_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	return lapic_base_write(v, value);
}

/* Intel wants it cleared before CPUID loads it; AMD has it read-only. */
enum err msr_bios_sign_id_write(struct vcpu *v __unused_arg, u32 msr __unused_arg,
				u64 value __unused_arg)
{
	return is_amd() ? ERR_INVAL : ERR_NONE;
}

/* SDM "IA32_MCG_CTL MSR": all on or all off. */
enum err msr_mcg_ctl_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	if (value && ~value)
		return ERR_INVAL;
	v->msr->mcg_ctl = value;
	return ERR_NONE;
}

enum mce_reg { MCE_CTL, MCE_STATUS, MCE_ADDR, MCE_MISC };

/* Linux leaves these bits of a CTL out on some AMD and old Intel models. */
#define MCE_CTL_OPTIONAL (BIT(0) | BIT(10))
#define HWCR_MC_STATUS_WR_EN BIT(18)

enum err msr_mce_bank_write(struct vcpu *v, u32 msr, u64 value)
{
	u32 index = msr - MSR_MC_BANKS;
	bool status_writable = is_amd() && (v->msr->hwcr & HWCR_MC_STATUS_WR_EN);

	if (index % 4 == MCE_CTL && value && ~(value | MCE_CTL_OPTIONAL))
		return ERR_INVAL;
	if (index % 4 == MCE_STATUS && value && !status_writable)
		return ERR_INVAL;
	v->msr->mce_bank[index] = value;
	return ERR_NONE;
}

/* Writes of these bits are accepted without effect: cache and FPU quirks of old kernels. */
#define HWCR_IGNORED (BIT(3) | BIT(6) | BIT(8))
#define HWCR_KEPT (HWCR_MC_STATUS_WR_EN | HWCR_TSC_FREQ_SEL)

enum err msr_hwcr_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	if (value & ~(HWCR_IGNORED | HWCR_KEPT))
		return ERR_INVAL;
	v->msr->hwcr = value & HWCR_KEPT;
	return ERR_NONE;
}
