/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMCS in a report. */
#include "arch/x86/insn.h"
#include "core/lib/log.h"
#include "vmx/vmx.h"

typedef unsigned long long ull;

static void dump_seg(struct vcpu *v, const char *name, enum seg s)
{
	struct segment seg;

	vmx_seg_get(v, s, &seg);
	log_err("  %-4s sel %04x ar %05x limit %08x base %016llx", name, seg.sel, seg.ar, seg.limit,
		(ull)seg.base);
}

static void dump_gprs(const u64 *g)
{
	log_err("  rax %016llx rcx %016llx rdx %016llx rbx %016llx", (ull)g[0], (ull)g[1],
		(ull)g[2], (ull)g[3]);
	log_err("  rsp %016llx rbp %016llx rsi %016llx rdi %016llx", (ull)vmreadnat(VMCS_GUEST_RSP),
		(ull)g[5], (ull)g[6], (ull)g[7]);
	log_err("  r8  %016llx r9  %016llx r10 %016llx r11 %016llx", (ull)g[8], (ull)g[9],
		(ull)g[10], (ull)g[11]);
	log_err("  r12 %016llx r13 %016llx r14 %016llx r15 %016llx", (ull)g[12], (ull)g[13],
		(ull)g[14], (ull)g[15]);
}

static void dump_controls(void)
{
	log_err("  pin %08x proc %08x proc2 %08x exit %08x entry %08x", vmread32(VMCS_PIN_CONTROLS),
		vmread32(VMCS_PROC_CONTROLS), vmread32(VMCS_PROC2_CONTROLS),
		vmread32(VMCS_EXIT_CONTROLS), vmread32(VMCS_ENTRY_CONTROLS));
	log_err("  real cr0 %016llx cr4 %016llx interruptibility %x activity %x",
		(ull)vmreadnat(VMCS_GUEST_CR0), (ull)vmreadnat(VMCS_GUEST_CR4),
		vmread32(VMCS_GUEST_INTERRUPTIBILITY), vmread32(VMCS_GUEST_ACTIVITY));
	log_err("  exit reason %08x qualification %016llx gpa %016llx vectoring %08x inject %08x",
		vmread32(VMCS_EXIT_REASON), (ull)vmreadnat(VMCS_QUALIFICATION),
		(ull)vmread64(VMCS_GUEST_PHYSICAL), vmread32(VMCS_IDT_VECTORING_INFO),
		vmread32(VMCS_ENTRY_INTR_INFO));
}

const char *vmx_exit_name(u32 code)
{
	switch (code & EXIT_REASON_MASK) {
#define X(number, name, kind, decode)                                                              \
	case number:                                                                               \
		return #name;
#include "vmx/exits.def"
#undef X
	default:
		return NULL;
	}
}

void vmx_dump(struct vcpu *v)
{
	log_err("  rip %016llx rflags %08llx cr0 %08llx cr2 %016llx",
		(ull)vmreadnat(VMCS_GUEST_RIP), (ull)vmreadnat(VMCS_GUEST_RFLAGS),
		(ull)vmx_reg_get(v, REG_CR0), (ull)read_cr2());
	log_err("  cr3 %016llx cr4 %08llx efer %08llx", (ull)vmreadnat(VMCS_GUEST_CR3),
		(ull)vmx_reg_get(v, REG_CR4), (ull)vmread64(VMCS_GUEST_EFER));
	dump_gprs(v->hot->gprs);
	dump_seg(v, "cs", SEG_CS);
	dump_seg(v, "ss", SEG_SS);
	dump_seg(v, "ds", SEG_DS);
	dump_seg(v, "tr", SEG_TR);
	dump_seg(v, "gdtr", SEG_GDTR);
	dump_seg(v, "idtr", SEG_IDTR);
	dump_controls();
}
