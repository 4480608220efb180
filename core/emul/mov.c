/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/emul/mov.h"

#include "core/emul/internal.h"

#define REX_W 8u
#define REX_R 4u
#define REX_X 2u
#define REX_B 1u

#define RM_SIB 4u /* ModRM.rm: a SIB byte follows; SIB.index: none */
#define RM_DISP 5u /* without displacement bytes: 32 bits instead of a register */

/* Little-endian numbers behind the opcode, sign-extended. */
static u64 number(const u8 *p, unsigned size)
{
	u32 word;
	u64 value;

	if (size == 8) {
		__builtin_memcpy(&value, p, sizeof(value));
		return value;
	}
	__builtin_memcpy(&word, p, sizeof(word)); /* behind an instruction are more bytes */
	return sign_extend(word, size);
}

/* SIB: base and index. NULL if RSP is the base. */
static const u8 *sib_decode(struct emul_mov *m, const u8 *p, unsigned rex, unsigned mod,
			    const u64 *regs)
{
	unsigned sib = *p++;
	unsigned index = (sib >> 3 & 7) | (rex & REX_X) << 2;
	unsigned base = (sib & 7) | (rex & REX_B) << 3;

	if (index != RM_SIB)
		m->linear = regs[index] << (sib >> 6);
	if (mod == 0 && (base & 7) == RM_DISP) {
		m->linear += number(p, 4);
		return p + 4;
	}
	if (base == REG_SP)
		return NULL;
	m->linear += regs[base];
	return p;
}

/*
 * The memory operand: m->linear becomes its address, relative to the next instruction if
 * *is_relative. Returns what follows it, or NULL if there is none or RSP takes part.
 */
static const u8 *modrm_decode(struct emul_mov *m, const u8 *p, unsigned rex, const u64 *regs,
			      bool *is_relative)
{
	unsigned mod = *p >> 6;
	unsigned rm = *p++ & 7;
	unsigned disp_bytes;

	if (mod == 3)
		return NULL;
	if (rm == RM_SIB) {
		p = sib_decode(m, p, rex, mod, regs);
		if (!p)
			return NULL;
	} else if (mod == 0 && rm == RM_DISP) {
		*is_relative = true;
		m->linear = number(p, 4);
		return p + 4;
	} else {
		m->linear = regs[rm | (rex & REX_B) << 3];
	}
	if (mod == 0)
		return p;
	disp_bytes = mod == 1 ? 1 : 4;
	m->linear += number(p, disp_bytes);
	return p + disp_bytes;
}

/* The register of ModRM. False: it is RSP. */
static bool reg_decode(struct emul_mov *m, unsigned modrm, unsigned rex)
{
	unsigned reg = (modrm >> 3 & 7) | (rex & REX_R) << 1;

	if (m->reg_size == 1 && !rex && reg >= REG_SP) {
		m->is_high = true;
		reg -= REG_SP;
	} else if (reg == REG_SP) {
		return false;
	}
	m->reg = (u8)reg;
	return true;
}

/* Direction and sizes by opcode; *p stands behind the opcode afterwards. */
static bool opcode_decode(struct emul_mov *m, const u8 **p, unsigned opsize)
{
	unsigned opcode = *(*p)++;

	m->reg_size = (u8)(opcode & 1 ? opsize : 1);
	if ((opcode & 0xfc) == 0x88) {
		m->is_store = !(opcode & 2);
	} else if ((opcode & 0xfe) == 0xc6) {
		m->is_store = m->is_imm = true;
	} else if (opcode == 0x0f) {
		opcode = *(*p)++;
		if ((opcode & 0xf6) != 0xb6)
			return false;
		m->is_signed = opcode & 8;
		m->reg_size = (u8)opsize;
		m->size = opcode & 1 ? 2 : 1;
		return true;
	} else {
		return false;
	}
	m->size = m->reg_size;
	return true;
}

/* a0 to a3: the accumulator and an absolute address. */
static bool absolute_decode(struct emul_mov *m, const u8 *p, unsigned opsize)
{
	m->is_store = *p & 2;
	m->size = m->reg_size = (u8)(*p & 1 ? opsize : 1);
	m->linear = number(p + 1, 8);
	return true;
}

bool emul_mov_decode(struct emul_mov *m, const u8 bytes[EMUL_MOV_BYTES], const u64 *regs, u64 rip)
{
	const u8 *p = bytes;
	bool has_66 = *p == 0x66;
	bool is_relative = false;
	unsigned rex = 0, opsize, modrm;

	*m = (struct emul_mov){ 0 };
	p += has_66;
	if ((*p & 0xf0) == 0x40)
		rex = *p++;
	opsize = rex & REX_W ? 8 : has_66 ? 2 : 4;
	if ((*p & 0xfc) == 0xa0) {
		m->len = (u8)(p - bytes + 9);
		return absolute_decode(m, p, opsize);
	}
	if (!opcode_decode(m, &p, opsize))
		return false;
	modrm = *p;
	p = modrm_decode(m, p, rex, regs, &is_relative);
	if (!p)
		return false;
	if (m->is_imm) {
		if (modrm >> 3 & 7)
			return false;
		m->imm = number(p, MIN(m->size, 4u));
		p += MIN(m->size, 4u);
	} else if (!reg_decode(m, modrm, rex)) {
		return false;
	}
	m->len = (u8)(p - bytes);
	if (is_relative)
		m->linear += rip + m->len;
	return true;
}

u64 emul_mov_value(const struct emul_mov *m, const u64 *regs)
{
	if (m->is_imm)
		return m->imm;
	return m->is_high ? regs[m->reg] >> 8 : regs[m->reg];
}

void emul_mov_load(const struct emul_mov *m, u64 *regs, u64 value)
{
	u64 *reg = &regs[m->reg];
	u64 mask = size_mask(m->reg_size);

	if (m->is_signed)
		value = sign_extend(value, m->size);
	if (m->reg_size == 4)
		*reg = (u32)value;
	else if (m->is_high)
		*reg = (*reg & ~0xff00ull) | (value & 0xff) << 8;
	else
		*reg = (*reg & ~mask) | (value & mask);
}
