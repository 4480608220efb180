/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC in SVM hardware: AVIC and x2AVIC. APM volume 2, "Advanced Virtual Interrupt
 * Controller". The counterpart of vmx/apicv.c. The backing page is the register page of
 * core/dev/lapic.c. The protocol is that of avic.pml.
 *
 * Hardware that sends an IPI sets IRR in the pages of all targets, then looks at IsRunning in the
 * physical ID table, and rings the doorbell of those that run; for the others the sender exits.
 * IRR is looked at by VMRUN, by the doorbell in guest mode, at EOI and TPR changes, and never
 * because somebody has written to it.
 */
#include "svm/svm.h"

#include <string.h>

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "core/lib/log.h"
#include "core/vm.h"

/* Entries of the physical ID table: the host's APIC ID in bits 11:0, the page's address, and */
#define PHYSICAL_IS_RUNNING BIT(62)
#define PHYSICAL_VALID BIT(63)

/* The doorbell is documented for these only; so vCPUs on CPUs beyond are never said to run. */
#define DOORBELL_ID_MAX 255u

/* Why an IPI was left to software: APM "AVIC_INCOMPLETE_IPI". */
#define IPI_TYPE 0u
#define IPI_NOT_RUNNING 1u
#define IPI_TARGET 2u
#define IPI_VECTOR 4u

_Static_assert(VM_MAX_VCPUS <= DOORBELL_ID_MAX, "guest APIC IDs that xAPIC knows, and one page");

void svm_apic_probe(void)
{
	u32 family = cpu_info.family;

	/* Erratum 1235 of Zen 1 and 2: a sender may see an IsRunning that is no longer set. */
	svm_caps.has_stale_is_running = svm_caps.has_avic && (family == 0x17 || family == 0x18);
	if (svm_caps.has_stale_is_running)
		log_info("svm: AVIC: erratum 1235, IPIs between vCPUs exit");
}

u32 svm_apic_paths(void)
{
	u32 paths = BIT(LAPIC_SOFTWARE);

	if (!svm_caps.has_avic)
		return paths;
	paths |= BIT(LAPIC_AVIC);
	if (svm_caps.has_x2avic)
		paths |= BIT(LAPIC_X2AVIC);
	return paths;
}

/*
 * MSRs that vCPUs in x2APIC mode reach without an exit: reads of what is in the page, and the
 * writes that the hardware carries out. Others would be trapped, but as MSR accesses they are
 * checked as well.
 */
static enum err x2apic_msrpm_make(struct svm_vm *svm)
{
	u8 *map = page_alloc_contig(SVM_MSRPM_BYTES, PAGE_SIZE, false);

	if (!map)
		return ERR_NOMEM;
	memcpy(map, svm->msrpm, SVM_MSRPM_BYTES);
	for (u32 msr = LAPIC_MSR_FIRST; msr < LAPIC_MSR_END; msr++)
		if (lapic_msr_is_plain(msr))
			svm_msrpm_set(map, msr, MSR_EXIT_WRITE);
	svm_msrpm_set(map, LAPIC_MSR_FIRST + APIC_TPR / 16, 0);
	svm_msrpm_set(map, LAPIC_MSR_FIRST + APIC_EOI / 16, MSR_EXIT_READ);
	svm_msrpm_set(map, LAPIC_MSR_FIRST + APIC_SELF_IPI / 16, MSR_EXIT_READ);
	svm_msrpm_set(map, LAPIC_MSR_FIRST + APIC_ICR / 16, 0);
	svm->x2apic_msrpm = map;
	return ERR_NONE;
}

/*
 * Every entry stays valid from the VM's first entry on: a broadcast skips invalid ones without an
 * exit. With IsRunning clear, senders exit and complete the IPI in software.
 */
static void physical_id_write(struct vcpu *v, bool is_running)
{
	const struct svm_vm *vm = v->vm->vendor;
	u64 entry = PHYSICAL_VALID | va_to_pa(v->lapic.regs).v;

	if (is_running && this_cpu()->apic_id <= DOORBELL_ID_MAX)
		entry |= PHYSICAL_IS_RUNNING | this_cpu()->apic_id;
	if (entry == svm_vcpu(v)->physical_id)
		return;
	svm_vcpu(v)->physical_id = entry;
	if (svm_caps.has_stale_is_running)
		entry &= ~PHYSICAL_IS_RUNNING;
	/* A full barrier: whoever looks at IRR next sees what was sent by the old entry. */
	atomic_xchg_u64(&vm->physical_ids[lapic_id(v)], entry);
}

enum err svm_apic_vm_init(struct vm *vm)
{
	struct svm_vm *svm = vm->vendor;

	if (vm->lapic_path < LAPIC_AVIC)
		return ERR_NONE;
	svm->physical_ids = page_alloc();
	svm->logical_ids = page_alloc();
	if (!svm->physical_ids || !svm->logical_ids)
		return ERR_NOMEM;
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		physical_id_write(vm->vcpu[i], false);
	return vm->lapic_path == LAPIC_X2AVIC ? x2apic_msrpm_make(svm) : ERR_NONE;
}

void svm_apic_fields_write(struct vcpu *v)
{
	const struct svm_vm *vm = v->vm->vendor;
	struct vmcb *vmcb = svm_vmcb(v);

	if (v->vm->lapic_path < LAPIC_AVIC)
		return;
	vmcb->avic_bar = LAPIC_BASE_RESET;
	vmcb->avic_backing_page = va_to_pa(v->lapic.regs).v;
	vmcb->avic_logical_table = va_to_pa(vm->logical_ids).v;
	vmcb->avic_physical_table = va_to_pa(vm->physical_ids).v | (v->vm->nr_vcpus - 1);
}

/* Entries of the logical ID table: guest APIC IDs, by the one bit of LDR that is set. */
#define LOGICAL_VALID (1u << 31)
#define LOGICAL_ENTRIES 60u /* 15 clusters of 4; or flat, 8 */

/* What of a vCPU decides about the table: struct svm_vcpu.logical_seen. */
#define LOGICAL_LDR MASK(7, 0)
#define LOGICAL_DFR MASK(11, 8)
#define LOGICAL_FLAT 0xf00u
#define LOGICAL_CLUSTER 0x000u
#define LOGICAL_X2APIC BIT(12)
#define LOGICAL_OFF BIT(13)

static u32 logical_of(const struct vcpu *v)
{
	u64 base = atomic_load_u64(&v->hot->apic_base);
	u32 ldr = atomic_load_u32(&v->lapic.regs[APIC_LDR / 4]);
	u32 dfr = atomic_load_u32(&v->lapic.regs[APIC_DFR / 4]);

	if (!(base & APIC_BASE_EN))
		return (u32)LOGICAL_OFF;
	if (base & APIC_BASE_EXTD)
		return (u32)LOGICAL_X2APIC;
	return dfr >> 28 << 8 | ldr >> 24;
}

/* Where the hardware looks for `logical`; LOGICAL_ENTRIES: nowhere, as it has more than one bit. */
static u32 logical_index(u32 logical)
{
	u32 ldr = logical & (u32)LOGICAL_LDR;
	u32 bits = (logical & LOGICAL_DFR) == LOGICAL_FLAT ? ldr : ldr & 0xf;
	u32 cluster = (logical & LOGICAL_DFR) == LOGICAL_FLAT ? 0 : ldr >> 4;

	if (bits & (bits - 1))
		return LOGICAL_ENTRIES;
	return MIN(cluster * 4 + bit_last(bits), LOGICAL_ENTRIES);
}

/*
 * Fill `table`, all zero, from the vCPUs' LDR and DFR. False if the hardware's idea of logical
 * destinations cannot be made to fit: it finds one vCPU for each bit and reads the destination as
 * the sender's DFR says.
 */
static bool logical_fill(const struct vm *vm, u32 *table)
{
	u32 model = (u32)LOGICAL_OFF;

	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		u32 logical = logical_of(vm->vcpu[i]);
		u32 dfr = logical & (u32)LOGICAL_DFR;
		u32 index;

		if (logical & LOGICAL_OFF)
			continue;
		if ((logical & LOGICAL_X2APIC) || (dfr != LOGICAL_FLAT && dfr != LOGICAL_CLUSTER))
			return false;
		if (model != LOGICAL_OFF && model != dfr)
			return false;
		model = dfr;
		if (!(logical & (dfr == LOGICAL_FLAT ? 0xff : 0xf)))
			continue;
		index = logical_index(logical);
		if (index >= LOGICAL_ENTRIES || table[index])
			return false;
		table[index] = LOGICAL_VALID | lapic_id(vm->vcpu[i]);
	}
	return true;
}

/*
 * Keep the logical ID table true to LDR and DFR of all vCPUs. Where that is not possible all its
 * entries are invalid: every IPI with a logical destination exits then, with IRR untouched.
 */
static void logical_follow(struct vcpu *v)
{
	struct svm_vm *vm = v->vm->vendor;
	u32 table[LOGICAL_ENTRIES] = { 0 };
	u32 logical = logical_of(v);

	if (logical == svm_vcpu(v)->logical_seen)
		return;
	svm_vcpu(v)->logical_seen = logical;
	lock_acquire(&vm->logical_lock);
	if (!logical_fill(v->vm, table))
		memset(table, 0, sizeof(table));
	for (u32 i = 0; i < LOGICAL_ENTRIES; i++)
		atomic_store_u32(&vm->logical_ids[i], table[i]);
	lock_release(&vm->logical_lock);
}

void svm_apic_update(struct vcpu *v, enum lapic_view view)
{
	const struct svm_vm *vm = v->vm->vendor;
	struct vmcb *vmcb = svm_vmcb(v);
	u8 *msrpm = view == LAPIC_VIEW_X2APIC ? vm->x2apic_msrpm : vm->msrpm;

	/* avic.pml: off. apic_live has fallen; senders in hardware exit from here on. */
	physical_id_write(v, view != LAPIC_VIEW_OFF);
	vmcb->vintr &= ~(VINTR_AVIC | VINTR_X2AVIC);
	if (view != LAPIC_VIEW_OFF)
		vmcb->vintr |= view == LAPIC_VIEW_X2APIC ? VINTR_AVIC | VINTR_X2AVIC : VINTR_AVIC;
	vmcb->msrpm_pa = va_to_pa(msrpm).v;
	svm_dirty(v);
	logical_follow(v);
}

static void doorbell_ring(struct vcpu *v, u64 apic_id)
{
	wrmsr(MSR_AMD_AVIC_DOORBELL, apic_id);
	atomic_add_u64(&v->irqs.notified, 1);
}

void svm_apic_notify(struct vcpu *v)
{
	u64 mode;

	/* avic.pml: both are read after IRR was set. */
	if (!atomic_load_u32(&v->hot->apic_live)) {
		vcpu_request(v, REQ_EVENT);
		return;
	}
	mode = atomic_load_u64(&v->hot->mode);
	if (!(mode & MODE_IN_GUEST))
		vcpu_wake(v); /* or VMRUN looks at IRR */
	else if (mode >> MODE_APIC_SHIFT <= DOORBELL_ID_MAX)
		doorbell_ring(v, mode >> MODE_APIC_SHIFT);
	else
		vcpu_request(v, REQ_EVENT);
}

void svm_apic_post(struct vcpu *v, u8 vector)
{
	atomic_add_u64(&v->irqs.posted, 1);
	lapic_irr_merge(v, vector / 32, 1u << vector % 32);
	svm_apic_notify(v);
}

/* Senders write to IRR itself. */
void svm_apic_sync(struct vcpu *v __unused_arg)
{
}

/* VMRUN looks at IRR, and svm_run() brings V_TPR in line. */
void svm_apic_enter(struct vcpu *v __unused_arg)
{
}

void svm_apic_load(struct vcpu *v)
{
	if (v->vm->lapic_path >= LAPIC_AVIC)
		physical_id_write(v, v->lapic.view != LAPIC_VIEW_OFF);
}

/* avic.pml: IsRunning, RUN_PARKED, and then the caller's look at IRR. Also before unloading. */
void svm_apic_block(struct vcpu *v)
{
	if (v->vm->lapic_path >= LAPIC_AVIC)
		physical_id_write(v, false);
}

void svm_apic_ipi_decode(struct vcpu *v, struct exit *x)
{
	const struct vmcb *vmcb = svm_vmcb(v);
	u32 id = (u32)(vmcb->exit_info2 >> AVIC_IPI_ID_SHIFT);
	u64 icr = vmcb->exit_info1 & ~(u64)APIC_ICR_BUSY;

	/* The write is done, the page has ICR; what sends in software is never busy. */
	atomic_and_u32(&v->lapic.regs[APIC_ICR / 4], ~APIC_ICR_BUSY);
	if (v->lapic.view != LAPIC_VIEW_X2APIC)
		icr = (u32)icr | icr >> 56 << 32;
	x->info = icr;
	/* NAP-15: IRR of all targets is set, or of none. Entries that are wrong are our bug. */
	if (id == IPI_NOT_RUNNING)
		x->is_sent = true;
	else if (id != IPI_TYPE && id != IPI_TARGET && id != IPI_VECTOR)
		x->kind = EXIT_UNKNOWN;
}

#define APIC_REMOTE_READ 0x0c0

/* Registers whose writes exit with the value in the page and RIP behind the instruction. */
static bool is_trap(u32 offset)
{
	static const u16 traps[] = {
		APIC_ID, APIC_EOI, APIC_REMOTE_READ, APIC_LDR, APIC_DFR, APIC_SVR, APIC_ESR,
		APIC_ICR, APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERF, APIC_LVT_LINT0,
		APIC_LVT_LINT1, APIC_LVT_ERROR, APIC_TIMER_INITIAL, APIC_TIMER_DIVIDE,
	};

	for (u32 i = 0; i < ARRAY_SIZE(traps); i++)
		if (traps[i] == offset)
			return true;
	return false;
}

/*
 * The end of a level interrupt. The manual does not say whether its bit in ISR is gone by now: if
 * so only the I/O APIC has to hear of it, if not it is the highest one and the EOI is still to do.
 */
static void eoi_decode(struct vcpu *v, struct exit *x)
{
	u8 vector = svm_vmcb(v)->exit_info2 & AVIC_EOI_VECTOR;
	u32 isr = atomic_load_u32(&v->lapic.regs[(APIC_ISR + vector / 32 * 16u) / 4]);

	x->vector = vector;
	x->kind = isr >> vector % 32 & 1 ? EXIT_APIC_WRITE : EXIT_APIC_EOI;
	x->info = APIC_EOI;
}

void svm_apic_access_decode(struct vcpu *v, struct exit *x)
{
	const struct vmcb *vmcb = svm_vmcb(v);
	u32 offset = vmcb->exit_info1 & AVIC_ACCESS_OFFSET;
	bool is_write = vmcb->exit_info1 & AVIC_ACCESS_WRITE;

	if (is_write && is_trap(offset)) {
		x->kind = EXIT_APIC_WRITE;
		x->info = offset;
		if (offset == APIC_EOI)
			eoi_decode(v, x);
		return;
	}
	x->kind = EXIT_APIC_ACCESS;
	x->gpa = LAPIC_BASE_RESET + offset;
	x->access = is_write ? ACCESS_WRITE : ACCESS_READ;
}
