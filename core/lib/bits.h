/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Masks, alignment and bit search. Pure; from any context.
 */
#ifndef CORE_LIB_BITS_H
#define CORE_LIB_BITS_H

#include "core/lib/types.h"

#define BIT(n) (1ull << (n))
/* The bits hi down to lo, both included, as the manuals write them: MASK(51, 12). */
#define MASK(hi, lo) ((~0ull >> (63 - (hi))) & (~0ull << (lo)))

#define KiB(n) ((u64)(n) << 10)
#define MiB(n) ((u64)(n) << 20)
#define GiB(n) ((u64)(n) << 30)

/* `a` must be a power of two. */
#define ALIGN_UP(x, a) (((x) + ((a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((a)-1)) == 0)

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Index of the highest set bit of `x`, which must not be 0. */
static inline unsigned bit_last(u64 x)
{
	return 63u - (unsigned)__builtin_clzll(x);
}

/* Index of the lowest set bit of `x`, which must not be 0. */
static inline unsigned bit_first(u64 x)
{
	return (unsigned)__builtin_ctzll(x);
}

/* `x` with `bits` set or clear. */
static inline u64 bits_put(u64 x, u64 bits, bool is_set)
{
	return is_set ? x | bits : x & ~bits;
}

/* The field hi:lo of `x`, shifted down. */
static inline u64 bits_get(u64 x, unsigned hi, unsigned lo)
{
	return (x & MASK(hi, lo)) >> lo;
}

#endif
