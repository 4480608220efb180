/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMCB in a report. */
#include "core/lib/log.h"
#include "svm/svm.h"

typedef unsigned long long ull;

static void dump_seg(const char *name, const struct vmcb_seg *s)
{
	log_err("  %-4s sel %04x attrib %03x limit %08x base %016llx", name, s->sel, s->attrib,
		s->limit, (ull)s->base);
}

static void dump_gprs(const u64 *g, const struct vmcb *vmcb)
{
	log_err("  rax %016llx rcx %016llx rdx %016llx rbx %016llx", (ull)g[0], (ull)g[1],
		(ull)g[2], (ull)g[3]);
	log_err("  rsp %016llx rbp %016llx rsi %016llx rdi %016llx", (ull)vmcb->rsp, (ull)g[5],
		(ull)g[6], (ull)g[7]);
	log_err("  r8  %016llx r9  %016llx r10 %016llx r11 %016llx", (ull)g[8], (ull)g[9],
		(ull)g[10], (ull)g[11]);
	log_err("  r12 %016llx r13 %016llx r14 %016llx r15 %016llx", (ull)g[12], (ull)g[13],
		(ull)g[14], (ull)g[15]);
}

const char *svm_exit_name(u32 code)
{
	switch (code) {
#define X(number, name, kind, decode)                                                              \
	case (u32)(number):                                                                        \
		return #name;
#include "svm/exits.def"
#undef X
	default:
		return NULL;
	}
}

void svm_dump(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_vmcb(v);

	log_err("  rip %016llx rflags %08llx cpl %u cr0 %08llx cr2 %016llx", (ull)vmcb->rip,
		(ull)vmcb->rflags, vmcb->cpl, (ull)vmcb->cr0, (ull)vmcb->cr2);
	log_err("  cr3 %016llx cr4 %08llx efer %08llx", (ull)vmcb->cr3, (ull)vmcb->cr4,
		(ull)vmcb->efer);
	dump_gprs(v->hot->gprs, vmcb);
	dump_seg("cs", &vmcb->cs);
	dump_seg("ss", &vmcb->ss);
	dump_seg("ds", &vmcb->ds);
	dump_seg("tr", &vmcb->tr);
	dump_seg("gdtr", &vmcb->gdtr);
	dump_seg("idtr", &vmcb->idtr);
	log_err("  exit %llx info %016llx %016llx int info %016llx", (ull)vmcb->exit_code,
		(ull)vmcb->exit_info1, (ull)vmcb->exit_info2, (ull)vmcb->exit_int_info);
	log_err("  vintr %016llx int state %llx event %016llx intercepts %08x %08x",
		(ull)vmcb->vintr, (ull)vmcb->int_state, (ull)vmcb->event_inj, vmcb->intercept3,
		vmcb->intercept4);
}
