/* SPDX-License-Identifier: BSD-2-Clause */
/* VMs and vCPUs on SVM: their control structures, and running them. */
#include "svm/svm.h"

#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "core/vm.h"
#include "svm/insn.h"

/* APM "MSR Intercepts": three ranges of 8192 MSRs, 2 KiB of bits each. */
static const struct {
	u32 first;
	u32 byte;
} msrpm_ranges[] = { { 0, 0 }, { 0xc0000000, 0x800 }, { 0xc0010000, 0x1000 } };

#define MSRPM_RANGE 8192u

void svm_msrpm_set(u8 *map, u32 msr, u32 exits)
{
	for (u32 i = 0; i < ARRAY_SIZE(msrpm_ranges); i++) {
		u32 n = msr - msrpm_ranges[i].first;
		u8 *byte = map + msrpm_ranges[i].byte + n / 4;
		unsigned shift = n % 4 * 2;

		if (n >= MSRPM_RANGE)
			continue;
		*byte = (u8)((*byte & ~(3u << shift)) | exits << shift);
	}
}

void svm_msr_exits(struct vm *vm, u32 msr, u32 exits)
{
	struct svm_vm *svm = vm->vendor;

	svm_msrpm_set(svm->msrpm, msr, exits);
	if (svm->x2apic_msrpm)
		svm_msrpm_set(svm->x2apic_msrpm, msr, exits);
}

enum err svm_vm_init(struct vm *vm)
{
	struct svm_vm *svm = page_alloc();

	if (!svm)
		return ERR_NOMEM;
	svm->msrpm = page_alloc_contig(SVM_MSRPM_BYTES, PAGE_SIZE, false);
	svm->iopm = page_alloc_contig(IOPM_BYTES, PAGE_SIZE, false);
	vm->vendor = svm;
	if (!svm->msrpm || !svm->iopm)
		return ERR_NOMEM;
	memset(svm->msrpm, 0xff, SVM_MSRPM_BYTES);
	memset(svm->iopm, 0xff, IOPM_BYTES);
	return ERR_NONE;
}

/* Each vCPU has an ASID of its own for as long as the CPU has enough; sharing only costs flushes.
 */
static u32 asid_of(const struct vcpu *v)
{
	return 1 + (v->vm->index * VM_MAX_VCPUS + v->index) % (svm_caps.nr_asids - 1);
}

enum err svm_vcpu_init(struct vcpu *v)
{
	struct svm_vcpu *svm = page_alloc();
	struct vmcb *vmcb;

	if (!svm)
		return ERR_NOMEM;
	v->vendor = svm;
	svm->vmcb = vmcb = page_alloc();
	if (!vmcb)
		return ERR_NOMEM;
	v->hot->has_nrip = svm_caps.has_nrip;
	v->hot->has_fast_deadline = true;
	v->hot->has_host_timer = true;
	v->hot->clean_bits = svm_caps.has_clean_bits ? ~0u : 0;
	v->hot->vmcb = vmcb;
	v->hot->vmcb_pa = va_to_pa(vmcb).v;
	return ERR_NONE;
}

/* Exits that are asked for at times only; all others of exits.def always are. */
static const u32 switched_exits[] = { SVM_EXIT_CR8_WRITE, SVM_EXIT_EXCP_BP, SVM_EXIT_VINTR,
				      SVM_EXIT_IRET, SVM_EXIT_PAUSE };

/* #DB and #AC among them: these can recur inside their own delivery for ever. */
static void intercepts_reset(struct vmcb *vmcb)
{
#define X(code, name, kind, decode, class)                                                         \
	if ((u64)(code) < SVM_NR_INTERCEPTS)                                                       \
		svm_intercept(vmcb, SVM_EXIT_##name, true);
#include "svm/exits.def"
#undef X
	for (u32 i = 0; i < ARRAY_SIZE(switched_exits); i++)
		svm_intercept(vmcb, switched_exits[i], false);
}

void svm_vcpu_reset(struct vcpu *v)
{
	struct svm_vm *vm = v->vm->vendor;
	struct svm_vcpu *svm = svm_vcpu(v);
	struct vmcb *vmcb = svm->vmcb;

	svm->nmi = SVM_NMI_OPEN;
	svm->is_stepping = false;
	intercepts_reset(vmcb);
	vmcb->iopm_pa = va_to_pa(vm->iopm).v;
	vmcb->msrpm_pa = va_to_pa(vm->msrpm).v;
	vmcb->asid = asid_of(v);
	vmcb->vintr = VINTR_MASKING | (svm_caps.has_vnmi ? VINTR_NMI_ENABLE : 0);
	vmcb->int_state = 0;
	vmcb->event_inj = 0;
	vmcb->exit_int_info = 0;
	vmcb->nested_ctl = NESTED_NP_ENABLE;
	vmcb->nested_cr3 = pt_root(&v->vm->npt).v;
	svm_apic_fields_write(v);
	svm_dirty(v);
}

void svm_vcpu_load(struct vcpu *v)
{
	u8 *area = this_cpu()->vendor;

	v->hot->host_vmcb_pa = va_to_pa(area + PAGE_SIZE).v;
	vmsave(v->hot->host_vmcb_pa);
	debug_addresses_load(svm_vcpu(v)->dr);
	svm_dirty(v);
	/*
	 * With fewer ASIDs than vCPUs another one may have used this one's. NAP-20: and AVIC's
	 * translation of the APIC page may be of another vCPU of the VM.
	 */
	if (svm_caps.nr_asids <= BOOT_MAX_VMS * VM_MAX_VCPUS ||
	    (v->hot->apic_live && v->lapic.view == LAPIC_VIEW_XAPIC))
		svm_tlb_flush(v);
}

void svm_vcpu_unload(struct vcpu *v)
{
	svm_apic_block(v);
	debug_addresses_save(svm_vcpu(v)->dr);
}

void svm_tsc_offset(struct vcpu *v)
{
	svm_vmcb(v)->tsc_offset = v->hot->tsc_offset;
	svm_dirty(v);
}

/* PAUSEs that a guest may execute before it exits, and TSC ticks after which they count anew. */
#define PAUSE_COUNT 3000
#define PAUSE_THRESHOLD 128

void svm_pause_exits(struct vcpu *v, bool is_on)
{
	struct vmcb *vmcb = svm_vmcb(v);

	vmcb->pause_count = svm_caps.has_pause_filter ? PAUSE_COUNT : 0;
	vmcb->pause_threshold = svm_caps.has_pause_threshold ? PAUSE_THRESHOLD : 0;
	svm_intercept(vmcb, SVM_EXIT_PAUSE, is_on);
}

#define INTERCEPT_DRS 0x00af00afu /* reads and writes of DR0 to DR3, DR7 and its alias DR5 */

void svm_debug_exits(struct vcpu *v, bool is_on, bool has_dr)
{
	struct vmcb *vmcb = svm_vmcb(v);

	vmcb->intercepts[SVM_EXIT_DR / 32] = has_dr ? INTERCEPT_DRS : 0;
	svm_intercept(vmcb, SVM_EXIT_EXCP_BP, is_on);
}

void svm_tlb_flush(struct vcpu *v)
{
	svm_vmcb(v)->tlb_control = svm_caps.has_flush_by_asid ? TLB_FLUSH_ASID : TLB_FLUSH_ALL;
}

/* The task priority on its way in and out: see svm_cr8_intercept(). */
static void tpr_give(struct vcpu *v)
{
	struct vmcb *vmcb = svm_vmcb(v);
	bool exits = !v->hot->apic_live && lapic_minds_cr8(v);
	u64 tpr = svm_apic_tpr(v->hot) >> 4;

	if (svm_intercepts(vmcb, SVM_EXIT_CR8_WRITE) == exits && (vmcb->vintr & VINTR_TPR) == tpr)
		return;
	svm_intercept(vmcb, SVM_EXIT_CR8_WRITE, exits);
	vmcb->vintr = (vmcb->vintr & ~VINTR_TPR) | tpr;
}

static void tpr_take(struct vcpu *v)
{
	u64 tpr = svm_vmcb(v)->vintr & VINTR_TPR;

	/* With AVIC the page has it, and V_TPR perhaps not. */
	if (!v->hot->apic_live && tpr != svm_apic_tpr(v->hot) >> 4)
		lapic_cr8_set(v, tpr);
}

enum next svm_run(struct vcpu *v)
{
	enum next next;

	tpr_give(v);
	next = svm_stay(v->hot);
	tpr_take(v);
	return next;
}
