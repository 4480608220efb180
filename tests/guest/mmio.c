/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory-mapped I/O by every common form of instruction and in every width. */
#include "lib/guest.h"

const char guest_name[] = "mmio";

#define DEV 0xff000000ull /* the test device: memory that is emulated access by access */
#define HOLE 0xfd000000ull

static volatile u64 *const dev = (volatile u64 *)DEV;

static void moves(void)
{
	u64 r;

	*dev = 0x1122334455667788;
	check(*dev == 0x1122334455667788, "64 bits");
	check(*(volatile u32 *)(DEV + 4) == 0x11223344, "32 bits");
	check(*(volatile u16 *)(DEV + 2) == 0x5566, "16 bits");
	check(*(volatile u8 *)(DEV + 7) == 0x11, "8 bits");
	*(volatile u8 *)(DEV + 1) = 0xaa;
	check(*dev == 0x112233445566aa88, "a byte in the middle");
	__asm__ volatile("movzbl (%1), %k0" : "=r"(r) : "r"(DEV + 1));
	check(r == 0xaa, "MOVZX");
	__asm__ volatile("movsbq (%1), %0" : "=r"(r) : "r"(DEV + 1));
	check(r == 0xffffffffffffffaa, "MOVSX");
	__asm__ volatile("movslq (%1), %0" : "=r"(r) : "r"(DEV));
	check(r == 0x5566aa88, "MOVSXD");
	__asm__ volatile("movl $0x1234, (%0)" : : "r"(DEV) : "memory");
	check(*(volatile u32 *)DEV == 0x1234, "MOV of an immediate");
	__asm__ volatile("movq $-2, 8(%0)" : : "r"(DEV) : "memory");
	check(dev[1] == 0xfffffffffffffffe, "MOV of a sign-extended immediate");
	__asm__ volatile("movabs 0xff000008, %0" : "=a"(r));
	check(r == 0xfffffffffffffffe, "MOV by absolute address");
	__asm__ volatile("mov (%1,%2,8), %0" : "=r"(r) : "r"(DEV), "r"(1ull));
	check(r == 0xfffffffffffffffe, "base and scaled index");
}

#define MODIFY(insn, start, operand, result)                                                       \
	do {                                                                                       \
		*dev = (start);                                                                    \
		__asm__ volatile(insn " %0, (%1)"                                                  \
				 :                                                                 \
				 : "r"((u64)(operand)), "r"(DEV)                                   \
				 : "memory", "cc");                                                \
		check(*dev == (u64)(result), insn);                                                \
	} while (0)

static void modifies(void)
{
	u64 r = 5;
	bool carry;

	MODIFY("addq", 5, 7, 12);
	MODIFY("subq", 5, 7, -2);
	MODIFY("orq", 0xf0, 0x0f, 0xff);
	MODIFY("andq", 0xff, 0x3c, 0x3c);
	MODIFY("xorq", 0xff, 0x0f, 0xf0);
	MODIFY("lock addq", 1, 2, 3);
	*dev = 9;
	__asm__ volatile("xchg %0, (%1)" : "+r"(r) : "r"(DEV) : "memory");
	check(r == 9 && *dev == 5, "XCHG");
	__asm__ volatile("lock xadd %0, (%1)" : "+r"(r) : "r"(DEV) : "memory");
	check(r == 5 && *dev == 14, "XADD");
	r = 14;
	__asm__ volatile("lock cmpxchg %2, (%1)" : "+a"(r) : "r"(DEV), "r"(77ull) : "memory");
	check(*dev == 77, "CMPXCHG");
	__asm__ volatile("incl (%0)" : : "r"(DEV) : "memory");
	check(*dev == 78, "INC");
	__asm__ volatile("notq (%0)" : : "r"(DEV) : "memory");
	check(*dev == ~78ull, "NOT");
	__asm__ volatile("btsq $0, (%0)" : : "r"(DEV) : "memory");
	check(*dev == (~78ull | 1), "BTS");
	*dev = 3;
	__asm__ volatile("cmpq $4, (%1)" : "=@ccb"(carry) : "r"(DEV));
	check(carry, "CMP sets the flags");
}

static void stacks_and_strings(void)
{
	static u64 copy[8];
	u64 count = 8, to = DEV, from = DEV, r;

	__asm__ volatile("rep stosq"
			 : "+D"(to), "+c"(count)
			 : "a"(0x5a5a5a5a5a5a5a5aull)
			 : "memory");
	check(dev[0] == 0x5a5a5a5a5a5a5a5a && dev[7] == dev[0], "REP STOS");
	to = (u64)copy;
	count = 8;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	check(copy[0] == dev[0] && copy[7] == dev[0], "REP MOVS from the device");
	dev[2] = 0x77;
	__asm__ volatile("pushq 16(%1); popq %0" : "=r"(r) : "r"(DEV));
	check(r == 0x77, "PUSH of device memory");
	__asm__ volatile("pushq $99; popq 24(%0)" : : "r"(DEV) : "memory");
	check(dev[3] == 99, "POP to device memory");
	wrmsr(0xc0000100, DEV);
	__asm__ volatile("mov %%fs:24, %0" : "=r"(r));
	check(r == 99, "an FS base");
	wrmsr(0xc0000100, 0);
}

void guest_main(void)
{
	moves();
	modifies();
	stacks_and_strings();
	check(*(volatile u32 *)HOLE == 0xffffffff, "a hole reads as ones");
	*(volatile u32 *)HOLE = 1;
	check(*(volatile u64 *)HOLE == ~0ull, "and ignores writes");
	check((mmio_read(APIC_BASE + 0x30) & 0xf0) == 0x10, "the local APIC has a version");
	check((ioapic_read(1) >> 16 & 0xff) == 23, "the I/O APIC has 24 pins");
	ioapic_route(5, 0x10000 | 0x45);
	check((ioapic_read(0x1a) & 0x100ff) == 0x10045, "and keeps what is written");
}
