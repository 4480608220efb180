/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/msr_hw.h"

#include "arch/x86/cpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/regs.h"

u64 msr_hw_arch_capabilities(void)
{
	return cpu_has_arch_capabilities() ? rdmsr(MSR_ARCH_CAPABILITIES) : 0;
}

void msr_hw_tsc_aux_load(u32 value)
{
	if (cpu_has_rdtscp() || cpu_has_rdpid())
		wrmsr(MSR_TSC_AUX, value);
}
