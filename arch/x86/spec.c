/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CPU needs: no side effects. */
#include "arch/x86/spec.h"

#include <string.h>

#include "arch/x86/cpu.h"

#define CAP_IBRS_ALL BIT(1)
#define STD_MD_CLEAR BIT(10)
#define STD_IBRS BIT(26)
#define IBPB_BRTYPE BIT(28) /* IBPB forgets what SRSO is about */
#define BP_REDUCE_MAY (BIT(31) | BIT(30)) /* the host's users are safe, and it can be safer */
#define TCG_SIGNATURE 0x54474354 /* EBX of "TCGTCGTCGTCG" */

struct facts {
	u64 caps; /* IA32_ARCH_CAPABILITIES */
	u32 std, ext; /* as above */
	struct cpuid_regs amd; /* CPUID 80000021 */
	bool is_amd, has_ibpb, has_eibrs;
};

static u32 model_bugs(void)
{
	static const struct {
		u8 vendor, family;
		u16 bugs;
		u8 models[12];
	} rows[] = {
#define SPEC_MODEL(vendor, family, bugs, ...) { CPU_##vendor, family, bugs, { __VA_ARGS__ } },
#include "arch/x86/spec.def"
	};

	/* An interpreter guesses nothing. */
	if (cpu_has_hypervisor() && cpuid_or_zero(0x40000000, 0).ebx == TCG_SIGNATURE)
		return 0;
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].vendor != cpu_info.vendor || rows[i].family != cpu_info.family)
			continue;
		if (!rows[i].models[0] || memchr(rows[i].models, (int)cpu_info.model, 12))
			return rows[i].bugs;
	}
	return cpu_info.vendor == CPU_AMD ? SPEC_V2 | SPEC_BTC | SPEC_SRSO | SPEC_TSA :
					    2 * SPEC_BTC - 1;
}

/* Where either vendor's CPUs say that they have not this fault or that. */
static u64 denials(const struct facts *f)
{
	if (!f->is_amd)
		return f->caps;
	return f->amd.eax | (u64)f->amd.ecx << 32 | (f->ext & BIT(29) ? BIT(48) : 0);
}

/* The model's faults without those that this CPU denies, or does not show with our choices. */
static u32 bugs_find(const struct facts *f)
{
	u32 bugs = model_bugs();

#define SPEC_BUG(name, text, by)                                                                   \
	if ((by) && (denials(f) & (by)) == (by))                                                   \
		bugs &= ~(u32)SPEC_##name;
#include "arch/x86/spec.def"
	if (!cpu_has_rtm())
		bugs &= ~(u32)SPEC_TAA;
	/* Either of enhanced IBRS alone, or of what it replaces. */
	if (f->has_eibrs)
		return f->is_amd ? bugs : bugs & ~(u32)SPEC_BTC;
	return bugs & ~(u32)(SPEC_BHI | SPEC_PBRSB | SPEC_ITS);
}

/* Do `actions` against `bugs` if `can`. */
static void answer(struct spec_plan *p, u32 bugs, bool can, u32 actions)
{
	if (!(p->bugs & bugs))
		return;
	if (can)
		p->actions |= actions;
	else
		p->open |= p->bugs & bugs;
}

static void branches_decide(struct spec_plan *p, const struct facts *f)
{
	bool has_bhi_ctrl = cpuid_or_zero(7, 2).edx & BIT(4);
	u32 eibrs = f->is_amd ? SPEC_DO_AIBRS : SPEC_DO_EIBRS;

	answer(p, SPEC_V2, true, f->has_eibrs ? eibrs : SPEC_DO_RETPOLINE | SPEC_DO_RSB);
	answer(p, SPEC_V2, f->has_ibpb, SPEC_DO_IBPB_SWITCH);
	/* A filled RSB never runs dry before the next exit, so no RET asks the other predictors. */
	answer(p, SPEC_ITS, true, SPEC_DO_RETPOLINE | SPEC_DO_RSB);
	/* What has L1TF has 16 entries; RFDS besides is only had by what is not known. */
	if ((p->actions & SPEC_DO_RSB) && (p->bugs & (SPEC_L1TF | SPEC_RFDS)) != SPEC_L1TF)
		p->actions |= SPEC_DO_RSB_MORE;
	answer(p, SPEC_BHI, true, has_bhi_ctrl ? SPEC_DO_BHI_DIS : SPEC_DO_BHB);
	answer(p, SPEC_PBRSB, true, p->actions & SPEC_DO_RSB ? 0 : SPEC_DO_RSB_ONE);
	if (!f->is_amd)
		answer(p, SPEC_BTC, f->std & STD_IBRS, SPEC_DO_IBRS);
	else if ((f->amd.eax & BP_REDUCE_MAY) == BP_REDUCE_MAY)
		answer(p, SPEC_SRSO, true, SPEC_DO_BP_REDUCE);
	else
		answer(p, SPEC_BTC | SPEC_SRSO,
		       f->has_ibpb && (cpu_info.family < 0x19 || (f->amd.eax & IBPB_BRTYPE)),
		       SPEC_DO_IBPB | SPEC_DO_RSB | SPEC_DO_RSB_MORE);
}

static void buffers_decide(struct spec_plan *p, const struct facts *f)
{
	/* On CPUs with MDS the VERW against it does more than it says. */
	u64 clears_fill = (f->caps & BIT(17)) | (p->bugs & SPEC_MDS ? f->std & STD_MD_CLEAR : 0);

	answer(p, SPEC_MDS | SPEC_TAA, f->std & STD_MD_CLEAR, SPEC_DO_VERW);
	answer(p, SPEC_MMIO, clears_fill, SPEC_DO_VERW);
	answer(p, SPEC_RFDS, f->caps & BIT(28), SPEC_DO_VERW);
	answer(p, SPEC_TSA, f->amd.eax & BIT(5), SPEC_DO_VERW);
	answer(p, SPEC_GDS, f->caps & BIT(25) /* GDS_CTRL: on after RESET */, 0);
	if (!(f->caps & BIT(3) /* SKIP_L1DFL_VMENTRY */))
		answer(p, SPEC_L1TF, f->std & BIT(28), SPEC_DO_L1D);
}

/* Bits of SPEC_CTRL: IBRS, STIBP, SSBD, IPRED_DIS, RRSBA_DIS, PSFD, DDPD_U, BHI_DIS_S. */
static u32 ctrl_valid(const struct facts *f)
{
	u32 more = cpuid_or_zero(7, 2).edx;

	return (f->std & STD_IBRS || f->ext & BIT(14) ? SPEC_CTRL_IBRS : 0) |
	       (f->std & BIT(27) || f->ext & BIT(15) ? BIT(1) : 0) |
	       (f->std & BIT(31) || f->ext & BIT(24) ? BIT(2) : 0) |
	       (more & BIT(1) ? MASK(4, 3) : 0) | (more & BIT(2) ? MASK(6, 5) : 0) |
	       (more & BIT(0) || f->ext & BIT(28) ? BIT(7) : 0) |
	       (more & BIT(3) ? BIT(8) : 0) | (more & BIT(4) ? SPEC_CTRL_BHI_DIS_S : 0);
}

void spec_decide(u64 arch_caps, struct spec_plan *p)
{
	struct facts f = {
		.caps = arch_caps,
		.std = cpuid_or_zero(7, 0).edx,
		.ext = cpuid_or_zero(0x80000008, 0).ebx,
		.amd = cpuid_or_zero(0x80000021, 0),
		.is_amd = cpu_info.vendor == CPU_AMD,
	};

	f.has_ibpb = (f.std & STD_IBRS) || (f.ext & BIT(12));
	f.has_eibrs = f.is_amd ? f.amd.eax & BIT(8) :
				 (f.std & STD_IBRS) && (arch_caps & CAP_IBRS_ALL);
	*p = (struct spec_plan){ .bugs = bugs_find(&f), .ctrl_valid = ctrl_valid(&f) };
	branches_decide(p, &f);
	buffers_decide(p, &f);
	p->ctrl |= p->actions & (SPEC_DO_EIBRS | SPEC_DO_IBRS) ? SPEC_CTRL_IBRS : 0;
	p->ctrl |= p->actions & SPEC_DO_BHI_DIS ? SPEC_CTRL_BHI_DIS_S : 0;
}
