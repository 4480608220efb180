/* SPDX-License-Identifier: BSD-2-Clause */
/* Two CPUs: start-up from real mode, again and again, and interrupts between them. */
#include "lib/guest.h"

const char guest_name[] = "ipi";

#define ROUNDS 2000
#define VECTOR 0x55

static volatile u64 ready, stop, pings, nr_nmis;

static void on_ping(struct frame *f)
{
	(void)f;
	pings++;
	apic_eoi();
}

static void on_nmi(struct frame *f)
{
	(void)f;
	nr_nmis++;
}

/* In xAPIC mode: flat model, one bit for each CPU. */
static void logical_id_set(void)
{
	if (rdmsr(0x1b) & BIT(10))
		return;
	apic_write(0xe0, ~0u);
	apic_write(0xd0, (1u << apic_id()) << 24);
}

static void wait_running(void)
{
	logical_id_set();
	ready = 1;
	sti();
	while (!stop)
		pause();
	cli();
}

static void wait_halted(void)
{
	logical_id_set();
	ready = 1;
	while (!stop)
		sti_hlt_cli();
}

static void wait_x2apic(void)
{
	x2apic_enable();
	wait_halted();
}

static bool ping_all(u32 dest, u32 icr)
{
	for (u64 i = 0; i < ROUNDS; i++) {
		u64 before = pings;

		apic_icr(dest, icr);
		if (!wait_for(&pings, before + 1))
			return false;
	}
	return true;
}

static volatile u64 nr_here;

static void on_lowest(struct frame *f)
{
	(void)f;
	if (apic_id() == 0)
		nr_here++;
	else
		pings++;
	apic_eoi();
}

/* Flat logical destinations in xAPIC mode; x2APIC derives them from the ID. */
static void logical(const char *name)
{
	u64 before = pings;

	handler_set(VECTOR + 1, on_lowest);
	apic_icr(2, 0x4800 | VECTOR);
	check(wait_for(&pings, before + 1), "%s: fixed, logical", name);
	apic_icr(4, 0x4800 | VECTOR);
	wait_ticks(100000);
	check(pings == before + 1, "%s: a logical destination that nobody has", name);
	apic_icr(7, 0x4000 | VECTOR);
	wait_ticks(100000);
	check(pings == before + 1, "%s: an APIC that is not there", name);
	before = pings;
	write_cr8(15);
	apic_icr(3, 0x4900 | (VECTOR + 1)); /* the other CPU's priority is lower */
	check(wait_for(&pings, before + 1), "%s: lowest priority", name);
	write_cr8(0);
	sti_nop_cli();
	check(nr_here == 0, "%s: taken by one only", name);
	before = pings;
	apic_icr(0, 0x84000 | (VECTOR + 1));
	sti_nop_cli();
	check(wait_for(&pings, before + 1) && nr_here == 1, "%s: all and self", name);
	nr_here = 0;
}

static void round_of(const char *name, void (*fn)(void))
{
	ready = 0;
	stop = 0;
	check(cpu_start(1, fn) && wait_for(&ready, 1), "%s: the CPU starts", name);
	pings = 0;
	check(ping_all(1, 0x4000 | VECTOR), "%s: fixed, physical", name);
	check(ping_all(0, 0xc4000 | VECTOR), "%s: all but self", name);
	check(pings == 2 * ROUNDS, "%s: none lost, none twice: %llu", name, pings);
	nr_nmis = 0;
	apic_icr(1, 0x4400);
	check(wait_for(&nr_nmis, 1), "%s: NMI", name);
	logical(name);
	stop = 1;
	apic_icr(1, 0x4000 | VECTOR);
	wait_ticks(1000000);
}

void guest_main(void)
{
	bool all = true;

	pic_mask_all();
	apic_enable();
	logical_id_set();
	handler_set(VECTOR, on_ping);
	handler_set(2, on_nmi);
	round_of("running", wait_running);
	check(ap_seen_cs == 0x800, "a start-up IPI sets CS: %x", ap_seen_cs);
	round_of("halted", wait_halted);
	for (u32 i = 0; i < 20; i++) {
		ready = 0;
		stop = 1;
		all = all && cpu_start(1, wait_running) && wait_for(&ready, 1);
	}
	check(all, "20 times INIT and start-up");
	/* Out of wait-for-SIPI a start-up IPI means nothing. */
	ready = 0;
	apic_icr(1, 0x4608);
	wait_ticks(1000000);
	check(ready == 0, "a start-up IPI to a CPU that runs is ignored");
	x2apic_enable();
	round_of("x2APIC", wait_x2apic);
}
