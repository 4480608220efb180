/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction emulator applied to a vCPU: it fetches at the guest's RIP, reaches guest memory
 * through the guest's page tables, and devices through core/io.h. On the full tables, on the CPU
 * where the vCPU is loaded.
 */
#ifndef CORE_EMULATE_H
#define CORE_EMULATE_H

#include "core/emul/emul.h"
#include "core/lib/err.h"

struct vcpu;

/*
 * Carry out the instruction at RIP; on success RIP is behind it. A fault becomes an event of the
 * guest, an instruction that cannot be emulated ends the VM, or is #UD for a user program.
 */
void emulate_insn(struct vcpu *v);

/* Decode the instruction at RIP, change nothing. ERR_FAULT if it is not readable or not one. */
enum err emulate_decode(struct vcpu *v, struct emul_insn *out) __must_check;

/* An instruction has been completed: raise the single-step trap if the guest asked for it. */
void emulate_trap(struct vcpu *v, u64 rflags_before);

#endif
