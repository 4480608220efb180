/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that is done against guesses, on any CPU that can execute it: each piece of arch/x86/spec.S
 * runs on every entry and exit, and SPEC_CTRL is switched. QEMU ignores MSRs that it does not know.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/spec.h"

/* EFER.AIBRSE and BP_CFG have no emulator, nor has BHI_DIS_S where CPUID does not offer it. */
#define NOT_EMULATED (u32)(SPEC_DO_AIBRS | SPEC_DO_BP_REDUCE | SPEC_DO_BHI_DIS)

void __real_spec_decide(u64 arch_caps, struct spec_plan *plan);

void __wrap_spec_decide(u64 arch_caps, struct spec_plan *plan)
{
	__real_spec_decide(arch_caps, plan);
	plan->actions = ((2u << SPEC_DO_NR_L1D) - 1) & ~NOT_EMULATED;
	plan->ctrl = SPEC_CTRL_IBRS;
	plan->ctrl_valid |= SPEC_CTRL_IBRS;
	plan->open = 0;
}
