/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/emul/internal.h"

static bool msb(u64 value, unsigned size)
{
	return value >> (8 * size - 1) & 1;
}

static void flags_set(u64 *flags, u64 flag, bool is_set)
{
	*flags = bits_put(*flags, flag, is_set);
}

/* SF, ZF and PF by the result; PF looks at the low byte only. */
static void flags_result(u64 *flags, u64 result, unsigned size)
{
	flags_set(flags, FLAG_SF, msb(result, size));
	flags_set(flags, FLAG_ZF, (result & size_mask(size)) == 0);
	flags_set(flags, FLAG_PF, !__builtin_parity((unsigned)result & 0xff));
}

/* `carries` has a bit for each bit position that carried or borrowed. */
static void flags_carry(u64 *flags, u64 carries, bool is_overflow, unsigned size)
{
	flags_set(flags, FLAG_CF, msb(carries, size));
	flags_set(flags, FLAG_AF, carries & BIT(3));
	flags_set(flags, FLAG_OF, is_overflow);
}

static u64 alu_add(u64 a, u64 b, u64 carry, unsigned size, u64 *flags)
{
	u64 sum = a + b + carry;

	flags_result(flags, sum, size);
	flags_carry(flags, (a & b) | ((a | b) & ~sum), msb((a ^ sum) & (b ^ sum), size), size);
	return sum & size_mask(size);
}

static u64 alu_sub(u64 a, u64 b, u64 borrow, unsigned size, u64 *flags)
{
	u64 diff = a - b - borrow;

	flags_result(flags, diff, size);
	flags_carry(flags, (~a & b) | ((~a | b) & diff), msb((a ^ b) & (a ^ diff), size), size);
	return diff & size_mask(size);
}

static u64 alu_logic(u64 result, unsigned size, u64 *flags)
{
	flags_result(flags, result, size);
	flags_carry(flags, 0, false, size);
	return result & size_mask(size);
}

/* The same for a shift, which brings its own carry. */
static u64 alu_shifted(u64 result, bool is_carry, bool is_overflow, unsigned size, u64 *flags)
{
	alu_logic(result, size, flags);
	flags_set(flags, FLAG_CF, is_carry);
	flags_set(flags, FLAG_OF, is_overflow);
	return result & size_mask(size);
}

/* For RCL and RCR the carry flag is one more bit of the rotated value: bit by bit is shortest. */
static u64 alu_rotate(enum emul_op op, u64 a, unsigned count, unsigned size, u64 *flags)
{
	bool is_left = op == EMUL_OP_ROL || op == EMUL_OP_RCL;
	bool is_through_carry = op == EMUL_OP_RCL || op == EMUL_OP_RCR;
	u64 carry = *flags & FLAG_CF;

	for (unsigned i = 0; i < count; i++) {
		u64 out = is_left ? msb(a, size) : a & 1;
		u64 in = is_through_carry ? carry : out;

		a = is_left ? (a << 1 | in) & size_mask(size) : a >> 1 | in << (8 * size - 1);
		carry = out;
	}
	flags_set(flags, FLAG_CF, carry);
	flags_set(flags, FLAG_OF, msb(a, size) != (is_left ? (bool)carry : msb(a << 1, size)));
	return a;
}

static u64 alu_shift_left(u64 a, unsigned count, unsigned size, u64 *flags)
{
	unsigned bits = 8 * size;
	u64 result = a << count;
	bool carry = count <= bits && (a >> (bits - count) & 1);

	return alu_shifted(result, carry, msb(result, size) ^ carry, size, flags);
}

static u64 alu_shift_right(u64 a, unsigned count, unsigned size, bool is_signed, u64 *flags)
{
	u64 wide = is_signed ? sign_extend(a, size) : a;
	u64 before = is_signed ? (u64)((s64)wide >> (count - 1)) : wide >> (count - 1);
	u64 result = is_signed ? (u64)((s64)before >> 1) : before >> 1;

	return alu_shifted(result, before & 1, !is_signed && msb(a, size), size, flags);
}

static u64 alu_shift(enum emul_op op, u64 a, unsigned count, unsigned size, u64 *flags)
{
	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return a;
	switch (op) {
	case EMUL_OP_ROL: case EMUL_OP_ROR: case EMUL_OP_RCL: case EMUL_OP_RCR:
		return alu_rotate(op, a, count, size, flags);
	case EMUL_OP_SHL:
		return alu_shift_left(a, count, size, flags);
	default:
		return alu_shift_right(a, count, size, op == EMUL_OP_SAR, flags);
	}
}

u64 alu_compute(enum emul_op op, u64 a, u64 b, unsigned size, u64 *flags)
{
	u64 carry = *flags & FLAG_CF;
	u64 result;

	switch (op) {
	case EMUL_OP_ADD:
		return alu_add(a, b, 0, size, flags);
	case EMUL_OP_ADC:
		return alu_add(a, b, carry, size, flags);
	case EMUL_OP_SUB: case EMUL_OP_CMP:
		return alu_sub(a, b, 0, size, flags);
	case EMUL_OP_SBB:
		return alu_sub(a, b, carry, size, flags);
	case EMUL_OP_AND: case EMUL_OP_TEST:
		return alu_logic(a & b, size, flags);
	case EMUL_OP_OR:
		return alu_logic(a | b, size, flags);
	case EMUL_OP_XOR:
		return alu_logic(a ^ b, size, flags);
	case EMUL_OP_NOT:
		return ~a & size_mask(size);
	case EMUL_OP_NEG:
		return alu_sub(0, a, 0, size, flags);
	case EMUL_OP_INC: case EMUL_OP_DEC:
		result = op == EMUL_OP_INC ? alu_add(a, 1, 0, size, flags)
					   : alu_sub(a, 1, 0, size, flags);
		flags_set(flags, FLAG_CF, carry);
		return result;
	default:
		return alu_shift(op, a, (unsigned)b, size, flags);
	}
}

u64 alu_shift_double(enum emul_op op, u64 a, u64 b, unsigned count, unsigned size, u64 *flags)
{
	unsigned bits = 8 * size;
	u64 old = a;
	u64 result;
	bool carry;

	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return a;
	if (count > bits) { /* undefined: go on as if the first operand followed the second */
		count -= bits;
		a = b;
		b = old;
	}
	if (op == EMUL_OP_SHLD) {
		result = a << count | b >> (bits - count);
		carry = a >> (bits - count) & 1;
	} else {
		result = a >> count | b << (bits - count);
		carry = a >> (count - 1) & 1;
	}
	return alu_shifted(result, carry, msb(result ^ old, size), size, flags);
}

u64 alu_mul(u64 a, u64 b, unsigned size, bool is_signed, u64 *hi, u64 *flags)
{
	unsigned bits = 8 * size;
	unsigned __int128 product;
	u64 lo;

	if (is_signed)
		product = (unsigned __int128)((__int128)(s64)sign_extend(a, size) *
					      (s64)sign_extend(b, size));
	else
		product = (unsigned __int128)a * b;
	lo = (u64)product & size_mask(size);
	*hi = (u64)(product >> bits) & size_mask(size);
	flags_set(flags, FLAG_CF | FLAG_OF,
		  *hi != (is_signed && msb(lo, size) ? size_mask(size) : 0));
	return lo;
}

/* hi:lo / divisor with hi < divisor, by long division: libgcc is not linked. */
static u64 divide_128(u64 hi, u64 lo, u64 divisor, u64 *remainder)
{
	u64 quotient = 0;

	for (int i = 63; i >= 0; i--) {
		bool is_carry = hi >> 63;

		hi = hi << 1 | (lo >> i & 1);
		if (is_carry || hi >= divisor) {
			hi -= divisor;
			quotient |= BIT(i);
		}
	}
	*remainder = hi;
	return quotient;
}

bool alu_div(u64 hi, u64 lo, u64 divisor, unsigned size, bool is_signed, u64 *quotient,
	     u64 *remainder)
{
	bool is_negative = is_signed && msb(hi, size);
	bool is_divisor_negative = is_signed && msb(divisor, size);
	bool is_quotient_negative = is_negative != is_divisor_negative;
	u64 limit = is_signed ? (size_mask(size) >> 1) + is_quotient_negative : size_mask(size);
	u64 q, r;

	if (size < 8) {
		lo |= hi << 8 * size;
		hi = is_negative ? ~0ull : 0;
		if (is_negative)
			lo = sign_extend(lo, 2 * size);
	}
	if (is_negative) {
		hi = ~hi + (lo == 0);
		lo = -lo;
	}
	if (is_divisor_negative)
		divisor = -divisor & size_mask(size);
	if (hi >= divisor) /* also division by 0 */
		return false;
	q = divide_128(hi, lo, divisor, &r);
	if (q > limit)
		return false;
	*quotient = is_quotient_negative ? -q : q;
	*remainder = is_negative ? -r : r;
	return true;
}

bool alu_condition(u64 flags, unsigned cc)
{
	bool cf = flags & FLAG_CF;
	bool zf = flags & FLAG_ZF;
	bool sf = flags & FLAG_SF;
	bool of = flags & FLAG_OF;
	bool holds[8] = { of, cf, zf, cf || zf, sf, flags & FLAG_PF, sf != of, zf || sf != of };

	return holds[cc >> 1 & 7] != (cc & 1);
}
