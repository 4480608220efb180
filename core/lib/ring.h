/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue of bytes in a buffer whose size is a power of two. Owns nothing; the caller's lock
 * protects a ring. Positions run freely and are masked at use, so that full and empty differ
 * without a wasted byte. Runs on the host in tests.
 */
#ifndef CORE_LIB_RING_H
#define CORE_LIB_RING_H

#include "core/lib/types.h"

struct ring {
	u8 *data;
	u32 size_bytes; /* power of two */
	u32 head; /* where the next byte is put */
	u32 tail; /* where the next byte is taken */
};

/* Make `ring` an empty queue over `data`; `size_bytes` is a power of two up to 2^31. */
static inline void ring_init(struct ring *ring, void *data, u32 size_bytes)
{
	*ring = (struct ring){ .data = data, .size_bytes = size_bytes };
}

static inline u32 ring_used(const struct ring *ring)
{
	return ring->head - ring->tail;
}

static inline bool ring_is_full(const struct ring *ring)
{
	return ring_used(ring) == ring->size_bytes;
}

/* Append `byte`; false, and nothing done, when full. */
static inline bool ring_put(struct ring *ring, u8 byte)
{
	if (ring_is_full(ring))
		return false;
	ring->data[ring->head++ & (ring->size_bytes - 1)] = byte;
	return true;
}

/* Take the oldest byte into *byte; false when empty. */
static inline bool ring_get(struct ring *ring, u8 *byte)
{
	if (!ring_used(ring))
		return false;
	*byte = ring->data[ring->tail++ & (ring->size_bytes - 1)];
	return true;
}

/* The byte `offset` after the oldest, without taking it; `offset` < ring_used(). */
static inline u8 ring_peek(const struct ring *ring, u32 offset)
{
	return ring->data[(ring->tail + offset) & (ring->size_bytes - 1)];
}

#endif
