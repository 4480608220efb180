/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory under nested paging: all RAM is there, once and apart, its end and the holes are where
 * they should be, code may change itself, the guest's own page tables work in every size, and
 * two CPUs see the same.
 */
#include "lib/guest.h"

const char guest_name[] = "paging";

#define VA 0x40000000ull
#define HUGE_VA 0x8000000000ull /* its own entry of the top-level table */
#define PAGE 4096ull
#define FIRST 0x1000000ull /* behind this program, and what the loader has left */
#define LOADER_TAIL 0x200000ull /* modules and strings lie below the end of RAM */
#define PRESENT 3ull
#define ACCESSED BIT(5)
#define DIRTY BIT(6)
#define LARGE BIT(7)
#define GLOBAL BIT(8)
#define NX BIT(63)
#define PORT_UNMAP 0xe4

extern volatile u64 pml4[512], pd[2048]; /* the CPU writes to them, too */
static volatile u64 huge_pdpt[512] __attribute__((aligned(4096)));
static u64 top; /* end of RAM, from CMOS */

static u8 cmos(u8 index)
{
	out8(0x70, index);
	return in8(0x71);
}

static u64 mark_of(u64 address)
{
	return address * 0x9e3779b97f4a7c15 + 1;
}

/* Both ends of each page, upwards, and in a stride that jumps between large pages. */
static void all_ram(void)
{
	u64 bad = 0, last = top - LOADER_TAIL;

	for (u64 a = FIRST; a < last; a += PAGE) {
		*(volatile u64 *)a = mark_of(a);
		*(volatile u64 *)(a + PAGE - 8) = ~a;
	}
	for (u64 a = FIRST; a < last; a += PAGE)
		bad += *(volatile u64 *)a != mark_of(a) ||
		       *(volatile u64 *)(a + PAGE - 8) != ~a;
	check(bad == 0, "every page below %llx keeps what is its own: %llu bad", last, bad);
	bad = 0;
	for (u64 i = 0, a = FIRST; i < 5000; i++, a = FIRST + (a + 0x1ff000) % (last - FIRST))
		bad += *(volatile u64 *)(a & ~(PAGE - 1)) != mark_of(a & ~(PAGE - 1));
	check(bad == 0, "in any order: %llu bad", bad);
}

static void ends(void)
{
	volatile u64 *end = (volatile u64 *)top;
	u64 old = end[-1];

	check(top > FIRST && top < 0xc0000000, "CMOS knows the memory: %llx", top);
	end[-1] = 0x1122334455667788;
	check(end[-1] == 0x1122334455667788, "the last word of RAM");
	end[-1] = old;
	check(end[0] == ~0ull, "nothing behind it");
	end[0] = 1;
	check(end[0] == ~0ull, "nor after a write");
	check(*(volatile u64 *)0xa0000 == ~0ull && *(volatile u64 *)0xdfff8 == ~0ull,
	      "nothing from 640 KiB on");
	check(*(volatile u64 *)0xd8000000 == ~0ull, "nothing in the PCI window");
	*(volatile u64 *)(top - 4) = 0; /* half of it is RAM */
	check(*(volatile u32 *)(top - 4) == 0 && *(volatile u32 *)top == ~0u,
	      "a write over the end of RAM");
	check(*(volatile u64 *)(top - 4) == 0xffffffff00000000, "and a read");
	end[-1] = old;
}

/* Taken away behind the guest's back, pages come back with what was in them. */
static void unmapped(void)
{
	u64 bad = 0;

	for (u64 a = FIRST; a < FIRST + 300 * PAGE; a += PAGE) {
		*(volatile u64 *)a = mark_of(a);
		out32(PORT_UNMAP, (u32)a);
		bad += *(volatile u64 *)a != mark_of(a);
		out32(PORT_UNMAP, (u32)a);
		*(volatile u64 *)(a + 8) = 7;
		bad += *(volatile u64 *)a != mark_of(a);
	}
	check(bad == 0, "pages that were unmapped come back: %llu bad", bad);
	for (u64 i = 0; i < 10; i++) {
		out32(PORT_UNMAP, (u32)(u64)unmapped);
		out32(PORT_UNMAP, (u32)(u64)pml4);
		out32(PORT_UNMAP, (u32)(u64)pd);
		out32(PORT_UNMAP, (u32)(u64)&bad);
		write_cr3(read_cr3());
	}
	check(true, "also those with code, stack and page tables");
	out32(PORT_UNMAP, 0xfee00000);
	out32(PORT_UNMAP, 0xfffff000);
	check((mmio_read(APIC_BASE + 0x30) & 0xf0) == 0x10, "devices stay");
}

/* mov $imm, %eax; ret: changed and run at once, and by another address. */
static void self_modifying(void)
{
	volatile u8 *code = (volatile u8 *)FIRST;
	u64 bad = 0;
	u32 r;

	page_map(VA, FIRST, PRESENT);
	code[0] = 0xb8, code[5] = 0xc3;
	for (u32 i = 0; i < 2000; i++) {
		*(volatile u32 *)((i & 1 ? FIRST : VA) + 1) = i;
		__asm__ volatile("call *%1" : "=a"(r) : "r"(i & 2 ? FIRST : VA) : "memory");
		bad += r != i;
	}
	check(bad == 0, "code that changes itself: %llu bad", bad);
}

static volatile u64 *leaf_of(u64 va)
{
	return &((volatile u64 *)(pd[va >> 21] & ~0xfffull))[va >> 12 & 511];
}

static void tables(void)
{
	volatile u64 *p = (volatile u64 *)VA;
	volatile u64 *leaf;
	u32 fault;

	*(volatile u64 *)FIRST = 1;
	*(volatile u64 *)(FIRST + PAGE) = 2;
	page_map(VA, FIRST, PRESENT);
	leaf = leaf_of(VA);
	check(p[0] == 1 && (*leaf & (ACCESSED | DIRTY)) == ACCESSED, "a read sets A");
	p[1] = 5;
	check((*leaf & (ACCESSED | DIRTY)) == (ACCESSED | DIRTY), "a write sets D");
	*leaf = (FIRST + PAGE) | PRESENT;
	__asm__ volatile("invlpg (%0)" : : "r"(VA) : "memory");
	check(p[0] == 2, "INVLPG");
	*leaf = FIRST | PRESENT;
	write_cr3(read_cr3());
	check(p[0] == 1, "MOV to CR3");
	write_cr4(read_cr4() | BIT(7));
	*leaf = FIRST | PRESENT | GLOBAL;
	__asm__ volatile("invlpg (%0)" : : "r"(VA) : "memory");
	check(p[0] == 1, "a global page");
	*leaf = (FIRST + PAGE) | PRESENT;
	write_cr4(read_cr4() & ~BIT(7));
	check(p[0] == 2, "a change of CR4.PGE drops it");
	*leaf = FIRST | PRESENT | NX;
	write_cr3(read_cr3());
	fault = FAULT_OF("jmp *%0", : : "r"(VA));
	check(fault == 14 && fault_error == 0x11, "no execution: %x %llx", fault, fault_error);
	*leaf = 0;
	write_cr3(read_cr3());
	fault = FAULT_OF("mov (%0), %%rax", : : "r"(VA + 0x123) : "rax");
	check(fault == 14 && fault_error == 0 && read_cr2() == VA + 0x123, "CR2: %llx", read_cr2());
	*leaf = FIRST | PRESENT; /* no entry for what is not present is kept */
	check(p[0] == 1, "a page that becomes present");
}

static void sizes(void)
{
	u64 large = pd[FIRST >> 21];

	pd[FIRST >> 21] &= ~(ACCESSED | DIRTY);
	write_cr3(read_cr3());
	*(volatile u64 *)(FIRST + 0x54320) = 0x5432;
	check((pd[FIRST >> 21] & (ACCESSED | DIRTY)) == (ACCESSED | DIRTY), "A and D of 2 MiB");
	pd[FIRST >> 21] = large;
	if (!(cpuid(0x80000001, 0).d & BIT(26)))
		return;
	huge_pdpt[3] = LARGE | PRESENT; /* the first GiB at 3 GiB behind HUGE_VA */
	pml4[HUGE_VA >> 39 & 511] = (u64)huge_pdpt | PRESENT;
	check(*(volatile u64 *)(HUGE_VA + 0xc0000000 + FIRST + 0x54320) == 0x5432, "1 GiB pages");
	check(huge_pdpt[3] & ACCESSED, "their A bit");
	huge_pdpt[2] = 0xc0000000 | LARGE | PRESENT;
	check(*(volatile u32 *)(HUGE_VA + 0x80000000 + 0x3ec00000) != 0xffffffff,
	      "a device behind one");
}

static void pcids(void)
{
	volatile u64 *p = (volatile u64 *)VA;
	u64 cr3 = read_cr3();
	u32 fault;

	*leaf_of(VA) = FIRST | PRESENT;
	write_cr3(cr3);
	write_cr4(read_cr4() | BIT(17));
	write_cr3(cr3 | 5);
	check(p[0] == 1 && read_cr3() == (cr3 | 5), "CR3 keeps the PCID: %llx", read_cr3());
	*leaf_of(VA) = (FIRST + PAGE) | PRESENT;
	write_cr3(cr3 | 5);
	check(p[0] == 2, "MOV to CR3 drops what its PCID had");
	write_cr3(cr3 | 6 | BIT(63));
	check(read_cr3() == (cr3 | 6), "bit 63 is not kept: %llx", read_cr3());
	fault = FAULT_OF("mov %0, %%cr4", : : "r"(read_cr4() & ~(u64)BIT(5)));
	check(fault == 13, "PAE stays: %x", fault);
	write_cr3(cr3);
	write_cr4(read_cr4() & ~BIT(17));
}

/* Both CPUs touch fresh pages at once, from both ends, and count in common words. */
#define SHARED_BASE 0x6000000ull
#define SHARED_PAGES 4096ull
static volatile u64 nr_done, shared_count;

static void touch(bool up)
{
	for (u64 i = 0; i < SHARED_PAGES; i++) {
		u64 page = SHARED_BASE + (up ? i : SHARED_PAGES - 1 - i) * PAGE;

		__atomic_fetch_add((u64 *)page, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&shared_count, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_fetch_add(&nr_done, 1, __ATOMIC_SEQ_CST);
}

static void touch_down(void)
{
	touch(false);
}

static void two_cpus(void)
{
	u64 bad = 0;

	for (u64 i = 0; i < SHARED_PAGES; i++)
		*(volatile u64 *)(SHARED_BASE + i * PAGE) = 0;
	for (u64 i = 0; i < SHARED_PAGES; i += 3)
		out32(PORT_UNMAP, (u32)(SHARED_BASE + i * PAGE));
	check(cpu_start(1, touch_down), "the other CPU starts");
	touch(true);
	check(wait_for(&nr_done, 2) && shared_count == 2 * SHARED_PAGES, "both count: %llu",
	      shared_count);
	for (u64 i = 0; i < SHARED_PAGES; i++)
		bad += *(volatile u64 *)(SHARED_BASE + i * PAGE) != 2;
	check(bad == 0, "both have written every page: %llu bad", bad);
}

void guest_main(void)
{
	pic_mask_all();
	apic_enable();
	top = 0x1000000 + ((u64)cmos(0x35) << 8 | cmos(0x34)) * 0x10000;
	ends();
	all_ram();
	unmapped();
	self_modifying();
	tables();
	sizes();
	if (cpuid(1, 0).c & BIT(17))
		pcids();
	two_cpus();
}
