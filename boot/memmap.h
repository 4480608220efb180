/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the sorted memory map of struct bootinfo from ranges in any order. Pure code without
 * state; tested on the host.
 */
#ifndef BOOT_MEMMAP_H
#define BOOT_MEMMAP_H

#include <stdbool.h>

#include "boot/bootinfo.h"

enum memmap_result {
	MEMMAP_OK,
	MEMMAP_FULL, /* more than BOOT_MAX_MEM ranges */
	MEMMAP_OVERLAP, /* two ranges share a page */
	MEMMAP_BAD, /* not page aligned, empty, or beyond the address space */
};

/*
 * Put a range into its place in mem[0 .. *nr_mem - 1] and join it with neighbours of its type.
 * On failure the map is unchanged.
 */
enum memmap_result memmap_add(struct boot_mem *mem, uint32_t *nr_mem, uint64_t base,
			      uint64_t size_bytes, enum boot_mem_type type);

/*
 * The next run of adjacent RAM ranges at or after index *i, which moves behind it. Returns false
 * where there is none.
 */
bool memmap_next_ram(const struct boot_mem *mem, uint32_t nr_mem, uint32_t *i, uint64_t *start,
		     uint64_t *end);

#endif
