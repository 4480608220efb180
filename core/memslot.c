/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/memslot.h"

#include "arch/x86/page.h"
#include "core/lib/bits.h"

static bool slot_overlaps(const struct memslot *slot, u64 first, u64 last)
{
	return first <= slot->gpa + slot->size_bytes - 1 && slot->gpa <= last;
}

enum err memslot_add(struct memslots *s, gpa_t gpa, u64 size_bytes, hpa_t hpa)
{
	u64 last = gpa.v + size_bytes - 1;
	u32 at = s->count;

	if (!size_bytes || !IS_ALIGNED(gpa.v | size_bytes | hpa.v, PAGE_SIZE) || last < gpa.v)
		return ERR_INVAL;
	if (s->count == MEMSLOT_MAX)
		return ERR_NOMEM;
	for (u32 i = 0; i < s->count; i++)
		if (slot_overlaps(&s->slot[i], gpa.v, last))
			return ERR_INVAL;
	while (at > 0 && s->slot[at - 1].gpa > gpa.v) {
		s->slot[at] = s->slot[at - 1];
		at--;
	}
	s->slot[at] = (struct memslot){ .gpa = gpa.v, .size_bytes = size_bytes, .hpa = hpa };
	s->count++;
	return ERR_NONE;
}

const struct memslot *memslot_find(const struct memslots *s, gpa_t gpa)
{
	u32 first = 0, count = s->count;

	/* The last of those that begin at `gpa` or below. */
	while (count > 1) {
		u32 half = count / 2;

		if (s->slot[first + half].gpa <= gpa.v)
			first += half;
		count -= half;
	}
	return count && gpa.v - s->slot[first].gpa < s->slot[first].size_bytes ? &s->slot[first]
									       : NULL;
}

void *memslot_ptr(const struct memslots *s, gpa_t gpa, u64 len_bytes)
{
	const struct memslot *slot = memslot_find(s, gpa);
	u64 offset = slot ? gpa.v - slot->gpa : 0;

	if (!slot || len_bytes > slot->size_bytes - offset)
		return NULL;
	return pa_to_va((hpa_t){ slot->hpa.v + offset });
}
