/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT and start-up IPIs by the thousand: CPU 0 sends them to CPU 1, whatever that does: running
 * or halted, with IF = 1 or 0, in real mode or in long mode with interrupts on their way, or
 * waiting for a start-up IPI already; NMIs and interrupts are thrown at it while it waits. It
 * starts once for each INIT, at the address of the first start-up IPI behind it, and never
 * without. `rounds` of the command line is their number.
 */
#include "lib/guest.h"

const char guest_name[] = "sipi";

#define ROUNDS 2500
#define VECTOR 0x59
#define NR_PLACES 4

/*
 * Real-mode code, copied to several pages: counts its start and notes where, then does what is
 * asked for. All in the page at SHARED, which it reaches by DS = 0.
 */
#define SHARED 0x7000ull
__asm__(R"(
	.set SHARED, 0x7000
	.set STARTS, SHARED
	.set SEEN_CS, SHARED + 8
	.set SEEN_IP, SHARED + 12
	.set STATE, SHARED + 16
	.set BEATS, SHARED + 24
	.set NMIS, SHARED + 32
	.set STRAY, SHARED + 40
	.set UNCLEAN, SHARED + 48
	.set STRAY_CS, SHARED + 56
	.code16
	.balign 16
	.globl sipi_code, sipi_code_end, sipi_nmi, sipi_stray
sipi_code:
	movw %ax, %bp
	xorw %ax, %ax
	movw %ds, %ax /* what INIT leaves: selectors, flags and registers */
	orw %bp, %ax
	movw %es, %bp
	orw %bp, %ax
	movw %ss, %bp
	orw %bp, %ax
	orw %sp, %ax
	orw %bx, %ax
	orw %cx, %ax
	orw %si, %ax
	orw %di, %ax
	xorw %bx, %bx
	movw %bx, %ds
	movw %bx, %ss
	movw $SHARED, %sp
	pushf
	popw %bx
	andw $0x7f00, %bx
	orw %bx, %ax
	movw %ax, UNCLEAN
	movw %cs, SEEN_CS
	call 1f
1:	popw %ax
	subw $1b - sipi_code, %ax
	movw %ax, SEEN_IP
	lock incl STARTS
	cmpw $1, STATE
	je 3f
	cmpw $2, STATE
	je 4f
	cmpw $3, STATE
	je 5f
2:	incl BEATS /* IF = 0, with exits */
	inb $0xe0, %al
	jmp 2b
3:	sti
	incl BEATS
	pause
	jmp 3b
4:	sti
	hlt
	jmp 4b
5:	cli
	hlt
	jmp 5b
sipi_nmi: /* DS is 0, as INIT or the code above leaves it */
	lock incl NMIS
	iret
sipi_stray: /* CS tells the vector */
	movw %cs, STRAY_CS
	lock incl STRAY
	iret
sipi_code_end:
	.code64
)");
extern const u8 sipi_code[], sipi_code_end[], sipi_nmi[], sipi_stray[];

enum state { SPIN_CLI, SPIN_STI, HLT_STI, HLT_CLI, NR_REAL, LONG_SPIN = NR_REAL, LONG_HLT,
	     NR_STATES };
static const char *const state_names[] = { "spins, IF = 0", "spins, IF = 1", "HLT, IF = 1",
					   "HLT, IF = 0", "long mode, running",
					   "long mode, halted" };

struct shared {
	volatile u64 starts;
	volatile u32 seen_cs, seen_ip, state, fill;
	volatile u64 beats, nmis, stray, unclean, stray_cs;
};
_Static_assert(offsetof(struct shared, stray_cs) == 56, "as the code has it");

static struct shared *shared;
static const u8 places[NR_PLACES] = { 0x09, 0x10, 0x5f, 0x90 };
static u32 seed = 0x6b8b4567;
static u64 nr_wrong_place, nr_unclean, nr_not_started, nr_twice, nr_nmis, nr_nmis_sent;
static u64 nr_nmis_twice, nr_woken, nr_restarted, nr_of_state[NR_STATES];

/* The address 0 as C takes it: GCC knows that nothing is there. */
static volatile u8 *low_memory(u64 at)
{
	__asm__("" : "+r"(at));
	return (volatile u8 *)at;
}

static void code_place(void)
{
	volatile u32 *table = (volatile u32 *)low_memory(0);
	u64 n = (u64)(sipi_code_end - sipi_code);

	for (u32 p = 0; p < NR_PLACES; p++)
		for (u64 i = 0; i < n; i++)
			low_memory((u64)places[p] << 12)[i] = sipi_code[i];
	/* The handlers are those in the first place, reached with a CS that tells the vector. */
	for (u32 i = 0; i < 256; i++) {
		const u8 *handler = i == 2 ? sipi_nmi : sipi_stray;
		u64 to = places[0] * 0x1000ull + (u64)(handler - sipi_code);

		table[i] = i << 16 | (u32)(to - i * 16);
	}
}

static void init_send(void)
{
	apic_icr(1, 0x4500);
}

static void sipi_send(u8 page)
{
	apic_icr(1, 0x4600u | page);
}

static void delay(void)
{
	u32 r = random_next(&seed);

	for (u32 n = r >> 8 & ((1u << r % 12) - 1); n; n--)
		__asm__ volatile("nop");
}

/* --- CPU 1 in long mode --- */

static volatile u64 nr_long, nr_taken;

static void on_message(struct frame *f)
{
	(void)f;
	nr_taken++;
	apic_eoi();
}

static void long_spin(void)
{
	nr_long++;
	sti();
	for (;;)
		pause();
}

static void long_halted(void)
{
	nr_long++;
	for (;;)
		sti_hlt_cli();
}

/* Up in long mode, with interrupts on their way to it until the INIT. */
static bool long_start(enum state state)
{
	u64 before = nr_taken;
	u32 n = random_next(&seed) >> 16 & 15;

	if (!cpu_start(1, state == LONG_SPIN ? long_spin : long_halted))
		return false;
	apic_icr(1, 0x4000 | VECTOR);
	if (!wait_for(&nr_taken, before + 1))
		return false;
	while (n--)
		apic_icr(1, 0x4000 | VECTOR);
	return true;
}

/* --- one round --- */

/* What must not wake a CPU that waits: NMIs and interrupts. One NMI may be kept, not more. */
static void throw_at(void)
{
	for (u32 n = random_next(&seed) >> 16 & 3; n; n--) {
		apic_icr(1, 0x4000 | VECTOR);
		apic_icr(1, 0x4400);
		nr_nmis_sent++;
		delay();
	}
}

/* INIT again, before or behind a start-up IPI: only the last INIT counts. True if behind one. */
static bool init_again(void)
{
	switch (random_next(&seed) >> 16 & 3) {
	case 0:
		init_send();
		delay();
		return false;
	case 1:
		sipi_send(places[random_next(&seed) >> 16 & 3]);
		delay();
		init_send();
		nr_restarted++;
		return true;
	default:
		return false;
	}
}

static void start_judge(u64 before, u8 page)
{
	if (!wait_for(&shared->starts, before + 1)) {
		nr_not_started++;
		return;
	}
	/* It has noted where it is before it counts. */
	nr_wrong_place += shared->seen_cs != (u32)page << 8 || shared->seen_ip != 0;
	nr_unclean += shared->unclean != 0;
}

/* Waiting for a start-up IPI it does nothing: neither starts nor goes on. */
static void waiting_judge(void)
{
	u64 starts = shared->starts, beats;

	wait_ticks(20000);
	beats = shared->beats;
	wait_ticks(20000);
	nr_woken += shared->starts != starts || shared->beats != beats;
}

static void round_of(enum state state)
{
	u8 page = places[random_next(&seed) >> 16 & 3];
	u8 other = places[random_next(&seed) >> 16 & 3];
	bool is_again;
	u64 before;

	nr_of_state[state]++;
	if (state >= NR_REAL && !long_start(state)) {
		nr_not_started++;
		return;
	}
	delay();
	init_send();
	delay();
	is_again = init_again();
	throw_at();
	if (is_again || (random_next(&seed) >> 16 & 15) == 0)
		waiting_judge();
	shared->nmis = 0;
	shared->state = random_next(&seed) >> 16 & 3;
	/* A start-up IPI before the last INIT may have started it, or not: count from here. */
	before = shared->starts;
	sipi_send(page);
	if (random_next(&seed) & 0x10000)
		sipi_send(other);
	start_judge(before, page);
	delay();
	sipi_send(other);
	delay();
	nr_twice += shared->starts > before + 1;
	nr_nmis += shared->nmis;
	nr_nmis_twice += shared->nmis > 1;
}

void guest_main(void)
{
	u64 rounds = argument("rounds", ROUNDS);
	u64 all = 0, i;

	pic_mask_all();
	apic_enable();
	handler_set(VECTOR, on_message);
	shared = (struct shared *)low_memory(SHARED);
	*shared = (struct shared){ 0 };
	code_place();
	for (i = 0; i < rounds && !(nr_not_started | nr_wrong_place | nr_twice); i++) {
		bool is_long = (random_next(&seed) >> 16 & 7) == 0;

		round_of(is_long ? LONG_SPIN + (random_next(&seed) >> 16 & 1) : shared->state);
	}
	print("sipi: %llu rounds, %llu NMIs, %llu kept\n", i, nr_nmis_sent, nr_nmis);
	for (u32 state = 0; state < NR_STATES; state++) {
		check(nr_of_state[state] > 0, "%s: %llu times", state_names[state],
		      nr_of_state[state]);
		all += nr_of_state[state];
	}
	check(all == rounds, "all rounds");
	check(nr_not_started == 0, "each start-up IPI behind an INIT starts it: %llu not",
	      nr_not_started);
	check(nr_wrong_place == 0, "at its address: %llu not, %x", nr_wrong_place,
	      shared->seen_cs);
	check(nr_unclean == 0, "with registers as after INIT: %llu not, %llx", nr_unclean,
	      shared->unclean);
	check(nr_twice == 0, "a second one does nothing: %llu did", nr_twice);
	check(nr_woken == 0, "INIT takes a start-up IPI back: %llu did not", nr_woken);
	check(nr_restarted > 0, "which was tried %llu times", nr_restarted);
	check(shared->stray == 0, "no interrupt survives INIT: %llu did, %llx", shared->stray,
	      shared->stray_cs);
	check(nr_nmis_twice == 0, "one NMI at most is kept: %llu times more", nr_nmis_twice);
	apic_icr(1, 0x4500);
	check(long_start(LONG_HLT), "the CPU is as good as before");
}
