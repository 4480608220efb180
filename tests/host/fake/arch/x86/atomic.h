/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Found before the real one by tests that run on the fake CPU: every atomic operation is a point at
 * which another CPU may go on, and one that a wrong variant can have happen too late.
 */
#ifndef TESTS_HOST_FAKE_ATOMIC_H
#define TESTS_HOST_FAKE_ATOMIC_H

#include "../../../../../arch/x86/atomic.h"

/* Let others go on; with `is_light` only now and then, for scans of many words. */
void fake_step(void);
void fake_step_light(void);

/* A locked read-modify-write operation of the fake CPU. Returns the value from before it. */
enum fake_op { FAKE_OR, FAKE_AND, FAKE_XCHG };
u64 fake_locked(enum fake_op op, void *p, unsigned width_bytes, u64 value);
bool fake_cas(void *p, unsigned width_bytes, u64 old, u64 value);

static inline u32 fake_locked_u32(enum fake_op op, u32 *p, u32 value)
{
	return (u32)fake_locked(op, p, sizeof(*p), value);
}

static inline u64 fake_locked_u64(enum fake_op op, u64 *p, u64 value)
{
	return fake_locked(op, p, sizeof(*p), value);
}

#define atomic_load_u8(p) (fake_step(), atomic_load_u8(p))
#define atomic_load_u32(p) (fake_step(), atomic_load_u32(p))
#define atomic_load_u64(p) (fake_step(), atomic_load_u64(p))
#define atomic_load_relaxed_u32(p) (fake_step_light(), atomic_load_relaxed_u32(p))
#define atomic_store_u32(p, value) (fake_step(), atomic_store_u32(p, value))
#define atomic_store_u64(p, value) (fake_step(), atomic_store_u64(p, value))
#define atomic_add_u32(p, value) (fake_step(), atomic_add_u32(p, value))
#define atomic_sub_u32(p, value) (fake_step(), atomic_sub_u32(p, value))

#define atomic_or_u32(p, value) fake_locked_u32(FAKE_OR, p, value)
#define atomic_or_u64(p, value) fake_locked_u64(FAKE_OR, p, value)
#define atomic_and_u32(p, value) fake_locked_u32(FAKE_AND, p, value)
#define atomic_and_u64(p, value) fake_locked_u64(FAKE_AND, p, value)
#define atomic_xchg_u32(p, value) fake_locked_u32(FAKE_XCHG, p, value)
#define atomic_xchg_u64(p, value) fake_locked_u64(FAKE_XCHG, p, value)
#define atomic_cas_u32(p, old, value) fake_cas(p, 4, old, value)
#define atomic_cas_u64(p, old, value) fake_cas(p, 8, old, value)

#endif
