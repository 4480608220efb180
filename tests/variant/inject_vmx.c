/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries that VMX refuses: SDM "VM Entries", in the order of its checks. */
#include "arch/x86/page.h"
#include "arch/x86/panic.h"
#include "tests/variant/inject.h"
#include "vmx/vmx.h"

enum kind {
	KIND_NONE,
	KIND_NOT_LAUNCHED, /* VMRESUME fails, VMLAUNCH behind it does not */
	KIND_LAUNCHED, /* VMRESUME fails for its controls, VMLAUNCH because it was launched */
	KIND_CONTROL,
	KIND_HOST_STATE,
	KIND_GUEST_STATE,
	KIND_MSR_LOAD,
};

#define VMCS_ENTRY_MSR_LOAD 0x200au /* the list's address: Lamina itself has none */
#define MSR_FS_BASE_REFUSED 0xc0000100u /* must not be in the list */

static u64 *msr_list; /* one entry */
static u32 pin;
static u16 host_cs;
static u64 rflags;

enum next __real_vmx_stay(struct vcpu_hot *hot);
enum next __wrap_vmx_stay(struct vcpu_hot *hot);

static void launch_state_clear(struct vcpu_hot *hot)
{
	hpa_t vmcs = va_to_pa(vmx_vcpu(hot->vcpu)->vmcs);

	if (vmclear(vmcs) || vmptrld(vmcs))
		panic("a VMCS in use cannot be loaded again");
}

static void msr_list_set(void)
{
	if (!msr_list)
		msr_list = page_alloc();
	if (!msr_list)
		panic("no page for a list of MSRs");
	msr_list[0] = MSR_FS_BASE_REFUSED;
	vmwrite(VMCS_ENTRY_MSR_LOAD, va_to_pa(msr_list).v);
	vmwrite32(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
}

static void state_break(struct vcpu_hot *hot, u32 kind)
{
	pin = vmread32(VMCS_PIN_CONTROLS);
	host_cs = vmread16(VMCS_HOST_CS_SEL);
	rflags = vmreadnat(VMCS_GUEST_RFLAGS);
	if (kind == KIND_NOT_LAUNCHED || kind == KIND_CONTROL || kind == KIND_HOST_STATE)
		launch_state_clear(hot);
	if (kind == KIND_LAUNCHED || kind == KIND_CONTROL)
		vmwrite32(VMCS_PIN_CONTROLS, 0);
	else if (kind == KIND_HOST_STATE)
		vmwrite16(VMCS_HOST_CS_SEL, 0);
	else if (kind == KIND_GUEST_STATE)
		vmwritenat(VMCS_GUEST_RFLAGS, 0);
	else if (kind == KIND_MSR_LOAD)
		msr_list_set();
}

static void state_repair(u32 kind)
{
	vmwrite32(VMCS_PIN_CONTROLS, pin);
	vmwrite16(VMCS_HOST_CS_SEL, host_cs);
	if (kind == KIND_GUEST_STATE)
		vmwritenat(VMCS_GUEST_RFLAGS, rflags);
	vmwrite32(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
}

enum next __wrap_vmx_stay(struct vcpu_hot *hot)
{
	u32 kind = inject_take(hot);
	u32 reason = 0, error = 0;
	enum next next;
	bool has_failed;

	if (!kind)
		return __real_vmx_stay(hot);
	state_break(hot, kind);
	next = __real_vmx_stay(hot);
	if (next == NEXT_AGAIN && inject_put_back(kind)) {
		state_repair(kind);
		return next;
	}
	has_failed = next == NEXT_SLOW && hot->exit_reason == VMX_REASON_FAILED;
	if (!has_failed)
		reason = vmread32(VMCS_EXIT_REASON);
	if (has_failed || kind == KIND_NOT_LAUNCHED)
		error = vmread32(VMCS_INSN_ERROR);
	inject_seen(hot, reason, error);
	state_repair(kind);
	/* The run loop has an answer of its own to the error of a second launch. */
	if (kind == KIND_LAUNCHED || (!has_failed && !(reason & EXIT_REASON_ENTRY_FAILED)))
		return next;
	return NEXT_AGAIN;
}
