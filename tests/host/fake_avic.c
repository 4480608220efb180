/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AVIC and x2AVIC of the fake CPU: APM volume 2, "Advanced Virtual Interrupt Controller". Where the
 * manual leaves something open the choice that is worse for the hypervisor is taken, or both are.
 */
#include "tests/host/fake_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86/regs.h"
#include "svm/svm.h"

#define ENTRY_VALID BIT(63)
#define ENTRY_RUNNING BIT(62)
#define TABLE_PAGE MASK(51, 12)

void svm_msrpm_set(u8 *map, u32 msr, u32 exits)
{
	map[msr / 4] = (u8)((map[msr / 4] & ~(3u << msr % 4 * 2)) | exits << msr % 4 * 2);
}

void avic_vm_make(void)
{
	struct svm_vm *vm = machine.vm.vendor;

	vm->msrpm = page_alloc_contig(SVM_MSRPM_BYTES, PAGE_SIZE, true);
	memset(vm->msrpm, 0xff, SVM_MSRPM_BYTES);
}

void avic_vm_drop(void)
{
	struct svm_vm *vm = machine.vm.vendor;

	page_free(vm->msrpm);
}

void avic_vcpu_make(struct fake_vcpu *f)
{
	struct svm_vm *vm = machine.vm.vendor;
	struct svm_vcpu *svm = page_alloc();

	svm->vmcb = page_alloc();
	f->v->vendor = svm;
	f->v->hot->vmcb = svm->vmcb;
	svm->vmcb->vintr = VINTR_MASKING;
	svm_intercept(svm->vmcb, SVM_EXIT_INTR, true);
	svm_intercept(svm->vmcb, SVM_EXIT_HLT, true);
	svm_intercept(svm->vmcb, SVM_EXIT_MSR, true);
	svm->vmcb->nested_ctl = NESTED_NP_ENABLE;
	svm->vmcb->msrpm_pa = (u64)vm->msrpm;
}

void avic_vcpu_drop(struct fake_vcpu *f)
{
	page_free(svm_vcpu(f->v)->vmcb);
	page_free(f->v->vendor);
}

bool avic_is_on(const struct fake_vcpu *f)
{
	return f->v->hot->vmcb->vintr & VINTR_AVIC;
}

static u64 *physical_entry(const struct vmcb *vmcb, u32 id)
{
	u64 *table = (u64 *)(vmcb->avic_physical_table & TABLE_PAGE);

	return id <= (vmcb->avic_physical_table & MASK(11, 0)) ? &table[id] : NULL;
}

/* NAP-1, NAP-4, NAP-19: what has to agree whenever a vCPU is entered. */
static void entry_check(struct fake_vcpu *f)
{
	const struct vmcb *vmcb = f->v->hot->vmcb;
	u64 entry = *physical_entry(vmcb, f->v->index);
	bool is_on = avic_is_on(f);
	u64 running = ENTRY_RUNNING | f->cpu->percpu->apic_id;

	if ((vmcb->vintr & VINTR_X2AVIC) && !is_on)
		fake_fault("x2AVIC without AVIC");
	if (!(vmcb->vintr & VINTR_MASKING) || !svm_intercepts(vmcb, SVM_EXIT_HLT))
		fake_fault("AVIC needs V_INTR_MASKING and the HLT intercept");
	if (is_on && (vmcb->avic_bar != LAPIC_BASE_RESET ||
		      vmcb->avic_backing_page != (u64)f->v->lapic.regs))
		fake_fault("the VMCB has wrong pages for AVIC");
	if (machine.config.wrong != WRONG_NOTHING)
		return;
	if (f->v->hot->apic_live != is_on)
		fake_fault("apic_live and the VMCB disagree");
	if (machine.config.has_erratum)
		running &= ~ENTRY_RUNNING;
	if (f->cpu->percpu->apic_id > 255)
		running = 0;
	if ((entry & ~TABLE_PAGE) != (ENTRY_VALID | (is_on ? running : 0)))
		fake_fault("the physical ID table is wrong for a vCPU that is entered");
}

void avic_enter(struct fake_vcpu *f)
{
	struct vmcb *vmcb = f->v->hot->vmcb;

	if (machine.vm.lapic_path >= LAPIC_AVIC)
		entry_check(f);
	if (vmcb->event_inj & EVENT_VALID) {
		if (bits_get(vmcb->event_inj, 10, 8) == EVENT_INTR) {
			if (!f->has_if)
				fake_fault("an interrupt is injected with IF = 0");
			fake_take(f, (u8)vmcb->event_inj, true);
		} else {
			machine.signals[f->v->index].nmis++;
		}
		vmcb->event_inj = 0;
	}
	if (avic_is_on(f))
		fake_evaluate(f);
}

/* AVIC ignores V_IRQ. */
bool avic_window_opens(struct fake_vcpu *f)
{
	const struct vmcb *vmcb = f->v->hot->vmcb;

	return f->has_if && !avic_is_on(f) && (vmcb->vintr & VINTR_IRQ) &&
	       svm_intercepts(vmcb, SVM_EXIT_VINTR);
}

bool avic_msr_exits(struct fake_vcpu *f, u32 msr, bool is_write)
{
	const u8 *map = (const u8 *)f->v->hot->vmcb->msrpm_pa;

	return map[msr / 4] >> (msr % 4 * 2 + (is_write ? 1 : 0)) & 1;
}

static bool noaccel(struct fake_vcpu *f, u32 offset, u8 vector)
{
	struct vmcb *vmcb = f->v->hot->vmcb;

	vmcb->exit_code = 0x402;
	vmcb->exit_info1 = offset | BIT(32);
	vmcb->exit_info2 = vector;
	f->exit = FAKE_DECODED;
	return true;
}

static bool ipi_exit(struct fake_vcpu *f, u32 icr, u64 high, u32 id, u32 index)
{
	struct vmcb *vmcb = f->v->hot->vmcb;

	vmcb->exit_code = 0x401;
	vmcb->exit_info1 = high << 32 | icr;
	vmcb->exit_info2 = (u64)id << 32 | index;
	/* Hardware has been seen to leave "busy" behind. */
	if (fake_random(2)) {
		f->v->lapic.regs[APIC_ICR / 4] |= APIC_ICR_BUSY;
		vmcb->exit_info1 |= APIC_ICR_BUSY;
	}
	f->exit = FAKE_DECODED;
	return true;
}

#define NOBODY (~0ull)

static u64 target_physical(const struct vmcb *vmcb, u32 id)
{
	const u64 *entry = physical_entry(vmcb, id);

	return entry && (*entry & ENTRY_VALID) ? BIT(id) : NOBODY;
}

static u64 targets_all(const struct vmcb *vmcb)
{
	u64 targets = 0;

	for (u32 id = 0; id <= (vmcb->avic_physical_table & MASK(11, 0)); id++)
		targets |= *physical_entry(vmcb, id) & ENTRY_VALID ? BIT(id) : 0;
	return targets;
}

static u64 targets_logical_x2(const struct vmcb *vmcb, u32 dest)
{
	u64 targets = 0;

	for (u32 bit = 0; bit < 16; bit++) {
		u32 id = (dest >> 16) * 16 + bit;

		if (!(dest >> bit & 1))
			continue;
		if (target_physical(vmcb, id) == NOBODY)
			return NOBODY;
		targets |= BIT(id);
	}
	return targets;
}

/* Every addressed entry has to be valid, or nobody gets anything. */
static u64 targets_logical(const struct fake_vcpu *f, u32 dest)
{
	const struct vmcb *vmcb = f->v->hot->vmcb;
	const u32 *table = (const u32 *)(vmcb->avic_logical_table & TABLE_PAGE);
	bool is_flat = f->v->lapic.regs[APIC_DFR / 4] >> 28 == 0xf;
	u32 first = is_flat ? 0 : (dest >> 4) * 4;
	u32 bits = is_flat ? dest : dest & 0xf;
	u64 targets = 0;

	for (u32 bit = 0; bit < 8; bit++) {
		u32 entry = bits >> bit & 1 ? table[first + bit] : 0;

		if (!(bits >> bit & 1))
			continue;
		if (!(entry >> 31) || target_physical(vmcb, entry & 0xff) == NOBODY)
			return NOBODY;
		targets |= BIT(entry & 0xff);
	}
	return targets;
}

static u64 targets_of(const struct fake_vcpu *f, u32 icr, u32 dest)
{
	const struct vmcb *vmcb = f->v->hot->vmcb;
	bool is_x2 = vmcb->vintr & VINTR_X2AVIC;

	switch (icr >> 18 & 3) {
	case 1:
		return BIT(f->v->index);
	case 2:
		return targets_all(vmcb);
	case 3:
		return targets_all(vmcb) & ~BIT(f->v->index);
	default:
		break;
	}
	if (icr & APIC_ICR_LOGICAL)
		return is_x2 ? targets_logical_x2(vmcb, dest) : targets_logical(f, dest);
	if (dest == (is_x2 ? ~0u : 0xff))
		return targets_all(vmcb);
	return target_physical(vmcb, dest);
}

/* Erratum 1235: the sender may go by what it has read before. */
static u64 running_read(struct fake_vcpu *f, u32 id)
{
	u64 *cached = &f->cpu->cached_running[id];
	u64 entry = atomic_load_u64(physical_entry(f->v->hot->vmcb, id));

	if (machine.config.has_erratum && (*cached & ENTRY_RUNNING) && fake_random(4))
		return *cached;
	*cached = entry;
	return entry;
}

/* APM "Sending IPIs", after the checks: IRR of all, then IsRunning of each. */
static bool targets_signal(struct fake_vcpu *f, u64 targets, u32 icr, u32 dest)
{
	u8 vector = (u8)icr;
	u32 absent = ~0u;

	for (u32 id = 0; id < machine.vm.nr_vcpus; id++) {
		u32 *page = (u32 *)(*physical_entry(f->v->hot->vmcb, id) & TABLE_PAGE);

		if (!(targets >> id & 1))
			continue;
		fake_step();
		*vector_word(page, APIC_IRR, vector) |= vector_bit(vector);
	}
	for (u32 id = 0; id < machine.vm.nr_vcpus; id++) {
		u64 entry;

		if (!(targets >> id & 1))
			continue;
		entry = running_read(f, id);
		if (id == f->v->index)
			fake_evaluate(f);
		else if (entry & ENTRY_RUNNING)
			fake_wrmsr(MSR_AMD_AVIC_DOORBELL, entry & MASK(11, 0));
		else
			absent = id;
	}
	return absent != ~0u &&
	       ipi_exit(f, icr, machine.config.is_x2apic ? dest : dest << 24, 1, absent);
}

static bool ipi_send_by_hardware(struct fake_vcpu *f, u32 icr, u32 dest)
{
	u32 high = machine.config.is_x2apic ? dest : dest << 24;
	u64 targets;

	f->v->lapic.regs[APIC_ICR2 / 4] = high;
	f->v->lapic.regs[APIC_ICR / 4] = icr;
	if ((icr & APIC_ICR_MODE_MASK) != APIC_ICR_FIXED || (icr & APIC_ICR_LEVEL))
		return ipi_exit(f, icr, high, 0, 0);
	if ((icr & 0xff) < LAPIC_VECTOR_MIN)
		return ipi_exit(f, icr, high, 4, 0);
	targets = targets_of(f, icr, dest);
	if (targets == NOBODY)
		return ipi_exit(f, icr, high, 2, 0);
	return targets_signal(f, targets, icr, dest);
}

static bool eoi_write(struct fake_vcpu *f)
{
	u32 *regs = f->v->lapic.regs;
	int vector = vector_highest(regs, APIC_ISR);
	bool is_level;

	if (vector < 0)
		return false;
	is_level = vector_is_set(regs, APIC_TMR, (u8)vector);
	if (!is_level || machine.config.clears_isr)
		*vector_word(regs, APIC_ISR, (u8)vector) &= ~vector_bit((u8)vector);
	if (is_level)
		return noaccel(f, APIC_EOI, (u8)vector);
	fake_evaluate(f);
	return false;
}

bool avic_write(struct fake_vcpu *f, u32 offset, u32 value, u32 value_high)
{
	switch (offset) {
	case APIC_TPR:
		f->v->lapic.regs[APIC_TPR / 4] = value;
		fake_evaluate(f);
		return false;
	case APIC_EOI:
		return eoi_write(f);
	case APIC_ICR:
		return ipi_send_by_hardware(f, value, value_high);
	case APIC_SELF_IPI:
		return targets_signal(f, BIT(f->v->index), value, 0);
	case APIC_ICR2:
		f->v->lapic.regs[APIC_ICR2 / 4] = value;
		return false;
	case APIC_ID:
	case APIC_RRD:
	case APIC_LDR:
	case APIC_DFR:
	case APIC_SVR:
	case APIC_ESR:
	case APIC_LVT_TIMER ... APIC_TIMER_INITIAL:
	case APIC_TIMER_DIVIDE: /* traps */
		f->v->lapic.regs[offset / 4] = value;
		return noaccel(f, offset, 0);
	default:
		return noaccel(f, offset, 0);
	}
}

void avic_decode(struct fake_vcpu *f)
{
	struct exit *x = &f->v->hot->exit;

	*x = (struct exit){ 0 };
	if (f->v->hot->vmcb->exit_code == 0x401) {
		x->kind = EXIT_APIC_IPI;
		svm_apic_ipi_decode(f->v, x);
	} else {
		x->kind = EXIT_APIC_ACCESS;
		svm_apic_access_decode(f->v, x);
	}
}
