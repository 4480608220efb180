/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/percpu.h"

#include "arch/x86/atomic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/page.h"
#include "arch/x86/panic.h"
#include "arch/x86/pt_host.h"

extern char boot_stack_end[];

/* The top of an interrupt stack holds the address that trap_paranoid in entry.S loads into GS. */
#define IST_TOP_BYTES 16

struct percpu percpu_boot = {
	.self = &percpu_boot,
	.canary = 0x8f1d2c5be7a30600,
	.stack_top = (u64)boot_stack_end,
	.is_online = 1,
};

static struct percpu *cpus[CPUS_MAX] = { &percpu_boot }; /* [c] after smp_start() */
static u32 nr_cpus = 1; /* [a] */

struct percpu *percpu_of(u32 index)
{
	ASSERT(index < cpus_known());
	return cpus[index];
}

u32 cpus_known(void)
{
	return atomic_load_u32(&nr_cpus);
}

u32 cpus_online(void)
{
	u32 n = 0;

	for (u32 i = 0; i < cpus_known(); i++)
		n += atomic_load_u32(&cpus[i]->is_online);
	return n;
}

static enum err ists_create(struct percpu *cpu)
{
	for (unsigned i = 0; i < NR_ISTS; i++) {
		u64 top = stack_create(IST_STACK_BYTES);

		if (!top)
			return ERR_NOMEM;
		top -= IST_TOP_BYTES;
		*(struct percpu **)top = cpu;
		cpu->tss.ist[i] = top;
	}
	return ERR_NONE;
}

/* Different on every CPU; the low byte is 0, so that no string can carry it. */
static u64 canary_make(u32 index)
{
	u64 value = rdtsc() * 0x9e3779b97f4a7c15 ^ index;
	u64 random;

	if (cpu_has_rdrand() && rdrand(&random))
		value ^= random;
	return value & ~0xffull;
}

enum err percpu_create(u32 index, u32 apic_id)
{
	struct percpu *cpu;

	if (index >= CPUS_MAX || index > cpus_known())
		return ERR_RANGE;
	if (!index) {
		percpu_boot.apic_id = apic_id;
		return ists_create(&percpu_boot);
	}
	cpu = page_alloc_contig(sizeof(*cpu), PAGE_SIZE, true);
	if (!cpu)
		return ERR_NOMEM;
	cpu->self = cpu;
	cpu->index = index;
	cpu->apic_id = apic_id;
	cpu->canary = canary_make(index);
	cpu->stack_top = stack_create(STACK_BYTES);
	if (!cpu->stack_top || ists_create(cpu)) {
		page_free_contig(cpu, sizeof(*cpu));
		return ERR_NOMEM;
	}
	cpus[index] = cpu;
	atomic_store_u32(&nr_cpus, index + 1);
	return ERR_NONE;
}

void percpu_forget(u32 index)
{
	ASSERT(index && index == cpus_known() - 1);
	atomic_store_u32(&nr_cpus, index);
}
