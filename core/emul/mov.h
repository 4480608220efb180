/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plain moves between memory and a register or an immediate in 64-bit code, which is how
 * drivers reach devices: decoded in one go, without tables. Everything else, and everything with a
 * rare prefix, is emul.h's business: a caller that is told so goes there with nothing changed.
 *
 * Owns nothing and calls nothing; from any context, also on a development host.
 */
#ifndef CORE_EMUL_MOV_H
#define CORE_EMUL_MOV_H

#include "core/lib/types.h"

#define EMUL_MOV_BYTES 16 /* instruction bytes that the decoder may look at: more than it needs */

struct emul_mov {
	u64 linear; /* of the memory operand: no segment with a base takes part */
	u64 imm; /* sign-extended */
	u8 len; /* bytes of the instruction */
	u8 size; /* bytes of memory: 1, 2, 4, 8 */
	u8 reg; /* 0 to 3 for AH, CH, DH, BH */
	u8 reg_size; /* bytes written to the register */
	bool is_high; /* AH, CH, DH, BH */
	bool is_store;
	bool is_imm; /* a store of imm, no register */
	bool is_signed; /* MOVSX */
};

/*
 * Decode MOV (88 to 8b, a0 to a3, c6, c7), MOVZX or MOVSX with a memory operand, no prefix but 66
 * and REX, and no part for RSP, whose value is not in `regs`. False: something else.
 */
bool emul_mov_decode(struct emul_mov *m, const u8 bytes[EMUL_MOV_BYTES], const u64 *regs, u64 rip);

/* What a store writes, in the low `size` bytes. */
u64 emul_mov_value(const struct emul_mov *m, const u64 *regs);

/* Finish a load that has read `value`, zero-extended. */
void emul_mov_load(const struct emul_mov *m, u64 *regs, u64 value);

#endif
