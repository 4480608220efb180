/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#include <stdarg.h>

#define COM1 0x3f8
#define EXIT_PORT 0xf4
#define PATIENCE_TICKS 20000000000ull

static u32 nr_passed, nr_failed;

static void put(char c)
{
	while (!(in8(COM1 + 5) & 0x20))
		pause();
	out8(COM1, (u8)c);
}

static void put_number(u64 v, unsigned base)
{
	char text[24];
	unsigned n = 0;

	do
		text[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n)
		put(text[--n]);
}

static void vprint(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool is_long = false;

		if (*fmt != '%') {
			if (*fmt == '\n')
				put('\r');
			put(*fmt);
			continue;
		}
		while (*++fmt == 'l')
			is_long = true;
		if (*fmt == 's')
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put(*s);
		else if (*fmt == 'c')
			put((char)va_arg(ap, int));
		else
			put_number(is_long ? va_arg(ap, u64) : va_arg(ap, u32),
				   *fmt == 'x' ? 16 : 10);
	}
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
}

void check(bool condition, const char *fmt, ...)
{
	va_list ap;

	print(condition ? "ok " : "FAIL ");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	print("\n");
	if (condition)
		nr_passed++;
	else
		nr_failed++;
}

static bool has_vmx_vendor;

bool is_intel(void)
{
	return has_vmx_vendor;
}

void guest_exit(u32 code)
{
	out32(EXIT_PORT, code);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* --- the command line --- */

#define MULTIBOOT_MAGIC 0x2badb002u
#define MULTIBOOT_HAS_CMDLINE BIT(2)

extern const u32 boot_magic, boot_info;
static char cmdline[256];

/* Kept in time, since a program may use all low memory. */
static void cmdline_keep(void)
{
	const u32 *info = (const u32 *)(u64)boot_info;
	const char *from;

	if (boot_magic != MULTIBOOT_MAGIC || !(info[0] & MULTIBOOT_HAS_CMDLINE))
		return;
	from = (const char *)(u64)info[4];
	for (u32 i = 0; i < sizeof(cmdline) - 1 && from[i]; i++)
		cmdline[i] = from[i];
}

u64 argument(const char *name, u64 otherwise)
{
	for (const char *p = cmdline; *p; p++) {
		u32 n = 0;
		u64 value = 0;

		while (name[n] && p[n] == name[n])
			n++;
		if (name[n] || p[n] != '=' || (p != cmdline && p[-1] != ' '))
			continue;
		for (n++; p[n] >= '0' && p[n] <= '9'; n++)
			value = value * 10 + (u64)(p[n] - '0');
		return value;
	}
	return otherwise;
}

/* --- exceptions and interrupts --- */

struct gate {
	u16 low, sel;
	u8 ist, type;
	u16 mid;
	u32 high, reserved;
};

static struct gate idt[256] __attribute__((aligned(16)));
static void (*handlers[256])(struct frame *f);
volatile u64 nr_interrupts[256];
volatile u64 fault_resume, fault_error, fault_vector;
extern const u8 trap_stubs[];

static void idt_load(void)
{
	struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} pointer = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void gate_set(u8 vector, const u8 *code)
{
	u64 a = (u64)code;

	/* User code may raise INT3 and INTO. */
	idt[vector] = (struct gate){ (u16)a, 8, 0, vector == 3 || vector == 4 ? 0xee : 0x8e,
				     (u16)(a >> 16), (u32)(a >> 32), 0 };
}

static void idt_init(void)
{
	for (u32 i = 0; i < 256; i++)
		gate_set((u8)i, trap_stubs + 16 * i);
	idt_load();
}

void handler_set(u8 vector, void (*fn)(struct frame *f))
{
	handlers[vector] = fn;
}

static volatile u64 nr_doubled;

/*
 * QEMU sometimes delivers an injected interrupt twice, see tests/README.md: the second time before
 * the first instruction of the handler, with IF = 0. Then it is not to be handled a second time.
 */
static bool is_doubled(const struct frame *f)
{
	return !has_vmx_vendor && f->vector >= 32 && !(f->rflags & BIT(9)) &&
	       f->rip == (u64)trap_stubs + 16 * f->vector;
}

void trap(struct frame *f);
void trap(struct frame *f)
{
	if (is_doubled(f)) {
		nr_doubled++;
		return;
	}
	nr_interrupts[f->vector]++;
	if (handlers[f->vector]) {
		handlers[f->vector](f);
		return;
	}
	if (f->vector < 32 && fault_resume) {
		fault_vector = f->vector;
		fault_error = f->error;
		f->rip = fault_resume;
		return;
	}
	print("FAIL unexpected vector %u error %llx at %llx cr2 %llx\n", (u32)f->vector, f->error,
	      f->rip, read_cr2());
	print("GUEST %s: %u passed, %u failed\n", guest_name, nr_passed, nr_failed + 1);
	guest_exit(1);
}

u32 rdmsr_fault(u32 msr, u64 *value)
{
	u32 lo = 0, hi = 0, fault;

	fault = FAULT_OF("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
	*value = (u64)hi << 32 | lo;
	return fault;
}

u32 wrmsr_fault(u32 msr, u64 value)
{
	return FAULT_OF("wrmsr", : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

extern u64 pd[2048];

void page_map(u64 va, u64 pa, u64 bits)
{
	static u64 tables[16][512] __attribute__((aligned(4096)));
	static u32 nr_tables;
	u64 *entry = &pd[va >> 21];
	u64 *table;

	if (*entry & 0x80) {
		table = tables[nr_tables++];
		for (u64 i = 0; i < 512; i++)
			table[i] = (*entry & ~0x1fffffull) + i * 4096 + 7;
		*entry = (u64)table | 7;
	}
	table = (u64 *)(*entry & ~0xfffull);
	table[va >> 12 & 511] = pa | bits;
	write_cr3(read_cr3());
}

/* --- interrupt controllers --- */

static bool is_x2apic(void)
{
	return rdmsr(0x1b) & BIT(10);
}

u32 apic_read(u32 reg)
{
	return is_x2apic() ? (u32)rdmsr(0x800 + reg / 16) : mmio_read(APIC_BASE + reg);
}

void apic_write(u32 reg, u32 value)
{
	if (is_x2apic())
		wrmsr(0x800 + reg / 16, value);
	else
		mmio_write(APIC_BASE + reg, value);
}

void apic_icr(u32 dest, u32 low)
{
	if (is_x2apic()) {
		wrmsr(0x830, (u64)dest << 32 | low);
		return;
	}
	mmio_write(APIC_BASE + 0x310, dest << 24);
	mmio_write(APIC_BASE + 0x300, low);
	while (mmio_read(APIC_BASE + 0x300) & 0x1000)
		pause();
}

void apic_enable(void)
{
	apic_write(0xf0, 0x1ff);
	apic_write(0x80, 0);
}

void x2apic_enable(void)
{
	wrmsr(0x1b, rdmsr(0x1b) | BIT(10));
	apic_enable();
}

void apic_eoi(void)
{
	apic_write(0xb0, 0);
}

u32 apic_id(void)
{
	return is_x2apic() ? (u32)rdmsr(0x802) : mmio_read(APIC_BASE + 0x20) >> 24;
}

u32 nr_cpus(void)
{
	u32 n = cpuid(0xb, 1).b & 0xffff;

	return n ? n : 1;
}

u32 ioapic_read(u32 reg)
{
	mmio_write(IOAPIC_BASE, reg);
	return mmio_read(IOAPIC_BASE + 0x10);
}

void ioapic_route(u32 pin, u64 entry)
{
	mmio_write(IOAPIC_BASE, 0x11 + 2 * pin);
	mmio_write(IOAPIC_BASE + 0x10, (u32)(entry >> 32));
	mmio_write(IOAPIC_BASE, 0x10 + 2 * pin);
	mmio_write(IOAPIC_BASE + 0x10, (u32)entry);
}

void pic_mask_all(void)
{
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
}

/* --- other CPUs --- */

#define AP_BASE 0x8000ull

extern const u8 ap_start[], ap_start_end[], ap_cs[];
extern volatile u32 ap_stack;
volatile u32 nr_cpus_started;
volatile u16 ap_seen_cs;
static void (*volatile ap_fn)(void);
static volatile u64 ap_begun;
static u8 ap_stacks[8][16384] __attribute__((aligned(16)));

void ap_main(void);
void ap_main(void)
{
	idt_load();
	ap_seen_cs = *(volatile u16 *)(AP_BASE + (u64)(ap_cs - ap_start));
	apic_enable();
	nr_cpus_started++;
	ap_begun = 1;
	ap_fn();
	for (;;)
		__asm__ volatile("cli; hlt");
}

bool wait_for(const volatile u64 *p, u64 value)
{
	u64 end = rdtsc() + PATIENCE_TICKS;

	while (*p < value)
		if (rdtsc() > end)
			return false;
		else
			pause();
	return true;
}

void wait_ticks(u64 ticks)
{
	u64 end = rdtsc() + ticks;

	while (rdtsc() < end)
		pause();
}

bool cpu_start(u32 id, void (*fn)(void))
{
	for (u64 i = 0; i < (u64)(ap_start_end - ap_start); i++)
		((volatile u8 *)AP_BASE)[i] = ap_start[i];
	ap_stack = (u32)(u64)(ap_stacks[id % 8] + sizeof(ap_stacks[0]));
	ap_fn = fn;
	ap_begun = 0;
	apic_icr(id, 0x4500); /* INIT */
	wait_ticks(100000);
	apic_icr(id, 0x4600 | AP_BASE >> 12); /* start-up */
	return wait_for(&ap_begun, 1);
}

void guest_start(void);
void guest_start(void)
{
	idt_init();
	cmdline_keep();
	has_vmx_vendor = cpuid(0, 0).b == 0x756e6547; /* Genu */
	out8(COM1 + 1, 0);
	print("GUEST %s begins\n", guest_name);
	guest_main();
	if (nr_doubled)
		print("%llu interrupts doubled by the emulator\n", nr_doubled);
	print("GUEST %s: %u passed, %u failed\n", guest_name, nr_passed, nr_failed);
	guest_exit(nr_failed ? 1 : 0);
}
