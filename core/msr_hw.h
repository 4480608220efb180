/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few real MSRs that emulation reads or writes. A seam: host tests bring their own. On the
 * full tables, on the CPU meant.
 */
#ifndef CORE_MSR_HW_H
#define CORE_MSR_HW_H

#include "core/lib/types.h"

/* The host's IA32_ARCH_CAPABILITIES; 0 on CPUs without. */
u64 msr_hw_arch_capabilities(void);

/* Load IA32_TSC_AUX; nothing happens on CPUs without RDTSCP and RDPID. */
void msr_hw_tsc_aux_load(u32 value);

#endif
