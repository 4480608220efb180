/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/e820.h"

#include "core/load/layout.h"

struct ram_layout ram_layout_make(u64 memory_bytes)
{
	u64 below = MIN(memory_bytes, GPA_BELOW_4G_MAX);

	return (struct ram_layout){ .below_4g_bytes = below,
				    .above_4g_bytes = memory_bytes - below };
}

enum err ram_layout_check(const struct ram_layout *ram)
{
	if (ram->below_4g_bytes < MiB(2) || ram->below_4g_bytes > GPA_BELOW_4G_MAX ||
	    ram->above_4g_bytes > GPA_ABOVE_4G_MAX_BYTES ||
	    !IS_ALIGNED(ram->below_4g_bytes | ram->above_4g_bytes, KiB(4)))
		return ERR_INVAL;
	return ERR_NONE;
}

static void e820_add(struct e820_map *map, u64 start, u64 end, enum e820_type type)
{
	map->entry[map->count++] = (struct e820_entry){
		.addr = start,
		.size_bytes = end - start,
		.type = type,
	};
}

void e820_make(const struct ram_layout *ram, struct e820_map *map)
{
	map->count = 0;
	e820_add(map, 0, GPA_LOW_RAM_END, E820_RAM);
	e820_add(map, GPA_LOW_RAM_END, GPA_EBDA_END, E820_RESERVED);
	e820_add(map, GPA_ROM_BASE, GPA_ROM_END, E820_RESERVED);
	e820_add(map, GPA_HIGH_RAM, ram->below_4g_bytes, E820_RAM);
	/* Linux uses the ECAM window only where the map reserves it. */
	e820_add(map, GPA_PCI_ECAM, GPA_PCI_ECAM + GPA_PCI_ECAM_BYTES, E820_RESERVED);
	if (ram->above_4g_bytes)
		e820_add(map, GPA_ABOVE_4G, GPA_ABOVE_4G + ram->above_4g_bytes, E820_RAM);
}
