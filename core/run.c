/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run loop: serve requests, sleep while there is nothing to run, enter the guest, handle what
 * it comes out for. One vCPU per CPU.
 */
#include "core/vcpu.h"

#include "arch/x86/atomic.h"
#include "arch/x86/fpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/percpu.h"
#include "core/hv.h"
#include "core/msr.h"
#include "core/slow.h"
#include "core/vm.h"

#define SIPI_CS_SHIFT 8 /* vector to selector; another 4 to the base */

static void init_serve(struct vcpu *v)
{
	/* There is no firmware that could take the first CPU in again: a PC would restart. */
	if (v->index == 0)
		vm_stop(v->vm, VM_END_RESET);
	else
		vcpu_init_signal(v);
}

/* SDM "MP Initialization Protocol Algorithm": outside wait-for-SIPI the IPI is lost. */
static void sipi_serve(struct vcpu *v)
{
	u8 vector = atomic_load_u8(&v->sipi_vector);
	struct segment cs;

	if (v->state != VCPU_WAIT_SIPI)
		return;
	hv_seg_get(v, SEG_CS, &cs);
	cs.sel = (u16)(vector << SIPI_CS_SHIFT);
	cs.base = (u64)cs.sel << 4;
	hv_seg_set(v, SEG_CS, &cs);
	hv_reg_set(v, REG_RIP, 0);
	v->state = VCPU_RUNNING;
}

#define REQ_ALL                                                                                    \
	(REQ_EVENT | REQ_TIMER | REQ_INIT | REQ_SIPI | REQ_TLB | REQ_OUT | REQ_APIC)

/* Everything but REQ_STOP, which stays set until the vCPU is powered on again. */
static void requests_serve(struct vcpu *v)
{
	u32 requests = vcpu_request_take(v, REQ_ALL);

	if (requests & REQ_TIMER)
		timer_run();
	if (requests & REQ_TLB)
		hv_tlb_flush(v);
	if (requests & REQ_APIC)
		lapic_hw_update(v);
	if (requests & REQ_INIT)
		init_serve(v);
	if (requests & REQ_SIPI)
		sipi_serve(v);
	if (v->state == VCPU_HALTED && event_wakes(v))
		v->state = VCPU_RUNNING;
}

/*
 * Sleep until there is a request. Announced before the last look, as the guest mode is: whoever
 * sets a request after that look sees `parked` and sends IRQ_WAKE. See vcpu_request().
 */
static void vcpu_park(struct vcpu *v)
{
	struct vcpu_hot *hot = v->hot;

	timer_by_guest(false);
	cli();
	atomic_xchg_u32(&hot->run_state, RUN_PARKED);
	hv_apic_block(v);
	if (atomic_load_u32(&hot->requests) || event_wakes(v))
		sti();
	else
		sti_hlt();
	atomic_xchg_u32(&hot->run_state, RUN_LOOP);
	hv_apic_load(v);
	vcpu_request(v, REQ_EVENT);
}

static void vcpu_enter(struct vcpu *v)
{
	enum next next;

	timer_by_guest(hv_has_timer());
	event_deliver(v);
	next = hv_run(v);
	event_collect(v);
	if (next == NEXT_SLOW)
		slow_exit(v);
}

static void vcpu_load(struct vcpu *v)
{
	this_cpu()->vcpu = v;
	hv_vcpu_load(v);
	hv_apic_load(v);
	atomic_store_u32(&v->hot->run_state, RUN_LOOP);
}

static void vcpu_unload(struct vcpu *v)
{
	timer_by_guest(false);
	fpu_xcr0_load(fpu_xcr0_max());
	fpu_save(v->fpu);
	hv_apic_unload(v);
	hv_vcpu_unload(v);
	this_cpu()->vcpu = NULL;
}

void vcpu_run(struct vcpu *v)
{
	vcpu_load(v);
	vcpu_reset(v);
	/* Timers of this queue may have fired while nobody looked. */
	timer_run();
	while (!(atomic_load_u32(&v->hot->requests) & REQ_STOP)) {
		requests_serve(v);
		if (v->state == VCPU_RUNNING)
			vcpu_enter(v);
		else
			vcpu_park(v);
	}
	vcpu_unload(v);
}
