/* SPDX-License-Identifier: BSD-2-Clause */
/* No isolation: the entry code has no doors, and guests come out on the full tables. */
#include "arch/x86/insn.h"
#include "arch/x86/iso_cpu.h"
#include "core/npf.h"
#include "core/request.h"

u64 __wrap_iso_root_cr3(void);

u64 __wrap_iso_root_cr3(void)
{
	return read_cr3();
}

/* There is no window either: the full code has all of memory. */
enum next __wrap_npf_fast(struct vcpu_hot *hot, u64 gpa);

enum next __wrap_npf_fast(struct vcpu_hot *hot __unused_arg, u64 gpa __unused_arg)
{
	return NEXT_SLOW;
}

/* Interrupts are the full code's, as are those that end a run. */
bool __wrap_request_interrupt_fast(u8 vector);

bool __wrap_request_interrupt_fast(u8 vector __unused_arg)
{
	return false;
}
