/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/mov.c core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/*
 * The short decoder of plain moves against the emulator: it takes exactly the instructions that it
 * says, and does the same with them, whatever the registers hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emul/emul.h"
#include "core/emul/mov.h"

#define RSP 4
#define RIP 0x7fff80001000ull

/* The one access that the emulator makes. */
static struct {
	unsigned count;
	bool is_write;
	u64 linear;
	unsigned len_bytes;
	u64 value;
} seen;

static u64 device; /* what a read gives */
static u64 random_state = 0x9e3779b97f4a7c15;

static u64 noise(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static enum emul_result mem_get(struct emul_ctx *ctx, u64 linear, void *buf, unsigned len_bytes,
				enum emul_access access)
{
	(void)ctx, (void)access;
	seen.count++;
	seen.is_write = false;
	seen.linear = linear;
	seen.len_bytes = len_bytes;
	memcpy(buf, &device, len_bytes);
	return EMUL_OK;
}

static enum emul_result mem_put(struct emul_ctx *ctx, u64 linear, const void *buf,
				unsigned len_bytes)
{
	(void)ctx;
	seen.count++;
	seen.is_write = true;
	seen.linear = linear;
	seen.len_bytes = len_bytes;
	seen.value = 0;
	memcpy(&seen.value, buf, len_bytes);
	return EMUL_OK;
}

static const struct emul_callbacks callbacks = { .read = mem_get, .write = mem_put };

static void ctx_make(struct emul_ctx *ctx, const u8 *bytes, u64 *regs)
{
	*ctx = (struct emul_ctx){ .cb = &callbacks,
				  .regs = regs,
				  .rip = RIP,
				  .rflags = 2,
				  .cr0 = 0x80000001,
				  .efer = BIT(10),
				  .nr_bytes = EMUL_INSN_MAX };
	for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
		ctx->seg[i] = (struct segment){ .limit = ~0u, .ar = 0x93, .sel = 8 };
	ctx->seg[SEG_CS].ar = 0x9b | AR_L;
	memcpy(ctx->bytes, bytes, EMUL_INSN_MAX);
}

static void fail_at(const u8 *bytes, const char *what)
{
	char text[3 * EMUL_MOV_BYTES + 1];

	for (unsigned i = 0; i < EMUL_MOV_BYTES; i++)
		snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
	fail_msg("%s: %s", what, text);
}

static bool has_rsp(const struct emul_insn *d)
{
	for (unsigned i = 0; i < 2; i++)
		if (d->opnd[i].kind == EMUL_OPND_REG && d->opnd[i].reg == RSP)
			return true;
	return d->mem.base == RSP;
}

/* Prefixes that the short decoder takes: 66 once, then REX. */
static bool is_prefix_plain(const struct emul_insn *d, const u8 *bytes)
{
	unsigned n = (d->has_66 ? 1 : 0) + (d->rex ? 1 : 0);

	return (!d->has_66 || bytes[0] == 0x66) && bytes[n] == (d->map ? 0x0f : d->opcode) &&
	       (!d->rex || bytes[n - 1] == d->rex);
}

/* Is the instruction one that the short decoder has to take? By the emulator's own decoder. */
static bool is_expected(const struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	u8 op = d->op;
	bool has_mem = d->opnd[0].kind == EMUL_OPND_MEM || d->opnd[1].kind == EMUL_OPND_MEM;
	bool has_sreg = d->opnd[0].kind == EMUL_OPND_SREG || d->opnd[1].kind == EMUL_OPND_SREG;

	return (op == EMUL_OP_MOV || op == EMUL_OP_MOVZX || op == EMUL_OP_MOVSX) && has_mem &&
	       !has_sreg && !has_rsp(d) && is_prefix_plain(d, ctx->bytes);
}

/* The same instruction both ways. True if the short one took it. */
static bool compare(const u8 *bytes, const u64 *regs)
{
	u64 slow_regs[16], fast_regs[16];
	struct emul_ctx ctx;
	struct emul_mov m;
	enum emul_result r;
	bool is_taken;

	memcpy(slow_regs, regs, sizeof(slow_regs));
	memcpy(fast_regs, regs, sizeof(fast_regs));
	fast_regs[RSP] = ~regs[RSP]; /* is not to be looked at */
	ctx_make(&ctx, bytes, slow_regs);
	seen.count = 0;
	r = emul_decode(&ctx);
	is_taken = emul_mov_decode(&m, bytes, fast_regs, RIP);
	if (is_taken != (r == EMUL_OK && is_expected(&ctx)))
		fail_at(bytes, is_taken ? "taken" : "not taken");
	if (!is_taken)
		return false;
	/* The processor has raised the fault for an address that is not canonical. */
	if (emul_exec(&ctx) != EMUL_OK)
		return true;
	if (seen.count != 1 || m.linear != seen.linear || m.size != seen.len_bytes ||
	    m.is_store != seen.is_write)
		fail_at(bytes, "another access");
	if (m.len != ctx.insn.len || RIP + m.len != ctx.rip)
		fail_at(bytes, "another length");
	if (m.is_store && (emul_mov_value(&m, fast_regs) ^ seen.value) << (64 - 8 * m.size))
		fail_at(bytes, "another value stored");
	if (!m.is_store)
		emul_mov_load(&m, fast_regs, device & ~0ull >> (64 - 8 * m.size));
	fast_regs[RSP] = regs[RSP];
	if (memcmp(fast_regs, slow_regs, sizeof(fast_regs)))
		fail_at(bytes, "other registers");
	return true;
}

/* Mostly canonical sums, and some odd ones. */
static void regs_random(u64 *regs)
{
	for (unsigned i = 0; i < 16; i++)
		regs[i] = noise() % 8 ? noise() >> 21 : noise();
	device = noise();
}

static void bytes_random(u8 *bytes)
{
	for (unsigned i = 0; i < EMUL_MOV_BYTES; i++)
		bytes[i] = (u8)noise();
}

static const u8 opcodes[] = { 0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xc6, 0xc7 };
static const u8 extended[] = { 0xb6, 0xb7, 0xbe, 0xbf };

#define NR_FORMS (ARRAY_SIZE(opcodes) + ARRAY_SIZE(extended))

/* Write form `n` behind the prefixes; returns where ModRM goes. */
static unsigned form_put(u8 *bytes, unsigned at, unsigned n)
{
	if (n < ARRAY_SIZE(opcodes)) {
		bytes[at] = opcodes[n];
		return at + 1;
	}
	bytes[at] = 0x0f;
	bytes[at + 1] = extended[n - ARRAY_SIZE(opcodes)];
	return at + 2;
}

/* Every form, ModRM and prefix, several SIBs each. */
static void test_all_forms(void **state)
{
	u8 bytes[EMUL_MOV_BYTES];
	unsigned taken = 0, all = 0;
	u64 regs[16];

	(void)state;
	for (unsigned i = 0; i < NR_FORMS * 256 * 17 * 2 * 8; i++) {
		unsigned rex = i / 8 / 2 % 17;
		unsigned at = 0;

		bytes_random(bytes);
		regs_random(regs);
		if (i / 8 % 2)
			bytes[at++] = 0x66;
		if (rex < 16)
			bytes[at++] = (u8)(0x40 + rex);
		at = form_put(bytes, at, i / (8 * 2 * 17 * 256));
		bytes[at] = (u8)(i / (8 * 2 * 17));
		taken += compare(bytes, regs);
		all++;
	}
	/* Three of four ModRM bytes are memory; c6 and c7 have one in eight; RSP takes some. */
	assert_in_range(taken, all / 2, all * 3 / 4);
}

/* Whatever bytes: taken is only what is equal. */
static void test_random_bytes(void **state)
{
	static const u8 prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66,
				       0x67, 0xf0, 0xf2, 0xf3, 0x48, 0x41 };
	u8 bytes[EMUL_MOV_BYTES];
	unsigned taken = 0;
	u64 regs[16];

	(void)state;
	for (unsigned i = 0; i < 1000000; i++) {
		unsigned at = 0;

		bytes_random(bytes);
		regs_random(regs);
		while (at < 3 && noise() % 2)
			bytes[at++] = prefixes[noise() % ARRAY_SIZE(prefixes)];
		if (noise() % 2)
			form_put(bytes, at, (unsigned)(noise() % NR_FORMS));
		taken += compare(bytes, regs);
	}
	assert_in_range(taken, 10000, 500000);
}

#define TAKEN(...)                                                                                 \
	emul_mov_decode(&m, (const u8[EMUL_MOV_BYTES]){ __VA_ARGS__ }, regs, RIP)

static void test_refuses(void **state)
{
	u64 regs[16] = { 0 };
	struct emul_mov m;

	(void)state;
	assert_true(TAKEN(0x8b, 0x03));
	assert_false(TAKEN(0x8b, 0xc3)); /* between registers */
	assert_false(TAKEN(0x8b, 0x23)); /* to ESP */
	assert_false(TAKEN(0x8b, 0x04, 0x24)); /* by RSP */
	assert_true(TAKEN(0x41, 0x8b, 0x04, 0x24)); /* by R12 */
	assert_true(TAKEN(0x88, 0x23)); /* AH */
	assert_false(TAKEN(0x40, 0x88, 0x23)); /* SPL */
	assert_false(TAKEN(0x64, 0x8b, 0x03)); /* FS */
	assert_false(TAKEN(0x67, 0x8b, 0x03)); /* a 32-bit address */
	assert_false(TAKEN(0xf0, 0x89, 0x03)); /* LOCK */
	assert_false(TAKEN(0xf3, 0x89, 0x03));
	assert_false(TAKEN(0x66, 0x66, 0x89, 0x03)); /* a superfluous prefix */
	assert_false(TAKEN(0x48, 0x66, 0x89, 0x03)); /* REX that does not count */
	assert_false(TAKEN(0xc7, 0x0b)); /* no such instruction */
	assert_false(TAKEN(0xc6, 0xf8)); /* XABORT */
	assert_false(TAKEN(0x8c, 0x03)); /* a segment register */
	assert_false(TAKEN(0x87, 0x03)); /* XCHG */
	assert_false(TAKEN(0x63, 0x03)); /* MOVSXD */
	assert_false(TAKEN(0xa4)); /* MOVS */
	assert_false(TAKEN(0x0f, 0xbc, 0x03)); /* BSF */
	assert_false(TAKEN(0xc5, 0xf8, 0x28, 0x03)); /* VEX */
}

static void test_address_is_relative(void **state)
{
	u64 regs[16] = { 0 };
	struct emul_mov m;

	(void)state;
	assert_true(TAKEN(0xc7, 0x05, 0xf0, 0xff, 0xff, 0xff, 1, 2, 3, 4));
	assert_int_equal(m.len, 10);
	assert_int_equal(m.linear, RIP + 10 - 16); /* behind the immediate, too */
	assert_int_equal(m.imm, 0x04030201);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_forms),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_address_is_relative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
