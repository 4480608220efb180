/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake machine: coroutines, the run loop around the hypervisor's code, and the referee. */
#include "tests/host/fake_cpu.h"

#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "arch/x86/regs.h"
#include "core/request.h"
#include "svm/svm.h"
#include "vmx/vmx.h"

struct fake_machine machine;

/* --- coroutines --- */

#define STACK_BYTES (256 * 1024)
#define ACTORS (FAKE_CPUS + FAKE_DEVICES + 1)

/* A locked operation that a wrong variant has happen later. */
struct late {
	void *p;
	enum fake_op op;
	unsigned width_bytes;
	u64 value;
	unsigned steps;
};

struct actor {
	ucontext_t context;
	void *stack;
	void *fiber;
	void (*fn)(struct actor *a);
	struct fake_cpu *cpu;
	u32 index;
	struct late late;
};

static struct actor actors[ACTORS];
static struct actor *current; /* NULL: the referee */
static ucontext_t referee;
static void *referee_fiber;
static const void *referee_stack;
static size_t referee_bytes;
static u64 random_state;

u32 fake_random(u32 n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)((random_state >> 20) % n);
}

void fake_fault(const char *what)
{
	if (!machine.result.fault)
		machine.result.fault = what;
}

static u64 apply(enum fake_op op, void *p, unsigned width_bytes, u64 value)
{
	u64 old = width_bytes == 4 ? *(u32 *)p : *(u64 *)p;
	u64 new = op == FAKE_OR ? old | value : op == FAKE_AND ? old &value : value;

	if (width_bytes == 4)
		*(u32 *)p = (u32) new;
	else
		*(u64 *)p = new;
	return old;
}

static void late_apply(struct late *late)
{
	u64 on;

	if (!late->p)
		return;
	on = late->op == FAKE_XCHG && machine.config.wrong == WRONG_NV_LATE ? *(u64 *)late->p & 1
									    : 0;
	apply(late->op, late->p, late->width_bytes, late->value | on);
	late->p = NULL;
}

static void actor_main(u32 index)
{
	struct actor *a = &actors[index];

	__sanitizer_finish_switch_fiber(a->fiber, &referee_stack, &referee_bytes);
	for (;;)
		a->fn(a);
}

void fake_step(void)
{
	struct actor *a = current;

	if (!a)
		return;
	if (a->late.p && !a->late.steps--)
		late_apply(&a->late);
	__sanitizer_start_switch_fiber(&a->fiber, referee_stack, referee_bytes);
	swapcontext(&a->context, &referee);
	__sanitizer_finish_switch_fiber(a->fiber, &referee_stack, &referee_bytes);
}

void fake_step_light(void)
{
	if (current && !fake_random(8))
		fake_step();
}

static void actor_go(struct actor *a)
{
	current = a;
	machine.cpu = a->cpu;
	__sanitizer_start_switch_fiber(&referee_fiber, a->stack, STACK_BYTES);
	swapcontext(&referee, &a->context);
	__sanitizer_finish_switch_fiber(referee_fiber, NULL, NULL);
	machine.cpu = NULL;
	current = NULL;
}

static void actor_start(u32 index, void (*fn)(struct actor *a), struct fake_cpu *cpu)
{
	struct actor *a = &actors[index];

	*a = (struct actor){ .fn = fn, .cpu = cpu, .index = index, .stack = malloc(STACK_BYTES) };
	getcontext(&a->context);
	a->context.uc_stack.ss_sp = a->stack;
	a->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&a->context, (void (*)(void))actor_main, 1, index);
}

/* --- locked operations, some of which are late --- */

static bool is_in(const void *p, const void *area, size_t len_bytes)
{
	return (const u8 *)p >= (const u8 *)area && (const u8 *)p < (const u8 *)area + len_bytes;
}

static bool is_physical_id(const void *p)
{
	const struct svm_vm *svm = machine.config.is_vmx ? NULL : machine.vm.vendor;

	return svm && svm->physical_ids && is_in(p, svm->physical_ids, PAGE_SIZE);
}

static bool is_late_for(const struct vcpu *v, enum fake_op op, const void *p, u64 value)
{
	struct vcpu_hot *hot = v->hot;

	switch (machine.config.wrong) {
	case WRONG_LIVE_LATE:
		return p == &hot->apic_live && !value;
	case WRONG_IRR_LATE:
		return op == FAKE_OR && is_in(p, v->lapic.regs + APIC_IRR / 4, 128);
	case WRONG_PIR_LATE:
		return op == FAKE_OR && is_in(p, hot->posted.pir, sizeof(hot->posted.pir));
	case WRONG_ON_LATE:
		return op == FAKE_AND && p == &hot->posted.control;
	case WRONG_PARKED_LATE:
		return p == &hot->run_state && value == RUN_PARKED;
	case WRONG_MODE_LATE:
		return op == FAKE_XCHG && p == &hot->mode;
	default:
		return false;
	}
}

static bool is_late(enum fake_op op, const void *p, u64 value)
{
	if (!current)
		return false;
	if (machine.config.wrong == WRONG_RUNNING_LATE)
		return is_physical_id(p) && !(value & BIT(62));
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++)
		if (is_late_for(machine.vm.vcpu[i], op, p, value))
			return true;
	return false;
}

#define LATE_STEPS 200u

static void late_begin(enum fake_op op, void *p, unsigned width_bytes, u64 value)
{
	late_apply(&current->late);
	current->late = (struct late){ p, op, width_bytes, value, 4 + fake_random(LATE_STEPS) };
}

u64 fake_locked(enum fake_op op, void *p, unsigned width_bytes, u64 value)
{
	fake_step();
	if (machine.config.wrong == WRONG_HOST_ID && is_physical_id(p))
		value = (value & ~MASK(11, 0)) | machine.config.host_id_first;
	if (machine.config.wrong != WRONG_NOTHING && is_late(op, p, value)) {
		late_begin(op, p, width_bytes, value);
		return width_bytes == 4 ? *(u32 *)p : *(u64 *)p;
	}
	if (current && current->late.p == p)
		late_apply(&current->late);
	return apply(op, p, width_bytes, value);
}

bool fake_cas(void *p, unsigned width_bytes, u64 old, u64 value)
{
	fake_step();
	if (machine.config.wrong == WRONG_NV_LATE && current && width_bytes == 8 &&
	    (value >> 16 & 0xff) == IRQ_WAKE && value >> 24 << 24 == old >> 24 << 24) {
		late_begin(FAKE_XCHG, p, width_bytes, value & ~1ull);
		return true;
	}
	if (current && current->late.p == p)
		late_apply(&current->late);
	if ((width_bytes == 4 ? *(u32 *)p : *(u64 *)p) != old)
		return false;
	apply(FAKE_XCHG, p, width_bytes, value);
	return true;
}

/* --- the numbers --- */

bool fake_may_send(u32 targets, u8 vector)
{
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++)
		if (targets >> i & 1 &&
		    machine.fakes[i].sent[vector] != machine.fakes[i].taken[vector])
			return false;
	return !machine.is_draining;
}

void fake_send_begin(u32 targets, u8 vector)
{
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++) {
		if (!(targets >> i & 1))
			continue;
		machine.nr_held[i]++;
		machine.fakes[i].sent[vector]++;
		machine.result.sent++;
	}
}

void fake_send_end(u32 targets)
{
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++)
		machine.nr_held[i] -= targets >> i & 1;
}

#define VECTOR_EXTINT 0x21u
#define VECTOR_SPURIOUS 0xffu

void fake_take(struct fake_vcpu *f, u8 vector, bool is_injected)
{
	/* As through an interrupt gate. */
	f->has_if = false;
	if (vector == VECTOR_SPURIOUS)
		return;
	if (vector == VECTOR_EXTINT && is_injected) {
		machine.result.extints++;
		return;
	}
	f->in_service++;
	f->taken[vector]++;
	machine.result.taken++;
	if (f->taken[vector] > f->sent[vector]) {
		machine.result.duplicated++;
		fake_fault("an interrupt has been taken more often than sent");
	}
}

/* --- the referee --- */

static u32 *pir_of(const struct fake_vcpu *f)
{
	return f->v->hot->posted.pir;
}

int fake_deliverable(const struct fake_vcpu *f)
{
	const u32 *regs = f->v->lapic.regs;
	int vector = vector_highest(regs, APIC_IRR);
	u32 ppr = priority_of(regs[APIC_TPR / 4], vector_highest(regs, APIC_ISR));

	for (int i = 7; i >= 0; i--)
		if (pir_of(f)[i])
			vector = MAX(vector, i * 32 + (int)bit_last(pir_of(f)[i]));
	return vector >= 0 && ((u32)vector & 0xf0) > (ppr & 0xf0) ? vector : -1;
}

static bool has_any_irq(const struct fake_cpu *cpu)
{
	return cpu->has_irq[IRQ_KICK] || cpu->has_irq[IRQ_WAKE] || cpu->has_irq[IRQ_POSTED];
}

static bool vendor_is_on(const struct fake_vcpu *f)
{
	return machine.config.is_vmx ? posted_is_on(f) : avic_is_on(f);
}

static bool window_opens(struct fake_vcpu *f)
{
	return machine.config.is_vmx ? posted_window_opens(f) : avic_window_opens(f);
}

/* Is anything on its way that makes somebody look at what `f` has in IRR and PIR? */
static bool is_noticed(struct fake_vcpu *f)
{
	struct vcpu_hot *hot = f->v->hot;
	bool had_if = f->has_if;
	bool has_window;

	if (machine.nr_held[f->v->index] || machine.is_inhibiting)
		return true;
	if (f->is_asleep)
		return hot->run_state != RUN_PARKED || has_any_irq(&machine.cpus[f->v->cpu]) ||
		       machine.cpus[f->v->cpu].is_waking;
	if (!f->cpu || !f->cpu->in_guest)
		return true;
	if (f->exit != FAKE_OUT || f->is_evaluating || f->is_delivering || f->known >= 0)
		return true;
	if (has_any_irq(f->cpu) || f->cpu->has_doorbell || hot->mode & MODE_KICKED)
		return true;
	f->has_if = true;
	has_window = window_opens(f);
	f->has_if = had_if;
	return has_window;
}

static void referee_look(void)
{
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++) {
		struct fake_vcpu *f = &machine.fakes[i];

		if (fake_deliverable(f) >= 0 && !is_noticed(f)) {
			machine.result.lost++;
			fake_fault(f->is_asleep ? "lost: a sleeping vCPU is not woken"
						: "lost: a vCPU in the guest is not told");
		}
	}
}

static bool is_all_taken(void)
{
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++)
		for (u32 vector = 0; vector < 256; vector++)
			if (machine.fakes[i].sent[vector] != machine.fakes[i].taken[vector])
				return false;
	return true;
}

/* --- a CPU --- */

void fake_load(struct fake_cpu *cpu, struct fake_vcpu *f)
{
	struct vcpu *v = f->v;

	f->cpu = cpu;
	f->is_asleep = false;
	cpu->f = f;
	cpu->percpu->vcpu = v;
	v->hot->entry_word = (v->hot->entry_word & MODE_EPOCH_MASK) | MODE_IN_GUEST |
			     (u64)cpu->percpu->apic_id << MODE_APIC_SHIFT;
	f->has_tlb = false;
}

void fake_unload(struct fake_vcpu *f)
{
	if (!machine.config.is_vmx)
		svm_apic_block(f->v);
	f->cpu->percpu->vcpu = NULL;
	f->cpu->f = NULL;
	f->cpu = NULL;
}

#define REQ_ALL (REQ_EVENT | REQ_IRQ | REQ_TLB | REQ_APIC | REQ_OUT)

void fake_requests_serve(struct fake_vcpu *f)
{
	u32 requests = vcpu_request_take(f->v, REQ_ALL);

	if (requests & REQ_TLB)
		f->has_tlb = false;
	if (requests & REQ_APIC)
		lapic_hw_update(f->v);
	if (f->v->state == VCPU_HALTED && event_wakes(f->v))
		f->v->state = VCPU_RUNNING;
}

/* As core/run.c's vcpu_park(). True if it sleeps now or has been woken already. */
bool fake_park(struct fake_vcpu *f)
{
	struct vcpu *v = f->v;

	atomic_xchg_u32(&v->hot->run_state, RUN_PARKED);
	hv_apic_block(v);
	if (!atomic_load_u32(&v->hot->requests) &&
	    (machine.config.wrong == WRONG_NO_LOOK || !event_wakes(v))) {
		f->is_asleep = true;
		return true;
	}
	return !atomic_cas_u32(&v->hot->run_state, RUN_PARKED, RUN_LOOP);
}

/* Interrupts that wait while the host has IF = 1. */
static void irqs_take(struct fake_cpu *cpu)
{
	fake_step();
	cpu->has_irq[IRQ_KICK] = false;
	cpu->has_irq[IRQ_POSTED] = false;
	if (!cpu->has_irq[IRQ_WAKE])
		return;
	cpu->has_irq[IRQ_WAKE] = false;
	/* Vendors' hardware names no vCPU. */
	cpu->is_waking = true;
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++) {
		struct vcpu *v = machine.vm.vcpu[i];

		if (v->cpu == cpu->percpu->index && atomic_load_u64(&v->hot->posted.control) & 1)
			vcpu_wake(v);
	}
	cpu->is_waking = false;
}

/* --- the guest --- */

u32 fake_targets(const struct fake_vcpu *f, u32 icr, u32 dest)
{
	u32 all = (1u << machine.vm.nr_vcpus) - 1;
	u32 self = 1u << f->v->index;
	u32 targets = 0;

	switch (icr >> 18 & 3) {
	case 1:
		return self;
	case 2:
		return all;
	case 3:
		return all & ~self;
	default:
		break;
	}
	if (!(icr & APIC_ICR_LOGICAL))
		return dest == (machine.config.is_x2apic ? ~0u : 0xff) ? all : (1u << dest) & all;
	if (machine.config.is_x2apic)
		return dest & all;
	for (u32 i = 0; i < machine.vm.nr_vcpus; i++) {
		u32 ldr = machine.vm.vcpu[i]->lapic.regs[APIC_LDR / 4] >> 24;

		if (machine.config.logical == FAKE_CLUSTER)
			targets |= (ldr >> 4 == dest >> 4 && (ldr & dest & 0xf) ? 1u : 0) << i;
		else
			targets |= (ldr & dest ? 1u : 0) << i;
	}
	return targets;
}

bool fake_guest_write(struct fake_vcpu *f, u32 offset, u32 value, u32 value_high)
{
	bool is_vmx = machine.config.is_vmx;
	u32 msr = LAPIC_MSR_FIRST + offset / 16;
	bool is_out;

	f->offset = offset;
	f->value = value;
	f->value_high = value_high;
	f->exit = FAKE_OUT;
	if (machine.config.is_x2apic) {
		if (is_vmx ? posted_msr_exits(f, msr, true) : avic_msr_exits(f, msr, true)) {
			f->exit = FAKE_WRITE;
			return true;
		}
		if (!vendor_is_on(f))
			fake_fault("an x2APIC MSR of the guest reaches the host's");
	} else {
		if (!f->has_tlb && !machine.has_page) {
			f->exit = FAKE_NPF;
			return true;
		}
		f->has_tlb = true;
		if (!vendor_is_on(f))
			fake_fault("the APIC page is memory for a vCPU whose hardware is off");
	}
	f->is_evaluating = true;
	is_out = is_vmx ? posted_write(f, offset, value, value_high)
			: avic_write(f, offset, value, value_high);
	f->is_evaluating = false;
	return is_out;
}

static u32 sending_of(const struct fake_vcpu *f)
{
	return f->sending >> 8;
}

/* One write to ICR, or two in xAPIC mode. True if the guest came out. */
static bool guest_icr(struct fake_vcpu *f)
{
	if (!machine.config.is_x2apic)
		f->v->lapic.regs[APIC_ICR2 / 4] = f->value_high << 24;
	if (fake_guest_write(f, APIC_ICR, f->value, f->value_high))
		return true;
	fake_send_end(sending_of(f));
	f->sending = 0;
	return false;
}

static bool guest_send(struct fake_vcpu *f)
{
	static const u32 kinds[] = { 0,
				     0,
				     0,
				     APIC_ICR_LOGICAL,
				     APIC_ICR_LOGICAL,
				     APIC_ICR_SELF,
				     APIC_ICR_ALL,
				     APIC_ICR_OTHERS };
	u32 vector = 0x91 + 0x10 * f->v->index;
	u32 icr = kinds[fake_random(ARRAY_SIZE(kinds))] | vector | APIC_ICR_ASSERT;
	u32 dest = fake_random(machine.vm.nr_vcpus);
	u32 targets;

	if (icr & APIC_ICR_LOGICAL && machine.config.logical == FAKE_CLUSTER &&
	    !machine.config.is_x2apic)
		dest = dest / 2 << 4 | (1 + fake_random(3));
	else if (icr & APIC_ICR_LOGICAL)
		dest = 1 + fake_random((1u << machine.vm.nr_vcpus) - 1);
	else if (!(icr & APIC_ICR_OTHERS) && !fake_random(8))
		dest = machine.config.is_x2apic ? ~0u : 0xff;
	targets = fake_targets(f, icr, dest);
	if (!targets || !fake_may_send(targets, (u8)vector))
		return false;
	fake_send_begin(targets, (u8)vector);
	f->sending = vector | targets << 8;
	f->value = icr;
	f->value_high = dest;
	return guest_icr(f);
}

static bool guest_eoi(struct fake_vcpu *f)
{
	f->in_service--;
	return fake_guest_write(f, APIC_EOI, 0, 0);
}

/* What the guest does next. True if it came out. */
static bool guest_act(struct fake_vcpu *f)
{
	u32 tpr = f->v->lapic.regs[APIC_TPR / 4];
	u32 what = fake_random(16);

	if (f->has_retry) {
		f->has_retry = false;
		return f->offset == APIC_ICR
			       ? guest_icr(f)
			       : fake_guest_write(f, f->offset, f->value, f->value_high);
	}
	if (what < 4)
		f->has_if = true;
	else if (what < 7 && f->in_service)
		return guest_eoi(f);
	else if (what < 10)
		return guest_send(f);
	else if (what == 10 && !machine.is_draining)
		f->has_if = false;
	else if (what == 11 && (tpr || !machine.is_draining))
		return fake_guest_write(f, APIC_TPR, tpr ? 0 : fake_random(0xd) << 4, 0);
	else if ((what == 12 || what == 14) && f->has_if && !f->in_service && !tpr) {
		f->exit = FAKE_HLT;
		return true;
	} else if (what == 13 && !fake_random(4))
		return true;
	return false;
}

void fake_evaluate(struct fake_vcpu *f)
{
	const u32 *regs = f->v->lapic.regs;
	u32 ppr;

	f->is_evaluating = true;
	fake_step();
	ppr = priority_of(regs[APIC_TPR / 4], vector_highest(regs, APIC_ISR));
	f->v->lapic.regs[APIC_PPR / 4] = ppr;
	f->known = vector_deliverable(regs, ppr);
	f->is_evaluating = false;
}

/* From IRR to ISR by the hardware. */
void fake_accept(struct fake_vcpu *f)
{
	u32 *regs = f->v->lapic.regs;
	u8 vector = (u8)f->known;

	f->is_evaluating = true;
	f->known = -1;
	*vector_word(regs, APIC_IRR, vector) &= ~vector_bit(vector);
	*vector_word(regs, APIC_ISR, vector) |= vector_bit(vector);
	regs[APIC_PPR / 4] = vector & 0xf0;
	fake_take(f, vector, false);
	if (machine.config.is_vmx)
		posted_accept(f);
	f->is_evaluating = false;
}

/* One step of the guest. True if it came out. */
static bool guest_step(struct fake_vcpu *f)
{
	struct fake_cpu *cpu = f->cpu;

	f->exit = FAKE_OUT;
	if (machine.config.is_vmx && cpu->has_irq[IRQ_POSTED] && vendor_is_on(f)) {
		cpu->has_irq[IRQ_POSTED] = false;
		posted_notified(f);
		return false;
	}
	if (has_any_irq(cpu))
		return true;
	if (cpu->has_doorbell) {
		f->is_evaluating = true;
		cpu->has_doorbell = false;
		fake_evaluate(f);
		return false;
	}
	if (window_opens(f))
		return true;
	if (f->known >= 0 && f->has_if) {
		fake_accept(f);
		return false;
	}
	return guest_act(f);
}

static void guest_run(struct fake_vcpu *f)
{
	f->known = -1;
	f->is_delivering = true;
	f->cpu->has_doorbell = false;
	f->cpu->in_guest = true;
	fake_step();
	if (machine.config.is_vmx)
		posted_enter(f);
	else
		avic_enter(f);
	f->is_delivering = false;
	machine.result.entries++;
	do
		fake_step();
	while (!guest_step(f));
	f->cpu->in_guest = false;
	f->known = -1;
	machine.result.exits++;
}

static void mode_clear(struct vcpu_hot *hot)
{
	fake_step();
	if (current && current->late.p == &hot->mode)
		late_apply(&current->late);
	*(u8 *)&hot->mode = 0;
}

/* Mark the word, then look at the requests and, on VMX, at ON: enter.S. */
static bool may_enter(struct vcpu_hot *hot)
{
	hot->entry_word = (hot->entry_word & ~MODE_EPOCH_MASK) |
			  ((hot->entry_word + MODE_EPOCH_ONE) & MODE_EPOCH_MASK);
	atomic_xchg_u64(&hot->mode, hot->entry_word);
	if (atomic_load_u32(&hot->requests))
		return false;
	return !machine.config.is_vmx || machine.config.wrong == WRONG_NO_ON_TEST ||
	       !(atomic_load_u64(&hot->posted.control) & 1);
}

void fake_enter(struct fake_vcpu *f)
{
	struct vcpu *v = f->v;
	bool has_run;

	event_deliver(v);
	has_run = may_enter(v->hot);
	if (machine.config.is_vmx)
		vmx_vcpu(v)->was_abandoned = !has_run;
	if (has_run)
		guest_run(f);
	mode_clear(v->hot);
	event_collect(v);
	if (has_run)
		fake_exit_handle(f);
}

/* --- exits --- */

static void write_emulate(struct fake_vcpu *f)
{
	if (machine.config.is_x2apic) {
		u64 value = f->value | (u64)f->value_high << 32;

		if (f->offset != APIC_ICR)
			value = f->value;
		if (lapic_msr_write(f->v, LAPIC_MSR_FIRST + f->offset / 16, value))
			fake_fault("an x2APIC write is refused");
	} else {
		lapic_mmio_write(f->v, f->offset, 4, f->value);
	}
}

static void npf_handle(struct fake_vcpu *f)
{
	if (lapic_hw_map(f->v, (gpa_t){ LAPIC_BASE_RESET + f->offset }))
		f->has_retry = true;
	else
		write_emulate(f);
}

/* core/slow.c's part of it. */
static void decoded_handle(struct fake_vcpu *f)
{
	struct exit *x = &f->v->hot->exit;

	if (!machine.config.is_vmx)
		avic_decode(f);
	switch (x->kind) {
	case EXIT_APIC_WRITE:
		lapic_written(f->v, (u32)x->info);
		return;
	case EXIT_APIC_EOI:
		machine.result.eoi_exits++;
		lapic_hw_eoi(f->v, x->vector);
		return;
	case EXIT_APIC_IPI:
		machine.result.ipi_exits++;
		if (machine.config.wrong == WRONG_SENT_AGAIN)
			x->is_sent = false;
		if (machine.config.wrong == WRONG_NOT_SENT)
			x->is_sent = true;
		lapic_ipi_send(f->v, (u32)x->info, (u32)(x->info >> 32), x->is_sent);
		return;
	default:
		fake_fault("an exit that cannot be");
	}
}

void fake_exit_handle(struct fake_vcpu *f)
{
	switch (f->exit) {
	case FAKE_OUT:
		return;
	case FAKE_HLT:
		f->v->state = VCPU_HALTED;
		break;
	case FAKE_NPF:
		npf_handle(f);
		break;
	case FAKE_WRITE:
		write_emulate(f);
		break;
	case FAKE_DECODED:
		decoded_handle(f);
		break;
	}
	if (f->sending && !f->has_retry && f->offset == APIC_ICR) {
		fake_send_end(sending_of(f));
		f->sending = 0;
	}
	f->exit = FAKE_OUT;
}

/* --- who is there --- */

/* As core/run.c's vcpu_turn(). The vCPU stays loaded until another one takes its place. */
static void vcpu_turn(struct fake_vcpu *f)
{
	do {
		irqs_take(f->cpu);
		fake_requests_serve(f);
		if (f->v->state == VCPU_RUNNING)
			fake_enter(f);
		else if (fake_park(f))
			return;
		else
			hv_apic_load(f->v);
	} while (fake_random(8));
}

static void cpu_main(struct actor *a)
{
	struct fake_cpu *cpu = a->cpu;
	struct fake_vcpu *f = &machine.fakes[fake_random(machine.vm.nr_vcpus)];
	struct fake_vcpu *loaded = cpu->f;

	irqs_take(cpu);
	/* Somebody else's turn ends; it may go on on another CPU. */
	if (loaded && !fake_random(4)) {
		fake_unload(loaded);
		if (loaded->v->hot->run_state == RUN_LOOP && !loaded->is_asleep)
			loaded->v->cpu = fake_random(machine.config.nr_cpus);
	}
	if ((f->cpu && f->cpu != cpu) || f->v->cpu != cpu->percpu->index ||
	    f->v->hot->run_state != RUN_LOOP)
		return;
	f->is_asleep = false;
	if (cpu->f && cpu->f != f)
		fake_unload(cpu->f);
	if (cpu->f != f)
		fake_load(cpu, f);
	hv_apic_load(f->v);
	vcpu_turn(f);
}

#define VECTOR_EDGE(device) (0x41u + 0x10 * (device))
#define VECTOR_LEVEL(device) (0x81u + 2 * (device))

static u64 level_sent(u8 vector)
{
	u64 sum = 0;

	for (u32 i = 0; i < machine.vm.nr_vcpus; i++)
		sum += machine.fakes[i].sent[vector];
	return sum;
}

static void device_main(struct actor *a)
{
	u32 device = a->index - FAKE_CPUS;
	struct fake_vcpu *f = &machine.fakes[fake_random(machine.vm.nr_vcpus)];
	bool is_level = !fake_random(3);
	u32 vector = is_level ? VECTOR_LEVEL(device) : VECTOR_EDGE(device);

	fake_step();
	if (fake_random(8))
		return;
	if (machine.config.has_extint && !device && !machine.has_pic && !machine.is_draining) {
		machine.extints_raised++;
		machine.has_pic = true;
		vcpu_request(machine.vm.vcpu[0], REQ_EVENT);
		return;
	}
	if (!fake_may_send(1u << f->v->index, (u8)vector))
		return;
	if (is_level && machine.eois[vector] != level_sent((u8)vector))
		return;
	fake_send_begin(1u << f->v->index, (u8)vector);
	lapic_set_irr(f->v, (u8)vector, is_level);
	late_apply(&a->late);
	fake_send_end(1u << f->v->index);
}

static void inhibitor_main(struct actor *a)
{
	bool is_on = !machine.vm.lapic_inhibits && !machine.is_draining;

	(void)a;
	for (u32 i = fake_random(2000); i; i--)
		fake_step();
	machine.is_inhibiting = true;
	lapic_hw_inhibit(&machine.vm, LAPIC_INHIBIT_TEST, is_on);
	machine.is_inhibiting = false;
}

static void machine_steps(u64 steps, bool until_taken)
{
	u32 nr = FAKE_CPUS + FAKE_DEVICES + 1;

	while (steps-- && !machine.result.fault) {
		struct actor *a = &actors[fake_random(nr)];

		if (!a->fn)
			continue;
		actor_go(a);
		machine.result.steps++;
		referee_look();
		if (until_taken && !(steps & 0xff) && is_all_taken())
			return;
	}
}

#define DRAIN_STEPS 400000u

static void actors_start(const struct fake_config *config)
{
	memset(actors, 0, sizeof(actors));
	for (u32 i = 0; i < config->nr_cpus; i++)
		actor_start(i, cpu_main, &machine.cpus[i]);
	for (u32 i = 0; i < FAKE_DEVICES; i++)
		actor_start(FAKE_CPUS + i, device_main, NULL);
	if (config->has_inhibitor)
		actor_start(FAKE_CPUS + FAKE_DEVICES, inhibitor_main, NULL);
}

struct fake_result fake_run(const struct fake_config *config)
{
	struct fake_result result;

	fake_machine_make(config);
	random_state = config->seed * 0x9e3779b97f4a7c15ull + 1;
	actors_start(config);
	machine_steps(config->steps, false);
	machine.is_draining = true;
	machine_steps(DRAIN_STEPS, true);
	if (!machine.result.fault && !is_all_taken()) {
		machine.result.lost++;
		fake_fault("lost: sent and never taken");
	}
	result = machine.result;
	for (u32 i = 0; i < ACTORS; i++)
		free(actors[i].stack);
	memset(actors, 0, sizeof(actors));
	fake_machine_drop();
	return result;
}
