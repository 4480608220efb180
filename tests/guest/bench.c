/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What exits cost, in ticks of the TSC, which counts instructions on the emulators that measure.
 * Each line "BENCH name value" is the median of many rounds, less the cost of an empty round.
 */
#include "lib/bench.h"

const char guest_name[] = "bench";

#define FRESH_BASE 0x4000000ull /* RAM that nobody has touched */
#define FRESH_STEP 0x200000ull
#define SELF_VECTOR 0x61
#define EOI_VECTOR 0x62
#define TIMER_VECTOR 0x63
#define FAR_AWAY 1000000000000ull

static void hypercall(void)
{
	u64 rax = 1; /* a number that does nothing */

	if (is_intel())
		__asm__ volatile("vmcall" : "+a"(rax) : : "memory");
	else
		__asm__ volatile("vmmcall" : "+a"(rax) : : "memory");
}

/* The faults that map fresh memory; page 0 of each large page is the one that faults. */
static void npf_measure(u64 top)
{
	u32 n = 0;

	for (u64 a = FRESH_BASE; a < top && n < ROUNDS; a += FRESH_STEP) {
		u64 start = rdtsc();

		*(volatile u64 *)a = 1;
		samples[n++] = rdtsc() - start;
	}
	for (u32 i = n; i < ROUNDS; i++)
		samples[i] = samples[i % n];
	report("npf_entry");
}

/* A handler as short as can be: when it was entered, EOI, and back. */
extern const u8 self_ipi_handler[];
extern volatile u64 self_ipi_entered;
__asm__(".bss\n"
	".globl self_ipi_entered\n"
	"self_ipi_entered: .skip 8\n"
	"saved_rax: .skip 8\n"
	"saved_rdx: .skip 8\n"
	"saved_rcx: .skip 8\n"
	".text\n"
	"self_ipi_handler:\n"
	"	movq %rax, saved_rax(%rip)\n"
	"	movq %rdx, saved_rdx(%rip)\n"
	"	lfence\n"
	"	rdtsc\n"
	"	movq %rcx, saved_rcx(%rip)\n"
	"	movl %eax, self_ipi_entered(%rip)\n"
	"	movl %edx, self_ipi_entered+4(%rip)\n"
	"	movl $0x80b, %ecx\n"
	"	xorl %eax, %eax\n"
	"	xorl %edx, %edx\n"
	"	wrmsr\n"
	"	movq saved_rax(%rip), %rax\n"
	"	movq saved_rdx(%rip), %rdx\n"
	"	movq saved_rcx(%rip), %rcx\n"
	"	iretq\n");

static void self_ipi_measure(const char *entry, const char *total, u32 msr, u64 value)
{
	static u64 totals[ROUNDS];

	gate_set(SELF_VECTOR, self_ipi_handler);
	sti();
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 start = rdtsc();

		wrmsr(msr, value);
		totals[i] = rdtsc() - start;
		samples[i] = self_ipi_entered - start;
	}
	cli();
	report(entry);
	for (u32 i = 0; i < ROUNDS; i++)
		samples[i] = totals[i];
	report(total);
}

static volatile u32 nr_eois;

static void on_eoi(struct frame *f)
{
	u64 start = rdtsc();

	(void)f;
	wrmsr(0x80b, 0);
	samples[nr_eois++] = rdtsc() - start;
}

static void eoi_measure(void)
{
	handler_set(EOI_VECTOR, on_eoi);
	sti();
	while (nr_eois < ROUNDS)
		wrmsr(0x83f, EOI_VECTOR);
	cli();
	report("eoi");
}

static void deadline_measure(void)
{
	u64 far = rdtsc() + FAR_AWAY;

	if (!(cpuid(1, 0).c & BIT(24)))
		return;
	apic_write(0x320, 0x40000 | TIMER_VECTOR);
	MEASURE("tsc_deadline", wrmsr(0x6e0, far + i));
	wrmsr(0x6e0, 0);
	apic_write(0x320, 0x10000);
}

static void apic_measure(void)
{
	self_ipi_measure("self_ipi_entry", "self_ipi_total", 0x83f, SELF_VECTOR);
	self_ipi_measure("icr_self_entry", "icr_self_total", 0x830, 0x44000 | SELF_VECTOR);
	eoi_measure();
	MEASURE("tpr_write", wrmsr(0x808, 0x20));
	MEASURE("cr8_write", write_cr8(3));
	write_cr8(0);
	deadline_measure();
}

void guest_main(void)
{
	pic_mask_all();
	x2apic_enable();
	bench_begin();
	MEASURE("cpuid", cpuid(0, 0));
	MEASURE("invd", __asm__ volatile("invd" : : : "memory"));
	MEASURE("wbinvd", __asm__ volatile("wbinvd" : : : "memory"));
	MEASURE("rdmsr", rdmsr(0x802)); /* x2APIC ID */
	MEASURE("rdmsr_slow", rdmsr(0x1b));
	MEASURE("hypercall", hypercall());
	MEASURE("pic_read", in8(0x21));
	MEASURE("ioapic_read", mmio_read(IOAPIC_BASE + 0x10));
	apic_measure();
	npf_measure(0xf800000);
	check(true, "all measured");
}
