/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every way to send an interrupt to every state of its receiver: APIC mode x destination and
 * delivery mode x {IF = 1, halted, masked by TPR, IF = 0}. CPU 0 sends to CPU 1, which does what
 * `post` says; with the self shorthand CPU 1 sends to itself. Each interrupt arrives exactly once,
 * where it should, with its own vector, and not before the receiver lets it in.
 */
#include "lib/guest.h"

const char guest_name[] = "matrix";

#define REPEATS 8
#define FIRST_VECTOR 0x30
#define NR_VECTORS 0xb0
#define RELEASE_VECTOR 0xee /* wakes CPU 1 at the end of a case, whatever has gone wrong */
#define SPURIOUS_VECTOR 0xff
#define LONG_TICKS 30000 /* enough to get into HLT, and for a wrong interrupt to come */
#define NMI 2

enum apic { XAPIC_FLAT, XAPIC_CLUSTER, X2APIC, NR_APICS };
static const char *const apic_names[] = { "xAPIC flat", "xAPIC cluster", "x2APIC" };

enum state { RUNNING, HALTED, TPR_MASKED, IF_CLEAR, NR_STATES };
static const char *const state_names[] = { "running", "halted", "masked by TPR", "IF = 0" };

enum who { NOBODY, CPU1, BOTH };

/* A way to send. `dest` for each APIC mode; ALONE: that mode does not know this way. */
#define ALONE 0xdeadu
#define SELF 0x40000u
#define ALL 0x80000u
#define OTHERS 0xc0000u
#define LOGICAL 0x800u
#define LOWEST 0x100u
#define NMI_MODE 0x400u
struct way {
	const char *name;
	u32 dest[NR_APICS];
	u32 icr;
	enum who who;
	bool from_self, by_self_ipi;
};
static const struct way ways[] = {
	{ "fixed, physical", { 1, 1, 1 }, 0, CPU1, 0, 0 },
	{ "fixed, physical, to all", { 0xff, 0xff, ~0u }, 0, BOTH, 0, 0 },
	{ "fixed, physical, to nobody", { 0x7e, 0x7e, 0x101 }, 0, NOBODY, 0, 0 },
	{ "fixed, logical", { 2, 0x12, 2 }, LOGICAL, CPU1, 0, 0 },
	{ "fixed, logical, to both", { 3, 0x13, 3 }, LOGICAL, BOTH, 0, 0 },
	{ "fixed, logical, to all", { 0xff, 0xff, ~0u }, LOGICAL, BOTH, 0, 0 },
	{ "fixed, logical, to nobody", { 4, 0x14, 4 }, LOGICAL, NOBODY, 0, 0 },
	{ "fixed, logical, other cluster", { ALONE, 0x22, 0x10002 }, LOGICAL, NOBODY, 0, 0 },
	{ "lowest priority, physical", { 1, 1, 1 }, LOWEST, CPU1, 0, 0 },
	{ "lowest priority, logical", { 3, 0x13, 3 }, LOWEST | LOGICAL, CPU1, 0, 0 },
	{ "NMI, physical", { 1, 1, 1 }, NMI_MODE, CPU1, 0, 0 },
	{ "NMI, logical", { 2, 0x12, 2 }, NMI_MODE | LOGICAL, CPU1, 0, 0 },
	{ "NMI, all but self", { 0, 0, 0 }, NMI_MODE | OTHERS, CPU1, 0, 0 },
	{ "self", { 0, 0, 0 }, SELF, CPU1, true, false },
	{ "self-IPI register", { ALONE, ALONE, 0 }, SELF, CPU1, true, true },
	{ "all, self too", { 0, 0, 0 }, ALL, BOTH, 0, 0 },
	{ "all but self", { 0, 0, 0 }, OTHERS, CPU1, 0, 0 },
};

/* What CPU 1 shall do; `seq` is written last and says that it is new. */
static struct {
	enum state state;
	const struct way *way;
	enum apic apic;
	u8 vector;
	bool to_zero, by_cr8; /* how the TPR is opened */
	volatile u64 seq, ready, open, release, done;
	volatile u64 woken; /* times out of HLT */
} post;

static volatile u64 nr_taken[2], nr_wrong[2];
static volatile u64 nr_spurious;
static u32 seed = 0x2545f491;

static bool is_nmi(const struct way *way)
{
	return way->icr & NMI_MODE;
}

/* The CPU's own number without an exit: the CPUs have stacks of their own. */
static u32 me(void)
{
	extern u8 stack_top[];
	u64 here = (u64)__builtin_frame_address(0);

	return here <= (u64)stack_top && here > (u64)stack_top - 65536 ? 0 : 1;
}

static void on_interrupt(struct frame *f)
{
	u32 cpu = me();

	if (f->vector == (is_nmi(post.way) ? NMI : post.vector))
		nr_taken[cpu]++;
	else
		nr_wrong[cpu]++;
	if (f->vector != NMI)
		apic_eoi();
}

static void on_release(struct frame *f)
{
	(void)f;
	apic_eoi();
}

static void on_spurious(struct frame *f)
{
	(void)f;
	nr_spurious++;
}

static void send(void)
{
	const struct way *way = post.way;
	u32 vector = is_nmi(way) ? 0 : post.vector;

	if (way->by_self_ipi)
		wrmsr(0x83f, vector);
	else
		apic_icr(way->dest[post.apic], way->icr | 0x4000 | vector);
}

/* --- CPU 1 --- */

static void self_send(void)
{
	if (post.way->from_self)
		send();
}

static void wait_release(void)
{
	while (post.release != post.seq)
		pause();
}

/* Nothing but exits and memory until the sender allows more; what has come by then is too early. */
static void wait_open(void)
{
	while (post.open != post.seq)
		exit_now();
}

static void tpr_set(u32 tpr)
{
	if (post.by_cr8)
		write_cr8(tpr >> 4);
	else
		apic_write(0x80, tpr);
}

static void receive_halted(void)
{
	self_send();
	post.ready = post.seq;
	while (!nr_taken[1] && post.release != post.seq) {
		sti_hlt_cli();
		post.woken++;
	}
}

static void receive_masked(void)
{
	tpr_set(post.vector | 0xf);
	self_send();
	sti();
	post.ready = post.seq;
	wait_open();
	/* The class below lets this one in. */
	tpr_set(post.to_zero ? 0 : (post.vector & 0xf0u) - 0x10);
	wait_release();
	cli();
	tpr_set(0);
}

static void receive(void)
{
	switch (post.state) {
	case HALTED:
		receive_halted();
		break;
	case TPR_MASKED:
		receive_masked();
		break;
	case IF_CLEAR:
		self_send();
		post.ready = post.seq;
		wait_open();
		sti();
		wait_release();
		break;
	default:
		sti();
		self_send();
		post.ready = post.seq;
		wait_release();
	}
	/* What is there twice comes now. */
	sti_nop_cli();
	sti_nop_cli();
}

/* Logical ID: bit 0 or 1; in the cluster model, cluster 1. x2APIC derives it from the ID. */
static void apic_mode(enum apic apic)
{
	if (apic == X2APIC) {
		x2apic_enable();
		return;
	}
	apic_write(0xe0, apic == XAPIC_FLAT ? ~0u : 0x0fffffff);
	apic_write(0xd0, (apic == XAPIC_FLAT ? 1u << me() : 0x10u | 1u << me()) << 24);
}

static volatile u64 in_mode;
static volatile u32 esr_of_1;

static void receiver(void)
{
	static u64 seq;

	for (enum apic apic = XAPIC_FLAT; apic < NR_APICS; apic++) {
		apic_mode(apic);
		in_mode = apic + 1;
		for (;;) {
			while (post.seq == seq)
				exit_now();
			seq = post.seq;
			if (post.apic != apic)
				break;
			receive();
			post.done = seq;
		}
		apic_write(0x280, 0);
		esr_of_1 = apic_read(0x280);
	}
	in_mode = NR_APICS + 1;
}

/* --- CPU 0 --- */

/* The receiver's own priority must be the lower one, whatever it does. */
static void sender_tpr(bool is_high)
{
	if (post.way->icr & LOWEST)
		apic_write(0x80, is_high ? 0xff : 0);
}

/* May the interrupt come before the receiver opens? */
static bool is_held(enum state state, const struct way *way)
{
	return (state == TPR_MASKED || state == IF_CLEAR) && !is_nmi(way);
}

/* One interrupt. Returns NULL or what went wrong. */
static const char *once(void)
{
	u64 expected = post.way->who != NOBODY;
	const char *wrong = NULL;

	nr_taken[0] = nr_taken[1] = nr_wrong[0] = nr_wrong[1] = 0;
	post.woken = 0;
	post.seq++;
	if (!wait_for(&post.ready, post.seq))
		return "the receiver is not ready";
	if (post.state == HALTED)
		wait_ticks(random_next(&seed) % LONG_TICKS);
	if (!post.way->from_self) {
		sender_tpr(true);
		send();
		sender_tpr(false);
	}
	if (is_held(post.state, post.way)) {
		wait_ticks(LONG_TICKS);
		if (nr_taken[1])
			wrong = "too early";
	}
	post.open = post.seq;
	if (!expected)
		wait_ticks(LONG_TICKS);
	else if (!wait_for(&nr_taken[1], 1))
		wrong = "lost";
	/* An NMI can come before the HLT and not wake it. */
	else if (post.state == HALTED && !is_nmi(post.way) && !wait_for(&post.woken, 1))
		wrong = "not woken";
	post.release = post.seq;
	sti_nop_cli();
	apic_icr(1, 0x4000 | RELEASE_VECTOR);
	if (!wait_for(&post.done, post.seq))
		return "the receiver is gone";
	sti_nop_cli();
	if (nr_taken[1] > expected)
		wrong = "more than once";
	if (nr_taken[0] != (post.way->who == BOTH))
		wrong = nr_taken[0] ? "at the sender" : "lost at the sender";
	return nr_wrong[0] || nr_wrong[1] ? "another vector" : wrong;
}

static void cell(enum apic apic, const struct way *way, enum state state)
{
	const char *wrong = NULL;
	u32 i;

	post.apic = apic;
	post.way = way;
	post.state = state;
	for (i = 0; i < REPEATS && !wrong; i++) {
		post.vector = (u8)(FIRST_VECTOR + random_next(&seed) % NR_VECTORS);
		post.to_zero = i & 1;
		post.by_cr8 = i & 2;
		wrong = once();
	}
	check(!wrong, "%s: %s: %s%s%s, vector %x, turn %u", apic_names[apic], way->name,
	      state_names[state], wrong ? ": " : "", wrong ? wrong : "", post.vector, i);
}

static void mode(enum apic apic)
{
	check(wait_for(&in_mode, apic + 1), "%s: CPU 1 is in this mode", apic_names[apic]);
	apic_mode(apic);
	for (u32 i = 0; i < ARRAY_SIZE(ways); i++)
		for (enum state state = RUNNING; state < NR_STATES; state++)
			if (ways[i].dest[apic] != ALONE)
				cell(apic, &ways[i], state);
	apic_write(0x280, 0);
	check(apic_read(0x280) == 0, "%s: no error at CPU 0: %x", apic_names[apic],
	      apic_read(0x280));
	for (u32 i = 0; i < 8; i++)
		if (apic_read(0x200 + 16 * i) || apic_read(0x100 + 16 * i))
			check(false, "%s: IRR %u %x, ISR %x stay", apic_names[apic], i,
			      apic_read(0x200 + 16 * i), apic_read(0x100 + 16 * i));
	post.apic = NR_APICS;
	post.seq++;
	check(wait_for(&in_mode, apic + 2) && esr_of_1 == 0, "%s: no error at CPU 1: %x",
	      apic_names[apic], esr_of_1);
}

void guest_main(void)
{
	pic_mask_all();
	apic_enable();
	post.way = &ways[0];
	for (u32 i = FIRST_VECTOR; i < RELEASE_VECTOR; i++)
		handler_set((u8)i, on_interrupt);
	handler_set(NMI, on_interrupt);
	handler_set(RELEASE_VECTOR, on_release);
	handler_set(SPURIOUS_VECTOR, on_spurious);
	check(cpu_start(1, receiver), "CPU 1 starts");
	for (enum apic apic = XAPIC_FLAT; apic < NR_APICS; apic++)
		mode(apic);
	check(nr_spurious == 0, "no spurious interrupts: %llu", nr_spurious);
}
