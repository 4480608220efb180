/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of last words: what the core logs is kept in memory that a warm reset leaves alone, at
 * a place where the loader looks again at the next boot. The core writes it, line by line, so that
 * it is there however a run ends; each slot has its own sum, so that a torn line is lost and no
 * more. After a panic the loader keeps the first lines in a UEFI variable.
 *
 * The layout, for the loader and the core.
 */
#ifndef BOOT_LASTWORDS_H
#define BOOT_LASTWORDS_H

#include <stddef.h>
#include <stdint.h>

/* Firmware allocates from above, and its first stages lie below. Tried in steps of WORDS_FIRST. */
#define WORDS_FIRST UINT64_C(0x2000000)
#define WORDS_LAST UINT64_C(0x40000000)
#define WORDS_BYTES UINT64_C(0x100000)
#define WORDS_SLOTS (WORDS_BYTES / sizeof(struct words_slot) - 1)
#define WORDS_MAGIC UINT64_C(0x317364726f77616c) /* "lawords1" in memory order */

enum words_state {
	WORDS_RUNNING, /* nothing has been said about an end: the machine was reset */
	WORDS_ENDED, /* an end that somebody wanted */
	WORDS_PANIC,
};

/*
 * The first slot has the state, and WORDS_MAGIC as its number. Line n, counted from 1, is in slot
 * 1 + n % WORDS_SLOTS.
 */
struct words_slot {
	uint32_t sum; /* of what follows, with `len_bytes` of text */
	uint32_t len_bytes;
	uint64_t number; /* 0: empty */
	union {
		char text[240];
		struct {
			uint64_t state; /* enum words_state */
			uint64_t first; /* number of a panic's first line */
			uint64_t last; /* number of the newest line */
		};
	};
};
_Static_assert(sizeof(struct words_slot) == 256, "words_slot layout");

/* FNV-1a */
static inline uint32_t words_sum(const struct words_slot *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint32_t sum = UINT32_C(0x811c9dc5), i;

	for (i = sizeof(s->sum); i < offsetof(struct words_slot, text) + s->len_bytes; i++)
		sum = (sum ^ p[i]) * UINT32_C(0x01000193);
	return sum;
}

/* The slot of line `number`, or of WORDS_MAGIC; NULL if that is not there or damaged. */
static inline struct words_slot *words_get(struct words_slot *record, uint64_t number)
{
	struct words_slot *s = number == WORDS_MAGIC ? record : record + 1 + number % WORDS_SLOTS;

	return number && s->number == number && s->len_bytes <= sizeof(s->text) &&
		       s->sum == words_sum(s) ? s : NULL;
}

#endif
