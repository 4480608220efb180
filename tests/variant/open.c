/* SPDX-License-Identifier: BSD-2-Clause */
/* No isolation: the entry code has no doors, and guests come out on the full tables. */
#include "arch/x86/insn.h"
#include "arch/x86/iso_cpu.h"

u64 __wrap_iso_root_cr3(void);

u64 __wrap_iso_root_cr3(void)
{
	return read_cr3();
}
