/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/emul/internal.h"

static unsigned data_size(const struct emul_insn *d)
{
	const struct emul_operand *o = &d->opnd[0];

	return o->kind == EMUL_OPND_REG && o->reg == REG_DX ? d->opnd[1].size : o->size;
}

static u64 string_reg(const struct emul_ctx *ctx, unsigned reg)
{
	return ctx->regs[reg] & size_mask(ctx->insn.addrsize);
}

static enum emul_result source_read(struct emul_ctx *ctx, unsigned size, u64 *value)
{
	return mem_read(ctx, ctx->insn.mem.seg, string_reg(ctx, REG_SI), size, EMUL_READ, value);
}

static enum emul_result target_write(struct emul_ctx *ctx, unsigned size, u64 value)
{
	return mem_write(ctx, SEG_ES, string_reg(ctx, REG_DI), size, value);
}

/* Above IOPL and in virtual-8086 mode the permission bitmap decides: SDM "I/O Permission". */
static enum emul_result port_check(struct emul_ctx *ctx, u16 port, unsigned width)
{
	unsigned iopl = (unsigned)(ctx->rflags >> 12) & 3;

	if (ctx->mode == EMUL_MODE_REAL || (ctx->mode != EMUL_MODE_VM86 && ctx->cpl <= iopl))
		return EMUL_OK;
	return ctx->cb->port_check(ctx, port, width);
}

/* Find out that memory cannot be written before the device sees the read. */
static enum emul_result string_in(struct emul_ctx *ctx, unsigned size)
{
	u16 port = (u16)ctx->regs[REG_DX];
	u64 linear;
	u32 value = 0;

	EMUL_TRY(port_check(ctx, port, size));
	EMUL_TRY(mem_linear(ctx, SEG_ES, string_reg(ctx, REG_DI), size, MEM_STORE, &linear));
	EMUL_TRY(ctx->cb->write(ctx, linear, NULL, size));
	EMUL_TRY(ctx->cb->port_in(ctx, port, size, &value));
	return target_write(ctx, size, value);
}

static enum emul_result string_out(struct emul_ctx *ctx, unsigned size)
{
	u16 port = (u16)ctx->regs[REG_DX];
	u64 value;

	EMUL_TRY(port_check(ctx, port, size));
	EMUL_TRY(source_read(ctx, size, &value));
	return ctx->cb->port_out(ctx, port, size, (u32)value);
}

/* The flags of CMPS and SCAS go to *flags: they count only once the instruction ends. */
static enum emul_result string_compare(struct emul_ctx *ctx, unsigned size, u64 *flags)
{
	u64 a = ctx->regs[REG_AX] & size_mask(size);
	u64 b;

	if (ctx->insn.op == EMUL_OP_CMPS)
		EMUL_TRY(source_read(ctx, size, &a));
	EMUL_TRY(mem_read(ctx, SEG_ES, string_reg(ctx, REG_DI), size, EMUL_READ, &b));
	alu_compute(EMUL_OP_CMP, a, b, size, flags);
	return EMUL_OK;
}

static enum emul_result string_transfer(struct emul_ctx *ctx, unsigned size, u64 *flags)
{
	u64 value;

	switch (ctx->insn.op) {
	case EMUL_OP_INS:
		return string_in(ctx, size);
	case EMUL_OP_OUTS:
		return string_out(ctx, size);
	case EMUL_OP_STOS:
		return target_write(ctx, size, ctx->regs[REG_AX]);
	case EMUL_OP_LODS:
		EMUL_TRY(source_read(ctx, size, &value));
		reg_write(ctx, REG_AX, size, value);
		return EMUL_OK;
	case EMUL_OP_MOVS:
		EMUL_TRY(source_read(ctx, size, &value));
		return target_write(ctx, size, value);
	default:
		return string_compare(ctx, size, flags);
	}
}

static bool uses(const struct emul_insn *d, enum emul_opnd_kind kind)
{
	return d->opnd[0].kind == kind || d->opnd[1].kind == kind;
}

/* One iteration: all of it, or nothing but `flags`. */
static enum emul_result string_once(struct emul_ctx *ctx, u64 *flags)
{
	const struct emul_insn *d = &ctx->insn;
	unsigned size = data_size(d);
	u64 step = ctx->rflags & FLAG_DF ? -(u64)size : size;

	EMUL_TRY(string_transfer(ctx, size, flags));
	if (uses(d, EMUL_OPND_SRC))
		reg_write(ctx, REG_SI, d->addrsize, ctx->regs[REG_SI] + step);
	if (uses(d, EMUL_OPND_DST))
		reg_write(ctx, REG_DI, d->addrsize, ctx->regs[REG_DI] + step);
	return EMUL_OK;
}

/* REPE and REPNE look at ZF after CMPS and SCAS; any other instruction takes both as REP. */
static bool is_ended_by_flags(const struct emul_insn *d, u64 flags)
{
	if (d->op != EMUL_OP_CMPS && d->op != EMUL_OP_SCAS)
		return false;
	return !(flags & FLAG_ZF) == (d->rep == 0xf3);
}

/*
 * On a fault in the middle the finished iterations stay, with RIP at the instruction and the flags
 * from before it: SDM "REP/REPE/REPZ/REPNE/REPNZ".
 */
static enum emul_result string_repeat(struct emul_ctx *ctx, u64 *flags)
{
	const struct emul_insn *d = &ctx->insn;

	for (unsigned i = 0; string_reg(ctx, REG_CX) != 0; i++) {
		if (i == EMUL_REP_MAX)
			return EMUL_RETRY;
		EMUL_TRY(string_once(ctx, flags));
		reg_write(ctx, REG_CX, d->addrsize, ctx->regs[REG_CX] - 1);
		if (is_ended_by_flags(d, *flags))
			break;
	}
	return EMUL_OK;
}

enum emul_result exec_string(struct emul_ctx *ctx)
{
	u64 flags = ctx->rflags;

	EMUL_TRY(ctx->insn.rep ? string_repeat(ctx, &flags) : string_once(ctx, &flags));
	ctx->rflags = flags;
	return EMUL_OK;
}

enum emul_result exec_port(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	bool is_in = d->op == EMUL_OP_IN;
	const struct emul_operand *where = &d->opnd[is_in ? 1 : 0];
	unsigned width = d->opnd[is_in ? 0 : 1].size;
	u16 port = where->kind == EMUL_OPND_IMM ? (u8)where->imm : (u16)ctx->regs[REG_DX];
	u32 value = 0;

	EMUL_TRY(port_check(ctx, port, width));
	if (!is_in)
		return ctx->cb->port_out(ctx, port, width,
					 (u32)(ctx->regs[REG_AX] & size_mask(width)));
	EMUL_TRY(ctx->cb->port_in(ctx, port, width, &value));
	reg_write(ctx, REG_AX, width, value);
	return EMUL_OK;
}
