/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC by hardware: which accesses and interrupts cost no exit, and that nothing is lost
 * while the hardware is turned off and on. Made for Bochs' APICv and its defects (tests/README.md):
 * CPU 1 gets an interrupt only when it has IF = 1 or has been asleep for a while.
 */
#include "lib/guest.h"

const char guest_name[] = "apicv";

#define OWN_VECTOR 0x50 /* CPU 0's */
#define LEVEL_VECTOR 0x70
#define FAR_VECTOR 0x61 /* CPU 1's */
#define LINE 11
#define PORT_LINE (0x2000 + LINE)
#define PORT_EXITS(cpu) ((u16)(0x2020 + 4 * (cpu)))
#define PORT_INHIBIT 0x2040
#define MOVED_BASE 0xfeb00000ull
#define SELF 0x44000u
#define SLEEP_TICKS 30000 /* enough to get into HLT */

enum { ID = 0x20, TPR = 0x80, EOI = 0xb0, SVR = 0xf0, ICR = 0x300, ICR_HIGH = 0x310 };
enum { SELF_IPI = 0x3f0 };

/* What each CPU's APIC is; asking it would cost an exit. */
static volatile bool is_x2[2];
static u64 base = APIC_BASE; /* of CPU 0 */

static void reg_write(u32 cpu, u32 reg, u32 value)
{
	if (is_x2[cpu])
		wrmsr(0x800 + reg / 16, value);
	else
		mmio_write((cpu ? APIC_BASE : base) + reg, value);
}

static u32 reg_read(u32 cpu, u32 reg)
{
	return is_x2[cpu] ? (u32)rdmsr(0x800 + reg / 16)
			  : mmio_read((cpu ? APIC_BASE : base) + reg);
}

static void send(u32 from, u32 dest, u32 icr)
{
	if (is_x2[from]) {
		wrmsr(0x830, (u64)dest << 32 | icr);
	} else {
		reg_write(from, ICR_HIGH, dest << 24);
		reg_write(from, ICR, icr);
	}
}

/* --- on CPU 0 alone --- */

static u32 exits(u32 cpu)
{
	return in32(PORT_EXITS(cpu));
}

/* The exits of `statement`: the fewest of several tries, since the host's timers exit too. */
#define EXITS_OF(statement)                                                                        \
	({                                                                                         \
		u32 fewest = ~0u;                                                                  \
		for (u32 try = 0; try < 8; try++) {                                                \
			u32 before = exits(0), n;                                                  \
			statement;                                                                 \
			n = exits(0) - before - 1;                                                 \
			fewest = n < fewest ? n : fewest;                                          \
		}                                                                                  \
		fewest;                                                                            \
	})

static volatile u64 nr_own, nr_level, level_exits, levels_left;

static void on_own(struct frame *f)
{
	(void)f;
	nr_own++;
	reg_write(0, EOI, 0);
}

static void on_level(struct frame *f)
{
	u32 before;

	(void)f;
	nr_level++;
	if (!--levels_left)
		out32(PORT_LINE, 0);
	before = exits(0);
	reg_write(0, EOI, 0);
	level_exits = exits(0) - before - 1;
}

static void own_ipi(u32 icr)
{
	sti();
	send(0, 0, icr);
	__asm__ volatile("nop; nop; nop; nop");
	cli();
}

static void own_register(void)
{
	sti();
	wrmsr(0x800 + SELF_IPI / 16, OWN_VECTOR);
	__asm__ volatile("nop; nop; nop; nop");
	cli();
}

static void priorities(const char *mode, u32 want, u32 want_cr8)
{
	u32 n = EXITS_OF(reg_write(0, TPR, 0x20));

	check(n == want, "%s: exits of a TPR write: %u", mode, n);
	check(read_cr8() == 2 && reg_read(0, TPR) == 0x20, "%s: CR8 shows it", mode);
	n = EXITS_OF(write_cr8(3); write_cr8(0); (void)read_cr8());
	check(n == 3 * want_cr8, "%s: exits of three accesses to CR8: %u", mode, n);
	n = EXITS_OF((void)reg_read(0, ID); (void)reg_read(0, SVR));
	check(n == 2 * want, "%s: exits of two register reads: %u", mode, n);
	reg_write(0, TPR, 0xf0);
	nr_own = 0;
	own_ipi(SELF | OWN_VECTOR);
	check(nr_own == 0, "%s: TPR holds an interrupt back", mode);
	reg_write(0, TPR, 0);
	sti_nop_cli();
	check(nr_own == 1, "%s: and lets it go: %llu", mode, nr_own);
}

/* Sending and ending: the handler's EOI is counted with the rest. */
static void own_interrupts(const char *mode, u32 by_icr, u32 by_register)
{
	u32 n;

	nr_own = 0;
	n = EXITS_OF(own_ipi(SELF | OWN_VECTOR));
	check(n == by_icr && nr_own == 8,
	      "%s: exits of a self-IPI by ICR, edge EOI: %u; %llu taken", mode, n, nr_own);
	if (!is_x2[0])
		return;
	nr_own = 0;
	n = EXITS_OF(own_register());
	check(n == by_register && nr_own == 8,
	      "%s: exits of a self-IPI by register: %u; %llu taken", mode, n, nr_own);
}

static void levels(const char *mode, u32 want)
{
	ioapic_route(LINE, LEVEL_VECTOR | 0x8000);
	for (u64 times = 1; times <= 3; times++) {
		nr_level = 0;
		levels_left = times;
		out32(PORT_LINE, 1);
		for (u32 i = 0; i < 5; i++)
			sti_nop_cli();
		check(nr_level == times, "%s: a level comes %llu times: %llu", mode, times,
		      nr_level);
		check(level_exits >= 1, "%s: its EOI exits", mode);
		check(!(ioapic_read(0x10 + 2 * LINE) & 0x4000), "%s: remote IRR is clear", mode);
	}
	ioapic_route(LINE, 0x10000);
	/* The same vector as an edge again: the second EOI at the latest is the hardware's. */
	ioapic_route(LINE, LEVEL_VECTOR);
	for (u32 i = 0; i < 2; i++) {
		nr_level = 0;
		levels_left = 2;
		out32(PORT_LINE, 1);
		out32(PORT_LINE, 0);
		sti_nop_cli();
		check(nr_level == 1, "%s: the vector as an edge", mode);
	}
	check(level_exits == want, "%s: exits of its EOI: %llu", mode, level_exits);
	ioapic_route(LINE, 0x10000);
}

/* With the hardware: only the ICR of an x2APIC exits. */
static void all_alone(const char *mode)
{
	priorities(mode, 0, 0);
	own_interrupts(mode, is_x2[0] ? 1 : 0, 0);
	levels(mode, 0);
}

/* --- CPU 1 --- */

enum { RUN, SLEEP, TOGGLE };
static volatile u64 nr_far, acknowledged, mode_wanted, is_ready, to_x2, in_x2, toggles;

static void on_far(struct frame *f)
{
	(void)f;
	nr_far++;
	reg_write(1, EOI, 0);
}

static void far_x2apic(void)
{
	cli();
	wrmsr(0x1b, rdmsr(0x1b) | BIT(10));
	is_x2[1] = true;
	reg_write(1, SVR, 0x1ff);
	to_x2 = 0;
	in_x2 = 1;
	sti();
}

/* Nothing is acknowledged before IF is 1 again. */
static void far_main(void)
{
	reg_write(1, SVR, 0x1ff);
	sti();
	is_ready = 1;
	for (;;) {
		if (to_x2)
			far_x2apic();
		if (mode_wanted == SLEEP)
			__asm__ volatile("hlt");
		else if (mode_wanted == TOGGLE)
			out32(PORT_INHIBIT, ++toggles & 1);
		__asm__ volatile("nop; nop; nop; nop");
		acknowledged = nr_far;
	}
}

/* Send one after the other; returns how many came. */
static u64 far_send(u64 n, u64 toggle_each)
{
	u64 goal = nr_far, start = goal;

	for (u64 i = 0; i < n; i++) {
		if (mode_wanted == SLEEP)
			wait_ticks(SLEEP_TICKS);
		if (toggle_each && i % toggle_each == 0)
			out32(PORT_INHIBIT, i / toggle_each & 1);
		send(0, 1, 0x4000 | FAR_VECTOR);
		if (toggle_each && i % toggle_each == 1)
			out32(PORT_INHIBIT, i / toggle_each & 1 ? 0 : 1);
		if (!wait_for(&acknowledged, ++goal))
			break;
	}
	wait_ticks(100000);
	return nr_far - start;
}

static void far_mode(u64 mode)
{
	mode_wanted = mode;
	if (mode != SLEEP) {
		send(0, 1, 0x4000 | FAR_VECTOR); /* out of HLT */
		wait_ticks(1000000);
	}
}

static void far_running(const char *mode, u64 n)
{
	u32 before = exits(1), after;
	u64 came = far_send(n, 0);

	after = exits(1);
	check(came == n, "%s: %llu IPIs into a running CPU: %llu came", mode, n, came);
	check(after - before <= n / 20, "%s: exits there: %u", mode, after - before);
}

static void far_all(const char *mode)
{
	u64 came;

	far_running(mode, 1000);
	far_mode(SLEEP);
	came = far_send(200, 0);
	check(came == 200, "%s: 200 IPIs to a CPU that sleeps: %llu came", mode, came);
	far_mode(RUN);
	came = far_send(2000, 7);
	out32(PORT_INHIBIT, 0);
	check(came == 2000, "%s: 2000 IPIs while the sender turns hardware off and on: %llu came",
	      mode, came);
	far_mode(TOGGLE);
	came = far_send(2000, 0);
	far_mode(RUN);
	out32(PORT_INHIBIT, 0);
	check(came == 2000 && toggles > 100,
	      "%s: 2000 IPIs while the receiver does, %llu times: %llu came", mode, toggles, came);
	check(in32(PORT_INHIBIT) == 0, "%s: the hardware is on again", mode);
	far_running(mode, 200);
}

/* --- modes --- */

static void moved(void)
{
	u32 id = reg_read(0, ID);

	wrmsr(0x1b, (rdmsr(0x1b) & 0xfff) | MOVED_BASE);
	check(mmio_read(APIC_BASE + ID) == 0xffffffff, "moved: nothing at the old place: %x",
	      mmio_read(APIC_BASE + ID));
	base = MOVED_BASE;
	check(reg_read(0, ID) == id && reg_read(0, SVR) == 0x1ff, "moved: it is at the new place");
	nr_own = 0;
	own_ipi(SELF | OWN_VECTOR);
	check(nr_own == 1, "moved: a self-IPI: %llu", nr_own);
	check(far_send(200, 0) == 200, "moved: 200 IPIs to the other CPU, which has not moved");
	wrmsr(0x1b, (rdmsr(0x1b) & 0xfff) | APIC_BASE);
	base = APIC_BASE;
	check(mmio_read(MOVED_BASE + ID) == 0xffffffff, "moved back: nothing is left there");
	priorities("moved back", 0, 0);
}

static void disabled(void)
{
	u64 msr = rdmsr(0x1b);

	wrmsr(0x1b, msr & ~BIT(11));
	check(mmio_read(APIC_BASE + SVR) == 0xffffffff, "disabled: nothing there: %x",
	      mmio_read(APIC_BASE + SVR));
	check(read_cr8() == 0, "disabled: CR8 is 0");
	wrmsr(0x1b, msr);
	check(reg_read(0, SVR) == 0xff, "enabled again: as after reset: %x", reg_read(0, SVR));
	reg_write(0, SVR, 0x1ff);
	all_alone("enabled again");
}

/* By SVR: it takes no interrupts, not even its own. */
static void silenced(const char *mode, u32 want)
{
	u32 n;

	reg_write(0, SVR, 0xff);
	nr_own = 0;
	n = EXITS_OF(own_ipi(SELF | OWN_VECTOR));
	if (is_x2[0])
		own_register();
	check(nr_own == 0, "%s, disabled by SVR: takes nothing: %llu", mode, nr_own);
	check(n == want, "%s, disabled by SVR: exits of sending: %u", mode, n);
	check(reg_read(0, ID) == 0 && reg_read(0, SVR) == 0xff, "%s: its registers", mode);
	check(far_send(100, 0) == 100, "%s, disabled by SVR: sends to others", mode);
	reg_write(0, SVR, 0x1ff);
	sti_nop_cli();
	check(nr_own == 0, "%s, enabled: nothing has waited: %llu", mode, nr_own);
	own_ipi(SELF | OWN_VECTOR);
	check(nr_own == 1, "%s, enabled: takes its own: %llu", mode, nr_own);
	check(EXITS_OF(reg_write(0, TPR, 0)) == 0, "%s, enabled: by hardware", mode);
}

/* CPU 1 has no use for the page any more, so it cannot stand there for CPU 0 either. */
static void mixed(void)
{
	u64 far;

	to_x2 = 1;
	check(wait_for(&in_x2, 1), "CPU 1 goes to x2APIC mode");
	priorities("mixed", 1, 0);
	levels("mixed", 1);
	far = far_send(500, 0);
	check(far == 500, "mixed: 500 IPIs from xAPIC to x2APIC: %llu came", far);
	far = far_send(500, 3);
	out32(PORT_INHIBIT, 0);
	check(far == 500, "mixed: the same with hardware off and on: %llu came", far);
}

void guest_main(void)
{
	pic_mask_all();
	apic_enable();
	handler_set(OWN_VECTOR, on_own);
	handler_set(LEVEL_VECTOR, on_level);
	handler_set(FAR_VECTOR, on_far);
	all_alone("xAPIC");
	check(cpu_start(1, far_main) && wait_for(&is_ready, 1), "CPU 1 starts");
	far_all("xAPIC");
	silenced("xAPIC", 2);
	moved();
	disabled();
	mixed();
	wrmsr(0x1b, rdmsr(0x1b) | BIT(10));
	is_x2[0] = true;
	reg_write(0, SVR, 0x1ff);
	all_alone("x2APIC");
	far_all("x2APIC");
	silenced("x2APIC", 1);
	out32(PORT_INHIBIT, 1);
	priorities("inhibited", 1, 1);
	levels("inhibited", 1);
	out32(PORT_INHIBIT, 0);
	priorities("on again", 0, 0);
}
