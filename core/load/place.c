/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/place.h"

#include "core/load/layout.h"

void place_init(struct place *p, const struct ram_layout *ram)
{
	p->ram_end = ram->below_4g_bytes;
	p->count = 0;
}

/* The taken range that overlaps start .. end, or NULL. */
static const struct place_range *place_overlap(const struct place *p, u64 start, u64 end)
{
	for (u32 i = 0; i < p->count; i++) {
		if (start < p->used[i].end && p->used[i].start < end)
			return &p->used[i];
	}
	return NULL;
}

static bool place_is_ram(const struct place *p, u64 start, u64 end)
{
	return end <= GPA_LOW_RAM_END || (start >= GPA_HIGH_RAM && end <= p->ram_end);
}

enum err place_claim(struct place *p, u64 start, u64 size_bytes)
{
	u64 end;

	if (size_bytes == 0 || __builtin_add_overflow(start, size_bytes, &end))
		return ERR_RANGE;
	if (!place_is_ram(p, start, end))
		return ERR_RANGE;
	if (place_overlap(p, start, end))
		return ERR_BUSY;
	if (p->count == PLACE_MAX)
		return ERR_NOMEM;
	p->used[p->count++] = (struct place_range){ .start = start, .end = end };
	return ERR_NONE;
}

enum err place_alloc(struct place *p, u64 size_bytes, u64 align_bytes, u64 max_end, u64 *start)
{
	u64 end = MIN(max_end, p->ram_end);

	/* Each round lowers `end` below one taken range, so the search ends. */
	while (end > GPA_HIGH_RAM && size_bytes <= end - GPA_HIGH_RAM) {
		u64 at = ALIGN_DOWN(end - size_bytes, align_bytes);
		const struct place_range *hit = place_overlap(p, at, at + size_bytes);

		if (at < GPA_HIGH_RAM)
			break;
		if (!hit) {
			*start = at;
			return place_claim(p, at, size_bytes);
		}
		end = hit->start;
	}
	return ERR_NOMEM;
}
