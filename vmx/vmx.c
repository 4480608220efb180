/* SPDX-License-Identifier: BSD-2-Clause */
/* VMs and vCPUs on VMX: their control structures, and running them. */
#include "vmx/vmx.h"

#include <string.h>

#include "arch/x86/desc.h"
#include "arch/x86/iso_cpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/spec.h"
#include "arch/x86/trap.h"
#include "core/vm.h"

/* SDM "MSR-Bitmap Address": reads of low and high MSRs, then writes; 1 KiB each. */
#define MSR_BITMAP_HIGH 1024u
#define MSR_BITMAP_WRITE 2048u
#define MSR_HIGH_FIRST 0xc0000000u
#define MSR_RANGE_SIZE 8192u

static void bit_set(u8 *bitmap, u32 n, bool is_set)
{
	bitmap[n / 8] = (u8)bits_put(bitmap[n / 8], BIT(n % 8), is_set);
}

void vmx_bitmap_set(u8 *bitmap, u32 msr, u32 exits)
{
	if (msr - MSR_HIGH_FIRST < MSR_RANGE_SIZE) {
		bitmap += MSR_BITMAP_HIGH;
		msr -= MSR_HIGH_FIRST;
	}
	/* Others cannot be passed through. */
	if (msr >= MSR_RANGE_SIZE)
		return;
	bit_set(bitmap, msr, exits & MSR_EXIT_READ);
	bit_set(bitmap + MSR_BITMAP_WRITE, msr, exits & MSR_EXIT_WRITE);
}

void vmx_msr_exits(struct vm *vm, u32 msr, u32 exits)
{
	struct vmx_vm *vmx = vm->vendor;

	vmx_bitmap_set(vmx->msr_bitmap, msr, exits);
	vmx_bitmap_set(vmx->x2apic_bitmap, msr, exits);
}

enum err vmx_vm_init(struct vm *vm)
{
	struct vmx_vm *vmx = page_alloc();

	if (!vmx)
		return ERR_NOMEM;
	vm->vendor = vmx;
	vmx->msr_bitmap = page_alloc();
	vmx->x2apic_bitmap = page_alloc();
	if (!vmx->msr_bitmap || !vmx->x2apic_bitmap)
		return ERR_NOMEM;
	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	memset(vmx->x2apic_bitmap, 0xff, PAGE_SIZE);
	return ERR_NONE;
}

_Static_assert(BOOT_MAX_VMS * VM_MAX_VCPUS < 0xffff, "every vCPU has a VPID of its own");

enum err vmx_vcpu_init(struct vcpu *v)
{
	struct vmx_vcpu *vmx = page_alloc();

	if (!vmx)
		return ERR_NOMEM;
	v->vendor = vmx;
	v->hot->timer_shift = vmx_caps.timer_shift;
	v->hot->has_fast_deadline = vmx_caps.has_timer;
	vmx->vmcs = page_alloc();
	if (!vmx->vmcs)
		return ERR_NOMEM;
	vmx->vmcs[0] = vmx_caps.revision;
	vmx->vpid = (u16)(1 + v->vm->index * VM_MAX_VCPUS + v->index);
	vmx->eptp = vmx_eptp(pt_root(&v->vm->npt));
	if (vmclear(va_to_pa(vmx->vmcs)))
		panic("VMCLEAR of a new VMCS failed");
	return ERR_NONE;
}

/* #DB and #AC can recur inside their own delivery for ever. */
#define EXCEPTIONS (BIT(EXC_DB) | BIT(EXC_AC) | BIT(EXC_MC))

/* Controls and what no reset changes. */
static void controls_write(struct vcpu *v)
{
	static const enum vmcs32 zero[] = {
		VMCS_PF_ERROR_MASK, VMCS_PF_ERROR_MATCH, VMCS_CR3_TARGET_COUNT,
		VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD_COUNT,
		VMCS_ENTRY_INTR_INFO,
	};
	const struct vmx_vcpu *vmx = vmx_vcpu(v);
	const struct vmx_vm *vm = v->vm->vendor;

	vmwrite32(VMCS_PIN_CONTROLS, vmx_caps.pin);
	vmwrite32(VMCS_PROC_CONTROLS, vmx_caps.proc);
	vmwrite32(VMCS_PROC2_CONTROLS, vmx_caps.proc2);
	vmwrite32(VMCS_EXIT_CONTROLS, vmx_caps.exit);
	vmwrite32(VMCS_ENTRY_CONTROLS, vmx_caps.entry);
	vmwrite32(VMCS_EXCEPTION_BITMAP, EXCEPTIONS);
	for (u32 i = 0; i < ARRAY_SIZE(zero); i++)
		vmwrite32(zero[i], 0);
	vmwrite64(VMCS_MSR_BITMAP, va_to_pa(vm->msr_bitmap).v);
	vmwrite64(VMCS_EPTP, vmx->eptp);
	vmwrite64(VMCS_LINK_POINTER, ~0ull);
	if (vmx_caps.has_vpid)
		vmwrite16(VMCS_VPID, vmx->vpid);
	vmx_apic_fields_write(v);
}

void vmx_vcpu_reset(struct vcpu *v)
{
	controls_write(v);
	vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite32(VMCS_GUEST_ACTIVITY, 0);
	vmwritenat(VMCS_GUEST_PENDING_DEBUG, 0);
}

/* What the CPU is to be after an exit: this CPU's own state. SDM "Host-State Area". */
static void host_state_write(struct vcpu *v)
{
	static const enum vmcs16 null[] = { VMCS_HOST_SS_SEL, VMCS_HOST_DS_SEL, VMCS_HOST_ES_SEL,
					    VMCS_HOST_FS_SEL, VMCS_HOST_GS_SEL };

	vmwrite16(VMCS_HOST_CS_SEL, SEL_CODE);
	for (u32 i = 0; i < ARRAY_SIZE(null); i++)
		vmwrite16(null[i], SEL_NULL);
	vmwrite16(VMCS_HOST_TR_SEL, SEL_TSS);
	vmwritenat(VMCS_HOST_CR0, read_cr0());
	vmwritenat(VMCS_HOST_CR3, iso_root_cr3());
	vmwritenat(VMCS_HOST_CR4, read_cr4());
	vmwritenat(VMCS_HOST_FS_BASE, 0);
	vmwritenat(VMCS_HOST_GS_BASE, gs_base_read());
	vmwritenat(VMCS_HOST_TR_BASE, (u64)&this_cpu()->tss);
	vmwritenat(VMCS_HOST_GDTR_BASE, (u64)this_cpu()->gdt);
	vmwritenat(VMCS_HOST_IDTR_BASE, desc_idt_base());
	vmwrite32(VMCS_HOST_SYSENTER_CS, 0);
	vmwritenat(VMCS_HOST_SYSENTER_ESP, 0);
	vmwritenat(VMCS_HOST_SYSENTER_EIP, 0);
	vmwrite64(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmwrite64(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmwritenat(VMCS_HOST_RSP, (u64)&v->hot->mode);
	vmwritenat(VMCS_HOST_RIP, (u64)vmx_exit);
}

/* Registers that VMX leaves to software and that the host itself has no use for. */
static const u32 switched_msrs[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK,
				     MSR_KERNEL_GS_BASE };
_Static_assert(ARRAY_SIZE(switched_msrs) == VMX_SWITCHED_MSRS, "a place for each");

static void switched_load(const struct vmx_vcpu *vmx)
{
	write_cr2(vmx->cr2);
	debug_addresses_load(vmx->dr);
	write_dr6(vmx->dr6);
	for (u32 i = 0; i < VMX_SWITCHED_MSRS; i++)
		wrmsr(switched_msrs[i], vmx->msr[i]);
}

static void switched_save(struct vmx_vcpu *vmx)
{
	vmx->cr2 = read_cr2();
	debug_addresses_save(vmx->dr);
	vmx->dr6 = read_dr6();
	for (u32 i = 0; i < VMX_SWITCHED_MSRS; i++)
		vmx->msr[i] = rdmsr(switched_msrs[i]);
}

void vmx_vcpu_load(struct vcpu *v)
{
	if (vmptrld(va_to_pa(vmx_vcpu(v)->vmcs)))
		panic("VMPTRLD failed, error %u", vmread32(VMCS_INSN_ERROR));
	host_state_write(v);
	switched_load(vmx_vcpu(v));
}

void vmx_vcpu_unload(struct vcpu *v)
{
	switched_save(vmx_vcpu(v));
	if (vmclear(va_to_pa(vmx_vcpu(v)->vmcs)))
		panic("VMCLEAR failed");
}

void vmx_debug_exits(struct vcpu *v, bool is_on, bool has_dr)
{
	u32 proc = vmread32(VMCS_PROC_CONTROLS) & ~(u32)PROC_MOV_DR;

	(void)v;
	vmwrite32(VMCS_EXCEPTION_BITMAP, EXCEPTIONS | (is_on ? BIT(EXC_BP) : 0));
	vmwrite32(VMCS_PROC_CONTROLS, has_dr ? proc | (u32)PROC_MOV_DR : proc);
}

void vmx_tsc_offset(struct vcpu *v)
{
	vmwrite64(VMCS_TSC_OFFSET, v->hot->tsc_offset);
}

/* TSC ticks: PAUSEs no further apart than the gap are one loop, which may last for the window. */
#define PLE_GAP 128u
#define PLE_WINDOW 4096u

void vmx_pause_exits(struct vcpu *v __unused_arg, bool is_on)
{
	u64 proc = vmread32(VMCS_PROC_CONTROLS), proc2 = vmread32(VMCS_PROC2_CONTROLS);

	if (!(vmx_caps.proc2_may & PROC2_PAUSE_LOOP)) {
		vmwrite32(VMCS_PROC_CONTROLS, (u32)bits_put(proc, PROC_PAUSE, is_on));
		return;
	}
	vmwrite32(VMCS_PLE_GAP, PLE_GAP);
	vmwrite32(VMCS_PLE_WINDOW, PLE_WINDOW);
	vmwrite32(VMCS_PROC2_CONTROLS, (u32)bits_put(proc2, PROC2_PAUSE_LOOP, is_on));
}

#define INSN_ERROR_NOT_CLEAR 4u

/*
 * VMRESUME was refused, then VMLAUNCH because of the launch state, whose error hides the one that
 * tells why. After VMCLEAR, VMLAUNCH is the one that matters; so this cannot happen twice running.
 */
static bool is_relaunched(struct vcpu *v)
{
	hpa_t vmcs = va_to_pa(vmx_vcpu(v)->vmcs);

	if (vmread32(VMCS_INSN_ERROR) != INSN_ERROR_NOT_CLEAR)
		return false;
	if (vmclear(vmcs) || vmptrld(vmcs))
		panic("a VMCS in use cannot be loaded again");
	return true;
}

/* What the host itself has to see of an exit, before interrupts go on again. */
static void host_events(u32 reason)
{
	u32 info;

	if (reason != VMX_EXIT_EXTERNAL_INTERRUPT && reason != VMX_EXIT_EXCEPTION_NMI)
		return;
	info = vmread32(VMCS_EXIT_INTR_INFO);
	if (reason == VMX_EXIT_EXTERNAL_INTERRUPT)
		irq_dispatch((u8)info);
	else if (bits_get(info, 10, 8) == EVENT_NMI)
		nmi_raise();
	else if ((u8)info == EXC_MC)
		machine_check_raise();
}

enum next vmx_run(struct vcpu *v)
{
	struct vcpu_hot *hot = v->hot;
	enum next next;

	cli();
	if (hot->has_fast_deadline)
		vmx_timer_write(hot);
	spec_on_return(true);
	do {
		hot->exit_reason = 0;
		next = vmx_stay(hot);
	} while (unlikely(hot->exit_reason == VMX_REASON_FAILED) && is_relaunched(v));
	vmx_vcpu(v)->was_abandoned = next != NEXT_SLOW || hot->exit_reason == VMX_REASON_FAILED;
	if (!vmx_vcpu(v)->was_abandoned) {
		hot->exit_reason = vmread32(VMCS_EXIT_REASON);
		host_events(hot->exit_reason);
	}
	sti();
	return next;
}
