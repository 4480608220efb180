/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The x2APIC at the instruction: an interrupt that a write makes deliverable comes right behind
 * that write, one that IF or the shadow of STI holds back comes right behind their end.
 */
#include "lib/guest.h"

const char guest_name[] = "lapic";

#define SELF_IPI 0x83f
#define EOI 0x80b
#define TPR 0x808
#define PPR 0x80a
#define ICR 0x830
#define DEADLINE 0x6e0
#define ROUNDS 2000

static volatile u64 seen_rip, seen_ppr, order[16], nr_order;
static volatile u64 nested_vector, lower_vector;

static void on_irq(struct frame *f)
{
	seen_rip = f->rip;
	seen_ppr = rdmsr(PPR);
	if (nr_order < ARRAY_SIZE(order))
		order[nr_order++] = f->vector;
	if (nested_vector) {
		u64 vector = nested_vector;

		nested_vector = 0;
		sti();
		wrmsr(SELF_IPI, vector);
		cli();
		order[nr_order++] = 0x1000 | f->vector;
	}
	if (lower_vector) {
		wrmsr(SELF_IPI, lower_vector);
		lower_vector = 0;
	}
	wrmsr(EOI, 0);
	order[nr_order++] = 0x2000 | f->vector;
}

static void begin(void)
{
	nr_order = 0;
	seen_rip = 0;
}

static bool order_is(const u64 *wanted, u64 n)
{
	bool same = nr_order == n;

	for (u64 i = 0; i < n && i < ARRAY_SIZE(order); i++)
		same = same && order[i] == wanted[i];
	if (!same)
		for (u64 i = 0; i < nr_order; i++)
			print("  %llx\n", order[i]);
	return same;
}

#define ORDER_IS(...)                                                                              \
	order_is((const u64[]){ __VA_ARGS__ }, sizeof((const u64[]){ __VA_ARGS__ }) / sizeof(u64))

/* Write `value` to `msr` and say where the interrupt found RIP: 0 is right behind the WRMSR. */
#define RIP_BEHIND(before, insn, ...)                                                              \
	({                                                                                         \
		u64 behind_;                                                                       \
		seen_rip = 0;                                                                      \
		__asm__ volatile(before "; leaq 88f(%%rip), %0; " insn "; 88: nop; nop; cli"       \
				 : "=&r"(behind_)                                                  \
				 : __VA_ARGS__                                                     \
				 : "memory");                                                      \
		seen_rip - behind_;                                                                \
	})
#define WRMSR(before, msr, value)                                                                  \
	RIP_BEHIND(before, "wrmsr", "c"(msr), "a"((u32)(value)), "d"((u32)((u64)(value) >> 32)))

static void self_ipis(void)
{
	u64 misses = 0;

	for (u32 i = 0; i < ROUNDS; i++) {
		begin();
		misses += WRMSR("sti; nop", SELF_IPI, 0x61) != 0 || nr_order != 2;
	}
	check(misses == 0, "SELF_IPI arrives behind its WRMSR: %llu misses", misses);
	check(seen_ppr == 0x60, "with its class as the PPR: %llx", seen_ppr);
	misses = 0;
	for (u32 i = 0; i < ROUNDS; i++) {
		begin();
		misses += WRMSR("sti; nop", ICR, 0x44000 | (0x40 + i % 0xc0)) != 0 || nr_order != 2;
	}
	check(misses == 0, "ICR to self does for every vector: %llu misses", misses);
	/* The LEA is the shadow's instruction. */
	begin();
	check(WRMSR("cli; nop", SELF_IPI, 0x61) != 0 && nr_order == 0, "not with IF = 0");
	check(RIP_BEHIND("sti", "nop", "r"(0)) == (u64)-1 && ORDER_IS(0x61, 0x2061),
	      "but behind the shadow of STI: %llx", seen_rip);
	begin();
	wrmsr(SELF_IPI, 0x61);
	wrmsr(SELF_IPI, 0x61);
	sti_nop_cli();
	check(ORDER_IS(0x61, 0x2061), "two to one vector are one");
}

static void nesting(void)
{
	begin();
	nested_vector = 0x81;
	sti();
	wrmsr(SELF_IPI, 0x61);
	cli();
	check(ORDER_IS(0x61, 0x81, 0x2081, 0x1061, 0x2061), "a higher class comes at once");
	begin();
	nested_vector = 0x62;
	sti();
	wrmsr(SELF_IPI, 0x61);
	cli();
	check(ORDER_IS(0x61, 0x1061, 0x2061, 0x62, 0x2062), "the same class behind EOI and IRET");
	begin();
	nested_vector = 0x81;
	lower_vector = 0x41;
	sti();
	wrmsr(SELF_IPI, 0x61);
	cli();
	check(ORDER_IS(0x61, 0x81, 0x2081, 0x1061, 0x2061, 0x41, 0x2041),
	      "a lower one when all others are done");
	begin();
	for (u64 vector = 0x31; vector <= 0xf1; vector += 0x40)
		wrmsr(SELF_IPI, vector);
	sti_nop_cli();
	check(ORDER_IS(0xf1, 0x20f1, 0xb1, 0x20b1, 0x71, 0x2071, 0x31, 0x2031),
	      "all that waited, the highest first");
}

static void priorities(void)
{
	wrmsr(TPR, 0x80);
	begin();
	sti();
	wrmsr(SELF_IPI, 0x61);
	wait_ticks(100000);
	check(nr_order == 0 && rdmsr(PPR) == 0x80, "the TPR holds back its class and below");
	check(WRMSR("sti; nop", TPR, 0x70) != 0 && nr_order == 0, "still");
	check(WRMSR("sti; nop", TPR, 0x5f) == 0 && ORDER_IS(0x61, 0x2061),
	      "lowered, it lets go at once");
	write_cr8(5);
	check(rdmsr(TPR) == 0x50 && rdmsr(PPR) == 0x50, "CR8 clears what it does not show");
	write_cr8(9);
	check(rdmsr(PPR) == 0x90 && rdmsr(TPR) == 0x90, "the TPR shows CR8");
	begin();
	sti();
	wrmsr(SELF_IPI, 0x61);
	cli();
	check(read_cr8() == 9 && nr_order == 0, "CR8 holds back too");
	check(RIP_BEHIND("sti; nop", "movq %1, %%cr8", "r"(6ull)) != 0 && nr_order == 0, "still");
	check(RIP_BEHIND("sti; nop", "movq %1, %%cr8", "r"(5ull)) == 0 && ORDER_IS(0x61, 0x2061),
	      "lowered, it lets go at once");
	/* Held by what is in service, then by CR8 alone. */
	write_cr8(0);
	begin();
	nested_vector = 0x62;
	sti();
	wrmsr(SELF_IPI, 0x63);
	write_cr8(7);
	wrmsr(SELF_IPI, 0x64);
	cli();
	check(ORDER_IS(0x63, 0x1063, 0x2063, 0x62, 0x2062), "not while CR8 is above");
	check(RIP_BEHIND("sti; nop", "movq %1, %%cr8", "r"(0ull)) == 0, "then at once");
	/* With bits that CR8 does not show Lamina sees the write; QEMU by itself lets it pass. */
	wrmsr(TPR, 1);
	check(FAULT_OF("movq %0, %%cr8", : : "r"(16ull)) == 13, "CR8 has four bits");
	check(read_cr8() == 0 && rdmsr(TPR) == 1, "and keeps them");
	wrmsr(TPR, 0);
}

static volatile u64 fired_at;

static void on_timer(struct frame *f)
{
	fired_at = rdtsc();
	seen_rip = f->rip;
	wrmsr(EOI, 0);
}

/* Spin, without exits, until the timer has fired or `ticks` are over. */
static u64 spin(u64 ticks)
{
	u64 end = rdtsc() + ticks;

	sti();
	while (!fired_at && rdtsc() < end)
		;
	cli();
	return fired_at;
}

/*
 * Write two deadlines, relative to the time returned, so quickly that the first cannot have passed:
 * the emulator may have been held up in between. 0 is no deadline.
 */
static u64 deadline_twice(u64 first, u64 second)
{
	for (;;) {
		u64 now = rdtsc();

		fired_at = 0;
		wrmsr(DEADLINE, now + first);
		wrmsr(DEADLINE, second ? now + second : 0);
		if (rdtsc() < now + first)
			return now;
		wrmsr(DEADLINE, 0);
		sti_nop_cli();
	}
}

static void deadlines(void)
{
	u64 now, misses = 0;

	if (!(cpuid(1, 0).c & BIT(24)))
		return;
	handler_set(0x51, on_timer);
	apic_write(0x320, 0x40051);
	fired_at = 0;
	check(WRMSR("sti; nop", DEADLINE, 1) == 0 && rdmsr(DEADLINE) == 0,
	      "a deadline in the past fires at once");
	fired_at = 0;
	wrmsr(DEADLINE, rdtsc() + 1000000000000ull);
	check(!spin(10000000), "a far one does not");
	now = deadline_twice(1000000000000ull, 5000000);
	check(spin(20000000000ull) >= now + 5000000, "nearer again, it fires when it is due");
	check(rdmsr(DEADLINE) == 0, "and is over then");
	now = deadline_twice(3000000, 9000000);
	check(spin(20000000000ull) >= now + 9000000, "farther again, it waits");
	deadline_twice(3000000, 0);
	check(!spin(20000000) && rdmsr(DEADLINE) == 0, "0 takes it back");
	for (u32 i = 0; i < 100; i++) {
		fired_at = 0;
		now = rdtsc();
		wrmsr(DEADLINE, now + 200000);
		misses += spin(20000000000ull) < now + 200000;
	}
	check(misses == 0, "again and again: %llu misses", misses);
	for (u32 i = 0; i < 100; i++) {
		fired_at = 0;
		now = rdtsc();
		wrmsr(DEADLINE, now + 200000);
		while (!fired_at)
			sti_hlt_cli();
		misses += fired_at < now + 200000;
	}
	check(misses == 0, "out of HLT: %llu misses", misses);
	fired_at = 0;
	apic_write(0x320, 0x50051);
	wrmsr(DEADLINE, 1);
	check(!spin(1000000) && rdmsr(DEADLINE) == 0, "masked, it passes in silence");
	apic_write(0x320, 0x51);
	wrmsr(DEADLINE, 1);
	check(!spin(1000000) && rdmsr(DEADLINE) == 0, "no other mode has a deadline");
	apic_write(0x320, 0x10000);
}

/* Both ways to an interrupt at once: none is lost, none comes twice. */
static volatile u64 nr_pic;

static void on_pic(struct frame *f)
{
	(void)f;
	nr_pic++;
	out8(0x20, 0x20);
}

static void beside_the_pic(void)
{
	out8(0x20, 0x11), out8(0x21, 0x20), out8(0x21, 4), out8(0x21, 1);
	out8(0xa0, 0x11), out8(0xa1, 0x28), out8(0xa1, 2), out8(0xa1, 1);
	handler_set(0x20, on_pic);
	apic_write(0x350, 0x700);
	out8(0x43, 0x30);
	out8(0x21, 0xfe);
	out8(0x40, 1), out8(0x40, 0);
	out8(0x20, 0x0a); /* reads show requests */
	while (!(in8(0x20) & 1))
		pause();
	begin();
	wrmsr(SELF_IPI, 0x61);
	check(nr_pic == 0 && nr_order == 0, "both wait");
	sti_nop_cli();
	sti_nop_cli();
	check(ORDER_IS(0x61, 0x2061) && nr_pic == 1, "the PIC's and the APIC's, once each: %llu",
	      nr_pic);
	pic_mask_all();
	apic_write(0x350, 0x10000);
}

static void errors(void)
{
	begin();
	wrmsr(0x828, 0);
	check(wrmsr_fault(SELF_IPI, 0x0f) == NO_FAULT, "an illegal vector faults not");
	wrmsr(0x828, 0);
	check(rdmsr(0x828) == 0x20, "but is an error: %llx", rdmsr(0x828));
	check(wrmsr_fault(SELF_IPI, 0x100) == 13, "reserved bits fault");
	check(wrmsr_fault(EOI, 1) == 13, "an EOI is 0");
	check(wrmsr_fault(TPR, 0x100) == 13, "a TPR has eight bits");
	check(wrmsr_fault(ICR, 0x41061) == 13, "the ICR's reserved bits fault");
	apic_write(0xf0, 0xff);
	sti();
	wrmsr(SELF_IPI, 0x61);
	cli();
	apic_write(0xf0, 0x1ff);
	sti_nop_cli();
	check(nr_order == 0, "a disabled APIC takes nothing");
	wrmsr(EOI, 0);
	check(rdmsr(PPR) == 0, "an EOI of nothing changes nothing");
}

void guest_main(void)
{
	pic_mask_all();
	x2apic_enable();
	for (u32 vector = 0x31; vector < 0x100; vector++)
		handler_set((u8)vector, on_irq);
	self_ipis();
	nesting();
	priorities();
	beside_the_pic();
	errors();
	deadlines();
}
