/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All other CPUs send to CPU 0: interrupts and NMIs with sequence numbers, each awaited or a few
 * at once, with delays at random; while CPU 0 spins, halts, closes IF or TPR at random, and while
 * its APIC timer (one shot, periodic, TSC deadline in turn) and the PIT through the I/O APIC
 * interrupt it as well. Nothing is lost, nothing comes twice. `rounds` of the command line is the
 * number of rounds of each sender; half of them in xAPIC, half in x2APIC mode.
 *
 * A sender has two vectors. The one for single messages is sent again when the last message has
 * been seen, so that each gives one interrupt. That for bursts is sent without waiting: messages
 * merge, but there are never more interrupts than messages, and the last message is seen.
 */
#include "lib/guest.h"

const char guest_name[] = "storm";

#define ROUNDS 2000
#define CPUS_MAX 8
/* For single messages, and 8 more for bursts: in other classes and in other words of IRR. */
#define VECTOR(sender) (0x41 + 0x12 * (sender))
#define BURST 8
#define TIMER_VECTOR 0xe1
#define PIT_VECTOR 0x35
#define END_VECTOR 0xf1
#define NMI 2
#define TIMER_COUNT 200000
#define PIT_COUNT 600
#define PHASE 64 /* timer interrupts until the timer works another way */
#define PATIENCE_TICKS 60000000000ull

struct message {
	volatile u64 sent, seen, nr_taken; /* sequence numbers; interrupts */
};

/* What a sender and the receiver know of each other; lines of its own for each. */
static struct sender {
	struct message single, burst, nmi;
	volatile u64 done;
	u64 nr_lost, nr_twice;
	u32 seed;
} __attribute__((aligned(128))) senders[CPUS_MAX];

static u64 rounds;
static u32 cpus;
static bool is_x2apic;
static volatile u64 is_going;

static void eoi(void)
{
	if (is_x2apic)
		wrmsr(0x80b, 0);
	else
		mmio_write(APIC_BASE + 0xb0, 0);
}

/* Like apic_icr(), but without the exit that asks for the mode. */
static void icr(u32 dest, u32 low)
{
	if (is_x2apic) {
		wrmsr(0x830, (u64)dest << 32 | low);
		return;
	}
	mmio_write(APIC_BASE + 0x310, dest << 24);
	mmio_write(APIC_BASE + 0x300, low);
}

/* --- CPU 0: what interrupts it --- */

static void message_take(struct message *m)
{
	m->nr_taken++;
	m->seen = m->sent;
}

/* The EOI first: the next message may then come at once, and it must. */
static void on_single(struct frame *f)
{
	eoi();
	message_take(&senders[(f->vector - VECTOR(0)) / (VECTOR(1) - VECTOR(0))].single);
}

static void on_burst(struct frame *f)
{
	eoi();
	message_take(&senders[(f->vector - VECTOR(0)) / (VECTOR(1) - VECTOR(0))].burst);
}

/* Only sender 1 sends them: NMIs of several would merge. */
static void on_nmi(struct frame *f)
{
	(void)f;
	message_take(&senders[1].nmi);
}

static void on_end(struct frame *f)
{
	(void)f;
	eoi();
}

enum timer { ONE_SHOT, PERIODIC, DEADLINE, NR_TIMERS };
static enum timer timer;
static bool is_ending, is_stopping;
/* One shot and deadline: each arming gives one interrupt. */
static volatile u64 nr_armed[NR_TIMERS], nr_fired[NR_TIMERS];
static u64 nr_early, deadline;

static void timer_arm(void)
{
	nr_armed[timer]++;
	if (timer == DEADLINE) {
		deadline = rdtsc() + TIMER_COUNT;
		wrmsr(0x6e0, deadline);
	} else {
		apic_write(0x380, TIMER_COUNT);
	}
}

static void timer_start(enum timer how)
{
	static const u32 lvt[] = { 0, 0x20000, 0x40000 };

	timer = how;
	apic_write(0x3e0, 0xb);
	apic_write(0x320, lvt[how] | TIMER_VECTOR);
	timer_arm();
}

static enum timer timer_next(void)
{
	bool has_deadline = cpuid(1, 0).c & BIT(24);

	return (timer + 1) % (has_deadline ? NR_TIMERS : DEADLINE);
}

static bool timer_is_pending(void)
{
	return apic_read(0x200 + 16 * (TIMER_VECTOR / 32)) & BIT(TIMER_VECTOR % 32);
}

static void on_timer(struct frame *f)
{
	(void)f;
	eoi();
	if (timer == DEADLINE && rdtsc() < deadline)
		nr_early++;
	nr_fired[timer]++;
	if (is_stopping || is_ending || nr_fired[timer] % PHASE == 0) {
		apic_write(0x380, 0);
		/* A period may have ended meanwhile: that interrupt belongs to the old way. */
		is_stopping = timer_is_pending();
		if (!is_stopping && !is_ending)
			timer_start(timer_next());
	} else if (timer != PERIODIC) {
		timer_arm();
	}
}

static volatile u64 nr_pit_armed, nr_pit;

/* Mode 0: the output rises once, when the count has run out. */
static void pit_arm(void)
{
	nr_pit_armed++;
	out8(0x43, 0x30);
	out8(0x40, PIT_COUNT & 0xff);
	out8(0x40, PIT_COUNT >> 8);
}

static void on_pit(struct frame *f)
{
	(void)f;
	eoi();
	nr_pit++;
	if (!is_ending)
		pit_arm();
}

/* --- CPU 0: what it does meanwhile --- */

static void delay(u32 *seed)
{
	u32 r = random_next(seed);
	u32 n = r >> 8 & ((1u << r % 10) - 1);

	while (n--)
		if (r & 0x80)
			pause();
		else
			__asm__ volatile("nop");
}

static bool are_done(void)
{
	for (u32 i = 1; i < cpus; i++)
		if (!senders[i].done)
			return false;
	return true;
}

static void receive(void)
{
	static u32 seed = 0x9e3779b9;

	while (!are_done()) {
		switch (random_next(&seed) >> 20 & 3) {
		case 0:
			sti();
			delay(&seed);
			cli();
			break;
		case 1:
			delay(&seed);
			sti_nop_cli();
			break;
		case 2:
			write_cr8(15);
			sti();
			delay(&seed);
			write_cr8(random_next(&seed) >> 20 & 7);
			delay(&seed);
			cli();
			write_cr8(0);
			break;
		default:
			sti_hlt_cli();
		}
	}
}

/* --- the other CPUs --- */

/* Wait until *p is `value`; false after a long time. No look at the clock while all goes well. */
static bool await(const volatile u64 *p, u64 value)
{
	u64 end = 0;

	for (u32 i = 0; *p < value; i++) {
		if (!(i & 0xfff) && i) {
			u64 now = rdtsc();

			end = end ? end : now + PATIENCE_TICKS;
			if (now > end)
				return false;
		}
		pause();
	}
	return true;
}

static u32 me(void)
{
	return is_x2apic ? (u32)rdmsr(0x802) : mmio_read(APIC_BASE + 0x20) >> 24;
}

/* Send one message, and see that it gives exactly one interrupt. */
static void single_round(struct sender *s, struct message *m, u32 low)
{
	m->sent++;
	icr(0, low);
	if (!await(&m->seen, m->sent))
		s->nr_lost++;
	delay(&s->seed);
	s->nr_twice += m->nr_taken != m->sent;
}

static void burst_round(struct sender *s, u32 vector)
{
	for (u32 n = 2 + (random_next(&s->seed) >> 16 & 3); n; n--) {
		s->burst.sent++;
		icr(0, 0x4000 | vector);
	}
	if (!await(&s->burst.seen, s->burst.sent))
		s->nr_lost++;
	delay(&s->seed);
	s->nr_twice += s->burst.nr_taken > s->burst.sent;
}

static void sender(void)
{
	struct sender *s;
	u32 index;

	if (is_x2apic)
		x2apic_enable();
	index = me();
	s = &senders[index];
	while (!is_going)
		pause();
	for (u64 i = 0; i < rounds / 2 && !s->nr_lost && !s->nr_twice; i++) {
		single_round(s, &s->single, 0x4000 | VECTOR(index));
		if (!(random_next(&s->seed) >> 16 & 7))
			burst_round(s, VECTOR(index) + BURST);
		if (index == 1 && !(random_next(&s->seed) >> 16 & 7))
			single_round(s, &s->nmi, 0x4400);
	}
	s->done = 1;
	icr(0, 0x4000 | END_VECTOR);
}

/* --- all together --- */

static void devices_start(void)
{
	is_ending = false;
	handler_set(TIMER_VECTOR, on_timer);
	handler_set(PIT_VECTOR, on_pit);
	ioapic_route(2, PIT_VECTOR);
	timer_start(ONE_SHOT);
	pit_arm();
}

/* Let what is armed come, and stop. */
static void devices_stop(const char *name)
{
	is_ending = true;
	sti();
	wait_for(&nr_pit, nr_pit_armed);
	check(nr_pit == nr_pit_armed,
	      "%s: PIT: %llu armed, %llu interrupts", name, nr_pit_armed, nr_pit);
	if (timer == PERIODIC)
		apic_write(0x380, 0);
	else
		wait_for(&nr_fired[timer], nr_armed[timer]);
	wait_ticks(2 * TIMER_COUNT);
	cli();
	check(nr_fired[ONE_SHOT] == nr_armed[ONE_SHOT], "%s: one shot: %llu armed, %llu interrupts",
	      name, nr_armed[ONE_SHOT], nr_fired[ONE_SHOT]);
	check(nr_fired[DEADLINE] == nr_armed[DEADLINE] && nr_early == 0,
	      "%s: deadline: %llu armed, %llu interrupts, %llu early", name, nr_armed[DEADLINE],
	      nr_fired[DEADLINE], nr_early);
	print("%s: %llu periods\n", name, nr_fired[PERIODIC]);
	apic_write(0x320, 0x10000);
	ioapic_route(2, 0x10000);
}

static void judge(const char *name, u32 index)
{
	const struct sender *s = &senders[index];

	check(!s->nr_lost && !s->nr_twice && s->single.sent == rounds / 2,
	      "%s: sender %u: %llu lost, %llu twice", name, index, s->nr_lost, s->nr_twice);
	check(s->single.nr_taken == s->single.sent, "%s: sender %u: %llu singles, %llu interrupts",
	      name, index, s->single.sent, s->single.nr_taken);
	check(s->burst.nr_taken <= s->burst.sent && s->burst.seen == s->burst.sent,
	      "%s: sender %u: %llu in bursts, %llu interrupts", name, index, s->burst.sent,
	      s->burst.nr_taken);
	check(s->nmi.nr_taken == s->nmi.sent, "%s: sender %u: %llu NMIs, %llu taken", name, index,
	      s->nmi.sent, s->nmi.nr_taken);
}

static void part(const char *name)
{
	is_going = 0;
	for (u32 i = 1; i < cpus; i++) {
		senders[i] = (struct sender){ .seed = 0x1234567 * i + is_x2apic };
		check(cpu_start(i, sender), "%s: sender %u starts", name, i);
		handler_set((u8)VECTOR(i), on_single);
		handler_set((u8)(VECTOR(i) + BURST), on_burst);
	}
	devices_start();
	is_going = 1;
	receive();
	devices_stop(name);
	for (u32 i = 1; i < cpus; i++)
		judge(name, i);
}

void guest_main(void)
{
	rounds = argument("rounds", ROUNDS);
	cpus = nr_cpus() < CPUS_MAX ? nr_cpus() : CPUS_MAX;
	print("storm: %u CPUs, %llu rounds\n", cpus, rounds);
	pic_mask_all();
	apic_enable();
	handler_set(NMI, on_nmi);
	handler_set(END_VECTOR, on_end);
	part("xAPIC");
	x2apic_enable();
	is_x2apic = true;
	part("x2APIC");
}
