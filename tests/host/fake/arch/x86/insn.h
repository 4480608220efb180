/* SPDX-License-Identifier: BSD-2-Clause */
/* The privileged instructions that code on the fake CPU executes. */
#ifndef TESTS_HOST_FAKE_INSN_H
#define TESTS_HOST_FAKE_INSN_H

#include "../../../../../arch/x86/insn.h"

void fake_step(void);
void fake_wrmsr(u32 msr, u64 value);
void *fake_this_cpu(void);

#define wrmsr(msr, value) fake_wrmsr(msr, value)
#define irq_save() 0
#define irq_restore(flags) ((void)(flags))
#define cpu_pause() fake_step()
#define gs_read(offset) ((u64)fake_this_cpu()) /* GS:0 is the structure's own address */

#endif
