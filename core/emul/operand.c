/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/emul/internal.h"

bool emul_is_canonical(const struct emul_ctx *ctx, u64 linear)
{
	unsigned shift = ctx->cr4 & CR4_BIT_LA57 ? 64 - 57 : 64 - 48;

	return (u64)((s64)(linear << shift) >> shift) == linear;
}

static u64 reg_read(const struct emul_ctx *ctx, unsigned reg, unsigned size)
{
	return ctx->regs[reg] & size_mask(size);
}

void reg_write(struct emul_ctx *ctx, unsigned reg, unsigned size, u64 value)
{
	u64 *r = &ctx->regs[reg];
	u64 mask = size_mask(size);

	*r = size == 4 ? (u32)value : (*r & ~mask) | (value & mask);
}

u64 mem_offset(const struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	const struct emul_mem *m = &d->mem;
	u64 offset = m->disp;

	if (m->base == EMUL_RIP_REG)
		offset += ctx->rip + d->len;
	else if (m->base != EMUL_NO_REG)
		offset += ctx->regs[m->base];
	if (m->index != EMUL_NO_REG)
		offset += ctx->regs[m->index] * m->scale;
	return offset & size_mask(d->addrsize);
}

/* A memory operand's imm moves it: bit strings reach beyond the addressed bytes. */
static u64 opnd_offset(const struct emul_ctx *ctx, const struct emul_operand *o)
{
	return (mem_offset(ctx) + o->imm) & size_mask(ctx->insn.addrsize);
}

static enum emul_result fault_segment(struct emul_ctx *ctx, unsigned seg)
{
	return fault_plain(ctx, seg == SEG_SS ? VECTOR_SS : VECTOR_GP);
}

/* Does the segment's type allow the access? SDM "Type Checking". Real modes do not look. */
static bool is_type_ok(const struct emul_ctx *ctx, const struct segment *s, enum mem_use use)
{
	bool is_code = s->ar & AR_TYPE_CODE;
	bool is_accessible = s->ar & AR_TYPE_WRITABLE;

	if (ctx->mode != EMUL_MODE_PROT)
		return true;
	if (s->ar & AR_UNUSABLE)
		return false;
	return use == MEM_STORE ? !is_code && is_accessible : !is_code || is_accessible;
}

/* SDM "Limit Checking": offsets of an expand-down segment lie above its limit. */
static bool is_limit_ok(const struct emul_ctx *ctx, const struct segment *s, u64 first, u64 last)
{
	bool is_down = (s->ar & (AR_TYPE_CODE | AR_TYPE_DOWN)) == AR_TYPE_DOWN;

	if (ctx->mode != EMUL_MODE_PROT || !is_down)
		return last <= s->limit;
	return first > s->limit && last <= (s->ar & AR_DB ? 0xffffffff : 0xffff);
}

enum emul_result mem_linear(struct emul_ctx *ctx, unsigned seg, u64 offset, unsigned size,
			    enum mem_use use, u64 *linear)
{
	const struct segment *s = &ctx->seg[seg];

	if (ctx->mode == EMUL_MODE_LONG) {
		*linear = offset + (seg >= SEG_FS ? s->base : 0);
		if (!emul_is_canonical(ctx, *linear) ||
		    !emul_is_canonical(ctx, *linear + size - 1))
			return fault_segment(ctx, seg);
		return EMUL_OK;
	}
	if (!is_type_ok(ctx, s, use) || !is_limit_ok(ctx, s, offset, offset + size - 1))
		return fault_segment(ctx, seg);
	*linear = (u32)(s->base + offset);
	return EMUL_OK;
}

enum emul_result mem_read(struct emul_ctx *ctx, unsigned seg, u64 offset, unsigned size,
			  enum emul_access access, u64 *value)
{
	enum mem_use use = access == EMUL_RMW ? MEM_STORE : MEM_LOAD;
	u64 linear;

	EMUL_TRY(mem_linear(ctx, seg, offset, size, use, &linear));
	*value = 0;
	return ctx->cb->read(ctx, linear, value, size, access);
}

enum emul_result mem_write(struct emul_ctx *ctx, unsigned seg, u64 offset, unsigned size,
			   u64 value)
{
	u64 linear;

	EMUL_TRY(mem_linear(ctx, seg, offset, size, MEM_STORE, &linear));
	return ctx->cb->write(ctx, linear, &value, size);
}

enum emul_result opnd_load(struct emul_ctx *ctx, const struct emul_operand *o,
			   enum emul_access access, u64 *value)
{
	switch (o->kind) {
	case EMUL_OPND_REG:
		*value = reg_read(ctx, o->reg, o->size);
		return EMUL_OK;
	case EMUL_OPND_HIGH:
		*value = ctx->regs[o->reg] >> 8 & 0xff;
		return EMUL_OK;
	case EMUL_OPND_IMM: case EMUL_OPND_NONE:
		*value = o->imm;
		return EMUL_OK;
	case EMUL_OPND_MEM:
		return mem_read(ctx, ctx->insn.mem.seg, opnd_offset(ctx, o), o->size, access,
				value);
	default:
		return EMUL_UNSUPPORTED;
	}
}

enum emul_result opnd_read(struct emul_ctx *ctx, const struct emul_operand *o, u64 *value)
{
	return opnd_load(ctx, o, EMUL_READ, value);
}

enum emul_result opnd_write(struct emul_ctx *ctx, const struct emul_operand *o, u64 value)
{
	u64 *reg = &ctx->regs[o->reg];

	switch (o->kind) {
	case EMUL_OPND_REG:
		reg_write(ctx, o->reg, o->size, value);
		return EMUL_OK;
	case EMUL_OPND_HIGH:
		*reg = (*reg & ~0xff00ull) | (value & 0xff) << 8;
		return EMUL_OK;
	case EMUL_OPND_MEM:
		return mem_write(ctx, ctx->insn.mem.seg, opnd_offset(ctx, o), o->size, value);
	default:
		return EMUL_UNSUPPORTED;
	}
}

enum emul_result opnd_commit(struct emul_ctx *ctx, const struct emul_operand *o, u64 old,
			     u64 value)
{
	bool is_atomic = ctx->insn.has_lock || ctx->insn.op == EMUL_OP_XCHG;
	u64 linear;

	if (o->kind != EMUL_OPND_MEM || !is_atomic)
		return opnd_write(ctx, o, value);
	EMUL_TRY(mem_linear(ctx, ctx->insn.mem.seg, opnd_offset(ctx, o), o->size, MEM_STORE,
			    &linear));
	return ctx->cb->cmpxchg(ctx, linear, &old, &value, o->size);
}
