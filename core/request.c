/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/request.h"

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/ipi.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "core/vm.h"

/*
 * Make the vCPU that was seen in the guest come out. Whoever turns MODE_KICKED on in the very word
 * it saw sends the IPI; losing means that somebody is sending for this entry, or that the vCPU has
 * left it, and any later entry reads the requests again. Between winning and sending nothing may
 * intervene, so interrupts are off. True if this one has sent it.
 */
static inline __attribute__((always_inline)) bool mode_kick(struct vcpu_hot *hot, u64 seen)
{
	bool wins;
	u64 flags;

	if (seen & MODE_KICKED)
		return false;
	flags = irq_save();
	wins = atomic_cas_u64(&hot->mode, seen, seen | MODE_KICKED); /* kick.pml: CAS */
	if (wins)
		ipi_send((u32)(seen >> MODE_APIC_SHIFT), IRQ_KICK); /* kick.pml: send */
	irq_restore(flags);
	return wins;
}

/* A kick that finds nobody to kick any more costs an interrupt and means nothing: only counted. */
static void kick_interrupt(void)
{
	struct vcpu *v = this_cpu()->vcpu;

	if (!v || !(atomic_load_u64(&v->hot->mode) & MODE_KICKED))
		this_cpu()->stray_kicks++;
}

/*
 * If the host's timer interrupt is for the guest's deadline only, the guest gets it with the next
 * entry.
 */
ISO_TEXT static bool timer_interrupt_fast(struct percpu *cpu)
{
	struct vcpu_hot *hot = cpu->hot;
	u64 now = rdtsc();

	if (!hot || !hot->has_host_timer || hot->others_deadline_tsc <= now ||
	    lapic_fast_expire(hot, now + hot->tsc_offset) == NEXT_SLOW)
		return false;
	cpu->deadline_tsc = 0;
	apic_timer_hasten(cpu, hot->others_deadline_tsc);
	atomic_or_u32(&hot->requests, REQ_IRQ);
	return true;
}

/* What ends a guest's run has found it there, so it is no stray one. */
ISO_TEXT bool request_interrupt_fast(u8 vector)
{
	struct percpu *cpu = this_cpu();

	if (vector != IRQ_KICK && vector != IRQ_POSTED &&
	    !(vector == IRQ_TIMER && timer_interrupt_fast(cpu)))
		return false;
	cpu->irqs[vector]++;
	cpu->iso_kicks += vector == IRQ_KICK;
	apic_eoi();
	return true;
}

ISO_TEXT bool request_irq_take(struct vcpu_hot *hot)
{
	if (atomic_load_u32(&hot->requests) != REQ_IRQ || hot->apic_live)
		return false;
	/* Others may come meanwhile: the next entry finds them. */
	atomic_and_u32(&hot->requests, ~(u32)REQ_IRQ);
	return true;
}

void request_init(void)
{
	irq_handler_set(IRQ_KICK, kick_interrupt);
}

void vcpu_request(struct vcpu *v, u32 bits)
{
	struct vcpu_hot *hot = v->hot;
	u64 seen;

	/* The locked OR is the full barrier that pairs with the XCHG of the entry code. */
	atomic_or_u32(&hot->requests, bits); /* kick.pml, wake.pml: LOCK OR */
	seen = atomic_load_u64(&hot->mode); /* kick.pml, wake.pml: load */
	if (!(seen & MODE_IN_GUEST))
		vcpu_wake(v);
	else if (mode_kick(hot, seen))
		atomic_add_u64(&v->irqs.kicks, 1);
}

ISO_TEXT void request_fast(struct vcpu_hot *hot, struct vcpu_hot *to, u32 bits)
{
	u64 seen;

	atomic_or_u32(&to->requests, bits); /* kick.pml, wake.pml: LOCK OR */
	seen = atomic_load_u64(&to->mode); /* kick.pml, wake.pml: load */
	if (seen & MODE_IN_GUEST) {
		hot->fast_kicks += mode_kick(to, seen);
	} else if (atomic_load_u32(&to->run_state) == RUN_PARKED) { /* wake.pml: load */
		hot->wakes |= 1ull << to->index;
		atomic_or_u32(&hot->requests, REQ_OUT);
	}
}

void vcpu_wake_noted(struct vcpu *v)
{
	u64 wakes = v->hot->wakes;

	for (v->hot->wakes = 0; wakes; wakes &= wakes - 1)
		vcpu_wake(v->vm->vcpu[bit_first(wakes)]);
}

void vcpu_wake(struct vcpu *v)
{
	if (atomic_load_u32(&v->hot->run_state) == RUN_PARKED && /* wake.pml: load */
	    atomic_cas_u32(&v->hot->run_state, RUN_PARKED, RUN_LOOP)) { /* wake.pml: CAS */
		atomic_add_u64(&v->irqs.wakes, 1);
		sched_push(v);
	}
}

u32 vcpu_request_take(struct vcpu *v, u32 bits)
{
	/* Look first: the common case has nothing to take and must not write a shared line. */
	if (!(atomic_load_u32(&v->hot->requests) & bits))
		return 0;
	return atomic_and_u32(&v->hot->requests, ~bits) & bits;
}

void vcpu_wait_out(struct vcpu *v)
{
	u64 *mode = &v->hot->mode;
	u64 seen = atomic_load_u64(mode);

	while ((seen & MODE_IN_GUEST) &&
	       ((atomic_load_u64(mode) ^ seen) & (MODE_IN_GUEST | MODE_EPOCH_MASK)) == 0)
		cpu_pause();
}
