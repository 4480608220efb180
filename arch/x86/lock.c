/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/lock.h"

#include "arch/x86/atomic.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"

static void owner_set(struct lock *lock)
{
	struct percpu *cpu = this_cpu();

	atomic_store_u32(&lock->owner, cpu->index + 1);
	cpu->locks_held++;
}

void lock_acquire(struct lock *lock)
{
	u32 ticket;

	if (lock_is_mine(lock))
		panic("lock %p taken twice by one CPU", (void *)lock);
	ticket = atomic_add_u32(&lock->next, 1);
	while (atomic_load_u32(&lock->serving) != ticket)
		cpu_pause();
	owner_set(lock);
}

bool lock_try(struct lock *lock)
{
	u32 ticket = atomic_load_u32(&lock->serving);

	if (!atomic_cas_u32(&lock->next, ticket, ticket + 1))
		return false;
	owner_set(lock);
	return true;
}

void lock_release(struct lock *lock)
{
	u32 owner = atomic_load_u32(&lock->owner);

	if (!lock_is_mine(lock))
		panic("lock %p released by a CPU that does not own it (owner %d)", (void *)lock,
		      (int)owner - 1);
	this_cpu()->locks_held--;
	atomic_store_u32(&lock->owner, LOCK_NO_OWNER);
	atomic_store_u32(&lock->serving, lock->serving + 1);
}

u64 lock_acquire_irqsave(struct lock *lock)
{
	u64 flags = irq_save();

	lock_acquire(lock);
	return flags;
}

void lock_release_irqrestore(struct lock *lock, u64 flags)
{
	lock_release(lock);
	irq_restore(flags);
}

bool lock_is_mine(const struct lock *lock)
{
	return atomic_load_u32(&lock->owner) == cpu_index() + 1;
}
