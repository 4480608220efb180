/* SPDX-License-Identifier: BSD-2-Clause */
/* What surrounds the fake CPUs: memory, locks, IPIs, the page of the APIC, devices, time. */
#include "tests/host/fake_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/ipi.h"
#include "arch/x86/lock.h"
#include "arch/x86/page.h"
#include "arch/x86/trap.h"
#include "core/clock.h"
#include "core/irq.h"
#include "core/lib/log.h"
#include "core/npt.h"
#include "core/sched.h"
#include "core/trace.h"
#include "svm/svm.h"
#include "vmx/vmx.h"

bool hv_is_vmx;
struct svm_caps svm_caps;
struct vmx_caps vmx_caps;
struct cpu_info cpu_info;

void *page_alloc_contig(u64 bytes, u64 alignment, bool is_zeroed)
{
	void *p = aligned_alloc(alignment, ALIGN_UP(bytes, alignment));

	(void)is_zeroed;
	return memset(p, 0, bytes);
}

void page_free_contig(void *p, u64 bytes)
{
	(void)bytes;
	free(p);
}

void *page_alloc(void)
{
	return page_alloc_contig(PAGE_SIZE, PAGE_SIZE, true);
}

void page_free(void *page)
{
	free(page);
}

void trace_event(enum trace_event what, u64 datum)
{
	(void)what;
	(void)datum;
}

void trace_dump(u32 cpu)
{
	(void)cpu;
}

/* Physical memory is where the test has it. */
hpa_t va_to_pa(const void *va)
{
	return (hpa_t){ (u64)va };
}

void lock_acquire(struct lock *lock)
{
	do
		fake_step();
	while (lock->owner);
	lock->owner = 1;
}

void lock_release(struct lock *lock)
{
	fake_step();
	lock->owner = 0;
}

void log_write(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

void *fake_this_cpu(void)
{
	if (!machine.cpu)
		abort();
	return machine.cpu->percpu;
}

struct percpu *percpu_of(u32 index)
{
	return machine.cpus[index].percpu;
}

bool apic_is_x2apic(void)
{
	return true;
}

static struct fake_cpu *cpu_by_apic_id(u64 apic_id)
{
	u64 index = apic_id - machine.config.host_id_first;

	return index < machine.config.nr_cpus ? &machine.cpus[index] : NULL;
}

void ipi_send(u32 apic_id, u8 vector)
{
	struct fake_cpu *cpu = cpu_by_apic_id(apic_id);

	fake_step();
	if (!cpu) {
		fake_fault("an IPI to a CPU that does not exist");
		return;
	}
	machine.result.kicks += vector == IRQ_KICK;
	machine.result.wakes += vector == IRQ_WAKE;
	machine.result.notifications += vector == IRQ_POSTED;
	cpu->has_irq[vector] = true;
}

/* The CPU's loop finds the vCPU by its run state. */
void sched_push(struct vcpu *v)
{
	ipi_send(machine.cpus[v->cpu].percpu->apic_id, IRQ_WAKE);
}

void fake_notify(u32 apic_id, u8 vector)
{
	ipi_send(apic_id, vector);
}

/* The doorbell works on a CPU in guest mode; elsewhere it is lost. */
void fake_wrmsr(u32 msr, u64 value)
{
	struct fake_cpu *cpu = cpu_by_apic_id(value);

	fake_step();
	if (msr != MSR_AMD_AVIC_DOORBELL || value > 255 || !cpu) {
		fake_fault("a doorbell that is none");
		return;
	}
	machine.result.doorbells++;
	if (cpu->in_guest && cpu->f && avic_is_on(cpu->f))
		cpu->has_doorbell = true;
}

u64 clock_tsc(void)
{
	return 1000;
}

u64 clock_ns_from_tsc(u64 ticks)
{
	return ticks;
}

u64 clock_tsc_from_ns(u64 ns)
{
	return ns;
}

void timer_init(struct timer *t, u32 cpu, void (*fire)(struct timer *t))
{
	*t = (struct timer){ .cpu = cpu, .fire = fire };
}

void timer_move(struct timer *t, u32 cpu)
{
	t->cpu = cpu;
}

void timer_arm(struct timer *t, u64 deadline_tsc)
{
	t->deadline_tsc = deadline_tsc;
	t->is_armed = true;
}

void timer_cancel(struct timer *t)
{
	t->is_armed = false;
}

bool irq_extint_accepted(struct vcpu *v)
{
	return lapic_accepts_extint(v);
}

/* No host interrupt is taken on isolated tables here. */
void apic_eoi(void)
{
	fake_fault("an interrupt ended on isolated tables");
}

enum next lapic_fast_expire(struct vcpu_hot *hot, u64 guest_now)
{
	(void)hot;
	(void)guest_now;
	return NEXT_SLOW;
}

void apic_timer_hasten(struct percpu *cpu, u64 deadline_tsc)
{
	(void)cpu;
	(void)deadline_tsc;
	fake_fault("the host's timer set on isolated tables");
}

void irq_handler_set(u8 vector, void (*handler)(void))
{
	(void)vector;
	(void)handler;
}

void ioapic_eoi(struct vm *vm, u8 vector)
{
	(void)vm;
	fake_step();
	machine.eois[vector]++;
}

bool pic_output(const struct vm *vm)
{
	(void)vm;
	fake_step();
	return machine.has_pic;
}

u8 pic_ack(struct vm *vm)
{
	(void)vm;
	machine.has_pic = false;
	return 0x21;
}

void vcpu_signal_init(struct vcpu *v)
{
	machine.signals[v->index].inits++;
}

void vcpu_signal_sipi(struct vcpu *v, u8 vector)
{
	machine.signals[v->index].sipis++;
	machine.signals[v->index].sipi_vector = vector;
}

void vm_stop(struct vm *vm, enum vm_end why)
{
	(void)vm;
	(void)why;
	fake_fault("the VM stops");
}

unsigned cpuid_phys_bits(const struct vcpu_hot *hot)
{
	(void)hot;
	return 48;
}

/* As core/npt.c does it, and with its lock. */
enum err npt_map_page(struct vm *vm, gpa_t gpa, hpa_t hpa, bool (*is_allowed)(void *vm))
{
	bool is_done;

	if (gpa.v != LAPIC_BASE_RESET || hpa.v != (u64)vm->apic_page)
		fake_fault("a page is mapped that is not the APIC's");
	lock_acquire(&vm->npt_lock);
	is_done = is_allowed(vm);
	if (is_done)
		machine.has_page = true;
	lock_release(&vm->npt_lock);
	return is_done ? ERR_NONE : ERR_BUSY;
}

void npt_unmap_page(struct vm *vm, gpa_t gpa)
{
	bool was_mapped;

	(void)gpa;
	lock_acquire(&vm->npt_lock);
	was_mapped = machine.has_page;
	machine.has_page = false;
	lock_release(&vm->npt_lock);
	for (u32 i = 0; was_mapped && i < vm->nr_vcpus; i++)
		vcpu_request(vm->vcpu[i], REQ_TLB);
	for (u32 i = 0; was_mapped && i < vm->nr_vcpus; i++)
		vcpu_wait_out(vm->vcpu[i]);
}

void svm_tlb_flush(struct vcpu *v)
{
	machine.fakes[v->index].has_tlb = false;
}

void vmx_tlb_flush(struct vcpu *v)
{
	svm_tlb_flush(v);
}

static u64 reg_value(struct vcpu *v, enum reg r)
{
	if (r == REG_RFLAGS)
		return machine.fakes[v->index].has_if ? RFLAGS_IF : 0;
	return 0;
}

u64 svm_reg_get(struct vcpu *v, enum reg r)
{
	return reg_value(v, r);
}

u64 vmx_reg_get(struct vcpu *v, enum reg r)
{
	return reg_value(v, r);
}

void svm_reg_set(struct vcpu *v, enum reg r, u64 value)
{
	(void)v;
	(void)r;
	(void)value;
	fake_fault("a register is set");
}

void vmx_reg_set(struct vcpu *v, enum reg r, u64 value)
{
	svm_reg_set(v, r, value);
}

static void cpus_make(const struct fake_config *config)
{
	for (u32 i = 0; i < config->nr_cpus; i++) {
		struct percpu *percpu = page_alloc_contig(sizeof(*percpu), PAGE_SIZE, true);

		percpu->self = percpu;
		percpu->index = i;
		percpu->apic_id = config->host_id_first + i;
		machine.cpus[i].percpu = percpu;
	}
}

static void vcpu_make(u32 index)
{
	struct fake_vcpu *f = &machine.fakes[index];
	struct vcpu *v = &machine.vcpus[index];

	v->hot = page_alloc();
	v->hot->vcpu = v;
	v->vm = &machine.vm;
	v->index = index;
	v->cpu = index % machine.config.nr_cpus;
	v->hot->run_state = RUN_LOOP;
	v->state = VCPU_RUNNING;
	machine.vm.vcpu[index] = v;
	*f = (struct fake_vcpu){ .v = v, .has_if = true, .known = -1 };
	if (lapic_create(v))
		abort();
	lapic_reset(v, false);
}

static u32 ldr_of(u32 index)
{
	switch (machine.config.logical) {
	case FAKE_FLAT:
		return 1u << index;
	case FAKE_CLUSTER:
		return index / 2 << 4 | 1u << index % 2;
	default:
		return 1u << index % 2;
	}
}

/* What a guest's boot does with its APIC. */
static void apic_start(struct vcpu *v)
{
	if (machine.config.is_x2apic) {
		if (lapic_base_write(v, LAPIC_BASE_RESET | APIC_BASE_EN | APIC_BASE_EXTD) ||
		    lapic_msr_write(v, LAPIC_MSR_FIRST + APIC_SVR / 16, 0x1ff))
			abort();
		return;
	}
	if (machine.config.logical == FAKE_CLUSTER)
		lapic_mmio_write(v, APIC_DFR, 4, 0x0fffffff);
	lapic_mmio_write(v, APIC_LDR, 4, ldr_of(v->index) << 24);
	lapic_mmio_write(v, APIC_SVR, 4, 0x1ff);
}

static void caps_make(const struct fake_config *config)
{
	hv_is_vmx = config->is_vmx;
	svm_caps = (struct svm_caps){ .has_avic = config->path >= LAPIC_AVIC,
				      .has_x2avic = config->path == LAPIC_X2AVIC };
	cpu_info.family = config->has_erratum ? 0x17 : 0x19;
	if (config->wrong != WRONG_STALE_RUNNING)
		svm_apic_probe();
	vmx_caps = (struct vmx_caps){ .proc_may = ~0u,
				      .proc2_may = config->path == LAPIC_APICV ? ~0u : 0,
				      .pin_may = ~0u,
				      .pin = PIN_EXT_INTR,
				      .has_ipiv = config->has_ipiv };
}

void fake_machine_make(const struct fake_config *config)
{
	memset(&machine, 0, sizeof(machine));
	machine.config = *config;
	caps_make(config);
	cpus_make(config);
	machine.vcpus = page_alloc_contig(FAKE_VCPUS * sizeof(struct vcpu), PAGE_SIZE, true);
	machine.vm.config = &machine.vm_config;
	machine.vm.nr_vcpus = config->nr_vcpus;
	machine.vm.vendor = page_alloc();
	for (u32 i = 0; i < config->nr_vcpus; i++) {
		vcpu_make(i);
		if (config->is_vmx)
			posted_vcpu_make(&machine.fakes[i]);
		else
			avic_vcpu_make(&machine.fakes[i]);
	}
	if (config->is_vmx)
		posted_vm_make();
	else
		avic_vm_make();
	if (lapic_hw_create(&machine.vm))
		abort();
	for (u32 i = 0; i < config->nr_vcpus; i++) {
		machine.cpu = &machine.cpus[0];
		machine.cpu->f = &machine.fakes[i];
		if (config->is_vmx)
			posted_vcpu_start(&machine.fakes[i]);
		else
			svm_apic_fields_write(machine.vm.vcpu[i]);
		machine.cpu->f = NULL;
		machine.cpu = NULL;
		apic_start(machine.vm.vcpu[i]);
		vcpu_request(machine.vm.vcpu[i], REQ_APIC | REQ_EVENT);
	}
}

/* VMs last as long as Lamina; these do not. */
static void tables_free(void)
{
	struct vmx_vm *vmx = machine.vm.vendor;
	struct svm_vm *svm = machine.vm.vendor;

	if (machine.config.is_vmx && vmx->pid_table)
		page_free(vmx->pid_table);
	if (!machine.config.is_vmx && svm->physical_ids)
		page_free(svm->physical_ids);
	if (!machine.config.is_vmx && svm->logical_ids)
		page_free(svm->logical_ids);
	if (!machine.config.is_vmx && svm->x2apic_msrpm)
		page_free_contig(svm->x2apic_msrpm, SVM_MSRPM_BYTES);
	if (machine.vm.apic_page)
		page_free(machine.vm.apic_page);
}

void fake_machine_drop(void)
{
	tables_free();
	for (u32 i = 0; i < machine.config.nr_vcpus; i++) {
		if (machine.config.is_vmx)
			posted_vcpu_drop(&machine.fakes[i]);
		else
			avic_vcpu_drop(&machine.fakes[i]);
		page_free(machine.vm.vcpu[i]->lapic.regs);
		page_free(machine.vm.vcpu[i]->hot);
	}
	if (machine.config.is_vmx)
		posted_vm_drop();
	else
		avic_vm_drop();
	page_free(machine.vm.vendor);
	page_free(machine.vcpus);
	for (u32 i = 0; i < machine.config.nr_cpus; i++)
		page_free(machine.cpus[i].percpu);
}
