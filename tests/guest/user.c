/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ring 3 and back: what user code may not do, ports by the TSS's bitmap, SYSCALL, devices with the
 * rights of pages, SMEP and SMAP, interrupts that change the stack, and a double fault.
 */
#include "lib/guest.h"

const char guest_name[] = "user";

#define USER_CS 0x2b
#define USER_SS 0x23
#define DEV 0xff000000ull
#define VA 0x40000000ull
#define RAM_PAGE 0x3000000ull
#define GP 13u
#define NR_SEEN 32

struct tss {
	u32 reserved0;
	u32 rsp[6];
	u32 reserved1[2];
	u32 ist[14];
	u32 reserved2[2];
	u16 reserved3, iomap;
	u8 bitmap[0x401];
} __attribute__((packed));
_Static_assert(offsetof(struct tss, iomap) == 0x66, "TSS layout");

static struct tss tss __attribute__((aligned(4096)));
static u8 stacks[4][8192] __attribute__((aligned(16)));
extern volatile u64 gdt[], pd[2048];

/* What ring 3 has seen; checked in ring 0, which may use the serial port. */
static volatile struct {
	u32 vector;
	u64 error;
} seen[NR_SEEN];
static volatile u32 nr_seen;
static volatile u64 user_cs, user_ss, user_word;

void user_enter(void (*fn)(void), u64 rsp, u64 flags);
extern const u8 user_back[], syscall_entry[];
extern volatile u64 user_saved_rsp, syscall_seen;
__asm__(R"(
	.globl user_enter, user_back, user_saved_rsp, syscall_entry, syscall_seen
user_enter:
	.irp r, rbx, rbp, r12, r13, r14, r15
	pushq %\r
	.endr
	movq %rsp, user_saved_rsp
	pushq $0x23
	pushq %rsi
	pushq %rdx
	pushq $0x2b
	pushq %rdi
	iretq
user_back:
	.irp r, r15, r14, r13, r12, rbp, rbx
	popq %\r
	.endr
	ret
syscall_entry:
	incq syscall_seen
	sysretq
	.data
	.balign 8
user_saved_rsp: .quad 0
syscall_seen: .quad 0
	.text
)");

/* INT3 is the way back to ring 0. */
static void on_bp(struct frame *f)
{
	user_cs = f->cs;
	user_ss = f->ss;
	f->cs = 8;
	f->ss = 0x10;
	f->rip = (u64)user_back;
	f->rsp = user_saved_rsp;
	f->rflags &= ~BIT(9);
}

static void user_run(void (*fn)(void), u64 flags)
{
	nr_seen = 0;
	for (u32 i = 0; i < NR_SEEN; i++) {
		seen[i].vector = NO_FAULT;
		seen[i].error = 0;
	}
	user_enter(fn, (u64)(stacks[0] + sizeof(stacks[0]) - 8), flags | 2);
}

#define SEE(insn, ...)                                                                             \
	do {                                                                                       \
		u32 vector = FAULT_OF(insn, __VA_ARGS__);                                          \
		seen[nr_seen].vector = vector;                                                     \
		seen[nr_seen++].error = vector == NO_FAULT ? 0 : fault_error;                      \
	} while (0)
#define LEAVE() __asm__ volatile("int3")

static void expect(u32 i, u32 vector, u64 error, const char *name)
{
	check(seen[i].vector == vector && seen[i].error == error, "%s: %x %llx", name,
	      seen[i].vector, seen[i].error);
}

static void privileged_code(void)
{
	SEE("hlt", : :);
	SEE("cli", : :);
	SEE("rdmsr", : : "c"(0x10) : "eax", "edx");
	SEE("wrmsr", : : "c"(0x10), "a"(0), "d"(0));
	SEE("mov %%cr0, %%rax", : : : "rax");
	SEE("mov %0, %%cr3", : : "r"(0ull));
	SEE("mov %%dr7, %%rax", : : : "rax");
	SEE("invlpg (%0)", : : "r"(VA));
	SEE("clts", : :);
	SEE("inb $0x21, %%al", : : : "rax");
	SEE("outl %%eax, $0xe0", : :);
	SEE("int $0x80", : :);
	SEE("lgdt (%0)", : : "r"(stacks[0]));
	SEE("ltr %%ax", : : "a"(0x30));
	SEE("mov %%cr8, %%rax", : : : "rax");
	SEE("xorl %%eax, %%eax; cpuid", : : : "rax", "rbx", "rcx", "rdx");
	SEE("rdtsc", : : : "rax", "rdx");
	LEAVE();
}

static void privileged(void)
{
	static const char *const names[] = { "HLT", "CLI", "RDMSR", "WRMSR", "MOV from CR0",
					     "MOV to CR3", "MOV from DR7", "INVLPG",
					     "CLTS", "IN", "OUT", "INT 0x80", "LGDT", "LTR",
					     "MOV from CR8" };

	user_run(privileged_code, 0);
	check(user_cs == USER_CS && user_ss == USER_SS, "ring 3: CS %llx, SS %llx", user_cs,
	      user_ss);
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		expect(i, GP, i == 11 ? 0x402 : 0, names[i]);
	expect(15, NO_FAULT, 0, "CPUID");
	expect(16, NO_FAULT, 0, "RDTSC");
	write_cr4(read_cr4() | BIT(2));
	user_run(privileged_code, 0);
	write_cr4(read_cr4() & ~BIT(2));
	expect(16, GP, 0, "RDTSC with CR4.TSD");
}

/* Ports 0xe0 to 0xe2 are allowed. */
static void port_code(void)
{
	u64 n = 3, from = (u64)stacks[1];

	SEE("outb %%al, $0xe0", : : "a"(0x5a));
	SEE("inb $0xe0, %%al", : "=a"(user_word));
	SEE("outw %%ax, $0xe1", : :);
	SEE("outw %%ax, $0xe2", : :); /* half of it is forbidden */
	SEE("outl %%eax, $0xe0", : :);
	SEE("inb $0xe3, %%al", : : : "rax");
	SEE("rep outsb", : "+S"(from), "+c"(n) : "d"(0xe1));
	SEE("rep outsb", : "+S"(from), "+c"(n) : "d"(0xe3));
	LEAVE();
}

static void ports(void)
{
	static const u8 allowed[] = { 1, 1, 1, 0, 0, 0, 1 };

	tss.bitmap[0xe0 / 8] = 0xf8;
	user_run(port_code, 0);
	for (u32 i = 0; i < ARRAY_SIZE(allowed); i++)
		expect(i, allowed[i] ? NO_FAULT : GP, 0, "I/O bitmap");
	check((user_word & 0xff) == 0x5a, "what IN has read: %llx", user_word & 0xff);
	user_run(port_code, 3 << 12);
	for (u32 i = 0; i < ARRAY_SIZE(allowed); i++)
		expect(i, NO_FAULT, 0, "IOPL 3");
	tss.bitmap[0xe0 / 8] = 0xff;
}

/* VA: the device for all; then for ring 0 only, read-only, not there. */
static void device_code(void)
{
	SEE("movl $0x1234567, (%0)", : : "r"(VA) : "memory");
	SEE("mov (%1), %0", : "=r"(user_word) : "r"(VA));
	SEE("mov 0x1000(%0), %%eax", : : "r"(VA) : "rax");
	SEE("movl $1, 0x1000(%0)", : : "r"(VA) : "memory");
	SEE("addl $1, 0x2000(%0)", : : "r"(VA) : "memory");
	SEE("mov 0x3000(%0), %%eax", : : "r"(VA) : "rax");
	SEE("lock incl (%0)", : : "r"(VA) : "memory");
	LEAVE();
}

static void devices(void)
{
	page_map(VA, DEV, 7);
	page_map(VA + 0x1000, DEV, 3);
	page_map(VA + 0x2000, DEV, 5);
	page_map(VA + 0x3000, 0, 0);
	user_run(device_code, 0);
	expect(0, NO_FAULT, 0, "a device from ring 3, write");
	expect(1, NO_FAULT, 0, "read");
	check((u32)user_word == 0x1234567, "what it has read: %llx", user_word);
	expect(2, 14, 5, "a page of ring 0, read");
	expect(3, 14, 7, "a page of ring 0, write");
	expect(4, 14, 7, "a read-only page");
	expect(5, 14, 4, "no page");
	check(*(volatile u32 *)DEV == 0x1234568, "the device: %x", *(volatile u32 *)DEV);
}

static void syscall_code(void)
{
	__asm__ volatile("syscall; syscall" : : : "rcx", "r11", "memory");
	user_word = 0x5157;
	LEAVE();
}

static void syscalls(void)
{
	wrmsr(0xc0000081, 0x001b000800000000ull); /* SYSRET: CS = 1b + 10, SS = 1b + 8 */
	wrmsr(0xc0000082, (u64)syscall_entry);
	wrmsr(0xc0000084, 0x700);
	user_word = 0;
	user_run(syscall_code, 0);
	check(syscall_seen == 2 && user_word == 0x5157, "SYSCALL and SYSRET: %llu", syscall_seen);
	check(user_cs == USER_CS, "and back in ring 3");
}

/* A timer interrupts user code. */
static void on_timer(struct frame *f)
{
	user_word = f->cs << 16 | f->ss;
	apic_eoi();
}

static void spin_code(void)
{
	u64 end = rdtsc() + 20000000000ull;

	while (!user_word && rdtsc() < end)
		pause();
	LEAVE();
}

static void spin_interrupt(void)
{
	handler_set(0x51, on_timer);
	apic_write(0x3e0, 0xb);
	apic_write(0x320, 0x51);
	user_word = 0;
	apic_write(0x380, 1000000);
	user_run(spin_code, BIT(9));
	apic_write(0x320, 0x10000);
	check(user_word == (USER_CS << 16 | USER_SS), "an interrupt from ring 3: %llx", user_word);
}

/* With all memory of ring 0 there are user pages only at VA. */
static void kernel_only(bool on)
{
	for (u32 i = 0; i < 128; i++)
		if (pd[i] & 0x80)
			pd[i] = on ? pd[i] & ~4ull : pd[i] | 4;
	write_cr3(read_cr3());
}

static void smep(void)
{
	u32 fault;

	page_map(VA, RAM_PAGE, 7);
	kernel_only(true);
	write_cr4(read_cr4() | BIT(20));
	fault = FAULT_OF("jmp *%0", : : "r"(VA) : "memory");
	write_cr4(read_cr4() & ~BIT(20));
	kernel_only(false);
	check(fault == 14 && fault_error == 0x11, "SMEP: %x %llx", fault, fault_error);
}

static void smap(void)
{
	u32 ram, dev, allowed, shadow = 0;

	page_map(VA, RAM_PAGE, 7);
	page_map(VA + 0x1000, DEV, 7);
	*(volatile u32 *)DEV = 5;
	kernel_only(true);
	write_cr4(read_cr4() | BIT(21));
	ram = FAULT_OF("mov (%0), %%eax", : : "r"(VA) : "rax");
	dev = FAULT_OF("mov 0x1000(%0), %%eax", : : "r"(VA) : "rax");
	allowed = FAULT_OF("stac; mov 0x1000(%1), %0; clac", : "=a"(shadow) : "r"(VA));
	write_cr4(read_cr4() & ~BIT(21));
	kernel_only(false);
	check(ram == 14 && dev == 14, "SMAP: %x %x", ram, dev);
	check(allowed == NO_FAULT && shadow == 5, "SMAP lets STAC through: %x", allowed);
}

static void umip_code(void)
{
	SEE("sgdt (%0)", : : "r"(stacks[1]) : "memory");
	SEE("sidt (%0)", : : "r"(stacks[1]) : "memory");
	SEE("sldt %%eax", : : : "rax");
	SEE("str %%eax", : : : "rax");
	SEE("smsw %%eax", : : : "rax");
	LEAVE();
}

static void umip(void)
{
	user_run(umip_code, 0);
	for (u32 i = 0; i < 5; i++)
		expect(i, NO_FAULT, 0, "without UMIP");
	write_cr4(read_cr4() | BIT(11));
	user_run(umip_code, 0);
	write_cr4(read_cr4() & ~BIT(11));
	for (u32 i = 0; i < 5; i++)
		expect(i, GP, 0, "UMIP");
}

static volatile u64 df_error, df_rsp;

static void on_df(struct frame *f)
{
	df_error = f->error;
	df_rsp = (u64)f;
	f->rip = fault_resume;
	f->rsp = user_saved_rsp;
}

/* A push onto a missing page: its #PF cannot be delivered there either. */
static void double_fault(void)
{
	struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} idt;

	__asm__ volatile("sidt %0" : "=m"(idt));
	((u8 *)idt.base)[16 * 8 + 4] = 1; /* the first IST stack */
	handler_set(8, on_df);
	page_map(VA + 0x3000, 0, 0);
	df_error = 99;
	__asm__ volatile("movq $1f, fault_resume; movq %%rsp, user_saved_rsp; mov %0, %%rsp\n\t"
			 "pushq $0\n1:\tmovq $0, fault_resume"
			 : : "r"(VA + 0x3800) : "memory");
	check(df_error == 0, "#DF with error code 0: %llx", df_error);
	check(df_rsp > (u64)stacks[2] && df_rsp < (u64)stacks[3], "#DF on its own stack");
	handler_set(8, NULL);
}

static void tss_load(void)
{
	u64 base = (u64)&tss;

	tss.rsp[0] = (u32)(u64)(stacks[1] + sizeof(stacks[1]));
	tss.ist[0] = (u32)(u64)(stacks[2] + sizeof(stacks[2]));
	tss.iomap = offsetof(struct tss, bitmap);
	for (u32 i = 0; i < sizeof(tss.bitmap); i++)
		tss.bitmap[i] = 0xff;
	gdt[6] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x8900ull << 32 |
		 (base >> 24 & 0xff) << 56;
	gdt[7] = base >> 32;
	__asm__ volatile("ltr %%ax" : : "a"(0x30));
}

void guest_main(void)
{
	pic_mask_all();
	apic_enable();
	tss_load();
	handler_set(3, on_bp);
	privileged();
	ports();
	devices();
	syscalls();
	spin_interrupt();
	if (cpuid(7, 0).b & BIT(7))
		smep();
	if (cpuid(7, 0).b & BIT(20))
		smap();
	if (cpuid(7, 0).c & BIT(2))
		umip();
	double_fault();
}
