/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every form of instruction that reaches emulated memory, judged by the CPU itself: each one runs
 * on RAM, which hardware does, and on the test device, which the emulator does. Registers, flags
 * and memory must agree afterwards. Then addresses: segments, RIP, pages, faults, A and D bits.
 */
#include "lib/guest.h"

const char guest_name[] = "forms";

#define DEV 0xff000000ull
#define WORDS 32
#define MIDDLE 128 /* bytes from the start of an area to what the instructions address */
#define VA 0x40000000ull /* where pages of the device and of RAM are mapped by hand */
#define RAM_PAGE 0x3000000ull
#define PRESENT 3ull

#define FLAGS_ALL 0x8d5u
#define FLAGS_LOGIC 0x8c5u /* AF is undefined */
#define FLAGS_SHIFT 0x0c5u /* so is OF for counts other than 1 */
#define FLAGS_CF 0x001u
#define FLAGS_ZF 0x040u

struct state {
	u64 a, c, d, s, di, flags, mem[WORDS];
};

static u64 seed = 0x9e3779b97f4a7c15;
static u8 ram_area[WORDS * 8] __attribute__((aligned(4096)));

static u64 noise(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void words_copy(volatile u64 *to, const volatile u64 *from)
{
	for (u32 i = 0; i < WORDS; i++)
		to[i] = from[i];
}

/* Registers other than the flags; RDI relative to where it pointed at first. */
static bool is_same(const struct state *x, const struct state *y, u64 mask)
{
	for (u32 i = 0; i < WORDS; i++)
		if (x->mem[i] != y->mem[i])
			return false;
	return x->a == y->a && x->c == y->c && x->d == y->d && x->s == y->s && x->di == y->di &&
	       !((x->flags ^ y->flags) & mask);
}

static void state_start(struct state *s, u64 c, bool fill_zero)
{
	*s =
		(struct state){ noise(), c ? c : noise(), noise(), noise(),
				0,	 noise() & 0x8d5, { 0 } };
	for (u32 i = 0; i < WORDS; i++)
		s->mem[i] = fill_zero ? 0 : noise();
}

#define RUN(insn, area, st)                                                                        \
	do {                                                                                       \
		u64 at = (area) + MIDDLE;                                                          \
		words_copy((volatile u64 *)(area), (st)->mem);                                     \
		__asm__ volatile("pushq %[f]; popfq; " insn "; cld; pushfq; popq %[f]"            \
				 : "+a"((st)->a), "+c"((st)->c), "+d"((st)->d), "+S"((st)->s),     \
				   "+D"(at), [f] "+b"((st)->flags)                                 \
				 :                                                                 \
				 : "memory", "cc");                                                \
		(st)->di = at - (area);                                                            \
		words_copy((st)->mem, (const volatile u64 *)(area));                               \
	} while (0)

/* `fix` is a statement that prepares the state `x` before each of the rounds. */
#define SAME_IF(insn, mask, count, fix)                                                            \
	do {                                                                                       \
		bool good = true;                                                                  \
		for (u32 round = 0; round < 6; round++) {                                          \
			static struct state x, y;                                                  \
			state_start(&x, count, round == 5);                                        \
			fix;                                                                       \
			y = x;                                                                     \
			RUN(insn, (u64)ram_area, &x);                                              \
			RUN(insn, DEV, &y);                                                        \
			good = good && is_same(&x, &y, mask);                                      \
		}                                                                                  \
		check(good, "%s", insn);                                                           \
	} while (0)
#define SAME(insn, mask) SAME_IF(insn, mask, 0, (void)0)

/* The four widths of one instruction with the memory operand first or last. */
#define WIDTHS_TO(op, mask)                                                                        \
	SAME(op "b %%al, (%%rdi)", mask);                                                          \
	SAME(op "w %%cx, 2(%%rdi)", mask);                                                         \
	SAME(op "l %%edx, -4(%%rdi)", mask);                                                       \
	SAME(op "q %%rsi, 8(%%rdi)", mask)
#define WIDTHS_FROM(op, mask)                                                                      \
	SAME(op "b (%%rdi), %%ah", mask);                                                          \
	SAME(op "w 1(%%rdi), %%cx", mask);                                                         \
	SAME(op "l 0x20(%%rdi), %%edx", mask);                                                     \
	SAME(op "q -8(%%rdi), %%rsi", mask)
#define WIDTHS_IMM(op, mask)                                                                       \
	SAME(op "b $0x9c, (%%rdi)", mask);                                                         \
	SAME(op "w $0x1234, 2(%%rdi)", mask);                                                      \
	SAME(op "l $0x89abcdef, 4(%%rdi)", mask);                                                  \
	SAME(op "q $-0x12345678, 8(%%rdi)", mask)
#define WIDTHS_IMM8(op, mask)                                                                      \
	SAME(op "w $-5, (%%rdi)", mask);                                                           \
	SAME(op "l $-5, (%%rdi)", mask);                                                           \
	SAME(op "q $0x5b, (%%rdi)", mask)
#define WIDTHS_ONE(op, mask)                                                                       \
	SAME(op "b (%%rdi)", mask);                                                                \
	SAME(op "w (%%rdi)", mask);                                                                \
	SAME(op "l (%%rdi)", mask);                                                                \
	SAME(op "q (%%rdi)", mask)

#define BINARY(op, mask)                                                                           \
	WIDTHS_TO(op, mask);                                                                       \
	WIDTHS_FROM(op, mask);                                                                     \
	WIDTHS_IMM(op, mask);                                                                      \
	WIDTHS_IMM8(op, mask)

static void binaries(void)
{
	BINARY("add", FLAGS_ALL);
	BINARY("adc", FLAGS_ALL);
	BINARY("sub", FLAGS_ALL);
	BINARY("sbb", FLAGS_ALL);
	BINARY("cmp", FLAGS_ALL);
	BINARY("or", FLAGS_LOGIC);
	BINARY("and", FLAGS_LOGIC);
	BINARY("xor", FLAGS_LOGIC);
	WIDTHS_TO("test", FLAGS_LOGIC);
	WIDTHS_IMM("test", FLAGS_LOGIC);
	WIDTHS_TO("lock xor", FLAGS_LOGIC);
	WIDTHS_IMM("lock adc", FLAGS_ALL);
}

static void unaries(void)
{
	WIDTHS_ONE("inc", FLAGS_ALL);
	WIDTHS_ONE("dec", FLAGS_ALL);
	WIDTHS_ONE("neg", FLAGS_ALL);
	WIDTHS_ONE("not", FLAGS_ALL);
	WIDTHS_ONE("lock neg", FLAGS_ALL);
}

static void moves(void)
{
	WIDTHS_TO("mov", FLAGS_ALL);
	WIDTHS_FROM("mov", FLAGS_ALL);
	WIDTHS_IMM("mov", FLAGS_ALL);
	SAME("movb %%dh, (%%rdi)", FLAGS_ALL);
	SAME("movb (%%rdi), %%sil", FLAGS_ALL);
	SAME("movzbw (%%rdi), %%ax", FLAGS_ALL);
	SAME("movzbl (%%rdi), %%eax", FLAGS_ALL);
	SAME("movzbq (%%rdi), %%rax", FLAGS_ALL);
	SAME("movzwl (%%rdi), %%eax", FLAGS_ALL);
	SAME("movzwq (%%rdi), %%rax", FLAGS_ALL);
	SAME("movsbw (%%rdi), %%ax", FLAGS_ALL);
	SAME("movsbl (%%rdi), %%eax", FLAGS_ALL);
	SAME("movsbq (%%rdi), %%rax", FLAGS_ALL);
	SAME("movswl (%%rdi), %%eax", FLAGS_ALL);
	SAME("movswq (%%rdi), %%rax", FLAGS_ALL);
	SAME("movslq (%%rdi), %%rax", FLAGS_ALL);
	SAME("movntil %%eax, (%%rdi)", FLAGS_ALL);
	SAME("movntiq %%rax, (%%rdi)", FLAGS_ALL);
	SAME("movw %%cs, (%%rdi)", FLAGS_ALL);
	SAME("pushq (%%rdi); popq %%rax", FLAGS_ALL);
	SAME("pushw (%%rdi); popw %%ax", FLAGS_ALL);
	SAME("pushq %%rax; popq (%%rdi)", FLAGS_ALL);
	SAME("pushw %%ax; popw (%%rdi)", FLAGS_ALL);
	SAME("cmovcq (%%rdi), %%rax", FLAGS_ALL);
	SAME("cmovnel (%%rdi), %%eax", FLAGS_ALL);
	SAME("cmovlw (%%rdi), %%ax", FLAGS_ALL);
	SAME("setc (%%rdi)", FLAGS_ALL);
	SAME("setg (%%rdi)", FLAGS_ALL);
	if (cpuid(1, 0).c & BIT(22)) {
		SAME("movbew (%%rdi), %%ax", FLAGS_ALL);
		SAME("movbel %%eax, (%%rdi)", FLAGS_ALL);
		SAME("movbeq (%%rdi), %%rax", FLAGS_ALL);
	}
}

static void exchanges(void)
{
	WIDTHS_TO("xchg", FLAGS_ALL);
	WIDTHS_TO("xadd", FLAGS_ALL);
	WIDTHS_TO("lock xadd", FLAGS_ALL);
	SAME("cmpxchgb %%cl, (%%rdi)", FLAGS_ALL);
	SAME("cmpxchgw %%cx, (%%rdi)", FLAGS_ALL);
	SAME("cmpxchgl %%ecx, (%%rdi)", FLAGS_ALL);
	SAME("lock cmpxchgq %%rcx, (%%rdi)", FLAGS_ALL);
	/* The comparison holds: with each width of the accumulator. */
	SAME_IF("cmpxchgb %%cl, (%%rdi)", FLAGS_ALL, 0, x.a = x.mem[MIDDLE / 8]);
	SAME_IF("cmpxchgw %%cx, (%%rdi)", FLAGS_ALL, 0, x.a = x.mem[MIDDLE / 8]);
	SAME_IF("cmpxchgl %%ecx, (%%rdi)", FLAGS_ALL, 0, x.a = x.mem[MIDDLE / 8]);
	SAME_IF("lock cmpxchgq %%rcx, (%%rdi)", FLAGS_ALL, 0, x.a = x.mem[MIDDLE / 8]);
	SAME("xchg %%rbx, %%rcx; cmpxchg8b (%%rdi); xchg %%rbx, %%rcx", 0);
	SAME_IF("xchg %%rbx, %%rcx; lock cmpxchg8b (%%rdi); xchg %%rbx, %%rcx", 0, 0,
		(x.a = (u32)x.mem[MIDDLE / 8], x.d = x.mem[MIDDLE / 8] >> 32));
	if (cpuid(1, 0).c & BIT(13))
		SAME_IF("xchg %%rbx, %%rcx; lock cmpxchg16b (%%rdi); xchg %%rbx, %%rcx", 0, 0,
			(x.a = x.mem[MIDDLE / 8], x.d = x.mem[MIDDLE / 8 + 1]));
}

static void shifts_and_bits(void)
{
	SAME("shlb $1, (%%rdi)", FLAGS_LOGIC);
	SAME("sarw $1, (%%rdi)", FLAGS_LOGIC);
	SAME("rorl $1, (%%rdi)", FLAGS_ALL);
	SAME("rclq $1, (%%rdi)", FLAGS_ALL);
	SAME("shrl $7, (%%rdi)", FLAGS_SHIFT);
	SAME_IF("shlw %%cl, (%%rdi)", FLAGS_SHIFT, 9, (void)0);
	SAME_IF("roll %%cl, (%%rdi)", 0xd5, 33 + noise() % 9, (void)0);
	SAME_IF("rcrq %%cl, (%%rdi)", 0xd5, 5, (void)0);
	SAME_IF("sarq %%cl, (%%rdi)", FLAGS_ALL, 64, (void)0); /* a count of 0 */
	SAME("shldq $9, %%rax, (%%rdi)", FLAGS_SHIFT);
	SAME_IF("shrdl %%cl, %%eax, (%%rdi)", FLAGS_SHIFT, 3, (void)0);
	SAME("btl $37, (%%rdi)", FLAGS_CF);
	SAME("lock btsq $63, (%%rdi)", FLAGS_CF);
	SAME("btrw $3, (%%rdi)", FLAGS_CF);
	SAME("btcl $31, (%%rdi)", FLAGS_CF);
	/* A bit number in a register reaches beyond the operand, to both sides. */
	SAME_IF("btsq %%rax, (%%rdi)", FLAGS_CF, 0, x.a = noise() % 512 - 256);
	SAME_IF("btcl %%eax, (%%rdi)", FLAGS_CF, 0, x.a = noise() % 512 - 256);
	SAME_IF("btrw %%ax, (%%rdi)", FLAGS_CF, 0, x.a = noise() % 512 - 256);
	SAME_IF("bsfq (%%rdi), %%rax", FLAGS_ZF, 0, x.mem[MIDDLE / 8] |= BIT(40));
	SAME_IF("bsrl (%%rdi), %%eax", FLAGS_ZF, 0, x.mem[MIDDLE / 8] |= BIT(20));
}

static void products(void)
{
	SAME("mulb (%%rdi)", 0x801);
	SAME("mulw (%%rdi)", 0x801);
	SAME("mull (%%rdi)", 0x801);
	SAME("mulq (%%rdi)", 0x801);
	SAME("imulb (%%rdi)", 0x801);
	SAME("imulq (%%rdi)", 0x801);
	SAME("imulw (%%rdi), %%ax", 0x801);
	SAME("imulq (%%rdi), %%rax", 0x801);
	SAME("imull $-77, (%%rdi), %%eax", 0x801);
	SAME("imulq $0x12345, (%%rdi), %%rax", 0x801);
	SAME_IF("divb (%%rdi)", 0, 0, (x.a = 1000, x.mem[MIDDLE / 8] |= 0x80));
	SAME_IF("divl (%%rdi)", 0, 0, (x.d = 5, x.mem[MIDDLE / 8] |= 0x80000000));
	SAME_IF("divq (%%rdi)", 0, 0, (x.d = 5, x.mem[MIDDLE / 8] |= BIT(63)));
	SAME_IF("idivl (%%rdi)", 0, 0, (x.a = 1000, x.d = 0, x.mem[MIDDLE / 8] |= 0x8000));
}

/* Strings: RSI is the area's start, so it must be made relative like RDI. */
#define STRING(insn, mask, count)                                                                  \
	SAME_IF("lea -64(%%rdi), %%rsi; " insn "; sub %%rdi, %%rsi", mask, count, (void)0)

static void strings(void)
{
	STRING("movsb", 0, 1);
	STRING("movsw", 0, 1);
	STRING("movsl", 0, 1);
	STRING("movsq", 0, 1);
	STRING("rep movsb", 0, 40);
	STRING("rep movsw", 0, 20);
	STRING("rep movsq", 0, 7);
	STRING("std; rep movsl", 0, 12);
	STRING("std; rep movsb", 0, 3);
	/* Not repeated: Bochs' fast path for that fails an assertion of its own. */
	STRING("bts $40, %%rsi; addr32 movsb", 0, 0);
	SAME_IF("rep stosb", 0, 77, (void)0);
	SAME_IF("rep stosw", 0, 33, (void)0);
	SAME_IF("std; rep stosq", 0, 9, (void)0);
	SAME_IF("rep stosl", 0, 2, (void)0);
	SAME_IF("xor %%ecx, %%ecx; rep stosq", 0, 1, (void)0); /* nothing happens */
	SAME_IF("mov %%rdi, %%rsi; rep lodsb; sub %%rdi, %%rsi", 0, 5, (void)0);
	SAME_IF("mov %%rdi, %%rsi; lodsq; sub %%rdi, %%rsi", 0, 5, (void)0);
	SAME_IF("repne scasb", FLAGS_ALL, 9, x.mem[MIDDLE / 8] = x.a << 32);
	SAME_IF("repe scasl", FLAGS_ALL, 9, x.mem[MIDDLE / 8] = (u32)x.a);
	STRING("repe cmpsb", 0, 20);
	SAME_IF("lea -8(%%rdi), %%rsi; repe cmpsq; pushfq; popq %%rax; sub %%rdi, %%rsi", 0, 4,
		x.mem[MIDDLE / 8] = x.mem[MIDDLE / 8 - 1]);
}

/* More iterations than the emulator does in one go, from RAM to the device and back. */
static void long_strings(void)
{
	static u8 from[12000], back[12000];
	u64 to = DEV, at = (u64)from, n = sizeof(from);
	bool good = true;

	for (u32 i = 0; i < sizeof(from); i++)
		from[i] = (u8)(noise() >> 20);
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(at), "+c"(n) : : "memory");
	check(n == 0 && to == DEV + sizeof(from), "a long REP MOVSB to the device ends");
	to = (u64)back, at = DEV, n = sizeof(from);
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(at), "+c"(n) : : "memory");
	for (u32 i = 0; i < sizeof(from); i++)
		good = good && from[i] == back[i];
	check(good, "and all of it comes back");
}

static void addresses(void)
{
	volatile u64 *dev = (volatile u64 *)DEV;
	u64 r;

	dev[0] = 0x1111111111111111, dev[1] = 0x2222222222222222, dev[5] = 0x5555555555555555;
	page_map(VA, DEV, PRESENT);
	/* Spelled out, because the assembler takes an absolute symbol for a displacement. */
	__asm__ volatile(".byte 0x48, 0x8b, 0x05; .long 0x40000008 - . - 4" : "=a"(r));
	check(r == dev[1], "RIP-relative");
	__asm__ volatile(".byte 0xc7, 0x05; .long 0x40000010 - . - 8, 0x12345678" : : : "memory");
	check((u32)dev[2] == 0x12345678, "RIP-relative with an immediate behind it");
	__asm__ volatile("mov 0x40000008, %0" : "=r"(r));
	check(r == dev[1], "absolute, 32 bits");
	__asm__ volatile("mov -8(%1,%2,4), %0" : "=r"(r) : "r"(DEV), "r"(12ull));
	check(r == dev[5], "base, index, scale and displacement");
	__asm__ volatile("mov (,%1,8), %0" : "=r"(r) : "r"((DEV + 8) / 8));
	check(r == dev[1], "index only");
	__asm__ volatile("addr32 mov (%k1), %0" : "=r"(r) : "r"(DEV | BIT(40)));
	check(r == dev[0], "32-bit address size drops the rest");
	wrmsr(0xc0000101, VA);
	__asm__ volatile("mov %%gs:40, %0" : "=r"(r));
	check(r == dev[5], "GS base");
	__asm__ volatile("mov %%gs:(%1), %0" : "=r"(r) : "r"(-VA + DEV + 8));
	check(r == dev[1], "GS base and an offset that wraps");
	wrmsr(0xc0000101, 0);
	__asm__ volatile("mov %%rsp, %%rcx; lea 8(%1), %%rsp; mov (%%rsp), %0; mov %%rcx, %%rsp"
			 : "=&r"(r) : "r"(DEV) : "rcx");
	check(r == dev[1], "RSP as the base");
	__asm__ volatile("mov %1, %%r12; mov 8(%%r12), %%r13; mov %%r13, %0"
			 : "=r"(r) : "r"(DEV) : "r12", "r13");
	check(r == dev[1], "R12 and R13");
}

/* One access on two pages: of the device, and half on RAM. */
static void straddles(void)
{
	volatile u64 *at = (volatile u64 *)(VA + 0xffd);
	u32 fault;

	page_map(VA, DEV + 0x2000, PRESENT);
	page_map(VA + 0x1000, DEV + 0x7000, PRESENT);
	*at = 0x1122334455667788;
	check(*at == 0x1122334455667788, "across two pages of the device");
	check((*(volatile u32 *)(DEV + 0x2ffc) >> 8) == 0x667788, "low part on the first");
	check((u32)*(volatile u64 *)(DEV + 0x7000) == 0x22334455, "high part on the second");
	page_map(VA + 0x1000, RAM_PAGE, PRESENT);
	*at = 0xaabbccddeeff0011;
	check(*at == 0xaabbccddeeff0011, "from the device into RAM");
	check(*(volatile u32 *)RAM_PAGE == 0xbbccddee, "the part in RAM");
	page_map(VA, RAM_PAGE, PRESENT);
	page_map(VA + 0x1000, DEV + 0x7000, PRESENT);
	*at = 0x0123456789abcdef;
	check(*at == 0x0123456789abcdef, "from RAM into the device");
	page_map(VA, DEV + 0x2000, PRESENT);
	page_map(VA + 0x1000, 0, 0);
	*(volatile u32 *)(DEV + 0x2ffc) = 0x5a5a5a5a;
	fault = FAULT_OF("movq $-1, (%0)", : : "r"(at) : "memory");
	check(fault == 14 && fault_error == 2 && read_cr2() == VA + 0x1000,
	      "the second page is missing: %x %llx %llx", fault, fault_error, read_cr2());
	check(*(volatile u32 *)(DEV + 0x2ffc) == 0x5a5a5a5a, "then nothing is written");
}

extern volatile u64 pd[2048];

static volatile u64 *leaf_of(u64 va)
{
	volatile u64 *table = (volatile u64 *)(pd[va >> 21] & ~0xfffull);

	return &table[va >> 12 & 511];
}

#define ACCESSED BIT(5)
#define DIRTY BIT(6)

static void rights(void)
{
	u32 fault;
	u64 n = 4, to = VA + 0xff8, from = (u64)ram_area;

	page_map(VA, DEV, PRESENT);
	*(volatile u32 *)VA;
	check((*leaf_of(VA) & (ACCESSED | DIRTY)) == ACCESSED, "a read sets A: %llx",
	      *leaf_of(VA));
	*(volatile u32 *)VA = 7;
	check((*leaf_of(VA) & (ACCESSED | DIRTY)) == (ACCESSED | DIRTY), "a write sets D: %llx",
	      *leaf_of(VA));
	page_map(VA, DEV, 1);
	fault = FAULT_OF("movl $9, (%0)", : : "r"(VA) : "memory");
	check(fault == 14 && fault_error == 3 && read_cr2() == VA, "read-only: %x %llx", fault,
	      fault_error);
	fault = FAULT_OF("lock orl $0, 4(%0)", : : "r"(VA) : "memory");
	check(fault == 14 && fault_error == 3 && read_cr2() == VA + 4,
	      "a modify counts as a write");
	check(*(volatile u32 *)DEV == 7, "and the device has not seen them");
	write_cr0(read_cr0() & ~BIT(16));
	*(volatile u32 *)VA = 11;
	write_cr0(read_cr0() | BIT(16));
	check(*(volatile u32 *)DEV == 11, "without CR0.WP read-only pages are written");
	/* A string that runs into a missing page keeps what it has done. */
	page_map(VA, DEV, PRESENT);
	page_map(VA + 0x1000, 0, 0);
	fault = FAULT_OF("rep movsq", : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	check(fault == 14 && n == 3 && to == VA + 0x1000 && from == (u64)ram_area + 8,
	      "REP MOVS stops at a missing page: %llu left", n);
	fault = FAULT_OF("mov (%0), %%rax", : : "r"(0x1000000000000000) : "rax");
	check(fault == 13, "non-canonical");
	*(volatile u64 *)DEV = 0;
	fault = FAULT_OF("divl (%0)", : : "r"(DEV) : "rax", "rdx", "cc");
	check(fault == 0, "division by a zero from the device: %x", fault);
	fault = FAULT_OF(".byte 0xf0; mov %%eax, (%0)", : : "r"(DEV) : "memory");
	check(fault == 6, "LOCK where it must not be: %x", fault);
}

/* An instruction that lies on two pages, and one that was written just before. */
static void fetches(void)
{
	static const u8 insns[] = {
		0x48, 0x8b, 0x87, 0x28, 0, 0, 0, 0xc3
	}; /* mov 40(%rdi), %rax */
	volatile u8 *code = (volatile u8 *)(VA + 0x1ffd);
	bool good = true;
	u64 r;

	page_map(VA + 0x1000, RAM_PAGE, PRESENT);
	page_map(VA + 0x2000, RAM_PAGE + 0x5000, PRESENT);
	for (u32 i = 0; i < 32; i++)
		((volatile u64 *)DEV)[i] = 1000 + i;
	for (u32 i = 0; i < sizeof(insns); i++)
		code[i] = insns[i];
	__asm__ volatile("call *%1" : "=a"(r) : "r"(code), "D"(DEV) : "memory");
	check(r == 1005, "an instruction on two pages: %llu", r);
	for (u32 i = 0; i < 32; i++) {
		code[3] = (u8)(8 * i);
		code[2] = i < 16 ? 0x47 : 0x87; /* with a displacement of 8 or 32 bits */
		code[4] = i < 16 ? 0xc3 : 0;
		__asm__ volatile("call *%1" : "=a"(r) : "r"(code), "D"(DEV) : "memory");
		good = good && r == 1000 + i;
	}
	check(good, "an instruction that changes under way");
}

void guest_main(void)
{
	binaries();
	unaries();
	moves();
	exchanges();
	shifts_and_bits();
	products();
	strings();
	long_strings();
	addresses();
	straddles();
	rights();
	fetches();
}
