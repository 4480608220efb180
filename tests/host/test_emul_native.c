/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/*
 * The emulator against the processor at hand: each form of each instruction that it carries out,
 * with random registers, flags, memory, addressing and prefixes, in 64-bit mode. Registers, memory
 * and the flags that the manuals define must come out the same.
 */
#include "tests/host/emul_native.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROUNDS 1500 /* of each form */
#define MAX_REPORTS 20
#define MIDDLE 4096u /* offset of the operand in memory */

#define CF BIT(0)
#define PF BIT(2)
#define AF BIT(4)
#define ZF BIT(6)
#define SF BIT(7)
#define DF BIT(10)
#define OF BIT(11)
#define ALL (CF | PF | AF | ZF | SF | OF)

/* What follows the opcode, and what else a form wants. */
enum want {
	BYTE = 1, /* operands of one byte: ModRM.reg may be AH to BH */
	NO_MODRM = 2,
	FIX_REG = 4, /* ModRM.reg is given */
	MEM = 8, /* memory only */
	REG = 16, /* registers only */
	LOCK = 32, /* lockable */
	IMM8 = 64,
	IMMZ = 128,
	IMMV = 256,
	MOFFS = 512,
	STACK = 1024, /* RSP points to memory */
	STRING = 2048,
	BITS = 4096, /* ModRM.reg is a bit's index */
	COUNT = 8192, /* CL or the immediate is a shift count */
	WIDE = 16384, /* the operand in memory is aligned to 16 */
	NO_66 = 32768,
};

enum undefined { U_NONE, U_LOGIC, U_SHIFT, U_ROTATE, U_DOUBLE, U_MUL, U_DIV, U_BIT, U_SCAN };

struct form {
	const char *name;
	u8 opcode[3]; /* as many as not 0, but at least the last one */
	u8 nr_opcodes;
	u8 reg; /* FIX_REG */
	u16 want;
	u8 undefined; /* enum undefined */
	u8 variants; /* opcodes or, with FIX_REG, ModRM.reg values from this one on; 0: 1 */
};

#define F1(name, op, want, undef, n) { name, { op }, 1, 0, want, undef, n }
#define F2(name, op, want, undef, n) { name, { 0x0f, op }, 2, 0, want, undef, n }
#define G1(name, op, reg, want, undef, n) { name, { op }, 1, reg, (want) | FIX_REG, undef, n }
#define G2(name, op, reg, want, undef, n) { name, { 0x0f, op }, 2, reg, (want) | FIX_REG, undef, n }
#define ALU(name, op, lock, undef)                                                                 \
	F1(name, op, BYTE | lock, undef, 0), F1(name, op + 1, lock, undef, 0),                     \
		F1(name, op + 2, BYTE, undef, 0), F1(name, op + 3, 0, undef, 0),                   \
		F1(name, op + 4, BYTE | NO_MODRM | IMM8, undef, 0),                                \
		F1(name, op + 5, NO_MODRM | IMMZ, undef, 0)
#define SHIFTS(op, want, byte)                                                                     \
	G1("rotate", op, 0, (want) | (byte), U_ROTATE, 4),                                         \
		G1("shift", op, 4, (want) | (byte), U_SHIFT, 4)

static const struct form forms[] = {
	ALU("add", 0x00, LOCK, U_NONE), ALU("or", 0x08, LOCK, U_LOGIC),
	ALU("adc", 0x10, LOCK, U_NONE), ALU("sbb", 0x18, LOCK, U_NONE),
	ALU("and", 0x20, LOCK, U_LOGIC), ALU("sub", 0x28, LOCK, U_NONE),
	ALU("xor", 0x30, LOCK, U_LOGIC), ALU("cmp", 0x38, 0, U_NONE),
	F1("movsxd", 0x63, 0, U_NONE, 0),
	F1("imul", 0x69, IMMZ, U_MUL, 0), F1("imul", 0x6b, IMM8, U_MUL, 0),
	G1("alu", 0x80, 0, BYTE | IMM8, U_LOGIC, 8), G1("alu", 0x81, 0, IMMZ, U_LOGIC, 8),
	G1("alu", 0x83, 0, IMM8, U_LOGIC, 8), G1("alu", 0x81, 0, MEM | LOCK | IMMZ, U_LOGIC, 7),
	G1("alu", 0x83, 0, MEM | LOCK | IMM8, U_LOGIC, 7),
	F1("test", 0x84, BYTE, U_LOGIC, 0), F1("test", 0x85, 0, U_LOGIC, 0),
	F1("test", 0xa8, BYTE | NO_MODRM | IMM8, U_LOGIC, 0),
	F1("test", 0xa9, NO_MODRM | IMMZ, U_LOGIC, 0),
	F1("xchg", 0x86, BYTE | LOCK, U_NONE, 0), F1("xchg", 0x87, LOCK, U_NONE, 0),
	F1("xchg", 0x90, NO_MODRM, U_NONE, 8),
	F1("mov", 0x88, BYTE, U_NONE, 0), F1("mov", 0x89, 0, U_NONE, 0),
	F1("mov", 0x8a, BYTE, U_NONE, 0), F1("mov", 0x8b, 0, U_NONE, 0),
	F1("lea", 0x8d, MEM, U_NONE, 0),
	F1("mov", 0xa0, BYTE | NO_MODRM | MOFFS, U_NONE, 0),
	F1("mov", 0xa1, NO_MODRM | MOFFS, U_NONE, 0),
	F1("mov", 0xa2, BYTE | NO_MODRM | MOFFS, U_NONE, 0),
	F1("mov", 0xa3, NO_MODRM | MOFFS, U_NONE, 0),
	F1("mov", 0xb0, BYTE | NO_MODRM | IMM8, U_NONE, 8),
	F1("mov", 0xb8, NO_MODRM | IMMV, U_NONE, 8),
	G1("mov", 0xc6, 0, BYTE | IMM8, U_NONE, 0), G1("mov", 0xc7, 0, IMMZ, U_NONE, 0),
	F1("movs", 0xa4, BYTE | NO_MODRM | STRING, U_NONE, 0),
	F1("movs", 0xa5, NO_MODRM | STRING, U_NONE, 0),
	F1("cmps", 0xa6, BYTE | NO_MODRM | STRING, U_NONE, 0),
	F1("cmps", 0xa7, NO_MODRM | STRING, U_NONE, 0),
	F1("stos", 0xaa, BYTE | NO_MODRM | STRING, U_NONE, 0),
	F1("stos", 0xab, NO_MODRM | STRING, U_NONE, 0),
	F1("lods", 0xac, BYTE | NO_MODRM | STRING, U_NONE, 0),
	F1("lods", 0xad, NO_MODRM | STRING, U_NONE, 0),
	F1("scas", 0xae, BYTE | NO_MODRM | STRING, U_NONE, 0),
	F1("scas", 0xaf, NO_MODRM | STRING, U_NONE, 0),
	SHIFTS(0xc0, IMM8 | COUNT, BYTE), SHIFTS(0xc1, IMM8 | COUNT, 0),
	SHIFTS(0xd0, 0, BYTE), SHIFTS(0xd1, 0, 0), SHIFTS(0xd2, COUNT, BYTE),
	SHIFTS(0xd3, COUNT, 0),
	G1("test", 0xf6, 0, BYTE | IMM8, U_LOGIC, 2), G1("test", 0xf7, 0, IMMZ, U_LOGIC, 2),
	G1("not", 0xf6, 2, BYTE | LOCK, U_NONE, 0), G1("not", 0xf7, 2, LOCK, U_NONE, 0),
	G1("neg", 0xf6, 3, BYTE | LOCK, U_NONE, 0), G1("neg", 0xf7, 3, LOCK, U_NONE, 0),
	G1("mul", 0xf6, 4, BYTE, U_MUL, 2), G1("mul", 0xf7, 4, 0, U_MUL, 2),
	G1("div", 0xf6, 6, BYTE, U_DIV, 2), G1("div", 0xf7, 6, 0, U_DIV, 2),
	G1("inc", 0xfe, 0, BYTE | LOCK, U_NONE, 2), G1("inc", 0xff, 0, LOCK, U_NONE, 2),
	F1("push", 0x50, NO_MODRM | STACK, U_NONE, 8), F1("pop", 0x58, NO_MODRM | STACK, U_NONE, 8),
	F1("push", 0x68, NO_MODRM | STACK | IMMZ, U_NONE, 0),
	F1("push", 0x6a, NO_MODRM | STACK | IMM8, U_NONE, 0),
	G1("push", 0xff, 6, STACK, U_NONE, 0), G1("pop", 0x8f, 0, STACK, U_NONE, 0),
	F2("cmov", 0x40, 0, U_NONE, 16), F2("set", 0x90, BYTE, U_NONE, 16),
	F2("shld", 0xa4, IMM8 | COUNT, U_DOUBLE, 0), F2("shld", 0xa5, COUNT, U_DOUBLE, 0),
	F2("shrd", 0xac, IMM8 | COUNT, U_DOUBLE, 0), F2("shrd", 0xad, COUNT, U_DOUBLE, 0),
	F2("bt", 0xa3, BITS, U_BIT, 0), F2("bts", 0xab, BITS | LOCK, U_BIT, 0),
	F2("btr", 0xb3, BITS | LOCK, U_BIT, 0), F2("btc", 0xbb, BITS | LOCK, U_BIT, 0),
	G2("bt", 0xba, 4, IMM8, U_BIT, 4), G2("bts", 0xba, 5, IMM8 | LOCK | MEM, U_BIT, 3),
	F2("bsf", 0xbc, 0, U_SCAN, 2), F2("imul", 0xaf, 0, U_MUL, 0),
	F2("cmpxchg", 0xb0, BYTE | LOCK, U_NONE, 0), F2("cmpxchg", 0xb1, LOCK, U_NONE, 0),
	F2("xadd", 0xc0, BYTE | LOCK, U_NONE, 0), F2("xadd", 0xc1, LOCK, U_NONE, 0),
	F2("movzx", 0xb6, BYTE, U_NONE, 0), F2("movzx", 0xb7, 0, U_NONE, 0),
	F2("movsx", 0xbe, BYTE, U_NONE, 0), F2("movsx", 0xbf, 0, U_NONE, 0),
	F2("movnti", 0xc3, MEM | NO_66, U_NONE, 0),
	G2("cmpxchg8b", 0xc7, 1, MEM | LOCK | WIDE | NO_66, U_NONE, 0),
	{ "movbe", { 0x0f, 0x38, 0xf0 }, 3, 0, MEM, U_NONE, 2 },
};

struct trial {
	const struct form *form;
	u8 bytes[EMUL_INSN_MAX];
	unsigned len;
	unsigned opsize; /* bytes */
	unsigned count; /* shift count before masking */
	bool is_mem;
	bool may_lock; /* the form is lockable and this is its memory form */
};

static u64 random_state = 0x9e3779b97f4a7c15;
static u8 mem_before[NATIVE_BYTES];
static u8 mem_emul[NATIVE_BYTES];
static unsigned failures;

static u64 random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned random_below(unsigned n)
{
	return (unsigned)(random_u64() >> 20) % n;
}

/* Mostly values at which carries and signs change. */
static u64 random_value(void)
{
	static const u64 edges[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
				     0x80000000, 0xffffffff, 0x7fffffffffffffff,
				     0x8000000000000000, 0xffffffffffffffff };
	u64 value = random_u64();

	switch (random_below(4)) {
	case 0:
		return edges[random_below(ARRAY_SIZE(edges))];
	case 1:
		return value >> random_below(64);
	case 2:
		return ~(value >> random_below(64));
	default:
		return value;
	}
}

static void put_byte(struct trial *t, unsigned byte)
{
	t->bytes[t->len++] = (u8)byte;
}

static void put_number(struct trial *t, u64 value, unsigned size)
{
	memcpy(t->bytes + t->len, &value, size);
	t->len += size;
}

/* An encoding of [base + index * scale + disp], and registers that make it `address`. */
static void put_mem(struct trial *t, unsigned reg, unsigned base, unsigned index, u64 address,
		    unsigned addrsize)
{
	unsigned mod = 1 + random_below(2);
	unsigned scale = random_below(4);
	u64 *regs = native->in.regs;
	u64 disp = mod == 1 ? (u64)(s8)random_u64() : (u64)(s32)random_u64();

	put_byte(t, mod << 6 | (reg & 7) << 3 | (index != 4 || (base & 7) == 4 ? 4 : base & 7));
	if (index != 4)
		address -= regs[index] << scale;
	if (index != 4 || (base & 7) == 4)
		put_byte(t, scale << 6 | (index & 7) << 3 | (base & 7));
	put_number(t, disp, mod == 1 ? 1 : 4);
	regs[base] = address - disp;
	if (addrsize == 4) /* the upper half must not matter */
		regs[base] = (u32)regs[base] | random_u64() << 32;
}

static void put_rip_relative(struct trial *t, unsigned reg, u64 address, unsigned imm_bytes)
{
	u64 next = (u64)(uintptr_t)native_insn + t->len + 5 + imm_bytes;

	put_byte(t, 5 | (reg & 7) << 3);
	put_number(t, address - next, 4);
}

static unsigned imm_bytes(const struct trial *t)
{
	u16 want = t->form->want;

	if (want & IMM8)
		return 1;
	if (want & IMMZ)
		return MIN(t->opsize, 4u);
	return want & IMMV ? t->opsize : want & MOFFS ? 8 : 0;
}

/* Instructions whose registers have a meaning of their own keep them out of addresses. */
static unsigned random_base(const struct form *f, unsigned reg)
{
	unsigned base;

	do {
		base = random_below(16);
	} while (base == 4 || (base == 1 && (f->want & COUNT)) ||
		 (base == reg && (f->want & BITS)));
	return base;
}

static void put_modrm(struct trial *t, unsigned rex, unsigned reg, bool has_67)
{
	const struct form *f = t->form;
	unsigned base, index;
	bool is_aligned = (f->want & WIDE) || random_below(2);
	u64 address = (u64)(uintptr_t)native->mem + MIDDLE + (is_aligned ? 0 : random_below(64));

	if (!t->is_mem) {
		put_byte(t, 0xc0 | (reg & 7) << 3 | random_below(8));
		return;
	}
	if (random_below(8) == 0) {
		put_rip_relative(t, reg, address, imm_bytes(t));
		return;
	}
	base = random_base(f, reg);
	do {
		index = random_below(16);
	} while (index == base);
	t->bytes[t->len - f->nr_opcodes - 1] = (u8)(rex | base >> 3 | (index & 8) >> 2);
	put_mem(t, reg, base, index, address, has_67 ? 4 : 8);
}

/* Legacy prefixes, and a REX prefix right before the opcode. */
static void put_prefixes(struct trial *t, u8 rex, bool has_67)
{
	const struct form *f = t->form;
	bool has_66 = !(f->want & NO_66) && random_below(3) == 0;

	if (has_66)
		put_byte(t, 0x66);
	if (has_67)
		put_byte(t, 0x67);
	if (!has_67 && random_below(8) == 0) /* both could exceed 15 bytes */
		put_byte(t, 0x26); /* es: means nothing */
	if ((f->want & STRING) && random_below(4))
		put_byte(t, 0xf2 + random_below(2));
	if (t->may_lock && random_below(2))
		put_byte(t, 0xf0);
	t->opsize = rex & 8 ? 8 : has_66 ? 2 : f->want & STACK ? 8 : 4;
	if (f->want & BYTE)
		t->opsize = 1;
	put_byte(t, rex);
}

static void set_flags(const struct form *f)
{
	native->in.rflags = 0x202 | (random_u64() & ALL);
	if ((f->want & STRING) && random_below(2))
		native->in.rflags |= DF;
}

static void set_registers(struct trial *t)
{
	u64 *regs = native->in.regs;

	for (unsigned i = 0; i < 16; i++)
		regs[i] = random_value();
	set_flags(t->form);
	if (t->form->want & COUNT)
		regs[1] = (regs[1] & ~0xffull) | random_below(random_below(2) ? 256 : 66);
	t->count = (u8)regs[1];
	if (t->form->want & STACK)
		regs[4] = (u64)(uintptr_t)native->mem + MIDDLE + 8 * random_below(8);
	if (t->form->want & STRING) {
		regs[1] = random_below(20);
		regs[6] = (u64)(uintptr_t)native->mem + MIDDLE + random_below(256);
		regs[7] = (u64)(uintptr_t)native->mem + MIDDLE + random_below(256);
	}
	for (unsigned i = 0; i < NATIVE_BYTES; i += 8)
		*(u64 *)(void *)(native->mem + i) = random_value();
	if ((t->form->want & STRING) && random_below(2))
		memset(native->mem + MIDDLE - 512, (int)regs[0], 1024); /* long matches */
}

/* A bit's index in a register must stay in memory. */
static void set_bit_index(unsigned reg)
{
	native->in.regs[reg] = (u64)((s64)random_u64() >> 51); /* -4096 to 4095 */
}

/* Make a comparison hold now and then; by chance it never would. */
static void set_accumulator(struct trial *t)
{
	if (t->form->opcode[0] == 0x0f && (t->form->opcode[1] & 0xfe) == 0xb0 && random_below(2))
		memcpy(&native->in.regs[0], native->mem + MIDDLE, 8);
	if (t->form->opcode[0] == 0x0f && t->form->opcode[1] == 0xc7 && random_below(2)) {
		memcpy(&native->in.regs[0], native->mem + MIDDLE, 8);
		memcpy(&native->in.regs[2], native->mem + MIDDLE + (t->opsize == 8 ? 8 : 4), 8);
	}
}

/* What fits the divisor now and then; by chance a quotient hardly ever would. */
static void set_dividend(const struct trial *t)
{
	if (t->form->undefined == U_DIV && random_below(4))
		native->in.regs[2] = random_below(2) ? 0 : ~0ull;
}

static void make_trial(struct trial *t, const struct form *f, unsigned variant)
{
	bool has_67 = random_below(8) == 0;
	unsigned reg = f->want & FIX_REG ? f->reg + variant : random_below(16);
	u8 rex = (u8)(0x40 | random_below(16));

	*t = (struct trial){ .form = f };
	t->is_mem = !(f->want & (REG | NO_MODRM)) && ((f->want & MEM) || random_below(2));
	t->may_lock = (f->want & LOCK) && t->is_mem;
	rex = (u8)((rex & ~4u) | (reg & 8) >> 1);
	if (f->want & (MOFFS | STRING | STACK))
		has_67 = false;
	set_registers(t);
	put_prefixes(t, rex, has_67);
	set_dividend(t);
	if (f->want & BITS)
		set_bit_index(reg);
	for (unsigned i = 0; i < f->nr_opcodes; i++)
		put_byte(t, f->opcode[i]);
	if (!(f->want & FIX_REG))
		t->bytes[t->len - 1] = (u8)(t->bytes[t->len - 1] + variant);
	set_accumulator(t);
	if (!(f->want & NO_MODRM))
		put_modrm(t, rex & ~3u, reg, has_67);
	if (f->want & MOFFS)
		put_number(t, (u64)(uintptr_t)native->mem + MIDDLE, 8);
	else
		put_number(t, random_value(), imm_bytes(t));
	if (f->want & IMM8)
		t->count = t->bytes[t->len - 1];
	else if (f->undefined <= U_ROTATE && f->undefined >= U_SHIFT && !(f->want & COUNT))
		t->count = 1;
}

/* Flags that the manuals leave undefined: SDM "Instruction Set Reference", each instruction. */
static u64 undefined_flags(const struct trial *t)
{
	unsigned count = t->count & (t->opsize == 8 ? 63 : 31);
	u64 shift = count ? AF | (count > 1 ? OF : 0) | (count >= 8 * t->opsize ? CF : 0) : 0;

	switch (t->form->undefined) {
	case U_LOGIC:
		return AF;
	case U_SHIFT: case U_DOUBLE:
		return shift;
	case U_ROTATE:
		return count > 1 ? OF : 0;
	case U_MUL:
		return SF | ZF | AF | PF;
	case U_DIV:
		return ALL;
	case U_BIT:
		return OF | SF | AF | PF;
	case U_SCAN:
		return ALL & ~ZF;
	default:
		return 0;
	}
}

/* SHLD and SHRD by more than the operand's width give anything. */
static bool is_undefined(const struct trial *t)
{
	unsigned count = t->count & (t->opsize == 8 ? 63 : 31);

	return t->form->undefined == U_DOUBLE && count > 8 * t->opsize;
}

static u8 *emul_mem(u64 linear, unsigned len_bytes)
{
	u64 offset = linear - (u64)(uintptr_t)native->mem;

	return offset <= NATIVE_BYTES - len_bytes ? mem_emul + offset : NULL;
}

static enum emul_result cb_read(struct emul_ctx *ctx, u64 linear, void *buf, unsigned len_bytes,
				enum emul_access access)
{
	u8 *mem = emul_mem(linear, len_bytes);

	(void)ctx, (void)access;
	if (!mem)
		return EMUL_UNSUPPORTED;
	memcpy(buf, mem, len_bytes);
	return EMUL_OK;
}

static enum emul_result cb_write(struct emul_ctx *ctx, u64 linear, const void *buf,
				 unsigned len_bytes)
{
	u8 *mem = emul_mem(linear, len_bytes);

	(void)ctx;
	if (!mem)
		return EMUL_UNSUPPORTED;
	memcpy(mem, buf, len_bytes);
	return EMUL_OK;
}

static enum emul_result cb_cmpxchg(struct emul_ctx *ctx, u64 linear, const void *expect,
				   const void *desired, unsigned len_bytes)
{
	u8 *mem = emul_mem(linear, len_bytes);

	if (!mem || memcmp(mem, expect, len_bytes) != 0)
		return EMUL_UNSUPPORTED;
	return cb_write(ctx, linear, desired, len_bytes);
}

static const struct emul_callbacks callbacks = {
	.read = cb_read, .write = cb_write, .cmpxchg = cb_cmpxchg,
};

static enum emul_result run_emul(const struct trial *t, u64 *regs, u64 *rflags)
{
	struct emul_ctx ctx = {
		.cb = &callbacks, .regs = regs, .rip = (u64)(uintptr_t)native_insn,
		.rflags = native->in.rflags, .cr0 = 1, .efer = BIT(10), .nr_bytes = (u8)t->len,
		.seg[SEG_CS].ar = AR_L,
	};
	enum emul_result r;

	memcpy(ctx.bytes, t->bytes, t->len);
	memcpy(regs, native->in.regs, sizeof(native->in.regs));
	r = emul_step(&ctx);
	*rflags = ctx.rflags;
	return r == EMUL_OK && ctx.rip != (u64)(uintptr_t)native_resume ? EMUL_UNSUPPORTED : r;
}

static void report(const struct trial *t, const char *what, const u64 *regs, u64 rflags)
{
	if (failures++ >= MAX_REPORTS)
		return;
	fprintf(stderr, "%s: %s differ:", t->form->name, what);
	for (unsigned i = 0; i < t->len; i++)
		fprintf(stderr, " %02x", t->bytes[i]);
	fprintf(stderr, "\n");
	for (unsigned i = 0; i < 16; i++)
		if (regs[i] != native->out.regs[i])
			fprintf(stderr, "  r%u: before %016llx, emulator %016llx, here %016llx\n",
				i, (unsigned long long)native->in.regs[i],
				(unsigned long long)regs[i],
				(unsigned long long)native->out.regs[i]);
	fprintf(stderr, "  flags: before %llx, emulator %llx, here %llx\n",
		(unsigned long long)native->in.rflags, (unsigned long long)rflags,
		(unsigned long long)native->out.rflags);
}

/* One instruction both ways. True if it ran to its end. */
static bool compare(const struct trial *t)
{
	u64 regs[16], rflags;
	u64 ignored = undefined_flags(t);
	enum emul_result r;
	bool is_done;

	memcpy(mem_before, native->mem, NATIVE_BYTES);
	memcpy(mem_emul, native->mem, NATIVE_BYTES);
	is_done = native_run(t->bytes, t->len);
	if (native_signal == SIGILL) /* an older processor */
		return false;
	r = run_emul(t, regs, &rflags);
	if (!is_done && native_signal == SIGFPE) {
		if (r != EMUL_FAULT || memcmp(regs, native->in.regs, sizeof(regs)) != 0)
			report(t, "divide errors", regs, rflags);
		return false;
	}
	if (!is_done || r != EMUL_OK)
		report(t, "results", regs, rflags);
	else if (is_undefined(t))
		return true;
	else if (memcmp(regs, native->out.regs, sizeof(regs)) != 0)
		report(t, "registers", regs, rflags);
	else if (((rflags ^ native->out.rflags) & (ALL | DF) & ~ignored) != 0)
		report(t, "flags", regs, rflags);
	else if (memcmp(mem_emul, native->mem, NATIVE_BYTES) != 0)
		report(t, "memories", regs, rflags);
	return true;
}

static void test_against_processor(void **state)
{
	struct trial t;
	u64 done = 0, all = 0;

	(void)state;
	native_init();
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		for (unsigned variant = 0; variant < MAX(forms[i].variants, 1); variant++)
			for (unsigned round = 0; round < ROUNDS; round++, all++) {
				make_trial(&t, &forms[i], variant);
				done += compare(&t);
			}
	printf("%llu instructions, %llu to their end, %u differ\n", (unsigned long long)all,
	       (unsigned long long)done, failures);
	assert_true(done > all / 10 * 9);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
