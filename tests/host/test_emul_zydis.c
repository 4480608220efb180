/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/* LIBS: -lZydis -lZycore */
/*
 * The decoder against Zydis as an oracle: every opcode with every ModRM byte under a set of
 * prefixes, and random byte strings, in 64-bit, 32-bit, 16-bit protected and real mode.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <Zydis/Zydis.h>

#include "core/emul/emul.h"
#include "core/lib/bits.h"
#include "tests/host/emul_executed.h"

#define RANDOM_STRINGS 400000
#define MAX_REPORTS 40

struct machine {
	const char *name;
	ZydisMachineMode mode;
	ZydisStackWidth stack;
	u64 cr0, efer;
	u32 cs_ar;
	bool is_amd;
};

static const struct machine machines[] = {
	{ "64-bit", ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, 1, BIT(10), AR_L,
	  false },
	{ "64-bit AMD", ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, 1, BIT(10), AR_L,
	  true },
	{ "32-bit", ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32, 1, 0, AR_DB, false },
	{ "16-bit", ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16, 1, 0, 0, false },
	{ "real", ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16, 0, 0, 0, false },
};

struct oracle {
	const struct machine *machine;
	ZydisDecoder decoder;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand opnds[ZYDIS_MAX_OPERAND_COUNT];
	struct emul_ctx ctx;
	u64 compared; /* strings that both decode */
	u64 executed; /* of these, instructions that the emulator carries out */
	unsigned failures;
};

static u64 random_state = 88172645463325252ull;

static u64 random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void fail_with(struct oracle *o, const char *what)
{
	if (o->failures++ >= MAX_REPORTS)
		return;
	fprintf(stderr, "%s: %s:", o->machine->name, what);
	for (unsigned i = 0; i < EMUL_INSN_MAX; i++)
		fprintf(stderr, " %02x", o->ctx.bytes[i]);
	fprintf(stderr, " (emul %s %u, Zydis %s %u)\n", emul_op_name(o->ctx.insn.op),
		o->ctx.insn.len, ZydisMnemonicGetString(o->insn.mnemonic), o->insn.length);
}

/* Zydis' number of a general register, or -1. */
static int reg_id(int reg)
{
	ZydisRegisterClass class = ZydisRegisterGetClass((ZydisRegister)reg);

	if (class < ZYDIS_REGCLASS_GPR8 || class > ZYDIS_REGCLASS_GPR64)
		return -1;
	if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
		return reg - ZYDIS_REGISTER_SPL + 4;
	return ZydisRegisterGetId((ZydisRegister)reg);
}

static bool is_same_reg(const struct emul_operand *e, const ZydisDecodedOperand *z)
{
	int reg = (int)z->reg.value;

	switch (e->kind) {
	case EMUL_OPND_REG:
		return (reg < ZYDIS_REGISTER_AH || reg > ZYDIS_REGISTER_BH) &&
		       reg_id(reg) == e->reg && z->size == e->size * 8;
	case EMUL_OPND_HIGH:
		return reg == ZYDIS_REGISTER_AH + e->reg;
	case EMUL_OPND_SREG:
		return reg == ZYDIS_REGISTER_ES + e->reg;
	case EMUL_OPND_CR:
		return reg == ZYDIS_REGISTER_CR0 + e->reg;
	case EMUL_OPND_DR:
		return reg == ZYDIS_REGISTER_DR0 + e->reg;
	default:
		return false;
	}
}

static bool is_same_base(u8 base, int reg)
{
	if (base == EMUL_NO_REG)
		return reg == ZYDIS_REGISTER_NONE;
	if (base == EMUL_RIP_REG)
		return reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP;
	return reg_id(reg) == base;
}

/* A plain address can be shown by Zydis truncated to the address size. */
static bool is_same_disp(const struct emul_insn *d, const ZydisDecodedOperand *z)
{
	u64 mask = ~0ull >> (64 - 8 * d->addrsize);

	return ((u64)z->mem.disp.value & mask) == (d->mem.disp & mask);
}

/*
 * Zydis 4.0.0 names R13D where ModRM and SIB say "no base, disp32" with REX.B and a 32-bit address
 * (it gives the length of the displacement, but not the displacement). SDM "REX Prefixes" and
 * binutils: no base.
 */
static bool is_r13d_defect(const struct emul_insn *d, const ZydisDecodedOperand *z)
{
	return z->mem.base == ZYDIS_REGISTER_R13D && d->modrm < 0x40 && (d->modrm & 7) == 4 &&
	       d->mem.base == EMUL_NO_REG;
}

static bool is_same_mem(const struct emul_insn *d, const struct emul_operand *e,
			const ZydisDecodedOperand *z)
{
	const struct emul_mem *m = &d->mem;
	bool is_seg_used = d->op != EMUL_OP_LEA && d->op != EMUL_OP_CALL_NEAR &&
			   d->op != EMUL_OP_JMP_NEAR; /* Zydis: 3e is NOTRACK there */

	if (is_r13d_defect(d, z))
		return true;
	return is_same_base(m->base, (int)z->mem.base) &&
	       is_same_base(m->index, (int)z->mem.index) &&
	       (m->index == EMUL_NO_REG || z->mem.scale == m->scale || d->addrsize == 2) &&
	       is_same_disp(d, z) &&
	       (!is_seg_used || (int)z->mem.segment == ZYDIS_REGISTER_ES + m->seg) &&
	       (e->size == 0 || z->size == e->size * 8 || d->op == EMUL_OP_MOVSXD);
}

/* The emulator always sign-extends; Zydis only where the instruction does. */
static bool is_same_imm(const struct emul_operand *e, const ZydisDecodedOperand *z)
{
	u64 mask = ~0ull >> (64 - 8 * e->size);

	return ((e->imm ^ z->imm.value.u) & mask) == 0;
}

static bool is_same_operand(const struct emul_insn *d, const struct emul_operand *e,
			    const ZydisDecodedOperand *z)
{
	switch (z->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return is_same_reg(e, z);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return e->kind == EMUL_OPND_MEM && is_same_mem(d, e, z);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return e->kind >= EMUL_OPND_IMM && is_same_imm(e, z);
	default:
		return false;
	}
}

static bool is_string(const struct emul_insn *d)
{
	return d->op >= EMUL_OP_MOVS && d->op <= EMUL_OP_OUTS;
}

/* String instructions: every memory operand of Zydis must be the one the emulator will use. */
static bool is_same_string(const struct oracle *o)
{
	const struct emul_insn *d = &o->ctx.insn;

	for (unsigned i = 0; i < o->insn.operand_count; i++) {
		const ZydisDecodedOperand *z = &o->opnds[i];
		bool is_src = reg_id((int)z->mem.base) == 6;
		u8 seg = is_src ? d->mem.seg : SEG_ES;
		u8 size = d->opnd[0].kind == EMUL_OPND_REG && d->op == EMUL_OP_OUTS ?
				  d->opnd[1].size :
				  d->opnd[0].size;

		if (z->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if ((int)z->mem.segment != ZYDIS_REGISTER_ES + seg || z->size != size * 8)
			return false;
		if (d->opnd[0].kind != (is_src ? EMUL_OPND_SRC : EMUL_OPND_DST) &&
		    d->opnd[1].kind != (is_src ? EMUL_OPND_SRC : EMUL_OPND_DST))
			return false;
	}
	return o->insn.address_width == d->addrsize * 8;
}

static void compare_operands(struct oracle *o)
{
	const struct emul_insn *d = &o->ctx.insn;
	unsigned n = 0;

	if (is_string(d)) {
		if (!is_same_string(o))
			fail_with(o, "string operands differ");
		return;
	}
	if (d->op == EMUL_OP_NOP || d->op == EMUL_OP_PAUSE)
		return;
	/* AMD processors branch to 16 bits here, as measured; Zydis only knows that of rel16. */
	if (o->ctx.is_amd && d->has_66 && d->op >= EMUL_OP_CALL_NEAR && d->op <= EMUL_OP_JMP_NEAR)
		return;
	for (unsigned i = 0; i < o->insn.operand_count; i++) {
		const ZydisDecodedOperand *z = &o->opnds[i];

		if (z->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			continue;
		if (n >= EMUL_NR_OPNDS || !is_same_operand(d, &d->opnd[n], z)) {
			fail_with(o, "operands differ");
			return;
		}
		n++;
	}
	if (n < EMUL_NR_OPNDS && d->opnd[n].kind != EMUL_OPND_NONE)
		fail_with(o, "operand too many");
}

/* What Zydis calls an operation that the emulator carries out, or NULL if it has the same name. */
static const char *oracle_name(const struct emul_insn *d)
{
	static const char *const cc[] = { "o",	"no", "b", "nb", "z", "nz", "be", "nbe",
					  "s",	"ns", "p", "np", "l", "nl", "le", "nle" };
	static const char suffix[] = "?bw?d???q";
	static char name[16];
	unsigned size = d->opnd[d->op == EMUL_OP_OUTS ? 1 : 0].size;

	if (is_string(d))
		snprintf(name, sizeof(name), "%s%c", emul_op_name(d->op), suffix[size]);
	else if (d->op == EMUL_OP_SETCC)
		snprintf(name, sizeof(name), "set%s", cc[d->opcode & 15]);
	else if (d->op == EMUL_OP_CMOVCC)
		snprintf(name, sizeof(name), "cmov%s", cc[d->opcode & 15]);
	else if (d->op == EMUL_OP_CMPXCHG8B && d->opnd[0].size == 16)
		return "cmpxchg16b";
	else if (d->op == EMUL_OP_CALL_NEAR || d->op == EMUL_OP_JMP_NEAR)
		return d->op == EMUL_OP_CALL_NEAR ? "call" : "jmp";
	else if (d->op == EMUL_OP_MOV_FROM_SREG)
		return "mov";
	else
		return emul_op_name(d->op);
	return name;
}

static void compare_executed(struct oracle *o)
{
	const char *theirs = ZydisMnemonicGetString(o->insn.mnemonic);

	o->executed++;
	if (strcasecmp(oracle_name(&o->ctx.insn), theirs) != 0)
		fail_with(o, "mnemonics differ");
	else
		compare_operands(o);
}

/* Does Zydis know a mnemonic with the emulator's name for it? Not the names of whole families. */
static bool is_name_shared(enum emul_op op)
{
	static signed char is_known[EMUL_NR_OPS]; /* 0: not asked yet */

	if (is_known[op] == 0) {
		is_known[op] = -1;
		for (int m = 1; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++)
			if (strcasecmp(emul_op_name(op), ZydisMnemonicGetString(m)) == 0)
				is_known[op] = 1;
	}
	return is_known[op] > 0 && op != EMUL_OP_LOOP && op != EMUL_OP_IRET &&
	       op != EMUL_OP_PUSHF && op != EMUL_OP_POPF;
}

/* Instructions of which the emulator knows the length, and sometimes the name. */
static void compare_named(struct oracle *o)
{
	enum emul_op op = o->ctx.insn.op;

	if (is_name_shared(op) &&
	    strcasecmp(emul_op_name(op), ZydisMnemonicGetString(o->insn.mnemonic)) != 0)
		fail_with(o, "names differ");
}

static void compare_one(struct oracle *o)
{
	struct emul_ctx *ctx = &o->ctx;
	ZyanStatus status;
	enum emul_result result;

	status = ZydisDecoderDecodeFull(&o->decoder, ctx->bytes, EMUL_INSN_MAX, &o->insn,
					o->opnds);
	ctx->nr_bytes = EMUL_INSN_MAX;
	result = emul_decode(ctx);
	if (ZYAN_FAILED(status)) {
		o->insn.mnemonic = 0;
		o->insn.length = 0;
		if (result == EMUL_OK && emul_op_is_executed(ctx->insn.op))
			fail_with(o, "Zydis rejects an executed instruction");
		return;
	}
	if (o->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
		if (result == EMUL_OK && emul_op_is_executed(ctx->insn.op))
			fail_with(o, "wrong encoding");
		return;
	}
	if (result != EMUL_OK) {
		fail_with(o, result == EMUL_FAULT ? "rejected" : "not known");
		return;
	}
	o->compared++;
	if (ctx->insn.len != o->insn.length)
		fail_with(o, "lengths differ");
	else if (emul_op_is_executed(ctx->insn.op))
		compare_executed(o);
	else
		compare_named(o);
}

static void oracle_init(struct oracle *o, const struct machine *m)
{
	memset(o, 0, sizeof(*o));
	o->machine = m;
	assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&o->decoder, m->mode, m->stack)));
	if (m->is_amd)
		ZydisDecoderEnableMode(&o->decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_TRUE);
	o->ctx.is_amd = m->is_amd;
	o->ctx.cr0 = m->cr0;
	o->ctx.efer = m->efer;
	for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
		o->ctx.seg[i] = (struct segment){ .limit = 0xffffffff, .ar = 0x93 };
	o->ctx.seg[SEG_CS].ar |= m->cs_ar;
}

static void fill_random(u8 *bytes, unsigned from)
{
	u64 r[2] = { random_u64(), random_u64() };

	memcpy(bytes + from, r, EMUL_INSN_MAX - from);
}

static const u8 prefix_sets[][3] = {
	{ 0 }, { 0x66 }, { 0x67 }, { 0xf2 }, { 0xf3 }, { 0xf0 }, { 0x48 }, { 0x4f },
	{ 0x40 }, { 0x66, 0x48 }, { 0x66, 0xf3 }, { 0x64, 0x67 }, { 0x36, 0xf0, 0x66 },
	{ 0xf3, 0x41 }, { 0x65, 0x2e, 0x66 }, { 0xf2, 0x66, 0x44 },
};

/* One opcode of one map under one prefix set, with every ModRM byte. */
static void enumerate_opcode(struct oracle *o, const u8 *prefixes, unsigned map, u8 opcode)
{
	static const u8 map_bytes[4][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };
	u8 *bytes = o->ctx.bytes;

	for (unsigned modrm = 0; modrm < 256; modrm += map < 2 ? 1 : 7) {
		unsigned n = 0;

		for (unsigned i = 0; i < 3 && prefixes[i]; i++)
			bytes[n++] = prefixes[i];
		for (unsigned i = 0; i < 2 && map_bytes[map][i]; i++)
			bytes[n++] = map_bytes[map][i];
		bytes[n++] = opcode;
		bytes[n++] = (u8)modrm;
		fill_random(bytes, n);
		compare_one(o);
	}
}

static void report(const struct oracle *o)
{
	printf("%s: %llu compared, %llu of them executed, %u differ\n", o->machine->name,
	       (unsigned long long)o->compared, (unsigned long long)o->executed, o->failures);
}

static void test_enumerated(void **state)
{
	struct oracle o;
	unsigned failures = 0;

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(machines); m++) {
		oracle_init(&o, &machines[m]);
		for (size_t p = 0; p < ARRAY_SIZE(prefix_sets); p++)
			for (unsigned map = 0; map < 4; map++)
				for (unsigned opcode = 0; opcode < 256; opcode++)
					enumerate_opcode(&o, prefix_sets[p], map, (u8)opcode);
		report(&o);
		failures += o.failures;
		assert_true(o.executed > 300000);
	}
	assert_int_equal(failures, 0);
}

static void test_random(void **state)
{
	struct oracle o;
	unsigned failures = 0;

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(machines); m++) {
		oracle_init(&o, &machines[m]);
		for (unsigned i = 0; i < RANDOM_STRINGS; i++) {
			fill_random(o.ctx.bytes, 0);
			compare_one(&o);
		}
		report(&o);
		failures += o.failures;
	}
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enumerated),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
