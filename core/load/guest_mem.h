/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the image loaders write to a guest's memory: two callbacks over whatever the caller has, a
 * VM's memory slots or, in tests, an array. The callbacks refuse what is not RAM; the loaders
 * check against the RAM layout before they write, so a refusal is the caller's inconsistency and
 * is still only reported. No state; from any context in which the callbacks may be called.
 */
#ifndef CORE_LOAD_GUEST_MEM_H
#define CORE_LOAD_GUEST_MEM_H

#include "core/lib/err.h"
#include "core/types.h"

struct guest_mem {
	void *env; /* handed to the callbacks */
	/* ERR_FAULT if any byte is not RAM. */
	enum err (*write)(void *env, gpa_t gpa, const void *buf, u64 len_bytes);
	enum err (*zero)(void *env, gpa_t gpa, u64 len_bytes);
};

static inline enum err guest_mem_write(const struct guest_mem *mem, u64 gpa, const void *buf,
				       u64 len_bytes)
{
	return mem->write(mem->env, (gpa_t){ gpa }, buf, len_bytes);
}

static inline enum err guest_mem_zero(const struct guest_mem *mem, u64 gpa, u64 len_bytes)
{
	return mem->zero(mem->env, (gpa_t){ gpa }, len_bytes);
}

#endif
