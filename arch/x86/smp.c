/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/smp.h"

#include <string.h>

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/desc.h"
#include "arch/x86/fpu.h"
#include "arch/x86/ipi.h"
#include "arch/x86/page.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

/* SDM "MP Initialization Protocol Algorithm": pauses after INIT and between start-up IPIs. */
#define INIT_WAIT_US 10000
#define SIPI_WAIT_US 200
#define CLAIM_WAIT_US 200000
#define ONLINE_WAIT_US 2000000
#define SKEW_ROUNDS 8

extern const u8 ap_start[], ap_end[], ap_gdt_base[], ap_jump[], ap_params[];

/* Where `label` of ap.S is in a copy of the code. */
#define AP_OFFSET(label) ((u64)(label) - (u64)ap_start)

/* At ap_params in ap.S. */
struct ap_params {
	u64 entry;
	u64 percpu;
	u64 stack;
	u64 claim_va;
	u32 cr3;
	u32 claim; /* [a] 1: offered to the CPU that starts; who takes it to 0 decides */
};
_Static_assert(sizeof(struct ap_params) == 40, "ap_params layout");

__noreturn void ap_main(struct percpu *cpu);

static void (*ap_entry)(void); /* [c] */

/* From ap.S, on the CPU's own stack, GS base set, interrupts off. */
__noreturn void ap_main(struct percpu *cpu)
{
	desc_load(cpu);
	pt_host_activate();
	fpu_enable();
	apic_enable();
	atomic_store_u32(&cpu->is_online, 1);
	sti();
	ap_entry();
	for (;;)
		hlt();
}

/* Put the code into the page and make its addresses those of the page. */
static struct ap_params *trampoline_fill(hpa_t page)
{
	u8 *code = pa_to_va(page);

	memcpy(code, ap_start, AP_OFFSET(ap_end));
	*(u32 *)(code + AP_OFFSET(ap_gdt_base)) += (u32)page.v;
	*(u32 *)(code + AP_OFFSET(ap_jump)) += (u32)page.v;
	return (struct ap_params *)(code + AP_OFFSET(ap_params));
}

/* Wait until *word is `value`, at most `us`. */
static bool word_wait(const u32 *word, u32 value, u64 us)
{
	u64 end = tsc_after_us(us);

	while (atomic_load_u32(word) != value) {
		if (tsc_is_past(end))
			return false;
		cpu_pause();
	}
	return true;
}

static void init_send(u32 apic_id)
{
	apic_icr_write(apic_id, APIC_ICR_INIT | APIC_ICR_ASSERT | APIC_ICR_LEVEL);
	tsc_wait_us(SIPI_WAIT_US);
	if (!apic_is_x2apic()) /* ignored by all but the oldest; an x2APIC has no such command */
		apic_icr_write(apic_id, APIC_ICR_INIT | APIC_ICR_LEVEL);
}

static bool cpu_wake(u32 apic_id, hpa_t page, struct ap_params *params)
{
	u32 sipi = APIC_ICR_STARTUP | APIC_ICR_ASSERT | (u32)(page.v >> PAGE_SHIFT);

	init_send(apic_id);
	tsc_wait_us(INIT_WAIT_US);
	apic_icr_write(apic_id, sipi);
	if (word_wait(&params->claim, 0, SIPI_WAIT_US))
		return true;
	apic_icr_write(apic_id, sipi);
	if (word_wait(&params->claim, 0, CLAIM_WAIT_US))
		return true;
	/* Take the offer back; if it has just been taken, the CPU is on its way. */
	return !atomic_xchg_u32(&params->claim, 0);
}

static bool cpu_start(struct percpu *cpu, hpa_t page, struct ap_params *params)
{
	params->entry = (u64)ap_main;
	params->percpu = (u64)cpu;
	params->stack = cpu->stack_top;
	params->claim_va = (u64)&params->claim;
	params->cr3 = (u32)pt_host_root().v;
	atomic_store_u32(&params->claim, 1);
	if (cpu_wake(cpu->apic_id, page, params) &&
	    word_wait(&cpu->is_online, 1, ONLINE_WAIT_US))
		return true;
	init_send(cpu->apic_id); /* back to waiting for a start-up IPI that never comes */
	return false;
}

static void tsc_read(void *arg)
{
	atomic_store_u64(arg, rdtsc_ordered());
}

/* The other CPU's TSC lies between two readings of ours: keep the closest pair. */
static void skew_measure(u32 index)
{
	static u64 there; /* lasts, should the call come late */
	u64 best = ~0ull;
	s64 skew = 0;

	for (unsigned i = 0; i < SKEW_ROUNDS; i++) {
		u64 before = rdtsc_ordered();
		u64 width;

		if (ipi_call(index, tsc_read, &there))
			return;
		width = rdtsc_ordered() - before;
		if (width < best) {
			best = width;
			skew = (s64)(there - (before + width / 2));
		}
	}
	if ((u64)(skew < 0 ? -skew : skew) > best)
		log_warn("cpu%u: its TSC is %lld ticks off", index, (long long)skew);
}

static void cpu_add(u32 apic_id, hpa_t page, struct ap_params *params)
{
	u32 index = cpus_known();
	enum err err = percpu_create(index, apic_id);

	if (err) {
		log_err("CPU with APIC ID %u left out: %s", apic_id, err_text(err));
	} else if (cpu_start(percpu_of(index), page, params)) {
		skew_measure(index);
	} else {
		log_err("CPU with APIC ID %u does not start; left out", apic_id);
		percpu_forget(index);
	}
}

u32 smp_start(const u32 *apic_ids, u32 nr_ids, hpa_t trampoline, void (*entry)(void))
{
	u64 flags = irq_save();
	struct ap_params *params;

	ap_entry = entry;
	if (nr_ids > 1 && pt_host_map_identity(trampoline)) {
		log_err("no memory to start the other CPUs");
		nr_ids = 1;
	}
	if (nr_ids > 1) {
		params = trampoline_fill(trampoline);
		for (u32 i = 0; i < nr_ids; i++)
			if (apic_ids[i] != percpu_of(0)->apic_id)
				cpu_add(apic_ids[i], trampoline, params);
		pt_host_unmap_identity(trampoline);
	}
	irq_restore(flags);
	log_info("%u of %u CPUs on line", cpus_online(), nr_ids);
	return cpus_online();
}
