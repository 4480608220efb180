/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/*
 * Any bytes as an instruction, in any mode, on any registers: the emulator must end, ask for sane
 * widths only, and leave the registers alone unless it says that it is done.
 */
#include <stdlib.h>
#include <string.h>

#include "core/emul/emul.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static u8 memory[256];

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

/* Some addresses fault, some want a retry, the rest are memory. */
static enum emul_result place(u64 linear, struct emul_fault *fault)
{
	if ((linear & 0xf000) == 0x3000) {
		*fault = (struct emul_fault){ .vector = 14, .has_err = true, .cr2 = linear };
		return EMUL_FAULT;
	}
	return (linear & 0xf000) == 0x5000 ? EMUL_RETRY : EMUL_OK;
}

static bool is_width(unsigned n)
{
	return n == 1 || n == 2 || n == 4 || n == 8 || n == 16;
}

static enum emul_result on_read(void *env, u64 linear, void *buf, unsigned n,
				enum emul_access access, struct emul_fault *fault)
{
	(void)env;
	require(is_width(n) && (access == EMUL_READ || access == EMUL_RMW));
	for (unsigned i = 0; i < n; i++)
		((u8 *)buf)[i] = memory[(linear + i) & 0xff];
	return place(linear, fault);
}

static enum emul_result on_write(void *env, u64 linear, const void *buf, unsigned n,
				 struct emul_fault *fault)
{
	enum emul_result r = place(linear, fault);

	(void)env;
	require(is_width(n));
	for (unsigned i = 0; !r && i < n; i++)
		memory[(linear + i) & 0xff] = ((const u8 *)buf)[i];
	return r;
}

static enum emul_result on_probe(void *env, u64 linear, unsigned n, struct emul_fault *fault)
{
	(void)env;
	require(n > 0);
	return place(linear, fault);
}

static enum emul_result on_cmpxchg(void *env, u64 linear, const void *expect, const void *desired,
				   unsigned n, struct emul_fault *fault)
{
	(void)expect;
	return on_write(env, linear, desired, n, fault);
}

static enum emul_result on_port_check(void *env, u16 port, unsigned n, struct emul_fault *fault)
{
	(void)env;
	(void)fault;
	require(n == 1 || n == 2 || n == 4);
	return port & 1 ? EMUL_RETRY : EMUL_OK;
}

static enum emul_result on_port_in(void *env, u16 port, unsigned n, u32 *value,
				   struct emul_fault *fault)
{
	(void)env;
	(void)fault;
	require(n == 1 || n == 2 || n == 4);
	*value = port;
	return EMUL_OK;
}

static enum emul_result on_port_out(void *env, u16 port, unsigned n, u32 value,
				    struct emul_fault *fault)
{
	(void)env;
	(void)port;
	(void)value;
	(void)fault;
	require(n == 1 || n == 2 || n == 4);
	return EMUL_OK;
}

static const struct emul_callbacks callbacks = {
	.read = on_read,
	.write = on_write,
	.probe = on_probe,
	.cmpxchg = on_cmpxchg,
	.port_check = on_port_check,
	.port_in = on_port_in,
	.port_out = on_port_out,
};

/* The state that the input's first bytes choose. */
static void state_make(struct emul_ctx *ctx, u64 *regs, const u8 *seed)
{
	bool is_long = seed[0] & 1, is_pe = is_long || (seed[0] & 2);

	*ctx = (struct emul_ctx){ .cb = &callbacks, .regs = regs, .rip = 0x1000 };
	ctx->rflags = 2 | (seed[0] & 4 ? BIT(10) : 0) | (is_pe && (seed[0] & 8) ? BIT(17) : 0);
	ctx->cr0 = is_pe;
	ctx->efer = is_long ? BIT(8) | BIT(10) : 0;
	ctx->cpl = is_pe && (seed[0] & 0x10) ? 3 : 0;
	for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
		ctx->seg[i] = (struct emul_seg){ .limit = seed[0] & 0x20 ? 0xffff : ~0u,
						 .ar = 0x93 | (seed[0] & 0x40 ? EMUL_AR_DB : 0) };
	ctx->seg[EMUL_CS].ar |= EMUL_AR_CODE | (is_long && !(seed[0] & 0x80) ? EMUL_AR_L : 0);
	for (unsigned i = 0; i < 16; i++)
		regs[i] = (u64)seed[1 + i % 7] << (i * 3 % 40) | seed[i % 8];
	regs[1] &= 0xff;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u64 regs[16], before[16];
	struct emul_ctx ctx;
	enum emul_result r;
	u64 rip;

	if (size < 9)
		return 0;
	state_make(&ctx, regs, data);
	ctx.nr_bytes = (u8)MIN(size - 8, (size_t)EMUL_INSN_MAX);
	memcpy(ctx.bytes, data + 8, ctx.nr_bytes);
	memcpy(before, regs, sizeof(regs));
	rip = ctx.rip;
	r = emul_step(&ctx);
	require(r == EMUL_OK || r == EMUL_FAULT || r == EMUL_UNSUPPORTED || r == EMUL_RETRY);
	/* A repeated instruction keeps what it has done; nothing else may show. */
	if (r != EMUL_OK)
		require(ctx.rip == rip && (ctx.insn.rep || !memcmp(before, regs, sizeof(regs))));
	return 0;
}
