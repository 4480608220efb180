/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/emul/emul.h"

#include "core/emul/internal.h"

/*
 * One function for each kind of instruction, named by insns.def. Each follows the same order:
 * read everything, compute into locals, store to memory once, and only then touch registers and
 * flags, so that a fault on the way leaves nothing behind. emul_exec() advances RIP.
 */

static enum emul_result exec_none(struct emul_ctx *ctx)
{
	(void)ctx;
	return EMUL_UNSUPPORTED;
}

static enum emul_result exec_nop(struct emul_ctx *ctx)
{
	(void)ctx;
	return EMUL_OK;
}

static enum emul_result exec_alu(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	bool is_compare = d->op == EMUL_OP_CMP || d->op == EMUL_OP_TEST;
	bool is_double = d->op == EMUL_OP_SHLD || d->op == EMUL_OP_SHRD;
	unsigned size = d->opnd[0].size;
	u64 a, b, count, result;
	u64 flags = ctx->rflags;

	EMUL_TRY(opnd_read(ctx, &d->opnd[2], &count));
	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &b));
	EMUL_TRY(opnd_load(ctx, &d->opnd[0], is_compare ? EMUL_READ : EMUL_RMW, &a));
	result = is_double ? alu_shift_double(d->op, a, b, (u8)count, size, &flags)
			   : alu_compute(d->op, a, b, size, &flags);
	if (!is_compare)
		EMUL_TRY(opnd_commit(ctx, &d->opnd[0], a, result));
	ctx->rflags = flags;
	return EMUL_OK;
}

/* With an index in a register, memory is a bit string of any length: SDM "BT - Bit Test". */
static u64 bit_string_bias(const struct emul_insn *d, u64 index)
{
	unsigned size = d->opnd[0].size;

	if (d->opnd[0].kind != EMUL_OPND_MEM || d->opnd[1].kind != EMUL_OPND_REG)
		return 0;
	return (u64)((s64)sign_extend(index, size) >> 3) & ~(u64)(size - 1);
}

static u64 bit_change(enum emul_op op, u64 value, u64 bit)
{
	if (op == EMUL_OP_BTC)
		return value ^ bit;
	return op == EMUL_OP_BTS ? value | bit : value & ~bit;
}

static enum emul_result exec_bit(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	struct emul_operand target = d->opnd[0];
	u64 index, value, bit;

	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &index));
	target.imm = bit_string_bias(d, index);
	bit = BIT(index & (8u * target.size - 1));
	if (d->op == EMUL_OP_BT) {
		EMUL_TRY(opnd_read(ctx, &target, &value));
	} else {
		EMUL_TRY(opnd_load(ctx, &target, EMUL_RMW, &value));
		EMUL_TRY(opnd_commit(ctx, &target, value, bit_change(d->op, value, bit)));
	}
	ctx->rflags = (ctx->rflags & ~FLAG_CF) | (value & bit ? FLAG_CF : 0);
	return EMUL_OK;
}

/* A zero source leaves the destination alone, as all processors do though one manual is silent. */
static enum emul_result exec_bit_scan(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	u64 value;

	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &value));
	ctx->rflags = bits_put(ctx->rflags, FLAG_ZF, value == 0);
	if (value == 0)
		return EMUL_OK;
	return opnd_write(ctx, &d->opnd[0],
			  d->op == EMUL_OP_BSF ? bit_first(value) : bit_last(value));
}

/* A result of twice the operand size goes to AX, or to DX:AX. */
static void wide_write(struct emul_ctx *ctx, unsigned size, u64 lo, u64 hi)
{
	if (size == 1) {
		reg_write(ctx, REG_AX, 2, (hi & 0xff) << 8 | (lo & 0xff));
		return;
	}
	reg_write(ctx, REG_AX, size, lo);
	reg_write(ctx, REG_DX, size, hi);
}

static enum emul_result exec_mul(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	unsigned size = d->opnd[0].size;
	u64 a = ctx->regs[REG_AX] & size_mask(size);
	u64 b, hi, lo;

	EMUL_TRY(opnd_read(ctx, &d->opnd[0], &b));
	lo = alu_mul(a, b, size, d->op == EMUL_OP_IMUL, &hi, &ctx->rflags);
	wide_write(ctx, size, lo, hi);
	return EMUL_OK;
}

static enum emul_result exec_imul(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	bool has_three = d->opnd[2].kind != EMUL_OPND_NONE;
	unsigned size = d->opnd[0].size;
	u64 a, b, hi;

	if (d->opnd[1].kind == EMUL_OPND_NONE)
		return exec_mul(ctx);
	EMUL_TRY(opnd_read(ctx, &d->opnd[has_three ? 2 : 0], &a));
	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &b));
	return opnd_write(ctx, &d->opnd[0], alu_mul(a, b, size, true, &hi, &ctx->rflags));
}

static enum emul_result exec_div(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	unsigned size = d->opnd[0].size;
	u64 lo = ctx->regs[REG_AX] & size_mask(size);
	u64 hi = (size == 1 ? ctx->regs[REG_AX] >> 8 : ctx->regs[REG_DX]) & size_mask(size);
	u64 divisor, quotient, remainder;

	EMUL_TRY(opnd_read(ctx, &d->opnd[0], &divisor));
	if (!alu_div(hi, lo, divisor, size, d->op == EMUL_OP_IDIV, &quotient, &remainder))
		return fault_plain(ctx, VECTOR_DE);
	wide_write(ctx, size, quotient, remainder);
	return EMUL_OK;
}

static enum emul_result exec_mov(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	unsigned size = d->opnd[1].size;
	u64 value;

	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &value));
	if (d->op == EMUL_OP_MOVSX || d->op == EMUL_OP_MOVSXD)
		value = sign_extend(value, size);
	else if (d->op == EMUL_OP_MOVBE)
		value = __builtin_bswap64(value) >> (64 - 8 * size);
	return opnd_write(ctx, &d->opnd[0], value);
}

static enum emul_result exec_lea(struct emul_ctx *ctx)
{
	return opnd_write(ctx, &ctx->insn.opnd[0], mem_offset(ctx));
}

static enum emul_result exec_mov_sreg(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;

	return opnd_write(ctx, &d->opnd[0], ctx->seg[d->opnd[1].reg].sel);
}

static enum emul_result exec_xchg(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	u64 a, b;

	EMUL_TRY(opnd_load(ctx, &d->opnd[0], EMUL_RMW, &a));
	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &b));
	EMUL_TRY(opnd_commit(ctx, &d->opnd[0], a, b));
	return opnd_write(ctx, &d->opnd[1], a);
}

/* With one register twice the sum wins, so a register destination is written last. */
static enum emul_result exec_xadd(struct emul_ctx *ctx)
{
	const struct emul_operand *target = &ctx->insn.opnd[0];
	const struct emul_operand *source = &ctx->insn.opnd[1];
	u64 a, b, sum;
	u64 flags = ctx->rflags;

	EMUL_TRY(opnd_load(ctx, target, EMUL_RMW, &a));
	EMUL_TRY(opnd_read(ctx, source, &b));
	sum = alu_compute(EMUL_OP_ADD, a, b, target->size, &flags);
	if (target->kind == EMUL_OPND_MEM)
		EMUL_TRY(opnd_commit(ctx, target, a, sum));
	EMUL_TRY(opnd_write(ctx, source, a));
	ctx->rflags = flags;
	return target->kind == EMUL_OPND_MEM ? EMUL_OK : opnd_write(ctx, target, sum);
}

/*
 * Memory is written in any case: SDM "CMPXCHG", on the locked bus cycle. A register that differs is
 * not: it would lose its upper half.
 */
static enum emul_result exec_cmpxchg(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	const struct emul_operand *target = &d->opnd[0];
	u64 expect = ctx->regs[REG_AX] & size_mask(target->size);
	u64 old, value;
	u64 flags = ctx->rflags;

	EMUL_TRY(opnd_load(ctx, target, EMUL_RMW, &old));
	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &value));
	alu_compute(EMUL_OP_CMP, expect, old, target->size, &flags);
	if (old == expect || target->kind == EMUL_OPND_MEM)
		EMUL_TRY(opnd_commit(ctx, target, old, old == expect ? value : old));
	if (old != expect)
		reg_write(ctx, REG_AX, target->size, old);
	ctx->rflags = flags;
	return EMUL_OK;
}

/* Two registers as one number of 8 or 16 bytes in memory order. */
static void pair_read(const struct emul_ctx *ctx, unsigned hi, unsigned lo, u64 pair[2])
{
	bool is_wide = ctx->insn.opnd[0].size == 16;

	pair[0] = is_wide ? ctx->regs[lo] : ctx->regs[hi] << 32 | (u32)ctx->regs[lo];
	pair[1] = is_wide ? ctx->regs[hi] : 0;
}

static void pair_write(struct emul_ctx *ctx, unsigned hi, unsigned lo, const u64 pair[2])
{
	bool is_wide = ctx->insn.opnd[0].size == 16;

	ctx->regs[lo] = is_wide ? pair[0] : (u32)pair[0];
	ctx->regs[hi] = is_wide ? pair[1] : pair[0] >> 32;
}

/* CMPXCHG8B, and with REX.W CMPXCHG16B, which alone must be aligned. */
static enum emul_result exec_cmpxchg8b(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	const struct emul_callbacks *cb = ctx->cb;
	unsigned size = d->opnd[0].size;
	u64 expect[2], value[2], old[2] = { 0, 0 };
	const u64 *desired;
	bool is_equal;
	u64 linear;

	EMUL_TRY(mem_linear(ctx, d->mem.seg, mem_offset(ctx), size, MEM_STORE, &linear));
	if (size == 16 && !IS_ALIGNED(linear, 16))
		return fault_plain(ctx, VECTOR_GP);
	EMUL_TRY(cb->read(ctx, linear, old, size, EMUL_RMW));
	pair_read(ctx, REG_DX, REG_AX, expect);
	pair_read(ctx, REG_CX, REG_BX, value);
	is_equal = old[0] == expect[0] && old[1] == expect[1];
	desired = is_equal ? value : old;
	if (d->has_lock)
		EMUL_TRY(cb->cmpxchg(ctx, linear, old, desired, size));
	else
		EMUL_TRY(cb->write(ctx, linear, desired, size));
	if (!is_equal)
		pair_write(ctx, REG_DX, REG_AX, old);
	ctx->rflags = (ctx->rflags & ~FLAG_ZF) | (is_equal ? FLAG_ZF : 0);
	return EMUL_OK;
}

static enum emul_result exec_setcc(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;

	return opnd_write(ctx, &d->opnd[0], alu_condition(ctx->rflags, d->opcode));
}

/* The source is read and a 32-bit destination loses its upper half whatever the condition says. */
static enum emul_result exec_cmovcc(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	u64 old, value;

	EMUL_TRY(opnd_read(ctx, &d->opnd[1], &value));
	EMUL_TRY(opnd_read(ctx, &d->opnd[0], &old));
	return opnd_write(ctx, &d->opnd[0], alu_condition(ctx->rflags, d->opcode) ? value : old);
}

static unsigned stack_addrsize(const struct emul_ctx *ctx)
{
	if (ctx->mode == EMUL_MODE_LONG)
		return 8;
	return ctx->seg[SEG_SS].ar & AR_DB ? 4 : 2;
}

static enum emul_result stack_push(struct emul_ctx *ctx, unsigned size, u64 value)
{
	unsigned addrsize = stack_addrsize(ctx);
	u64 sp = (ctx->regs[REG_SP] - size) & size_mask(addrsize);

	EMUL_TRY(mem_write(ctx, SEG_SS, sp, size, value));
	reg_write(ctx, REG_SP, addrsize, sp);
	return EMUL_OK;
}

static enum emul_result exec_push(struct emul_ctx *ctx)
{
	u64 value;

	EMUL_TRY(opnd_read(ctx, &ctx->insn.opnd[0], &value));
	return stack_push(ctx, ctx->insn.opsize, value);
}

/* The address of the destination is computed after RSP was incremented: SDM "POP". */
static enum emul_result exec_pop(struct emul_ctx *ctx)
{
	const struct emul_operand *o = &ctx->insn.opnd[0];
	unsigned addrsize = stack_addrsize(ctx);
	u64 old_sp = ctx->regs[REG_SP];
	enum emul_result result;
	u64 value;

	EMUL_TRY(mem_read(ctx, SEG_SS, old_sp & size_mask(addrsize), o->size, EMUL_READ, &value));
	reg_write(ctx, REG_SP, addrsize, old_sp + o->size);
	result = opnd_write(ctx, o, value);
	if (result != EMUL_OK)
		ctx->regs[REG_SP] = old_sp;
	return result;
}

/* RIP of the instruction behind this one. */
static u64 next_rip(const struct emul_ctx *ctx)
{
	u64 next = ctx->rip + ctx->insn.len;

	return ctx->mode == EMUL_MODE_LONG ? next : (u32)next;
}

/* CALL and JMP near, through a register or memory. */
static enum emul_result exec_branch(struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	bool is_inside;
	u64 target;

	EMUL_TRY(opnd_read(ctx, &d->opnd[0], &target));
	is_inside = ctx->mode == EMUL_MODE_LONG ? emul_is_canonical(ctx, target)
						: target <= ctx->seg[SEG_CS].limit;
	if (!is_inside)
		return fault_plain(ctx, VECTOR_GP);
	if (d->op == EMUL_OP_CALL_NEAR)
		EMUL_TRY(stack_push(ctx, d->opsize, next_rip(ctx)));
	ctx->rip = target;
	return EMUL_OK;
}

static enum emul_result exec_op(struct emul_ctx *ctx)
{
	switch (ctx->insn.op) {
#define INSN(name, exec, flags)                                                                    \
	case EMUL_OP_##name:                                                                       \
		return exec_##exec(ctx);
#include "core/emul/insns.def"
	default:
		return EMUL_UNSUPPORTED;
	}
}

enum emul_result emul_exec(struct emul_ctx *ctx)
{
	bool is_branch = ctx->insn.op == EMUL_OP_CALL_NEAR || ctx->insn.op == EMUL_OP_JMP_NEAR;

	EMUL_TRY(exec_op(ctx));
	if (!is_branch)
		ctx->rip = next_rip(ctx);
	return EMUL_OK;
}

enum emul_result emul_step(struct emul_ctx *ctx)
{
	EMUL_TRY(emul_decode(ctx));
	return emul_exec(ctx);
}
