/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/*
 * Any bytes as an instruction of a guest in any state: the emulator must end, call back with the
 * widths that emul.h promises, and leave the guest alone if it did not succeed.
 */
#include <stdlib.h>
#include <string.h>

#include "core/emul/emul.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_left;
static unsigned nr_calls;
static unsigned nr_stores;

static void require(int is_true)
{
	if (!is_true)
		abort();
}

/* The next bytes of the input; zeroes behind its end. */
static void take(void *to, size_t len_bytes)
{
	size_t n = MIN(len_bytes, input_left);

	memset(to, 0, len_bytes);
	memcpy(to, input, n);
	input += n;
	input_left -= n;
}

static u64 take_u64(void)
{
	u64 value;

	take(&value, sizeof(value));
	return value;
}

/* One callback in eight or so does not succeed. */
static enum emul_result answer(struct emul_ctx *ctx)
{
	u8 byte;

	take(&byte, 1);
	nr_calls++;
	ctx->fault = (struct emul_fault){ .vector = 14 };
	return (byte & 0xe0) == 0xe0 ? byte % 4 : EMUL_OK;
}

static void check_width(const struct emul_ctx *ctx, u64 linear, unsigned len_bytes)
{
	require(len_bytes == 1 || len_bytes == 2 || len_bytes == 4 || len_bytes == 8 ||
		(len_bytes == 16 && ctx->insn.op == EMUL_OP_CMPXCHG8B));
	require(ctx->mode == EMUL_MODE_LONG || linear <= 0xffffffff);
}

static enum emul_result cb_read(struct emul_ctx *ctx, u64 linear, void *buf, unsigned len_bytes,
				enum emul_access access)
{
	if (access == EMUL_FETCH) {
		require(len_bytes >= 1 && ctx->nr_bytes + len_bytes <= EMUL_INSN_MAX);
		require((linear & 4095) + len_bytes <= 4096);
	} else {
		require(access == EMUL_READ || access == EMUL_RMW);
		check_width(ctx, linear, len_bytes);
	}
	take(buf, len_bytes);
	return answer(ctx);
}

static enum emul_result cb_write(struct emul_ctx *ctx, u64 linear, const void *buf,
				 unsigned len_bytes)
{
	u8 bytes[16];

	check_width(ctx, linear, len_bytes);
	if (buf) {
		memcpy(bytes, buf, len_bytes);
		nr_stores++;
	}
	return answer(ctx);
}

static enum emul_result cb_cmpxchg(struct emul_ctx *ctx, u64 linear, const void *expect,
				   const void *desired, unsigned len_bytes)
{
	u8 bytes[16];

	memcpy(bytes, expect, len_bytes);
	return cb_write(ctx, linear, desired, len_bytes);
}

static enum emul_result cb_port_check(struct emul_ctx *ctx, u16 port, unsigned width_bytes)
{
	(void)port;
	require(width_bytes == 1 || width_bytes == 2 || width_bytes == 4);
	require(ctx->mode != EMUL_MODE_REAL);
	return answer(ctx);
}

static enum emul_result cb_port_in(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
				   u32 *value)
{
	(void)port;
	require(width_bytes == 1 || width_bytes == 2 || width_bytes == 4);
	take(value, width_bytes);
	return answer(ctx);
}

static enum emul_result cb_port_out(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
				    u32 value)
{
	(void)port;
	require(width_bytes == 1 || width_bytes == 2 || width_bytes == 4);
	require(width_bytes == 4 || value >> 8 * width_bytes == 0);
	return answer(ctx);
}

static const struct emul_callbacks callbacks = {
	.read = cb_read, .write = cb_write,
	.cmpxchg = cb_cmpxchg, .port_check = cb_port_check, .port_in = cb_port_in,
	.port_out = cb_port_out,
};

/* Every mode and privilege; segments flat or anything. */
static void make_ctx(struct emul_ctx *ctx, u64 *regs)
{
	u8 kind, how;

	take(&kind, 1);
	take(&how, 1);
	*ctx = (struct emul_ctx){ .cb = &callbacks, .env = ctx, .regs = regs };
	take(ctx->bytes, sizeof(ctx->bytes));
	ctx->nr_bytes = how % 16;
	ctx->cpl = how >> 4 & 3;
	ctx->is_amd = how >> 6 & 1;
	ctx->cr0 = kind & 1;
	ctx->efer = kind & 2 ? BIT(10) : 0;
	ctx->cr4 = kind & 4 ? BIT(12) : 0;
	for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
		ctx->seg[i] = (struct segment){ .limit = 0xffffffff, .ar = 0x93 };
	ctx->seg[SEG_CS].ar = 0x9b | (kind & 8 ? AR_L : 0) | (kind & 16 ? AR_DB : 0);
	ctx->seg[SEG_SS].ar |= kind & 32 ? AR_DB : 0;
	ctx->rflags = take_u64();
	ctx->rip = kind & 8 ? take_u64() : (u32)take_u64();
	for (unsigned i = 0; i < 16; i++)
		regs[i] = kind & 64 ? take_u64() : i << 8;
	if (how & 128)
		for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
			take(&ctx->seg[i], sizeof(ctx->seg[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u64 regs[16], before[16], rflags, rip;
	struct emul_ctx ctx;
	enum emul_result r;

	input = data;
	input_left = size;
	nr_calls = nr_stores = 0;
	make_ctx(&ctx, regs);
	memcpy(before, regs, sizeof(regs));
	rflags = ctx.rflags;
	rip = ctx.rip;
	r = emul_step(&ctx);
	require(r <= EMUL_RETRY && ctx.nr_bytes <= EMUL_INSN_MAX);
	require(ctx.insn.len <= EMUL_INSN_MAX && ctx.insn.op < EMUL_NR_OPS);
	require(nr_calls <= 4 * EMUL_REP_MAX + EMUL_INSN_MAX);
	require(nr_stores <= 1 || ctx.insn.rep);
	if (r == EMUL_OK)
		return 0;
	require(ctx.rip == rip && ctx.rflags == rflags);
	require(ctx.insn.rep || memcmp(regs, before, sizeof(regs)) == 0);
	return 0;
}
