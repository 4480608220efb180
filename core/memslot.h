/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which guest-physical ranges are RAM, and where that RAM lies. Read by anyone while the VM runs;
 * changed only while it is stopped.
 */
#ifndef CORE_MEMSLOT_H
#define CORE_MEMSLOT_H

#include "arch/x86/types.h"
#include "core/lib/err.h"
#include "core/types.h"

#define MEMSLOT_MAX 32

struct memslot {
	u64 gpa; /* page aligned */
	u64 size_bytes; /* page aligned, not 0 */
	hpa_t hpa;
};

struct memslots {
	u32 count;
	u32 code; /* [a] index of the slot in which code was last: where to look first */
	struct memslot slot[MEMSLOT_MAX]; /* sorted by gpa, disjoint */
};

/* Add a slot. ERR_INVAL: unaligned or overlapping; ERR_NOMEM: table full. */
enum err memslot_add(struct memslots *s, gpa_t gpa, u64 size_bytes, hpa_t hpa) __must_check;

/* The slot that holds `gpa`, or NULL. */
const struct memslot *memslot_find(const struct memslots *s, gpa_t gpa);

/* Host address behind `gpa`; NULL unless all of gpa .. gpa+len-1 lies in one slot. */
void *memslot_ptr(const struct memslots *s, gpa_t gpa, u64 len_bytes);

#endif
