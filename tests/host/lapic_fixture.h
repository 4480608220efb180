/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual machine around local APICs, with fakes for what they call: time that stands still
 * until a test moves it, timers that fire when time passes them, and records of what was sent.
 */
#ifndef TESTS_HOST_LAPIC_FIXTURE_H
#define TESTS_HOST_LAPIC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/apic.h"
#include "arch/x86/lock.h"
#include "arch/x86/page.h"
#include "arch/x86/regs.h"
#include "core/clock.h"
#include "core/dev/lapic.h"
#include "core/event.h"
#include "core/vm.h"
#include "tests/host/fake_lapic_hw.h"

#define FIXTURE_CPUS 4
#define TSC_PER_NS 2ull /* 2 GHz */

bool hv_is_vmx;
static u64 fake_tsc;
static bool fake_no_memory;
static struct vm vm;
static struct vm_iso vm_iso;
static struct vcpu vcpus[VM_MAX_VCPUS];
static struct vcpu_hot hots[VM_MAX_VCPUS];

static struct timer *fake_timers[VM_MAX_VCPUS];
static unsigned nr_fake_timers;

static unsigned requests[VM_MAX_VCPUS], nmis[VM_MAX_VCPUS], inits[VM_MAX_VCPUS];
static int sipis[VM_MAX_VCPUS];
static int last_eoi;
static unsigned nr_eois;
static bool dev_locked;

u64 clock_tsc(void)
{
	return fake_tsc;
}

u64 clock_ns_from_tsc(u64 ticks)
{
	return ticks / TSC_PER_NS;
}

u64 clock_tsc_from_ns(u64 ns)
{
	return ns * TSC_PER_NS;
}

void *page_alloc(void)
{
	void *page = fake_no_memory ? NULL : aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

void page_free(void *page)
{
	free(page);
}

void timer_init(struct timer *t, u32 cpu, void (*fire)(struct timer *t))
{
	*t = (struct timer){ .cpu = cpu, .fire = fire };
	assert_true(nr_fake_timers < VM_MAX_VCPUS);
	fake_timers[nr_fake_timers++] = t;
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

void timer_move(struct timer *t, u32 cpu)
{
	assert_int_equal(t->cpu, cpu);
}

void vcpu_request(struct vcpu *v, u32 bits)
{
	if (bits == REQ_APIC_TIMER) {
		lapic_timer_expired(v);
		return;
	}
	assert_true((bits & ~REQ_APIC) == REQ_EVENT || bits == REQ_IRQ);
	requests[v->index]++;
}

void request_fast(struct vcpu_hot *hot, struct vcpu_hot *to, u32 bits)
{
	assert_ptr_not_equal(hot, to);
	assert_int_equal(bits, REQ_IRQ);
	requests[to->index]++;
}

void event_nmi(struct vcpu *v)
{
	nmis[v->index]++;
}

void vcpu_signal_init(struct vcpu *v)
{
	inits[v->index]++;
}

void vcpu_signal_sipi(struct vcpu *v, u8 vector)
{
	sipis[v->index] = vector;
}

void lock_acquire(struct lock *lock)
{
	assert_ptr_equal(lock, &vm.dev_lock);
	assert_false(dev_locked);
	dev_locked = true;
}

void lock_release(struct lock *lock)
{
	assert_ptr_equal(lock, &vm.dev_lock);
	assert_true(dev_locked);
	dev_locked = false;
}

void ioapic_eoi(struct vm *of, u8 vector)
{
	assert_ptr_equal(of, &vm);
	assert_true(dev_locked);
	last_eoi = vector;
	nr_eois++;
}

/* Let time pass up to `tsc`, firing timers on the way in their order. */
static inline void time_set(u64 tsc)
{
	for (;;) {
		struct timer *next = NULL;

		for (unsigned i = 0; i < nr_fake_timers; i++) {
			struct timer *t = fake_timers[i];

			if (t->is_armed && t->deadline_tsc <= tsc &&
			    (!next || t->deadline_tsc < next->deadline_tsc))
				next = t;
		}
		if (!next)
			break;
		next->is_armed = false;
		fake_tsc = MAX(fake_tsc, next->deadline_tsc);
		next->fire(next);
	}
	fake_tsc = tsc;
}

static inline void ns_pass(u64 ns)
{
	time_set(fake_tsc + ns * TSC_PER_NS);
}

static inline void records_clear(void)
{
	memset(requests, 0, sizeof(requests));
	memset(nmis, 0, sizeof(nmis));
	memset(inits, 0, sizeof(inits));
	for (unsigned i = 0; i < VM_MAX_VCPUS; i++)
		sipis[i] = -1;
	last_eoi = -1;
	nr_eois = 0;
}

static inline void vm_make(u32 nr_vcpus)
{
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(hots, 0, sizeof(hots));
	memset(&vm_iso, 0, sizeof(vm_iso));
	nr_fake_timers = 0;
	fake_tsc = 1000000;
	vm.nr_vcpus = vm_iso.nr_vcpus = nr_vcpus;
	vm.iso = &vm_iso;
	for (u32 i = 0; i < nr_vcpus; i++) {
		struct vcpu *v = &vcpus[i];

		v->hot = &hots[i];
		v->hot->vcpu = v;
		v->hot->index = i;
		v->hot->vm_iso = &vm_iso;
		vm_iso.hot[i] = v->hot;
		v->vm = &vm;
		v->index = i;
		vm.vcpu[i] = v;
		assert_int_equal(lapic_create(v), ERR_NONE);
		lapic_reset(v, false);
	}
	records_clear();
}

static inline void vm_drop(void)
{
	for (u32 i = 0; i < vm.nr_vcpus; i++)
		page_free(vcpus[i].lapic.regs);
	assert_false(dev_locked);
}

static inline u32 mmio_get(struct vcpu *v, u32 offset)
{
	return (u32)lapic_mmio_read(v, offset, 4);
}

static inline void mmio_set(struct vcpu *v, u32 offset, u32 value)
{
	lapic_mmio_write(v, offset, 4, value);
}

static inline u64 x2_get(struct vcpu *v, u32 offset)
{
	u64 value;

	assert_int_equal(lapic_msr_read(v, 0x800 + offset / 16, &value), ERR_NONE);
	return value;
}

static inline void x2_set(struct vcpu *v, u32 offset, u64 value)
{
	assert_int_equal(lapic_msr_write(v, 0x800 + offset / 16, value), ERR_NONE);
}

static inline void base_set(struct vcpu *v, u64 value)
{
	assert_int_equal(lapic_base_write(v, value), ERR_NONE);
}

static inline void x2apic_enter(struct vcpu *v)
{
	base_set(v, v->hot->apic_base | APIC_BASE_EN | APIC_BASE_EXTD);
}

/* Software-enable an xAPIC. */
static inline void xapic_enable(struct vcpu *v)
{
	mmio_set(v, APIC_SVR, 0x1ff);
}

#endif
