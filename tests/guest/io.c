/* SPDX-License-Identifier: BSD-2-Clause */
/* Port I/O in all widths, string I/O in both directions, and ports that nobody has. */
#include "lib/guest.h"

const char guest_name[] = "io";

#define SCRATCH 0xe0 /* the test device's 32-bit register */

static u8 buffer[8192] __attribute__((aligned(4096)));

static void outs(const void *from, u64 count, bool down)
{
	if (down)
		__asm__ volatile("std; rep outsb; cld"
				 : "+S"(from), "+c"(count)
				 : "d"(SCRATCH)
				 : "memory");
	else
		__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(SCRATCH) : "memory");
	check(count == 0, "REP OUTSB finishes");
}

static void ins32(void *to, u64 count)
{
	__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(SCRATCH) : "memory");
}

static void strings(void)
{
	/* Across a page boundary, upwards and downwards; the last byte stays in the register. */
	for (u32 i = 0; i < 16; i++)
		buffer[4088 + i] = (u8)(0x10 + i);
	out32(SCRATCH, 0);
	outs(buffer + 4088, 16, false);
	check(in8(SCRATCH) == 0x1f, "OUTSB goes up: %x", in8(SCRATCH));
	outs(buffer + 4103, 16, true);
	check(in8(SCRATCH) == 0x10, "OUTSB goes down: %x", in8(SCRATCH));
	out32(SCRATCH, 0xcafef00d);
	ins32(buffer + 4094, 3);
	for (u32 i = 0; i < 3; i++)
		check(*(u32 *)(buffer + 4094 + 4 * i) == 0xcafef00d, "INSL stores word %u", i);
}

void guest_main(void)
{
	u64 rax;

	out32(SCRATCH, 0x12345678);
	check(in32(SCRATCH) == 0x12345678, "32 bits come back");
	check(in16(SCRATCH) == 0x5678, "16 bits");
	check(in8(SCRATCH + 3) == 0x12, "8 bits of the last byte");
	out8(SCRATCH + 1, 0xab);
	check(in32(SCRATCH) == 0x1234ab78, "a byte in the middle");
	rax = 0xffffffffffffffff;
	__asm__ volatile("inb $0xe0, %%al" : "+a"(rax));
	check(rax == 0xffffffffffffff78, "IN of 8 bits keeps the rest of RAX");
	rax = 0xffffffffffffffff;
	__asm__ volatile("inl $0xe0, %%eax" : "+a"(rax));
	check(rax == 0x1234ab78, "IN of 32 bits clears the upper half");
	check(in8(0x5678) == 0xff && in16(0x5678) == 0xffff && in32(0x5678) == 0xffffffff,
	      "a port that nobody has reads as ones");
	out8(0x21, 0x5a);
	check(in8(0x21) == 0x5a, "the PIC keeps its mask");
	out8(0x21, 0xff);
	out32(0xcf8, 0x80000000);
	check(in32(0xcfc) != 0xffffffff, "there is a PCI host bridge");
	out32(0xcf8, 0x8000f800);
	check(in32(0xcfc) == 0xffffffff, "and no device 31");
	out8(0x70, 0x0d);
	check(in8(0x71) & 0x80, "the RTC says that its battery is good");
	strings();
}
