/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Atomic operations on naturally aligned u8, u32, u64 and pointers. Owns nothing; from any
 * context. Read-modify-write operations are locked instructions, so each is a full barrier.
 * Loads acquire and stores release (plain moves on x86); the _relaxed forms order nothing, and
 * only keep the compiler from tearing or repeating the access.
 *
 * Every operation that returns something returns the value from before it.
 */
#ifndef ARCH_X86_ATOMIC_H
#define ARCH_X86_ATOMIC_H

#include "core/lib/types.h"

#define ATOMIC_FETCH(type, op)                                                                     \
	static inline type atomic_##op##_##type(type *p, type value)                               \
	{                                                                                          \
		return __atomic_fetch_##op(p, value, __ATOMIC_SEQ_CST);                            \
	}
#define ATOMIC_OPS(type)                                                                           \
	static inline type atomic_load_##type(const type *p)                                       \
	{                                                                                          \
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);                                       \
	}                                                                                          \
	static inline type atomic_load_relaxed_##type(const type *p)                               \
	{                                                                                          \
		return __atomic_load_n(p, __ATOMIC_RELAXED);                                       \
	}                                                                                          \
	static inline void atomic_store_##type(type *p, type value)                                \
	{                                                                                          \
		__atomic_store_n(p, value, __ATOMIC_RELEASE);                                      \
	}                                                                                          \
	static inline void atomic_store_relaxed_##type(type *p, type value)                        \
	{                                                                                          \
		__atomic_store_n(p, value, __ATOMIC_RELAXED);                                      \
	}                                                                                          \
	static inline type atomic_xchg_##type(type *p, type value)                                 \
	{                                                                                          \
		return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);                            \
	}                                                                                          \
	ATOMIC_FETCH(type, add)                                                                    \
	ATOMIC_FETCH(type, sub)                                                                    \
	ATOMIC_FETCH(type, or)                                                                     \
	ATOMIC_FETCH(type, and)                                                                    \
	/* True if *p was `old` and is now `value`; else *p is untouched. */                       \
	static inline bool atomic_cas_##type(type *p, type old, type value)                        \
	{                                                                                          \
		return __atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_SEQ_CST,        \
						   __ATOMIC_SEQ_CST);                              \
	}

ATOMIC_OPS(u8)
ATOMIC_OPS(u16)
ATOMIC_OPS(u32)
ATOMIC_OPS(u64)
#undef ATOMIC_OPS
#undef ATOMIC_FETCH

/* The pointer forms work on an lvalue of any pointer type. */
#define atomic_load_ptr(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_store_ptr(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)
#define atomic_cas_ptr(p, old, value)                                                              \
	({                                                                                         \
		__typeof__(*(p)) old_ = (old);                                                     \
		__atomic_compare_exchange_n((p), &old_, (value), false, __ATOMIC_SEQ_CST,          \
					    __ATOMIC_SEQ_CST);                                     \
	})
#define atomic_xchg_ptr(p, value) __atomic_exchange_n((p), (value), __ATOMIC_SEQ_CST)

/* Keep the compiler from moving memory accesses across this point; no instruction. */
static inline void compiler_barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Add to *p, which only this CPU writes; true if the sum is 0. Neither atomic nor a barrier. */
static inline __attribute__((always_inline)) bool add_is_zero_u16(u16 *p, u16 n)
{
	bool is_zero;

	__asm__ volatile("addw %2, %0" : "+m"(*p), "=@ccz"(is_zero) : "i"(n));
	return is_zero;
}

#endif
