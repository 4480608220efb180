/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not linked: compiled to assembly, from which the build makes gen/arch/x86/offsets.h. So no
 * assembly file types an offset by hand.
 */
#include "arch/x86/percpu.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/spec.h"
#include "arch/x86/trap.h"

#define DEFINE(name, value) __asm__ volatile("\n.ascii \"->" #name " %c0\"" : : "i"(value))
#define OFFSET(NAME, type, member) DEFINE(NAME, offsetof(struct type, member))

void offsets(void);

void offsets(void)
{
	DEFINE(TRAP_FRAME_BYTES, sizeof(struct trap_frame));
	OFFSET(TRAP_FRAME_VECTOR, trap_frame, vector);
	DEFINE(BOOT_STACK_BYTES, STACK_BYTES);
	OFFSET(PERCPU_SELF, percpu, self);
	OFFSET(PERCPU_VCPU, percpu, vcpu);
	OFFSET(PERCPU_ISO_CR3, percpu, iso_cr3);
	OFFSET(PERCPU_FULL_CR3, percpu, full_cr3);
	OFFSET(PERCPU_STACK_TOP, percpu, stack_top);
	OFFSET(PERCPU_SPEC_GUEST, percpu, spec_guest);
	DEFINE(CR4_PAE, CR4_PAE);
	DEFINE(EFER_LME, EFER_LME);
	DEFINE(EFER_NXE, EFER_NXE);
#define EXCEPTION(name, vector, text) DEFINE(EXC_##name, vector);
#include "arch/x86/exceptions.def"
#define MSR(name, number) DEFINE(MSR_##name, number);
#define MSR_RANGE(name, first, last)
#include "arch/x86/msrs.def"
#define SPEC_ACTION(name, text) DEFINE(SPEC_DO_##name, SPEC_DO_##name);
#include "arch/x86/spec.def"
}
