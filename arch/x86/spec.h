/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Lamina does against CPUs that guess ahead with what a guest has taught them. Decided once by
 * spec.c from spec.def, CPUID and IA32_ARCH_CAPABILITIES; constant afterwards. The code for it is
 * put together at boot out of the pieces in spec.S and stands beside the entry code, which jumps
 * there from its sites. A site is a few instructions that can be moved; where nothing is to be
 * done they stay where they are, and the way costs not one instruction more.
 *
 * What guards the host stands at the door to the full tables, not at each exit: the isolated ones
 * show nothing that is secret, and on them no branch goes through a register and each RET belongs
 * to a CALL behind the exit, so nothing that the guest has taught the CPU leads anywhere. The order
 * of a site's pieces is that of spec.S. On the way in: the guest's SPEC_CTRL at the door, general
 * registers, VERW, entry. On the way out, registers saved and cleared: IBPB, RSB, the host's
 * SPEC_CTRL, BHB, LFENCE, the full tables, and then the first RET to before the exit.
 */
#ifndef ARCH_X86_SPEC_H
#define ARCH_X86_SPEC_H

/* Kinds of sites. */
#define SPEC_AT_CTRL 1 /* GS is the host's; RAX, RCX and RDX are free */
#define SPEC_AT_ENTRY 2 /* right before the guest: only flags are free */
#define SPEC_AT_EXIT 4 /* RAX, RCX and RDX are free, and stack */
#define SPEC_AT_VMX_EXIT (8 | SPEC_AT_EXIT) /* GS is the host's, too */
#define SPEC_AT_NMI 32 /* as SPEC_AT_EXIT; R14 is free */
#define SPEC_AT_NMI_END 64 /* the same; R14 is that of the beginning */
#define SPEC_SITE_BYTES 352 /* all pieces of a site */
#define SPEC_JUMP_BYTES 5

#ifdef __ASSEMBLER__
	/* The instructions between the two may not depend on where they are. */
	.macro SPEC_BEGIN kind
	.pushsection .iso.text.spec, "ax"
	.balign 64
.Lspec_out\@:
	.skip SPEC_SITE_BYTES, 0xcc
	.popsection
	.pushsection .spec_sites, "a"
	.quad 771f, 772f, .Lspec_out\@, \kind
	.popsection
771:
	.endm
	.macro SPEC_END
772:
	.endm
#else

#include "arch/x86/insn.h"
#include "arch/x86/regs.h"

enum {
#define SPEC_BUG(name, text, denied_by) SPEC_NR_##name, SPEC_##name = 1 << SPEC_NR_##name, \
					SPEC_AFTER_##name = SPEC_NR_##name,
#include "arch/x86/spec.def"
};
enum {
#define SPEC_ACTION(name, text) SPEC_DO_NR_##name, SPEC_DO_##name = 1 << SPEC_DO_NR_##name, \
				SPEC_DO_AFTER_##name = SPEC_DO_NR_##name,
#include "arch/x86/spec.def"
};

struct spec_plan {
	u32 bugs; /* SPEC_*: what this CPU has */
	u32 open; /* those that nothing can be done against */
	u32 actions; /* SPEC_DO_* */
	u32 ctrl; /* the host's SPEC_CTRL */
	u32 ctrl_valid; /* the bits that the CPU has there; 0: no such MSR */
};

extern struct spec_plan spec_plan; /* [c] after spec_init() */

/* What cpu_info, CPUID and IA32_ARCH_CAPABILITIES ask for. */
void spec_decide(u64 arch_caps, struct spec_plan *out);

/* Decide, and patch the code. Boot CPU, on its own tables, before any other CPU runs. */
void spec_init(void);

/* The MSRs of one CPU. On each, before hv_cpu_on(). */
void spec_cpu_on(void);

/* Give `line` what is done, a line at a time. Any CPU. */
void spec_report(void (*line)(const char *text));

/*
 * SPEC_CTRL of the vCPU that is loaded on this CPU, 0 without one. Its bits only forbid: the CPU
 * may run with the guest's and the host's at once, so that entries and exits need not switch it.
 * Only IBRS on CPUs with SPEC_DO_IBRS is too slow for that, and has to be written on each exit.
 */
void spec_ctrl_set(u64 guest);
u64 spec_ctrl_get(void);

/* The next guest is another VM than the last one on this CPU. */
static inline void spec_vm_switch(void)
{
	if (spec_plan.actions & SPEC_DO_IBPB_SWITCH)
		wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}

/* Back from the full tables, if they were `left` for: what they hold may be in the L1D. */
static inline void spec_on_return(bool left)
{
	if (unlikely(spec_plan.actions & SPEC_DO_L1D) && left)
		wrmsr(MSR_FLUSH_CMD, FLUSH_CMD_L1D);
}

#endif
#endif
