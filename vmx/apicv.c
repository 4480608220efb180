/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC in VMX hardware: TPR shadow, APICv, posted interrupts, IPI virtualization. SDM
 * "APIC Virtualization and Virtual Interrupts". The counterpart of svm/avic.c. The virtual-APIC
 * page is the register page of core/dev/lapic.c; the descriptor is the first thing in the hot page.
 */
#include "vmx/vmx.h"

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/ipi.h"
#include "arch/x86/percpu.h"
#include "core/vm.h"

#define PROC2_APICV_BOTH (PROC2_APIC_REGS | PROC2_VID)
#define PROC2_APICV_ALL (PROC2_APICV_BOTH | PROC2_APIC_ACCESS | PROC2_X2APIC)

/*
 * Fields of struct posted.control. SN is never set: what is posted to a preempted vCPU interrupts
 * its CPU in vain; entry looks at ON.
 */
#define POSTED_NV_SHIFT 16
#define POSTED_NDST_SHIFT 32
#define POSTED_NDST_XAPIC_SHIFT 8 /* within NDST */

u32 vmx_apic_paths(void)
{
	u32 paths = BIT(LAPIC_SOFTWARE);

	if (!(vmx_caps.proc_may & PROC_TPR_SHADOW))
		return paths;
	paths |= BIT(LAPIC_TPR_SHADOW);
	if (!(PROC2_APICV_ALL & ~vmx_caps.proc2_may) && (vmx_caps.pin_may & PIN_POSTED))
		paths |= BIT(LAPIC_APICV);
	return paths;
}

/* MSRs that vCPUs in x2APIC mode reach without an exit; those of others all exit. */
static void x2apic_bitmap_make(struct vmx_vm *vmx)
{
	for (u32 msr = LAPIC_MSR_FIRST; msr < LAPIC_MSR_END; msr++)
		if (lapic_msr_is_plain(msr))
			vmx_bitmap_set(vmx->x2apic_bitmap, msr, MSR_EXIT_WRITE);
	vmx_bitmap_set(vmx->x2apic_bitmap, LAPIC_MSR_FIRST + APIC_TPR / 16, 0);
	vmx_bitmap_set(vmx->x2apic_bitmap, LAPIC_MSR_FIRST + APIC_EOI / 16, MSR_EXIT_READ);
	vmx_bitmap_set(vmx->x2apic_bitmap, LAPIC_MSR_FIRST + APIC_SELF_IPI / 16, MSR_EXIT_READ);
	if (vmx_caps.has_ipiv)
		vmx_bitmap_set(vmx->x2apic_bitmap, LAPIC_MSR_FIRST + APIC_ICR / 16, 0);
}

/* The control word of a descriptor that notifies the CPU with `apic_id`. */
static u64 destination_of(u32 apic_id, u8 vector)
{
	u64 ndst = apic_is_x2apic() ? apic_id : (u64)apic_id << POSTED_NDST_XAPIC_SHIFT;

	return (u64)vector << POSTED_NV_SHIFT | ndst << POSTED_NDST_SHIFT;
}

#define PID_VALID BIT(0)

/* Others may send to `v` before it is loaded for the first time: that needs a true vector. */
static void pid_make(struct vcpu *v, u64 *entry)
{
	u32 apic_id = percpu_of(v->cpu)->apic_id;

	atomic_store_u64(&v->hot->posted.control, destination_of(apic_id, IRQ_POSTED));
	*entry = va_to_pa(&v->hot->posted).v | PID_VALID;
}

/* SDM "Virtualizing MSR-Based APIC Accesses": without the rest of APICv the TPR only. */
static bool has_x2apic_tpr(const struct vm *vm)
{
	return vm->lapic_path == LAPIC_TPR_SHADOW && (vmx_caps.proc2_may & PROC2_X2APIC);
}

enum err vmx_apic_vm_init(struct vm *vm)
{
	struct vmx_vm *vmx = vm->vendor;

	if (has_x2apic_tpr(vm))
		vmx_bitmap_set(vmx->x2apic_bitmap, LAPIC_MSR_FIRST + APIC_TPR / 16, 0);
	if (vm->lapic_path != LAPIC_APICV)
		return ERR_NONE;
	x2apic_bitmap_make(vmx);
	if (!vmx_caps.has_ipiv)
		return ERR_NONE;
	vmx->pid_table = page_alloc();
	if (!vmx->pid_table)
		return ERR_NOMEM;
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		pid_make(vm->vcpu[i], &vmx->pid_table[i]);
	return ERR_NONE;
}

void vmx_apic_fields_write(struct vcpu *v)
{
	const struct vmx_vm *vmx = v->vm->vendor;

	if (v->vm->lapic_path == LAPIC_SOFTWARE)
		return;
	vmwrite64(VMCS_VIRTUAL_APIC, va_to_pa(v->lapic.regs).v);
	vmwrite32(VMCS_TPR_THRESHOLD, 0);
	if (v->vm->lapic_path != LAPIC_APICV)
		return;
	vmwrite64(VMCS_APIC_ACCESS, va_to_pa(v->vm->apic_page).v);
	vmwrite64(VMCS_POSTED_DESCRIPTOR, va_to_pa(&v->hot->posted).v);
	vmwrite16(VMCS_POSTED_VECTOR, IRQ_POSTED);
	vmwrite16(VMCS_GUEST_INTR_STATUS, 0);
	if (!vmx_caps.has_ipiv)
		return;
	vmwrite64(VMCS_PID_TABLE, va_to_pa(vmx->pid_table).v);
	vmwrite16(VMCS_PID_LAST_INDEX, (u16)(v->vm->nr_vcpus - 1));
}

/* Guest interrupt status: RVI in the low byte, SVI in the high one. */
static void status_write(u32 rvi, u32 svi)
{
	u16 old = vmread16(VMCS_GUEST_INTR_STATUS);
	u16 new = (u16)(svi << 8 | rvi);

	if (new != old)
		vmwrite16(VMCS_GUEST_INTR_STATUS, new);
}

static void eoi_exits_write(const struct lapic *l)
{
	for (u32 i = 0; i < 4; i++)
		vmwrite64((enum vmcs64)(VMCS_EOI_EXIT0 + 2 * i),
			  l->eoi_exits[2 * i] | (u64)l->eoi_exits[2 * i + 1] << 32);
}

static const u32 proc2_of[] = {
	[LAPIC_VIEW_TRAPPED] = PROC2_APIC_ACCESS,
	[LAPIC_VIEW_XAPIC] = PROC2_APICV_BOTH | PROC2_APIC_ACCESS,
	[LAPIC_VIEW_X2APIC] = PROC2_APICV_BOTH | PROC2_X2APIC,
};

static void x2apic_write(struct vcpu *v, u32 proc2)
{
	const struct vmx_vm *vmx = v->vm->vendor;
	const u8 *bitmap = proc2 & PROC2_X2APIC ? vmx->x2apic_bitmap : vmx->msr_bitmap;

	proc2 |= vmread32(VMCS_PROC2_CONTROLS) & ~(u32)PROC2_APICV_ALL;
	vmwrite32(VMCS_PROC2_CONTROLS, proc2);
	vmwrite64(VMCS_MSR_BITMAP, va_to_pa(bitmap).v);
}

void vmx_apic_update(struct vcpu *v, enum lapic_view view)
{
	bool is_live = lapic_view_is_live(view);
	bool has_shadow = is_live || v->vm->lapic_path == LAPIC_TPR_SHADOW;
	u32 proc = vmread32(VMCS_PROC_CONTROLS);

	proc &= ~(u32)(PROC_TPR_SHADOW | PROC_CR8 | PROC_TERTIARY);
	proc |= (u32)(has_shadow ? PROC_TPR_SHADOW : PROC_CR8);
	if (is_live && vmx_caps.has_ipiv) {
		proc |= PROC_TERTIARY;
		vmwrite64(VMCS_PROC3_CONTROLS, PROC3_IPIV);
	}
	vmwrite32(VMCS_PROC_CONTROLS, proc);
	if (has_x2apic_tpr(v->vm))
		x2apic_write(v, v->hot->apic_base & APIC_BASE_EXTD ? (u32)PROC2_X2APIC : 0);
	if (v->vm->lapic_path != LAPIC_APICV)
		return;
	x2apic_write(v, proc2_of[view]);
	vmwrite32(VMCS_PIN_CONTROLS, vmx_caps.pin | (is_live ? (u32)PIN_POSTED : 0));
	eoi_exits_write(&v->lapic);
	status_write(lapic_highest(v, APIC_IRR), lapic_highest(v, APIC_ISR));
}

void vmx_apic_notify(struct vcpu *v)
{
	u64 mode = atomic_load_u64(&v->hot->mode);

	/* posted.pml: the word is read after PIR and ON were set. */
	if (!(mode & MODE_IN_GUEST)) {
		vcpu_wake(v);
		return;
	}
	ipi_send((u32)(mode >> MODE_APIC_SHIFT), IRQ_POSTED);
	atomic_add_u64(&v->irqs.notified, 1);
}

void vmx_apic_post(struct vcpu *v, u8 vector)
{
	struct posted *p = &v->hot->posted;

	atomic_add_u64(&v->irqs.posted, 1);
	atomic_or_u32(&p->pir[vector / 32], 1u << vector % 32);
	/* Whoever has set ON before has notified, or nobody had to: entry looks at ON. */
	if (!(atomic_or_u64(&p->control, POSTED_ON) & POSTED_ON))
		vmx_apic_notify(v);
}

void vmx_apic_sync(struct vcpu *v)
{
	struct posted *p = &v->hot->posted;

	if (!(atomic_load_u64(&p->control) & POSTED_ON))
		return;
	/* posted.pml: ON first. What is posted from here on sets it again. */
	atomic_and_u64(&p->control, ~POSTED_ON);
	for (u32 i = 0; i < ARRAY_SIZE(p->pir); i++)
		if (atomic_load_u32(&p->pir[i]))
			lapic_irr_merge(v, i, atomic_xchg_u32(&p->pir[i], 0));
}

/*
 * Without interrupt delivery: exit when the guest lowers its priority below that of what waits.
 * SDM "TPR Virtualization".
 */
static void threshold_write(struct vcpu *v)
{
	u32 class = lapic_highest(v, APIC_IRR) >> 4;
	u32 threshold = class <= lapic_cr8_get(v) ? class : 0;

	if (vmread32(VMCS_TPR_THRESHOLD) != threshold)
		vmwrite32(VMCS_TPR_THRESHOLD, threshold);
}

/*
 * The entry gives way as long as ON is set, so whatever has been posted must be in IRR by now.
 * Where software delivers, it has looked at all that is in IRR and is not to find more there.
 */
void vmx_apic_enter(struct vcpu *v)
{
	struct vcpu_hot *hot = v->hot;

	if (v->vm->lapic_path == LAPIC_TPR_SHADOW) {
		threshold_write(v);
		return;
	}
	if (hot->apic_live || !(hot->apic_base & APIC_BASE_EN))
		vmx_apic_sync(v);
	if (hot->apic_live)
		status_write(lapic_highest(v, APIC_IRR), vmread16(VMCS_GUEST_INTR_STATUS) >> 8);
}

/* Where notifications go and as which vector; ON stays as it is. */
static void destination_set(struct vcpu *v, u8 vector)
{
	u64 *control = &v->hot->posted.control;
	u64 old, new;

	do {
		old = atomic_load_u64(control);
		new = (old & POSTED_ON) | destination_of(this_cpu()->apic_id, vector);
	} while (new != old && !atomic_cas_u64(control, old, new));
}

void vmx_apic_load(struct vcpu *v)
{
	if (v->vm->lapic_path == LAPIC_APICV)
		destination_set(v, IRQ_POSTED);
}

/* posted.pml: NV and NDST before the caller's look at ON. */
void vmx_apic_block(struct vcpu *v)
{
	if (v->vm->lapic_path == LAPIC_APICV)
		destination_set(v, IRQ_WAKE);
}
