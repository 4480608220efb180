/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What instructions that exit must leave as it was: single steps end behind each of them, the one
 * behind STI is shielded, breakpoints hit once, and repeated strings step by
 * iteration.
 */
#include "lib/guest.h"

const char guest_name[] = "debug";

#define DEV 0xff000000ull
#define TF BIT(8)
#define DR6_BS BIT(14)
#define DR6_BD BIT(13)
#define DR6_CLEAR 0xffff0ff0ull
#define VECTOR 0x60

static volatile u64 nr_debug, debug_rip, debug_dr6, debug_flags, steps_wanted, hit_rip;

static void on_debug(struct frame *f)
{
	nr_debug++;
	debug_rip = f->rip;
	debug_dr6 = read_dr6();
	debug_flags = f->rflags;
	write_dr6(DR6_CLEAR);
	if (nr_debug >= steps_wanted)
		f->rflags &= ~TF;
	f->rflags |= BIT(16); /* an instruction breakpoint must not hit again */
}

static void on_vector(struct frame *f)
{
	hit_rip = f->rip;
	apic_eoi();
}

/* One instruction with TF: one trap, right behind it. */
#define STEP_AS(name, insn, ...)                                                                   \
	do {                                                                                       \
		u64 behind;                                                                        \
		nr_debug = 0, steps_wanted = 1, debug_rip = 0;                                     \
		__asm__ volatile("lea 88f(%%rip), %0; pushfq; orq $0x100, (%%rsp); popfq\n\t" insn \
				 "\n88: nop; nop; pushfq; andq $~0x100, (%%rsp); popfq"            \
				 : "=&r"(behind) __VA_ARGS__);                                     \
		check(nr_debug == 1 && debug_rip == behind && (debug_dr6 & DR6_BS),                \
		      "a step over %s: %llu, off by %llx", name, nr_debug, debug_rip - behind);    \
	} while (0)
#define STEP(insn, ...) STEP_AS(insn, insn, __VA_ARGS__)

static void steps(void)
{
	static u64 memory[2];

	STEP("xorl %%eax, %%eax", : : "rax", "cc");
	STEP_AS("CPUID", "cpuid", , "+a"((u32){ 0 }) : : "rbx", "rcx", "rdx");
	STEP_AS("RDMSR", "rdmsr", : "c"(0x1b) : "rax", "rdx");
	STEP_AS("RDMSR that is passed through", "rdmsr", : "c"(0xc0000082) : "rax", "rdx");
	STEP_AS("WRMSR", "wrmsr", : "c"(0x277), "a"(0x00070406), "d"(0x00070406));
	STEP("inb $0x21, %%al", : : "rax");
	STEP("outb %%al, $0xe0", : :);
	STEP_AS("INSB", "insb", : "d"(0xe0), "D"(memory) : "memory");
	STEP_AS("OUTSB", "outsb", : "d"(0xe0), "S"(memory) : "memory");
	STEP_AS("a device read", "mov (%1), %%eax", : "r"(DEV) : "rax");
	STEP_AS("a device write", "mov %%eax, (%1)", : "r"(DEV) : "memory");
	STEP_AS("a device modify", "lock addl $1, (%1)", : "r"(DEV) : "memory");
	STEP_AS("the I/O APIC", "mov (%1), %%eax", : "r"(IOAPIC_BASE) : "rax");
	STEP_AS("the local APIC", "mov (%1), %%eax", : "r"(APIC_BASE + 0x30) : "rax");
	STEP_AS("where nothing is", "mov (%1), %%eax", : "r"(0xfd000000ull) : "rax");
	STEP_AS("MOV to CR0", "mov %1, %%cr0", : "r"(read_cr0()) : "memory");
	STEP_AS("MOV to CR0 that changes", "mov %1, %%cr0", : "r"(read_cr0() ^ BIT(5)));
	STEP_AS("MOV from CR0", "mov %%cr0, %%rax", : : "rax");
	STEP_AS("MOV to CR3", "mov %1, %%cr3", : "r"(read_cr3()) : "memory");
	STEP_AS("MOV to CR4", "mov %1, %%cr4", : "r"(read_cr4()) : "memory");
	STEP_AS("MOV to CR8", "mov %1, %%cr8", : "r"(0ull));
	STEP_AS("MOV from CR8", "mov %%cr8, %%rax", : : "rax");
	STEP_AS("CLTS", "clts", : :);
	STEP_AS("INVLPG", "invlpg (%1)", : "r"(memory) : "memory");
	STEP_AS("RDTSC", "rdtsc", : : "rax", "rdx");
	STEP_AS("PAUSE", "pause", : :);
	STEP_AS("WBINVD", "wbinvd", : : "memory");
	if (cpuid(1, 0).c & BIT(26)) {
		write_cr4(read_cr4() | BIT(18));
		STEP_AS("XSETBV", "xsetbv", : "a"(3), "c"(0), "d"(0));
	}
}

/* TF on a repeated string traps after each iteration, with RIP still on it until the last. */
#define STRING_STEPS(name, insn, n, ...)                                                           \
	do {                                                                                       \
		nr_debug = 0, steps_wanted = (n);                                                  \
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t" insn                     \
				 "\n\tnop; pushfq; andq $~0x100, (%%rsp); popfq" __VA_ARGS__);     \
		check(nr_debug == (n) && (debug_dr6 & DR6_BS), "steps in %s: %llu", name,          \
		      nr_debug);                                                                   \
	} while (0)

static void string_steps(void)
{
	static u64 memory[8];
	u64 n = 3, to = (u64)memory, from = DEV;

	STRING_STEPS("REP MOVS", "rep movsq", 3, : "+c"(n), "+D"(to), "+S"(from) : : "memory");
	n = 3, to = DEV;
	STRING_STEPS("REP STOS", "rep stosl", 3, : "+c"(n), "+D"(to) : "a"(0) : "memory");
	n = 3, to = (u64)memory;
	STRING_STEPS("REP INS", "rep insb", 3, : "+c"(n), "+D"(to) : "d"(0xe0) : "memory");
	n = 3, from = (u64)memory;
	STRING_STEPS("REP OUTS", "rep outsb", 3, : "+c"(n), "+S"(from) : "d"(0xe0) : "memory");
}

/* An interrupt waits; it comes behind the instruction after STI or MOV SS, whatever that is. */
#define SHADOW(name, before, insn, ...)                                                            \
	do {                                                                                       \
		u64 behind;                                                                        \
		hit_rip = 0;                                                                       \
		apic_icr(0, 0x44000 | VECTOR);                                                     \
		__asm__ volatile("lea 88f(%%rip), %0\n\t" before "\n\t" insn "\n88: nop; cli"      \
				 : "=&r"(behind) __VA_ARGS__);                                     \
		check(hit_rip == behind, "%s: an interrupt behind it: %llx", name,                 \
		      hit_rip - behind);                                                           \
	} while (0)

static void shadows(void)
{
	handler_set(VECTOR, on_vector);
	SHADOW("STI, NOP", "sti", "nop", : :);
	SHADOW("STI, CPUID", "sti", "cpuid", , "+a"((u32){ 0 }) : : "rbx", "rcx", "rdx");
	SHADOW("STI, IN", "sti", "inb $0x21, %%al", : : "rax");
	SHADOW("STI, OUT", "sti", "outb %%al, $0xe0", : :);
	SHADOW("STI, RDMSR", "sti", "rdmsr", : "c"(0x1b) : "rax", "rdx");
	SHADOW("STI, a device", "sti", "mov (%1), %%eax", : "r"(DEV) : "rax");
	SHADOW("STI, the APIC", "sti", "mov (%1), %%eax", : "r"(APIC_BASE + 0x30) : "rax");
	SHADOW("STI, MOV to CR0", "sti", "mov %1, %%cr0", : "r"(read_cr0()));
	SHADOW("STI, HLT", "sti", "hlt", : :);
}

static void dr7_set(u64 dr0, u64 dr7)
{
	__asm__ volatile("mov %0, %%dr0" : : "r"(dr0));
	write_dr7(dr7 | BIT(10));
	nr_debug = 0;
	steps_wanted = 0;
}

static void breakpoints(void)
{
	static volatile u64 watched[2];
	u64 at, behind;

	/* RF must be lost with the instruction, also when it exits. */
	__asm__ volatile("lea 1f(%%rip), %0; jmp 2f; 1: cpuid; ret; 2:" : "=r"(at));
	dr7_set(at, 1);
	__asm__ volatile("call *%0; call *%0" : : "D"(at) : "rax", "rbx", "rcx", "rdx", "memory");
	write_dr7(0x400);
	check(nr_debug == 2 && debug_rip == at && (debug_dr6 & 0xf) == 1,
	      "a breakpoint on CPUID hits each time, once: %llu", nr_debug);
	dr7_set((u64)watched, 1 | 0xdull << 16); /* 4 bytes, writes */
	__asm__ volatile("lea 1f(%%rip), %0; movl $5, (%1); 1:" : "=&r"(behind) : "r"(watched)
			 : "memory");
	check(nr_debug == 1 && debug_rip == behind && (debug_dr6 & 0xf) == 1,
	      "a watchpoint on writes: %llu", nr_debug);
	(void)watched[0];
	check(nr_debug == 1, "not on reads");
	dr7_set((u64)watched, 1 | 0xfull << 16);
	__asm__ volatile("lea 1f(%%rip), %0; movl (%1), %%eax; 1:"
			 : "=&r"(behind) : "r"(watched) : "rax");
	write_dr7(0x400);
	check(nr_debug == 1 && debug_rip == behind, "a watchpoint on reads: %llu", nr_debug);
	cpuid(0, 0);
	in8(0x21);
	__asm__ volatile("mov %%dr0, %0" : "=r"(at));
	check(at == (u64)watched && read_dr7() == 0x400, "DR0 and DR7 over exits");
}

static void registers(void)
{
	u32 fault;
	u64 value;

	check(read_dr6() == DR6_CLEAR, "DR6 at rest: %llx", read_dr6());
	write_dr6(~0ull >> 32);
	/* Some CPUs have RTM and bus locks there, and QEMU keeps whatever is written. */
	check(!is_intel() || !(read_dr6() & BIT(12)), "DR6 has a bit that stays 0: %llx",
	      read_dr6());
	fault = FAULT_OF("mov %0, %%dr6", : : "r"(BIT(32)));
	check(fault == 13 || !is_intel(), "DR6 refuses bit 32: %x", fault);
	write_dr6(DR6_CLEAR);
	fault = FAULT_OF("mov %0, %%dr7", : : "r"(BIT(32)));
	check(fault == 13 || !is_intel(), "DR7 refuses bit 32: %x", fault);
	fault = FAULT_OF("mov %%dr4, %0", : "=r"(value));
	check(fault == NO_FAULT && value == read_dr6(), "DR4 is DR6 without CR4.DE");
	write_cr4(read_cr4() | BIT(3));
	fault = FAULT_OF("mov %%dr4, %0", : "=r"(value));
	write_cr4(read_cr4() & ~BIT(3));
	check(fault == 6, "and #UD with it: %x", fault);
	nr_debug = 0, steps_wanted = 1;
	__asm__ volatile("lea 1f(%%rip), %0; .byte 0xf1; 1:" : "=r"(value));
	check(nr_debug == 1 && debug_rip == value && !(debug_dr6 & DR6_BS), "INT1: %llx",
	      debug_dr6);
	/* General detect: the access itself faults, and DR7.GD is clear in the handler. */
	nr_debug = 0;
	write_dr7(0x2400);
	__asm__ volatile("mov %%dr0, %0" : "=r"(value));
	check(nr_debug == 1 && (debug_dr6 & DR6_BD), "DR7.GD: %llu %llx", nr_debug, debug_dr6);
	write_dr7(0x400);
}

void guest_main(void)
{
	pic_mask_all();
	apic_enable();
	handler_set(1, on_debug);
	steps();
	string_steps();
	shadows();
	breakpoints();
	registers();
}
