/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the emulator's own files share: operands, arithmetic, strings. Same promises as emul.h; not
 * for anyone outside core/emul.
 */
#ifndef CORE_EMUL_INTERNAL_H
#define CORE_EMUL_INTERNAL_H

#include "core/emul/emul.h"
#include "core/lib/bits.h"

enum {
	REG_AX, REG_CX, REG_DX, REG_BX, REG_SP, REG_BP, REG_SI, REG_DI
};

#define FLAG_CF BIT(0)
#define FLAG_PF BIT(2)
#define FLAG_AF BIT(4)
#define FLAG_ZF BIT(6)
#define FLAG_SF BIT(7)
#define FLAG_DF BIT(10)
#define FLAG_OF BIT(11)
#define FLAG_VM BIT(17)

#define CR0_BIT_PE BIT(0)
#define CR4_BIT_LA57 BIT(12)
#define EFER_BIT_LMA BIT(10)

enum {
	VECTOR_DE = 0,
	VECTOR_UD = 6,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
};

/* Leave the function with any result but EMUL_OK. */
#define EMUL_TRY(call)                                                                             \
	do {                                                                                       \
		enum emul_result result_ = (call);                                                 \
		if (result_ != EMUL_OK)                                                            \
			return result_;                                                            \
	} while (0)

/* All bits of a value of `size` bytes. */
static inline u64 size_mask(unsigned size)
{
	return ~0ull >> (64 - 8 * size);
}

static inline u64 sign_extend(u64 value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (u64)((s64)(value << shift) >> shift);
}

/* Fill ctx->fault, with error code 0 if the exception has one; always EMUL_FAULT. */
static inline enum emul_result fault_plain(struct emul_ctx *ctx, u8 vector)
{
	ctx->fault = (struct emul_fault){ .vector = vector };
	return EMUL_FAULT;
}

/* Is every byte of a linear address range in 64-bit mode canonical? SDM "Canonical Addressing". */
bool emul_is_canonical(const struct emul_ctx *ctx, u64 linear);

/* operand.c: registers, memory and the operands that the decoder found. */

/* Write a register as a destination of `size` bytes: 4 clears the upper half, 1 and 2 keep it. */
void reg_write(struct emul_ctx *ctx, unsigned reg, unsigned size, u64 value);

/* The offset of the memory operand in its segment, before segmentation. */
u64 mem_offset(const struct emul_ctx *ctx);

enum mem_use {
	MEM_LOAD,
	MEM_STORE,
};

/* Segmentation: check `size` bytes at seg:offset and give the linear address. #GP, #SS. */
enum emul_result mem_linear(struct emul_ctx *ctx, unsigned seg, u64 offset, unsigned size,
			    enum mem_use use, u64 *linear);

/* Read or write 1 to 8 bytes at seg:offset. */
enum emul_result mem_read(struct emul_ctx *ctx, unsigned seg, u64 offset, unsigned size,
			  enum emul_access access, u64 *value);
enum emul_result mem_write(struct emul_ctx *ctx, unsigned seg, u64 offset, unsigned size,
			   u64 value);

/*
 * Read an operand: a register, memory, an immediate, zero-extended to 64 bits; 0 if there is none.
 * EMUL_RMW if opnd_commit() is going to change it.
 */
enum emul_result opnd_load(struct emul_ctx *ctx, const struct emul_operand *o,
			   enum emul_access access, u64 *value);

/* Read an operand that stays as it is. */
enum emul_result opnd_read(struct emul_ctx *ctx, const struct emul_operand *o, u64 *value);

/* Write an operand without having read it. */
enum emul_result opnd_write(struct emul_ctx *ctx, const struct emul_operand *o, u64 value);

/* Replace `old`, from opnd_load(), by `value`; atomically if the instruction is locked. */
enum emul_result opnd_commit(struct emul_ctx *ctx, const struct emul_operand *o, u64 old,
			     u64 value);

/* alu.c: results and flags on values of 1, 2, 4 or 8 bytes; pure. */

/*
 * Each returns the result; *flags holds RFLAGS and gets the flags that the operation defines. CMP
 * is SUB and TEST is AND; what has one operand ignores `b`. Counts are masked here.
 */
u64 alu_compute(enum emul_op op, u64 a, u64 b, unsigned size, u64 *flags);
u64 alu_shift_double(enum emul_op op, u64 a, u64 b, unsigned count, unsigned size, u64 *flags);

/* Full product of two values: *hi gets the upper half, the result is the lower one. */
u64 alu_mul(u64 a, u64 b, unsigned size, bool is_signed, u64 *hi, u64 *flags);

/* hi:lo / divisor. False, nothing changed, if the quotient does not fit or divisor is 0. */
bool alu_div(u64 hi, u64 lo, u64 divisor, unsigned size, bool is_signed, u64 *quotient,
	     u64 *remainder);

/* Does condition `cc` (low four bits of SETcc and the like) hold? */
bool alu_condition(u64 flags, unsigned cc);

/* string.c: string and port instructions; RIP is the caller's business. */
enum emul_result exec_string(struct emul_ctx *ctx);
enum emul_result exec_port(struct emul_ctx *ctx);

#endif
