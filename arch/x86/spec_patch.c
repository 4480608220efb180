/* SPDX-License-Identifier: BSD-2-Clause */
/* From the plan to the code, the MSRs and the log. */
#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/page.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/spec.h"

struct spec_plan spec_plan;

/* See SPEC_BEGIN. Instructions from..to go to `out` together with the pieces of that kind. */
struct site {
	const u8 *from, *to, *out;
	u64 kind;
};

/* From spec.S, in order, each up to the next. Without actions: the site's own instructions. */
struct piece {
	const u8 *from;
	u32 actions, kinds;
};

extern const struct site spec_sites_start[], spec_sites_end[];
extern const struct piece spec_pieces[];
extern const u8 spec_thunks[];

#define INSN_JMP 0xe9
#define INSN_INT3 0xcc
#define THUNK_BYTES 32

/* The direct map has the text writable. */
static u8 *alias(const u8 *text)
{
	return pa_to_va(va_to_pa(text));
}

static void copy(const u8 **out, const u8 *from, const u8 *to)
{
	memcpy(alias(*out), from, (size_t)(to - from));
	*out += to - from;
}

static void jump(const u8 *at, const u8 *to)
{
	s32 distance = (s32)(to - at - SPEC_JUMP_BYTES);

	*alias(at) = INSN_JMP;
	memcpy(alias(at + 1), &distance, sizeof(distance));
}

static void site_patch(const struct site *s, u32 actions)
{
	const struct piece *p;
	const u8 *out = s->out;
	bool is_needed = false;

	for (p = spec_pieces; p->kinds; p++) {
		if (!p->actions) {
			copy(&out, s->from, s->to);
		} else if ((p->kinds & s->kind) && (p->actions & actions)) {
			copy(&out, p->from, p[1].from);
			is_needed = true;
		}
	}
	if (!is_needed)
		return;
	ASSERT(out + SPEC_JUMP_BYTES <= s->out + SPEC_SITE_BYTES);
	ASSERT(s->to - s->from >= SPEC_JUMP_BYTES);
	jump(out, s->to);
	memset(alias(s->from), INSN_INT3, (size_t)(s->to - s->from));
	jump(s->from, s->out);
}

/* Each thunk becomes JMP *register. */
static void thunks_patch(void)
{
	for (u32 i = 0; i < 16; i++) {
		u8 jmp[] = { (u8)(i < 8 ? 0x3e : 0x41), 0xff, (u8)(0xe0 | (i & 7)), INSN_INT3 };

		memcpy(alias(spec_thunks + THUNK_BYTES * i), jmp, sizeof(jmp));
	}
}

void spec_init(void)
{
	spec_decide(cpu_has_arch_capabilities() ? rdmsr(MSR_ARCH_CAPABILITIES) : 0, &spec_plan);
	for (const struct site *s = spec_sites_start; (u64)s < (u64)spec_sites_end; s++)
		site_patch(s, spec_plan.actions);
	if (!(spec_plan.actions & SPEC_DO_RETPOLINE))
		thunks_patch();
	/* Serializes: SDM "Handling Self- and Cross-Modifying Code". */
	(void)cpuid(0, 0);
}

void spec_cpu_on(void)
{
	if (spec_plan.ctrl)
		wrmsr(MSR_SPEC_CTRL, spec_plan.ctrl);
	if (spec_plan.actions & SPEC_DO_AIBRS)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AIBRSE);
	if (spec_plan.actions & SPEC_DO_BP_REDUCE)
		wrmsr(MSR_AMD_BP_CFG, rdmsr(MSR_AMD_BP_CFG) | BP_CFG_SPEC_REDUCE);
}

void spec_ctrl_set(u64 guest)
{
	if (!spec_plan.ctrl_valid)
		return;
	this_cpu()->spec_guest = guest;
	if (!(spec_plan.actions & SPEC_DO_IBRS))
		wrmsr(MSR_SPEC_CTRL, guest | spec_plan.ctrl);
}

u64 spec_ctrl_get(void)
{
	return this_cpu()->spec_guest;
}

#define REPORT_BYTES 240

static void names_report(void (*line)(const char *text), const char *what,
			 const char *const *names, u32 bits)
{
	char text[REPORT_BYTES];

	bits_print(text, sizeof(text), what, names, bits);
	line(bits ? text : "speculation: nothing to be done");
}

void spec_report(void (*line)(const char *text))
{
	static const char *const bugs[] = {
#define SPEC_BUG(name, text, denied_by) text,
#include "arch/x86/spec.def"
	};
	static const char *const actions[] = {
#define SPEC_ACTION(name, text) text,
#include "arch/x86/spec.def"
	};

	if (spec_plan.bugs)
		names_report(line, "speculation: this CPU has ", bugs, spec_plan.bugs);
	names_report(line, "speculation: ", actions, spec_plan.actions);
	if (spec_plan.open)
		names_report(line, "isolation: partial: no help from the microcode against ", bugs,
			     spec_plan.open);
}
