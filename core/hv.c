/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/hv.h"

#include "arch/x86/cpu.h"

bool hv_is_vmx;

void hv_select(void)
{
	hv_is_vmx = cpu_has_vmx();
}
