/* SPDX-License-Identifier: BSD-2-Clause */
/* Events into a guest: SDM "Event Injection", "Information for VM Exits During Event Delivery". */
#include "vmx/vmx.h"

#include "arch/x86/regs.h"

static bool is_by_instruction(u8 type)
{
	return type == EVENT_SOFT_INT || type == EVENT_SOFT_EXC || type == EVENT_PRIV_SOFT_EXC;
}

void vmx_inject(struct vcpu *v __unused_arg, const struct event *event)
{
	u32 info = event->vector | (u32)event->type << INTR_TYPE_SHIFT | (u32)INTR_VALID;

	/* Real mode has no error codes, and an entry that injects one is refused. */
	if (event->has_err && (vmreadnat(VMCS_GUEST_CR0) & CR0_PE)) {
		info |= INTR_HAS_ERR;
		vmwrite32(VMCS_ENTRY_ERROR_CODE, event->err);
	}
	if (is_by_instruction(event->type))
		vmwrite32(VMCS_ENTRY_INSN_LEN, event->insn_len);
	vmwrite32(VMCS_ENTRY_INTR_INFO, info);
}

static struct event event_from(u32 info, u32 err, u32 insn_len)
{
	return (struct event){ .is_valid = info & INTR_VALID,
			       .type = (u8)bits_get(info, 10, 8),
			       .vector = (u8)info,
			       .has_err = info & INTR_HAS_ERR,
			       .err = err,
			       .insn_len = (u8)insn_len };
}

struct event vmx_injection_take(struct vcpu *v)
{
	struct event e;
	u32 info;

	if (vmx_vcpu(v)->was_abandoned) {
		e = event_from(vmread32(VMCS_ENTRY_INTR_INFO), vmread32(VMCS_ENTRY_ERROR_CODE),
			       vmread32(VMCS_ENTRY_INSN_LEN));
		vmwrite32(VMCS_ENTRY_INTR_INFO, 0);
		return e;
	}
	info = vmread32(VMCS_IDT_VECTORING_INFO);
	if (likely(!(info & INTR_VALID)))
		return (struct event){ 0 };
	e = event_from(info, vmread32(VMCS_IDT_VECTORING_ERROR), vmread32(VMCS_EXIT_INSN_LEN));
	/* An NMI whose delivery failed has begun to block NMIs; it will be injected again. */
	if (e.type == EVENT_NMI)
		vmx_blocking_set(v, vmx_blocking_get(v) & ~(u32)BLOCK_NMI);
	return e;
}

/* BLOCK_* are the bits of the interruptibility state. */
u32 vmx_blocking_get(struct vcpu *v __unused_arg)
{
	return vmread32(VMCS_GUEST_INTERRUPTIBILITY);
}

void vmx_blocking_set(struct vcpu *v __unused_arg, u32 blocking)
{
	vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, blocking);
}

void vmx_window(struct vcpu *v, bool irq, bool nmi)
{
	u32 old = vmread32(VMCS_PROC_CONTROLS);
	u32 new = old & ~(u32)(PROC_INTR_WINDOW | PROC_NMI_WINDOW);

	v->hot->is_window_fast = false;
	/* STI blocks NMIs too on some CPUs, but an NMI window would not wait for its end. */
	if (nmi && (vmx_blocking_get(v) & BLOCK_STI))
		irq = true;
	else if (nmi)
		new |= PROC_NMI_WINDOW;
	if (irq)
		new |= PROC_INTR_WINDOW;
	if (new != old)
		vmwrite32(VMCS_PROC_CONTROLS, new);
}
