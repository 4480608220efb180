/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's RAM and the memory map that describes it, made once and handed over in the form of
 * each boot protocol. Pure functions; from any context.
 */
#ifndef CORE_LOAD_E820_H
#define CORE_LOAD_E820_H

#include "core/lib/err.h"
#include "core/lib/types.h"

/* RAM ends at below_4g_bytes (holes below 1 MiB included) and goes on at 4 GiB. Page aligned. */
struct ram_layout {
	u64 below_4g_bytes;
	u64 above_4g_bytes;
};

enum e820_type { E820_RAM = 1, E820_RESERVED = 2 };

/* ACPI Specification, "INT 15H, E820H - Query System Address Map". */
struct e820_entry {
	u64 addr;
	u64 size_bytes;
	u32 type; /* enum e820_type */
} __packed;
_Static_assert(sizeof(struct e820_entry) == 20, "e820_entry layout");

#define E820_MAX 8

struct e820_map {
	u32 count;
	struct e820_entry entry[E820_MAX]; /* sorted by address, disjoint */
};

/* Split `memory_bytes` of RAM at the hole below 4 GiB. */
struct ram_layout ram_layout_make(u64 memory_bytes);

/* ERR_INVAL if `ram` is unaligned, smaller than 2 MiB or larger than the address map allows. */
enum err ram_layout_check(const struct ram_layout *ram) __must_check;

/* Fill `map` from a layout that passed ram_layout_check(). */
void e820_make(const struct ram_layout *ram, struct e820_map *map);

#endif
