/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/ipi.h"

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc.h"

#define CALL_TIMEOUT_US 1000000

ISO_TEXT void ipi_send(u32 apic_id, u8 vector)
{
	apic_icr_write(apic_id, APIC_ICR_FIXED | APIC_ICR_ASSERT | vector);
}

void ipi_nmi(u32 apic_id)
{
	apic_icr_write(apic_id, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

/* Being interrupted is all that these vectors are for. */
static void nothing_handle(void)
{
}

/* The sender has written call_arg before call_fn, and waits until call_fn is NULL. */
static void call_handle(void)
{
	struct percpu *cpu = this_cpu();
	void (*fn)(void *arg) = atomic_load_ptr(&cpu->call_fn);

	if (!fn)
		return;
	fn(cpu->call_arg);
	atomic_store_ptr(&cpu->call_fn, NULL);
	atomic_store_u32(&cpu->call_lock, 0);
}

void ipi_init(void)
{
	irq_handler_set(IRQ_POSTED, nothing_handle);
	irq_handler_set(IRQ_CALL, call_handle);
}

/* Interrupts stay on while waiting, so that two CPUs may call each other. */
enum err ipi_call(u32 index, void (*fn)(void *arg), void *arg)
{
	u64 deadline = tsc_after_us(CALL_TIMEOUT_US);
	struct percpu *cpu = index < cpus_known() ? percpu_of(index) : NULL;

	if (!cpu || !atomic_load_u32(&cpu->is_online))
		return ERR_RANGE;
	if (cpu == this_cpu()) {
		fn(arg);
		return ERR_NONE;
	}
	while (atomic_xchg_u32(&cpu->call_lock, 1)) {
		if (tsc_is_past(deadline))
			return ERR_TIMEOUT;
		cpu_pause();
	}
	cpu->call_arg = arg;
	atomic_store_ptr(&cpu->call_fn, fn);
	ipi_send(cpu->apic_id, IRQ_CALL);
	while (atomic_load_ptr(&cpu->call_fn)) {
		if (tsc_is_past(deadline))
			return ERR_TIMEOUT;
		cpu_pause();
	}
	return ERR_NONE;
}
