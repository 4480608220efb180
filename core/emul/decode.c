/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/emul/emul.h"

#include "core/emul/internal.h"
#include "core/emul/opcodes.h"

static bool is_long(const struct emul_ctx *ctx)
{
	return ctx->mode == EMUL_MODE_LONG;
}

static enum emul_mode mode_of(const struct emul_ctx *ctx)
{
	if (!(ctx->cr0 & CR0_BIT_PE))
		return EMUL_MODE_REAL;
	if (ctx->efer & EFER_BIT_LMA)
		return ctx->seg[SEG_CS].ar & AR_L ? EMUL_MODE_LONG : EMUL_MODE_PROT;
	return ctx->rflags & FLAG_VM ? EMUL_MODE_VM86 : EMUL_MODE_PROT;
}

/* Get bytes up to the end of the page, so that a fault on the next page only counts if needed. */
static enum emul_result fetch_more(struct emul_ctx *ctx, u64 linear)
{
	unsigned in_page = (unsigned)(4096 - (linear & 4095));
	unsigned len = MIN((unsigned)(EMUL_INSN_MAX - ctx->nr_bytes), in_page);

	EMUL_TRY(ctx->cb->read(ctx, linear, ctx->bytes + ctx->nr_bytes, len, EMUL_FETCH));
	ctx->nr_bytes = (u8)(ctx->nr_bytes + len);
	return EMUL_OK;
}

/* Segmentation of instruction fetches: SDM "Limit Checking", "Canonical Addressing". */
static enum emul_result code_linear(struct emul_ctx *ctx, u64 offset, u64 *linear)
{
	const struct segment *cs = &ctx->seg[SEG_CS];

	*linear = is_long(ctx) ? offset : (u32)(cs->base + offset);
	if (is_long(ctx) ? !emul_is_canonical(ctx, offset) : offset > cs->limit)
		return fault_plain(ctx, VECTOR_GP);
	return EMUL_OK;
}

static enum emul_result next_byte(struct emul_ctx *ctx, u8 *byte)
{
	struct emul_insn *d = &ctx->insn;
	u64 linear;

	if (d->len == EMUL_INSN_MAX)
		return fault_plain(ctx, VECTOR_GP);
	EMUL_TRY(code_linear(ctx, ctx->rip + d->len, &linear));
	if (d->len >= ctx->nr_bytes)
		EMUL_TRY(fetch_more(ctx, linear));
	*byte = ctx->bytes[d->len++];
	return EMUL_OK;
}

/* A little-endian number of `size` bytes, sign-extended. */
static enum emul_result next_number(struct emul_ctx *ctx, unsigned size, u64 *value)
{
	u64 number = 0;
	u8 byte;

	for (unsigned i = 0; i < size; i++) {
		EMUL_TRY(next_byte(ctx, &byte));
		number |= (u64)byte << 8 * i;
	}
	*value = sign_extend(number, size);
	return EMUL_OK;
}

/* Note one legacy prefix. False if `byte` is none. */
static bool prefix_note(struct emul_ctx *ctx, u8 byte)
{
	struct emul_insn *d = &ctx->insn;

	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		if (!is_long(ctx)) /* ignored there, and does not undo FS or GS */
			d->seg = byte >> 3 & 3;
		return true;
	case 0x64: case 0x65:
		d->seg = (u8)(byte - 0x64 + SEG_FS);
		return true;
	case 0x66:
		d->has_66 = true;
		return true;
	case 0x67:
		d->has_67 = true;
		return true;
	case 0xf0:
		d->has_lock = true;
		return true;
	case 0xf2: case 0xf3:
		d->rep = byte;
		return true;
	default:
		return false;
	}
}

/* REX counts only right before the opcode: SDM "REX Prefixes". */
static enum emul_result decode_prefixes(struct emul_ctx *ctx, u8 *opcode)
{
	for (;;) {
		EMUL_TRY(next_byte(ctx, opcode));
		if (prefix_note(ctx, *opcode))
			ctx->insn.rex = 0;
		else if (is_long(ctx) && (*opcode & 0xf0) == 0x40)
			ctx->insn.rex = *opcode;
		else
			return EMUL_OK;
	}
}

/*
 * VEX (c4, c5) and EVEX (62) share their first byte with instructions that must have a memory
 * operand; outside 64-bit mode the second byte tells.
 */
static enum emul_result check_vex(struct emul_ctx *ctx, u8 opcode)
{
	u8 second;

	if (opcode != 0xc4 && opcode != 0xc5 && opcode != 0x62)
		return EMUL_OK;
	if (is_long(ctx))
		return EMUL_UNSUPPORTED;
	if (ctx->mode != EMUL_MODE_PROT)
		return EMUL_OK;
	EMUL_TRY(next_byte(ctx, &second));
	ctx->insn.len--;
	return second >= 0xc0 ? EMUL_UNSUPPORTED : EMUL_OK;
}

static enum emul_result decode_opcode(struct emul_ctx *ctx)
{
	struct emul_insn *d = &ctx->insn;

	EMUL_TRY(decode_prefixes(ctx, &d->opcode));
	if (d->opcode != 0x0f)
		return check_vex(ctx, d->opcode);
	EMUL_TRY(next_byte(ctx, &d->opcode));
	d->map = d->opcode == 0x38 ? 2 : d->opcode == 0x3a ? 3 : 1;
	return d->map > 1 ? next_byte(ctx, &d->opcode) : EMUL_OK;
}

static const struct row *row_find(const struct emul_ctx *ctx)
{
	const struct emul_insn *d = &ctx->insn;
	u8 prefix = d->rep ? d->rep : d->has_66 ? 0x66 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(alts); i++) {
		const struct alt *a = &alts[i];

		if (a->map == d->map && a->opcode == d->opcode &&
		    (a->prefix == IN64 ? is_long(ctx) : a->prefix == prefix))
			return &a->row;
	}
	return &rows[d->map][d->opcode];
}

/* Choose the row within a group by ModRM.reg. */
static void row_group(struct row *row, u8 modrm)
{
	unsigned reg = modrm >> 3 & 7;
	const struct row *sub;

	if (row->op < EMUL_NR_OPS)
		return;
	if (row->op == EMUL_OP_GRP_GDT && modrm >= 0xc0 && reg != 4 && reg != 6) {
		u8 op = systems[modrm - 0xc0];

		*row = (struct row){ .op = op ? op : EMUL_OP_OTHER };
		return;
	}
	sub = &groups[row->op - EMUL_NR_OPS][reg];
	row->op = sub->op;
	for (unsigned i = 0; i < EMUL_NR_OPNDS; i++)
		if (sub->form[i] != __)
			row->form[i] = sub->form[i];
}

static bool row_has_modrm(const struct row *row)
{
	for (unsigned i = 0; i < EMUL_NR_OPNDS; i++)
		if (row->form[i] != __ && FORM_KIND(row->form[i]) <= K_LAST_MODRM)
			return true;
	return false;
}

static bool row_has_kind(const struct row *row, enum kind kind)
{
	return FORM_KIND(row->form[0]) == kind || FORM_KIND(row->form[1]) == kind;
}

static void set_addrsize(struct emul_ctx *ctx)
{
	struct emul_insn *d = &ctx->insn;

	if (is_long(ctx))
		d->addrsize = d->has_67 ? 4 : 8;
	else
		d->addrsize = !(ctx->seg[SEG_CS].ar & AR_DB) == d->has_67 ? 4 : 2;
}

/* SDM "Operand-Size and Address-Size Attributes", and "Effective Operand Size in 64-Bit Mode". */
static void set_opsize(struct emul_ctx *ctx, unsigned flags)
{
	struct emul_insn *d = &ctx->insn;

	if (!is_long(ctx)) {
		d->opsize = !(ctx->seg[SEG_CS].ar & AR_DB) == d->has_66 ? 4 : 2;
		return;
	}
	if (((flags & F64) && !ctx->is_amd) || (d->rex & 8))
		d->opsize = 8;
	else if (d->has_66)
		d->opsize = 2;
	else
		d->opsize = flags & (D64 | F64) ? 8 : 4;
}

/* SDM table "16-Bit Addressing Forms with the ModR/M Byte". */
static enum emul_result decode_mem16(struct emul_ctx *ctx, unsigned mod, unsigned rm)
{
	static const u8 base[8] = {
		REG_BX, REG_BX, REG_BP, REG_BP, REG_SI, REG_DI, REG_BP, REG_BX
	};
	struct emul_mem *m = &ctx->insn.mem;
	unsigned disp_bytes = mod;

	m->base = base[rm];
	if (rm < 4)
		m->index = rm & 1 ? REG_DI : REG_SI;
	if (mod == 0 && rm == 6) {
		m->base = EMUL_NO_REG;
		disp_bytes = 2;
	}
	m->seg = m->base == REG_BP ? SEG_SS : SEG_DS;
	return disp_bytes ? next_number(ctx, disp_bytes, &m->disp) : EMUL_OK;
}

static enum emul_result decode_sib(struct emul_ctx *ctx, unsigned *base)
{
	struct emul_insn *d = &ctx->insn;
	unsigned index;
	u8 sib;

	EMUL_TRY(next_byte(ctx, &sib));
	index = (sib >> 3 & 7) | (d->rex & 2) << 2;
	if (index != 4)
		d->mem.index = (u8)index;
	d->mem.scale = (u8)(1 << (sib >> 6));
	*base = sib & 7;
	return EMUL_OK;
}

/* SDM table "32-Bit Addressing Forms with the ModR/M Byte", and "RIP-Relative Addressing". */
static enum emul_result decode_mem32(struct emul_ctx *ctx, unsigned mod, unsigned rm)
{
	struct emul_insn *d = &ctx->insn;
	unsigned base = rm;
	unsigned disp_bytes = mod == 2 ? 4 : mod;

	if (rm == 4)
		EMUL_TRY(decode_sib(ctx, &base));
	d->mem.base = (u8)(base | (d->rex & 1) << 3);
	if (mod == 0 && base == 5) {
		d->mem.base = rm == 5 && is_long(ctx) ? EMUL_RIP_REG : EMUL_NO_REG;
		disp_bytes = 4;
	}
	if (d->mem.base == REG_SP || d->mem.base == REG_BP)
		d->mem.seg = SEG_SS;
	return disp_bytes ? next_number(ctx, disp_bytes, &d->mem.disp) : EMUL_OK;
}

static enum emul_result decode_modrm(struct emul_ctx *ctx, struct row *row)
{
	struct emul_insn *d = &ctx->insn;
	unsigned mod, rm;

	if (!row_has_modrm(row))
		return EMUL_OK;
	EMUL_TRY(next_byte(ctx, &d->modrm));
	row_group(row, d->modrm);
	mod = d->modrm >> 6;
	rm = d->modrm & 7;
	if (mod == 3 || row_has_kind(row, K_R))
		return EMUL_OK;
	return d->addrsize == 2 ? decode_mem16(ctx, mod, rm) : decode_mem32(ctx, mod, rm);
}

static u8 size_bytes(const struct emul_ctx *ctx, enum size size, bool is_mem)
{
	/* With operands of 2, 4 and 8 bytes. */
	static const u8 bytes[][3] = {
		[S_b] = { 1, 1, 1 }, [S_w] = { 2, 2, 2 }, [S_v] = { 2, 4, 8 },
		[S_z] = { 2, 4, 4 }, [S_y] = { 4, 4, 8 }, [S_x] = { 8, 8, 16 },
	};

	if (size >= S_o)
		size = !(ctx->insn.opcode & 1) ? S_b : size == S_o ? S_v : S_z;
	if (size == S_l)
		return is_long(ctx) ? 8 : 4;
	if (size == S_s)
		size = is_mem ? S_w : S_v;
	return bytes[size][ctx->insn.opsize / 4];
}

/* Without REX, byte registers 4 to 7 are AH, CH, DH, BH. */
static void opnd_reg(const struct emul_insn *d, struct emul_operand *o, unsigned reg,
		     unsigned rex_bit)
{
	bool is_high = o->size == 1 && !d->rex && reg >= 4;

	o->kind = is_high ? EMUL_OPND_HIGH : EMUL_OPND_REG;
	o->reg = (u8)(is_high ? reg - 4 : reg | (d->rex & rex_bit ? 8 : 0));
}

#define REX_B 1u
#define REX_R 4u

/* Operands by ModRM.reg that are not general registers. #UD for those that do not exist. */
static enum emul_result opnd_special(struct emul_ctx *ctx, struct emul_operand *o, enum kind kind)
{
	const struct emul_insn *d = &ctx->insn;
	unsigned reg = d->modrm >> 3 & 7;
	bool is_valid;

	o->kind = kind == K_SREG ? EMUL_OPND_SREG : kind == K_CR ? EMUL_OPND_CR : EMUL_OPND_DR;
	if (kind == K_SREG) {
		is_valid = reg < EMUL_NR_SEGS && !(d->op == EMUL_OP_MOV_TO_SREG && reg == SEG_CS);
	} else {
		reg |= (d->rex & REX_R) << 1;
		is_valid = reg < 8;
	}
	if (kind == K_CR) {
		if (ctx->is_amd && d->has_lock && reg == 0)
			reg = 8;
		is_valid = reg == 0 || (reg >= 2 && reg <= 4) || reg == 8;
	}
	o->reg = (u8)reg;
	return is_valid ? EMUL_OK : fault_plain(ctx, VECTOR_UD);
}

static enum emul_result opnd_decode(struct emul_ctx *ctx, u16 form, struct emul_operand *o)
{
	struct emul_insn *d = &ctx->insn;
	enum kind kind = FORM_KIND(form);
	bool is_mem = kind <= K_M && d->modrm < 0xc0;

	o->size = size_bytes(ctx, FORM_SIZE(form), is_mem);
	switch (kind) {
	case K_NONE:
		return EMUL_OK;
	case K_E: case K_M: case K_R:
		if (is_mem)
			o->kind = EMUL_OPND_MEM;
		else if (kind == K_M)
			return fault_plain(ctx, VECTOR_UD);
		else
			opnd_reg(d, o, d->modrm & 7, REX_B);
		return EMUL_OK;
	case K_G:
		opnd_reg(d, o, d->modrm >> 3 & 7, REX_R);
		return EMUL_OK;
	case K_Z:
		opnd_reg(d, o, d->opcode & 7, REX_B);
		return EMUL_OK;
	case K_A: case K_C: case K_DX:
		o->kind = EMUL_OPND_REG;
		o->reg = kind == K_A ? REG_AX : kind == K_C ? REG_CX : REG_DX;
		return EMUL_OK;
	case K_ONE:
		o->kind = EMUL_OPND_IMM;
		o->imm = 1;
		return EMUL_OK;
	case K_X: case K_Y:
		o->kind = kind == K_X ? EMUL_OPND_SRC : EMUL_OPND_DST;
		return EMUL_OK;
	case K_SREG: case K_CR: case K_DR:
		return opnd_special(ctx, o, kind);
	case K_O:
		o->kind = EMUL_OPND_MEM;
		EMUL_TRY(next_number(ctx, d->addrsize, &d->mem.disp));
		d->mem.disp &= size_mask(d->addrsize);
		return EMUL_OK;
	default:
		o->kind = EMUL_OPND_IMM;
		return next_number(ctx, o->size, &o->imm);
	}
}

/* 90 exchanges the accumulator with itself: a NOP that does not even clear an upper half. */
static void check_nop(struct emul_insn *d, struct row *row)
{
	if (row->op == EMUL_OP_XCHG && d->map == 0 && d->opcode == 0x90 && !(d->rex & REX_B))
		*row = (struct row)PLAIN(NOP);
}

/* What makes a known opcode undefined: SDM "Instruction Set Reference", exceptions of each. */
static enum emul_result check_undefined(struct emul_ctx *ctx, const struct row *row)
{
	const struct emul_insn *d = &ctx->insn;
	bool may_lock = (row->flags & LCK) && d->opnd[0].kind == EMUL_OPND_MEM;
	bool is_alt_cr8 = ctx->is_amd && row_has_kind(row, K_CR);

	if ((d->has_lock && !may_lock && !is_alt_cr8) ||
	    ((row->flags & N64) && is_long(ctx)) ||
	    ((row->flags & PM) && ctx->mode < EMUL_MODE_PROT))
		return fault_plain(ctx, VECTOR_UD);
	return EMUL_OK;
}

static enum emul_result decode_row(struct emul_ctx *ctx, struct row *row)
{
	struct emul_insn *d = &ctx->insn;

	set_addrsize(ctx);
	EMUL_TRY(decode_modrm(ctx, row));
	if (row->op == EMUL_OP_NONE)
		return EMUL_UNSUPPORTED;
	check_nop(d, row);
	d->op = row->op;
	row->flags |= op_flags[row->op];
	set_opsize(ctx, row->flags);
	for (unsigned i = 0; i < EMUL_NR_OPNDS; i++)
		EMUL_TRY(opnd_decode(ctx, row->form[i], &d->opnd[i]));
	if (d->seg != EMUL_NO_REG)
		d->mem.seg = d->seg;
	return check_undefined(ctx, row);
}

enum emul_result emul_decode(struct emul_ctx *ctx)
{
	struct row row;

	ctx->nr_bytes = MIN(ctx->nr_bytes, EMUL_INSN_MAX);
	ctx->mode = mode_of(ctx);
	ctx->insn = (struct emul_insn){
		.seg = EMUL_NO_REG,
		.mem = { .seg = SEG_DS, .base = EMUL_NO_REG, .index = EMUL_NO_REG, .scale = 1 },
	};
	EMUL_TRY(decode_opcode(ctx));
	row = *row_find(ctx);
	return decode_row(ctx, &row);
}

const char *emul_op_name(enum emul_op op)
{
	static const char *const names[EMUL_NR_OPS] = {
#define INSN(name, exec, flags) #name,
#include "core/emul/insns.def"
	};

	return op < EMUL_NR_OPS ? names[op] : "?";
}
