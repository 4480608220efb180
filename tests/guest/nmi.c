/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISO-8, ISO-9: exits of many kinds, each with the right result, on a core that takes an NMI at
 * every instruction of the way into the guest and out of it (tests/variant/nmi.c). The positions go
 * out on the serial line. Not in guests.toml, see e2e/isolation.py.
 */
#include "lib/guest.h"
#include "../variant/nmi.h"

const char guest_name[] = "nmi";

#define VECTOR 0x60
#define TIMER_VECTOR 0x61
#define ROUNDS_MAX 60u

static volatile u64 nr_taken, nr_timers;
static u32 nr_wrong;

static void on_irq(struct frame *f)
{
	(void)f;
	nr_taken++;
	apic_eoi();
}

static void on_timer(struct frame *f)
{
	(void)f;
	nr_timers++;
	apic_eoi();
}

static void expect(bool is_right, const char *what)
{
	if (!is_right && nr_wrong++ < 10)
		print("wrong: %s\n", what);
}

/* Every register that a hypercall must leave alone, with a value of its own. */
static bool registers_kept(void)
{
	u64 wrong;

#define AROUND(insn) \
	__asm__ volatile("pushq %%rbp\n" \
		"movq $1, %%rax; movq $3, %%rbx; movq $4, %%rcx; movq $5, %%rdx\n" \
		"movq $6, %%rsi; movq $7, %%rdi; movq $8, %%rbp; movq $9, %%r8\n" \
		"movq $10, %%r9; movq $11, %%r10; movq $12, %%r11; movq $13, %%r12\n" \
		"movq $14, %%r13; movq $15, %%r14; movq $16, %%r15\n" insn "\n" \
		"xorq $3, %%rbx; xorq $4, %%rcx; xorq $5, %%rdx; xorq $6, %%rsi\n" \
		"xorq $7, %%rdi; xorq $8, %%rbp; xorq $9, %%r8; xorq $10, %%r9\n" \
		"xorq $11, %%r10; xorq $12, %%r11; xorq $13, %%r12; xorq $14, %%r13\n" \
		"xorq $15, %%r14; xorq $16, %%r15\n" \
		"orq %%rbx, %%rax; orq %%rcx, %%rax; orq %%rdx, %%rax; orq %%rsi, %%rax\n" \
		"orq %%rdi, %%rax; orq %%rbp, %%rax; orq %%r8, %%rax; orq %%r9, %%rax\n" \
		"orq %%r10, %%rax; orq %%r11, %%rax; orq %%r12, %%rax\n" \
		"orq %%r13, %%rax; orq %%r14, %%rax; orq %%r15, %%rax\n" \
		"popq %%rbp" \
		: "=a"(wrong) \
		: \
		: "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", \
		"r13", "r14", "r15", "memory", "cc")
	if (is_intel())
		AROUND("vmcall");
	else
		AROUND("vmmcall");
	return !wrong;
}

static void interrupts_try(void)
{
	u64 before = nr_taken;

	wrmsr(0x808, 0x20); /* TPR */
	expect(rdmsr(0x808) == 0x20, "TPR");
	wrmsr(0x83f, VECTOR);
	sti_nop_cli();
	expect(nr_taken == before + 1, "self IPI by its register");
	apic_icr(apic_id(), 0x4000 | VECTOR);
	sti_nop_cli();
	expect(nr_taken == before + 2, "self IPI by the ICR");
	sti();
	wrmsr(0x83f, VECTOR);
	wrmsr(0x830, 0x44000 | VECTOR);
	cli();
	expect(nr_taken == before + 4, "IPIs with interrupts on");
	wrmsr(0x83f, VECTOR);
	sti_hlt_cli();
	expect(nr_taken == before + 5, "HLT with an interrupt that waits");
	write_cr8(15);
	wrmsr(0x83f, VECTOR);
	sti_nop_cli();
	expect(nr_taken == before + 5, "held back by CR8");
	sti();
	write_cr8(0);
	cli();
	expect(nr_taken == before + 6, "let in by CR8");
	expect(rdmsr(0x80a) == 0, "PPR");
}

static void timer_try(void)
{
	u64 before = nr_timers;

	if (!(cpuid(1, 0).c & BIT(24)))
		return;
	apic_write(0x320, 0x40000 | TIMER_VECTOR);
	wrmsr(0x6e0, rdtsc() + 3000);
	sti();
	for (u32 i = 0; i < 1000000 && nr_timers == before; i++)
		exit_now();
	cli();
	expect(nr_timers == before + 1, "timer");
}

static void round(void)
{
	static struct cpuid first;
	struct cpuid again = cpuid(0, 0);

	if (!first.a)
		first = again;
	expect(!((first.a ^ again.a) | (first.b ^ again.b) | (first.c ^ again.c)), "CPUID 0");
	for (u32 leaf = 1; leaf < 0x10; leaf++)
		(void)cpuid(leaf, 0);
	expect(cpuid(0x40000000, 0).a >= 0x40000000, "the hypervisor's leaves");
	expect(rdmsr(0x802) == 0, "x2APIC ID");
	expect(rdmsr(0x1b) & BIT(11), "APIC base");
	expect(registers_kept(), "registers around a hypercall");
	interrupts_try();
	timer_try();
	__asm__ volatile("wbinvd" : : : "memory");
	expect(in8(0x21) == 0xff, "the PIC's mask");
	expect(in8(0x3fd) & 0x20, "the line's state");
}

static void positions_print(u32 words)
{
	for (u32 i = 0; i < words; i++) {
		u32 map;

		out32(PORT_WORD, i);
		map = in32(PORT_WORD);
		if (map)
			print("NMI-AT %x %x\n", i, map);
	}
}

void guest_main(void)
{
	u32 before = 0, n;

	out32(PORT_ARM, 0);
	pic_mask_all();
	x2apic_enable();
	wrmsr(0x80f, 0x1ff);
	handler_set(VECTOR, on_irq);
	handler_set(TIMER_VECTOR, on_timer);
	round();
	check(nr_wrong == 0, "all is well without NMIs");
	out32(PORT_ARM, 1);
	/* Until there is no new position, ten times. */
	for (u32 i = 0, idle = 0; i < ROUNDS_MAX && idle < 10; i++) {
		round();
		print("round %u\n", i);
		n = in32(PORT_ARM);
		idle = n == before ? idle + 1 : 0;
		before = n;
	}
	out32(PORT_ARM, 0);
	round();
	check(nr_wrong == 0, "all is well with them: %u wrong", nr_wrong);
	check(in32(PORT_ARM) > 100, "%u positions", in32(PORT_ARM));
	check(in32(PORT_FAILURES) == 0, "%u failures, the first at %llx", in32(PORT_FAILURES),
	      (u64)in32(PORT_WHERE_HIGH) << 32 | in32(PORT_WHERE));
	check(in32(PORT_TAKEN) > 100, "%u NMIs taken", in32(PORT_TAKEN));
	check(in32(PORT_LOST) == 0 || is_intel(), "%u NMIs lost", in32(PORT_LOST));
	positions_print(in32(PORT_WORDS));
	if (!is_intel())
		return;
	n = in32(PORT_FAILURES);
	out32(PORT_ARM, 2);
	round();
	out32(PORT_ARM, 0);
	check(in32(PORT_FAILURES) > n + 100, "a handler that spoils a register is noticed");
}
