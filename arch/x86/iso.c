/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/iso.h"

#define PRESENT BIT(0)

/* The window's table is the one table that isolated code may write. */
enum err iso_init(struct iso *iso, const struct pt_mem *mem)
{
	struct iso_area table = { .size_bytes = PAGE_SIZE, .attr = PT_R | PT_W };
	enum err err = pt_init(&iso->pt, PT_HOST, mem, 1);
	bool stale = false;

	err = err ? err : pt_map(&iso->pt, ISO_WINDOW, (hpa_t){ 0 }, PAGE_SIZE, PT_R, &stale);
	if (err)
		return err;
	iso->window = iso->pt.root;
	for (unsigned level = PT_LEVELS; level > 1; level--)
		iso->window = pt_table(iso->window[pt_index(ISO_WINDOW, level)]);
	iso->window[0] = 0;
	table.va = (u64)iso->window;
	table.pa = va_to_pa(iso->window);
	return iso_add(iso, ISO_CPU, &table);
}

enum err iso_add(struct iso *iso, enum iso_part part, const struct iso_area *area)
{
	u32 *count = &iso->count[part];
	bool stale = false;
	enum err err;

	if (*count == ISO_AREAS_MAX)
		return ERR_RANGE;
	err = pt_map(&iso->pt, area->va, area->pa, area->size_bytes, area->attr, &stale);
	if (err)
		return err;
	iso->area[part][(*count)++] = *area;
	return ERR_NONE;
}

/* All leaves are pages, so unmapping splits nothing and cannot fail. */
void iso_clear(struct iso *iso, enum iso_part part, const void *owner)
{
	bool stale = false;

	while (iso->count[part]) {
		const struct iso_area *area = &iso->area[part][--iso->count[part]];

		if (pt_unmap(&iso->pt, area->va, area->size_bytes, &stale))
			break;
	}
	iso->owner[part] = owner;
}

/* The CPU changes none of its bits: accessed is set from the beginning, dirty with the right. */
static bool is_listed(const struct iso *iso, u64 va, u64 entry)
{
	for (u32 part = 0; part < ISO_PARTS; part++)
		for (u32 i = 0; i < iso->count[part]; i++) {
			const struct iso_area *a = &iso->area[part][i];

			if (va - a->va < a->size_bytes &&
			    entry == ((a->pa.v + va - a->va) | pt_leaf_bits(&iso->pt, a->attr)))
				return true;
		}
	return false;
}

static void wrong(struct iso_report *report, u32 *kind, u64 va)
{
	(*kind)++;
	report->first_wrong = va;
}

/* Count what `table` of `level` maps from `va` on. */
static void table_walk(const struct iso *iso, const u64 *table, unsigned level, u64 va,
		       struct iso_report *report)
{
	for (unsigned i = 0; i < PT_ENTRIES; i++, va += pt_level_bytes(level)) {
		if (!(table[i] & PRESENT))
			continue;
		if (level > 1 && !(table[i] & PT_LARGE)) {
			table_walk(iso, pt_table(table[i]), level - 1, va, report);
			continue;
		}
		report->mapped++;
		if (level > 1 || !is_listed(iso, va, table[i]))
			wrong(report, &report->extra, va);
	}
}

static void area_look(const struct iso *iso, const struct iso_area *a, struct iso_report *report)
{
	for (u64 at = 0; at < a->size_bytes; at += PAGE_SIZE) {
		struct pt_leaf leaf = pt_lookup(&iso->pt, a->va + at);

		if (!leaf.is_present || leaf.pa.v != a->pa.v + at)
			wrong(report, &report->missing, a->va + at);
	}
}

/* The upper half of the address space, and the lower, where nothing may be. */
struct iso_report iso_check(const struct iso *iso)
{
	struct iso_report report = { 0 };

	for (unsigned i = 0; i < PT_ENTRIES; i++) {
		u64 va = (u64)((s64)((u64)i << 55) >> 16);

		if (iso->pt.root[i] & PRESENT)
			table_walk(iso, pt_table(iso->pt.root[i]), PT_LEVELS - 1, va, &report);
	}
	for (u32 part = 0; part < ISO_PARTS; part++)
		for (u32 i = 0; i < iso->count[part]; i++)
			area_look(iso, &iso->area[part][i], &report);
	return report;
}
