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
		out32(0x200b, 0);
	apic_eoi();
}

/* The test device drives the lines of the I/O APIC. */
static void ioapic_lines(void)
{
	handler_set(0x70, on_apic);
	ioapic_route(11, 0x70);
	out32(0x200b, 1);
	out32(0x200b, 0);
	sti_nop_cli();
	check(nr_interrupts[0x70] == 1, "an edge gives one interrupt");
	handler_set(0x70, on_level);
	ioapic_route(11, 0x70 | 0x8000);
	out32(0x200b, 1);
	sti_nop_cli();
	sti_nop_cli();
	check(nr_interrupts[0x70] == 4, "a level interrupts until it falls: %llu",
	      nr_interrupts[0x70]);
	check(!(ioapic_read(0x26) & 0x4000), "remote IRR is clear after the last EOI");
	ioapic_route(11, 0x10000);
}

void guest_main(void)
{
	pic_mask_all();
	apic_enable();
	pit();
	apic_timer();
	self_ipis();
	nmis();
	ioapic_lines();
	x2apic_enable();
	check(apic_read(0x20) == 0, "x2APIC mode");
	apic_timer();
	self_ipis();
}
