/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of PIT, APIC timer and I/O APIC; masking, priorities, NMIs. */
#include "lib/guest.h"

const char guest_name[] = "irq";

#define TICKS 4000000ull
#define VECTOR 0x50

static volatile u64 order[4], nr_order;

static void on_pic(struct frame *f)
{
	(void)f;
	out8(0x20, 0x20);
}

static void on_apic(struct frame *f)
{
	if (nr_order < 4)
		order[nr_order++] = f->vector;
	apic_eoi();
}

/* Sleep until `vector` has come `n` times more. */
static bool sleep_for(u8 vector, u64 n)
{
	u64 goal = nr_interrupts[vector] + n;
	u64 end = rdtsc() + 20000000000ull;

	while (nr_interrupts[vector] < goal && rdtsc() < end)
		sti_hlt_cli();
	return nr_interrupts[vector] >= goal;
}

static void pit_start(u16 count)
{
	out8(0x43, 0x34);
	out8(0x40, (u8)count);
	out8(0x40, (u8)(count >> 8));
}

static void pit(void)
{
	out8(0x20, 0x11), out8(0x21, 0x20), out8(0x21, 4), out8(0x21, 1);
	out8(0xa0, 0x11), out8(0xa1, 0x28), out8(0xa1, 2), out8(0xa1, 1);
	handler_set(0x20, on_pic);
	apic_write(0x350, 0x700);
	pit_start(5000);
	out8(0x21, 0xfe);
	check(sleep_for(0x20, 3), "PIT through the PIC wakes HLT");
	pic_mask_all();
	handler_set(VECTOR, on_apic);
	ioapic_route(2, VECTOR);
	check(sleep_for(VECTOR, 3), "PIT through the I/O APIC");
	ioapic_route(2, 0x10000);
	out8(0x43, 0x30);
}

static void apic_timer(void)
{
	u64 before;

	handler_set(0x51, on_apic);
	apic_write(0x3e0, 0xb);
	apic_write(0x320, 0x51);
	apic_write(0x380, 1000000);
	check(sleep_for(0x51, 1), "APIC timer, one shot");
	apic_write(0x320, 0x20051);
	apic_write(0x380, 1000000);
	check(sleep_for(0x51, 3), "APIC timer, periodic");
	apic_write(0x380, 0);
	/* One more may have come meanwhile. */
	sti_nop_cli();
	if (cpuid(1, 0).c & BIT(24)) {
		apic_write(0x320, 0x40051);
		before = rdtsc() + TICKS;
		wrmsr(0x6e0, before);
		check(sleep_for(0x51, 1) && rdtsc() >= before, "APIC timer, TSC deadline");
		check(rdmsr(0x6e0) == 0, "the deadline reads 0 afterwards");
	}
	apic_write(0x320, 0x10000);
}

static void self_ipis(void)
{
	handler_set(0x61, on_apic);
	handler_set(0x62, on_apic);
	handler_set(0x81, on_apic);
	nr_order = 0;
	apic_icr(0, 0x44061);
	apic_icr(0, 0x44081);
	apic_icr(0, 0x44062);
	check(nr_order == 0, "nothing is delivered with IF = 0");
	sti_nop_cli();
	sti_nop_cli();
	check(nr_order == 3 && order[0] == 0x81 && order[1] == 0x62 && order[2] == 0x61,
	      "the highest vector comes first");
	nr_order = 0;
	write_cr8(8);
	apic_icr(0, 0x44081);
	apic_icr(0, 0x44091);
	handler_set(0x91, on_apic);
	sti_nop_cli();
	check(nr_order == 1 && order[0] == 0x91, "CR8 holds back its class and below");
	check((apic_read(0x80) & 0xff) == 0x80, "the TPR shows CR8");
	write_cr8(0);
	sti_nop_cli();
	check(nr_order == 2 && order[1] == 0x81, "and lets it go");
	apic_write(0x80, 0x40);
	check(read_cr8() == 4, "CR8 shows the TPR");
	apic_write(0x80, 0);
}

static volatile u64 nr_nmis_inside, nmi_rip[2];

static void on_nmi(struct frame *f)
{
	if (nr_interrupts[2] <= 2)
		nmi_rip[nr_interrupts[2] - 1] = f->rip;
	if (nr_interrupts[2] == 1) {
		apic_icr(0, 0x4400); /* another, and a third that merges with it */
		apic_icr(0, 0x4400);
		wait_ticks(100000);
		nr_nmis_inside = nr_interrupts[2];
	}
}

static void nmis(void)
{
	handler_set(2, on_nmi);
	apic_icr(0, 0x4400);
	wait_ticks(1000000);
	check(nr_nmis_inside == 1, "an NMI blocks NMIs until IRET");
	check(nr_interrupts[2] == 2, "two that wait merge into one: %llu", nr_interrupts[2]);
	check(nmi_rip[0] == nmi_rip[1], "which comes right behind the IRET");
}

/* A line that stays high interrupts again after every EOI, until its device lets go. */
static void on_level(struct frame *f)
{
	(void)f;
	if (nr_interrupts[0x70] == 4)
		out8(0x200b, 0);
	apic_eoi();
}

/* The test device drives the lines of the I/O APIC. */
static void ioapic_lines(void)
{
	handler_set(0x70, on_apic);
	ioapic_route(11, 0x70);
	out8(0x200b, 1);
	out8(0x200b, 0);
	sti_nop_cli();
	check(nr_interrupts[0x70] == 1, "an edge gives one interrupt");
	handler_set(0x70, on_level);
	ioapic_route(11, 0x70 | 0x8000);
	out8(0x200b, 1);
	sti_nop_cli();
	sti_nop_cli();
	check(nr_interrupts[0x70] == 4, "a level interrupts until it falls: %llu",
	      nr_interrupts[0x70]);
	check(!(ioapic_read(0x26) & 0x4000), "remote IRR is clear after the last EOI");
	ioapic_route(11, 0x10000);
}

/* The RTC's periodic interrupt: another line, until its register C is read. */
static void on_rtc(struct frame *f)
{
	(void)f;
	out8(0x70, 0x0c);
	in8(0x71);
	apic_eoi();
}

static void rtc(void)
{
	handler_set(0x58, on_rtc);
	ioapic_route(8, 0x58);
	out8(0x70, 0x0c), in8(0x71);
	out8(0x70, 0x0a), out8(0x71, 0x26); /* 1024 Hz */
	out8(0x70, 0x0b), out8(0x71, 0x42);
	check(sleep_for(0x58, 3), "RTC, periodic");
	out8(0x70, 0x0b), out8(0x71, 0x02);
	ioapic_route(8, 0x10000);
	sti_nop_cli();
}

/* The PIT counts down at its own pace, latched and read in two bytes. */
static u16 pit_count(void)
{
	u16 low;

	out8(0x43, 0);
	low = in8(0x40);
	return (u16)(low | in8(0x40) << 8);
}

static void pit_counter(void)
{
	u16 first;

	pit_start(0xffff);
	first = pit_count();
	wait_ticks(1000000);
	check(pit_count() < first, "the PIT counts down: %x %x", first, pit_count());
	out8(0x43, 0xe2); /* read-back of the status of counter 0 */
	check((in8(0x40) & 0x3f) == 0x34, "its status tells the mode");
	out8(0x43, 0x30);
}

/* The lower class waits for the EOI of the higher; the higher interrupts the lower. */
static volatile u64 nesting[4], nr_nesting;

static void on_low(struct frame *f)
{
	nesting[nr_nesting++] = f->vector;
	apic_icr(0, 0x440a5);
	sti_nop_cli();
	apic_icr(0, 0x44066);
	sti_nop_cli();
	nesting[nr_nesting++] = 0;
	apic_eoi();
}

static void on_noted(struct frame *f)
{
	nesting[nr_nesting++] = f->vector;
	apic_eoi();
}

static void nested(void)
{
	handler_set(0x65, on_low);
	handler_set(0x66, on_noted);
	handler_set(0xa5, on_noted);
	nr_nesting = 0;
	apic_icr(0, 0x44065);
	sti_nop_cli();
	sti_nop_cli();
	check(nr_nesting == 4 && nesting[0] == 0x65 && nesting[1] == 0xa5 && nesting[2] == 0 &&
	      nesting[3] == 0x66, "a higher class interrupts, the same class waits");
	check(apic_read(0xa0) == 0, "the PPR is 0 in the end: %x", apic_read(0xa0));
}

/* IRR and ISR show what is pending and in service. */
static volatile u32 isr_inside, ppr_inside;

static void on_shown(struct frame *f)
{
	(void)f;
	isr_inside = apic_read(0x100 + 0x20 * 0) | apic_read(0x100 + 0x10 * (0x63 / 32));
	ppr_inside = apic_read(0xa0);
	apic_eoi();
}

static void registers(void)
{
	handler_set(0x63, on_shown);
	apic_icr(0, 0x44063);
	check(apic_read(0x200 + 0x10 * (0x63 / 32)) == BIT(0x63 % 32), "IRR shows what waits");
	sti_nop_cli();
	check(isr_inside == BIT(0x63 % 32), "ISR what is in service: %x", isr_inside);
	check(ppr_inside == 0x60, "PPR its class: %x", ppr_inside);
	check(!apic_read(0x200 + 0x10 * (0x63 / 32)), "and IRR is empty then");
	apic_write(0x3e0, 0xb);
	apic_write(0x320, 0x10051);
	apic_write(0x380, 0x7fffffff);
	check(apic_read(0x390) <= 0x7fffffff && apic_read(0x390) > 0x70000000,
	      "the timer's current count: %x", apic_read(0x390));
	isr_inside = apic_read(0x390);
	wait_ticks(100000);
	check(apic_read(0x390) < isr_inside, "counts down");
	apic_write(0x380, 0);
	check(apic_read(0x390) == 0, "and stops at 0");
}

/* Vectors below 16 are errors, reported at the LVT and in ESR after a write to it. */
static void errors(void)
{
	handler_set(0x52, on_apic);
	apic_write(0x370, 0x52);
	apic_write(0x280, 0);
	apic_icr(0, 0x44005);
	sti_nop_cli();
	apic_write(0x280, 0);
	check(apic_read(0x280) & 0x20, "ESR: an illegal vector was sent: %x", apic_read(0x280));
	check(nr_interrupts[0x52] >= 1, "the error interrupt");
	apic_write(0x280, 0);
	check(!(apic_read(0x280) & 0x20), "ESR is cleared by the next write");
	apic_write(0x370, 0x10052);
}

/* A masked pin keeps no edge; a level waits behind the mask. */
static void ioapic_masks(void)
{
	u64 before;

	handler_set(0x71, on_apic);
	ioapic_route(12, 0x10071);
	out8(0x200c, 1);
	out8(0x200c, 0);
	before = nr_interrupts[0x71];
	ioapic_route(12, 0x71);
	sti_nop_cli();
	check(nr_interrupts[0x71] == before, "an edge on a masked pin is lost");
	/* Active low: a line that rises brings nothing, one that falls does. */
	ioapic_route(12, 0x10071 | 0x2000);
	out8(0x200c, 1);
	ioapic_route(12, 0x71);
	out8(0x200c, 0);
	out8(0x200c, 1);
	sti_nop_cli();
	check(nr_interrupts[0x71] == before + 1, "unmasked, it comes");
	out8(0x200c, 0);
	ioapic_route(12, 0x10000);
}

/* The 8259s: priorities, the mask, a specific EOI, and the spurious IRQ 7. */
static volatile u64 pic_order[4], nr_pic;

static void on_8259(struct frame *f)
{
	pic_order[nr_pic++ & 3] = f->vector;
	/* A level would come again before the next instruction of the program. */
	if (nr_pic == 4)
		out8(0x2005, 0);
	if (f->vector >= 0x28)
		out8(0xa0, 0x20);
	out8(0x20, 0x20);
}

static void pics(void)
{
	for (u32 i = 0; i < 24; i++)
		ioapic_route(i, 0x10000);
	handler_set(0x25, on_8259);
	handler_set(0x27, on_8259);
	handler_set(0x2a, on_8259);
	out8(0x4d1, 0); /* a PC's firmware leaves levels here */
	apic_write(0x350, 0x700);
	out8(0x21, 0x5b); /* 2, 5 and 7 */
	out8(0xa1, 0xfb); /* 10 */
	out8(0x2005, 1), out8(0x2005, 0);
	out8(0x200a, 1), out8(0x200a, 0);
	out8(0x2005, 1), out8(0x200a, 1);
	out8(0x20, 0x0a);
	check((in8(0x20) & 0x24) == 0x24, "the IRR shows IRQ 5 and the cascade: %x", in8(0x20));
	sti_nop_cli();
	sti_nop_cli();
	out8(0x2005, 0), out8(0x200a, 0);
	check(nr_pic == 2 && pic_order[0] == 0x2a && pic_order[1] == 0x25,
	      "the slave's lines come before IRQ 5: %llu %llx", nr_pic, pic_order[0]);
	out8(0x21, 0xff);
	out8(0x2005, 1);
	sti_nop_cli();
	check(nr_pic == 2, "a masked line waits");
	out8(0x21, 0xdf);
	sti_nop_cli();
	check(nr_pic == 3, "until it is unmasked");
	out8(0x2005, 0);
	check(in8(0x4d1) == 0, "ELCR: edges");
	/* The same line as a level: it comes again until the device lets go. */
	out8(0x4d0, 0x20);
	nr_pic = 0;
	out8(0x2005, 1);
	sti_nop_cli();
	sti_nop_cli();
	check(nr_pic == 4, "a level at the PIC comes again until it falls: %llu", nr_pic);
	nr_pic = 0;
	sti_nop_cli();
	check(nr_pic == 0, "and ends with the line");
	out8(0x4d0, 0);
	pic_mask_all();
	apic_write(0x350, 0x10700);
}

void guest_main(void)
{
	pic_mask_all();
	apic_enable();
	pit();
	pit_counter();
	pics();
	rtc();
	nested();
	registers();
	errors();
	ioapic_masks();
	apic_timer();
	self_ipis();
	nmis();
	ioapic_lines();
	x2apic_enable();
	check(apic_read(0x20) == 0, "x2APIC mode");
	apic_timer();
	self_ipis();
}
