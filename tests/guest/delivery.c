/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What interrupts between CPUs cost the one that gets them: exits, and IPIs of the hypervisor that
 * come when it has left the guest already. For tests/bench/delivery.py. The second half needs a
 * core that counts (tests/variant/mark.c), and is left out on others. Like apicv.c it sends nothing
 * to a CPU with IF = 0.
 */
#include "lib/guest.h"

const char guest_name[] = "delivery";

#define VECTOR 0x61
#define TIMER_VECTOR 0x51
#define PORT_EXITS(cpu) ((u16)(0x2020 + 4 * (cpu)))
#define PORT_NOTIFIED 0x2090
#define PORT_STRAY_NOTIFIED 0x2094
#define PORT_KICKS 0x2098
#define PORT_STRAY_KICKS 0x209c
#define ICR 0x830
#define EOI 0x80b

#define QUIET_SENDS 1000
#define LOAD_SENDS 5000

enum { QUIET, LOAD };
static volatile u64 what_to_do, is_ready;

/* By receiver: interrupts handled, and those behind which IF is 1 again. */
static volatile u64 handled[2], seen[2], nr_ticks;

static void count(u32 cpu)
{
	handled[cpu]++;
	wrmsr(EOI, 0);
}

static void on_first(struct frame *f)
{
	(void)f;
	count(0);
}

static void on_second(struct frame *f)
{
	(void)f;
	count(1);
}

static void on_tick(struct frame *f)
{
	(void)f;
	nr_ticks++;
	wrmsr(EOI, 0);
}

/* Each CPU has a vector of its own, so that a handler need not ask where it is. */
static void send(u32 to)
{
	wrmsr(ICR, (u64)to << 32 | 0x4000 | (VECTOR + to));
}

/* Every 200 us. */
static void timer_start(void)
{
	apic_write(0x3e0, 0xb);
	apic_write(0x320, 0x20000 | TIMER_VECTOR);
	apic_write(0x380, 200000);
}

/* Exits of several kinds, fast ones and slow ones, of a varying number. */
static void work(u32 *seed)
{
	*seed = *seed * 1103515245 + 12345;
	for (u32 n = *seed >> 16 & 3; n; n--)
		cpuid(0, 0);
	for (u32 n = *seed >> 20 & 3; n; n--)
		(void)in32(0xe0);
	for (u32 n = *seed >> 24 & 31; n; n--)
		__asm__ volatile("nop");
}

/* Hand the interrupt back, working until the next one comes. */
static void second_cpu(void)
{
	u32 seed = 12345;
	u64 answered;

	x2apic_enable();
	sti();
	is_ready = 1;
	while (what_to_do == QUIET) {
		__asm__ volatile("nop; nop; nop; nop");
		seen[1] = handled[1];
	}
	timer_start();
	answered = handled[1];
	is_ready = 2;
	for (;;) {
		work(&seed);
		seen[1] = handled[1];
		if (answered == seen[1])
			continue;
		answered++;
		send(0);
	}
}

/* One after the other into a CPU that does nothing else; then the same time without. */
static void quiet(void)
{
	u64 goal = seen[1], start, ticks;
	u32 before = in32(PORT_EXITS(1)), middle, after;
	bool all = true;

	start = rdtsc();
	for (u32 i = 0; i < QUIET_SENDS && all; i++) {
		send(1);
		all = wait_for(&seen[1], ++goal);
	}
	ticks = rdtsc() - start;
	middle = in32(PORT_EXITS(1));
	wait_ticks(ticks);
	after = in32(PORT_EXITS(1));
	check(all && handled[1] == QUIET_SENDS, "%llu of %u arrived", handled[1], QUIET_SENDS);
	print("DELIVERY exits %u idle %u interrupts %u\n", middle - before, after - middle,
	      QUIET_SENDS);
}

/* To and fro, both CPUs working and with a timer. */
static void loaded(void)
{
	static const u16 ports[] = { PORT_NOTIFIED, PORT_STRAY_NOTIFIED, PORT_KICKS,
				     PORT_STRAY_KICKS };
	u32 before[ARRAY_SIZE(ports)], seed = 54321;
	bool all = true;

	what_to_do = LOAD;
	if (!wait_for(&is_ready, 2))
		return;
	timer_start();
	for (u32 i = 0; i < ARRAY_SIZE(ports); i++)
		before[i] = in32(ports[i]);
	sti();
	for (u64 i = 1; i <= LOAD_SENDS && all; i++) {
		u64 end = rdtsc() + 20000000000ull;

		send(1);
		do
			work(&seed);
		while (handled[0] < i && rdtsc() < end);
		all = handled[0] >= i;
	}
	cli();
	check(all, "%llu of %u came back", handled[0], LOAD_SENDS);
	check(nr_ticks > 10, "the timers run: %llu", nr_ticks);
	print("DELIVERY sent %u\n", 2 * LOAD_SENDS);
	print("DELIVERY notified %u stray %u kicks %u stray %u\n", in32(ports[0]) - before[0],
	      in32(ports[1]) - before[1], in32(ports[2]) - before[2], in32(ports[3]) - before[3]);
}

void guest_main(void)
{
	pic_mask_all();
	x2apic_enable();
	handler_set(VECTOR, on_first);
	handler_set(VECTOR + 1, on_second);
	handler_set(TIMER_VECTOR, on_tick);
	check(cpu_start(1, second_cpu) && wait_for(&is_ready, 1), "CPU 1 starts");
	quiet();
	if (in32(PORT_NOTIFIED) != ~0u)
		loaded();
}
