/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMCS in a report. */
#include "arch/x86/insn.h"
#include "core/lib/log.h"
#include "vmx/vmx.h"

void vmx_dump(struct vcpu *v __unused_arg)
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
#define X(number, name, kind, decode, class)                                                       \
	case number:                                                                               \
		return #name;
#include "vmx/exits.def"
#undef X
	default:
		return NULL;
	}
}
