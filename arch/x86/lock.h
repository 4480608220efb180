/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket locks: first come, first served. A lock knows its owner, so that taking it twice and
 * giving back another CPU's lock end in a panic instead of a hang. From any context except NMI
 * and #MC; a lock that interrupt handlers take needs the _irqsave form everywhere.
 */
#ifndef ARCH_X86_LOCK_H
#define ARCH_X86_LOCK_H

#include "core/lib/types.h"

#define LOCK_NO_OWNER 0u

/* All zero: free. */
struct lock {
	u32 next; /* [a] ticket of the next to come */
	u32 serving; /* [a] ticket that owns the lock */
	u32 owner; /* [a] 1 + CPU index, or LOCK_NO_OWNER */
};

/* Wait for the lock. Panics if this CPU has it. */
void lock_acquire(struct lock *lock);

/* Panics if this CPU does not have it. */
void lock_release(struct lock *lock);

/* Take the lock if nobody has it or waits for it; never waits. */
bool lock_try(struct lock *lock) __must_check;

/* The same with interrupts off meanwhile; pass the result on. */
u64 lock_acquire_irqsave(struct lock *lock) __must_check;
void lock_release_irqrestore(struct lock *lock, u64 flags);

/* Does this CPU have it? For assertions. */
bool lock_is_mine(const struct lock *lock);

#endif
