/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who gets which piece of a guest's RAM while its image is loaded. An image claims the addresses
 * that it is linked to, then everything movable (modules, command lines, tables) is placed as high
 * as its protocol allows, so that nothing can collide. Owns no guest memory, only the book-keeping;
 * any context.
 */
#ifndef CORE_LOAD_PLACE_H
#define CORE_LOAD_PLACE_H

#include "core/lib/err.h"
#include "core/lib/types.h"
#include "core/load/e820.h"

#define PLACE_MAX 80

struct place_range {
	u64 start;
	u64 end; /* first address behind it */
};

struct place {
	u64 ram_end; /* end of the RAM below 4 GiB */
	u32 count;
	struct place_range used[PLACE_MAX];
};

void place_init(struct place *p, const struct ram_layout *ram);

/*
 * Take exactly start .. start+size_bytes. ERR_RANGE: not all of it is usable RAM below 4 GiB;
 * ERR_BUSY: overlaps something already taken; ERR_NOMEM: too many pieces.
 */
enum err place_claim(struct place *p, u64 start, u64 size_bytes) __must_check;

/*
 * Take the highest free piece between 1 MiB and `max_end` (exclusive). `align_bytes` is a power of
 * two. ERR_NOMEM: there is none.
 */
enum err place_alloc(struct place *p, u64 size_bytes, u64 align_bytes, u64 max_end,
		     u64 *start) __must_check;

#endif
