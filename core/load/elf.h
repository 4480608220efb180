/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files as kernel images, 32 and 64 bits wide: the narrow ones are widened as they are read.
 * Opening checks the header and the program header table against the file's size, so that later
 * reads cannot fail. Internal to core/load; owns nothing.
 */
#ifndef CORE_LOAD_ELF_H
#define CORE_LOAD_ELF_H

#include <elf.h>

#include "core/load/loader.h"

#define ELF_MAX_SEGMENTS 32

struct elf {
	const struct image *image;
	bool is_64;
	Elf64_Ehdr header; /* of a 32-bit file only the entry and where the program headers are */
};

/* Check the kernel image's ELF header; it must be a little-endian x86 executable. */
bool elf_open(struct loader *l, struct elf *elf) __must_check;

/* Program header `i` < elf->header.e_phnum. */
Elf64_Phdr elf_segment_get(const struct elf *elf, u32 i);

/* Claim and write all PT_LOAD segments at their physical addresses, the rest of each zeroed. */
void elf_load(struct loader *l, const struct elf *elf);

/* Is `*addr`, virtual or physical, inside a PT_LOAD segment? If so it becomes physical. */
bool elf_find(const struct elf *elf, bool is_virtual, u64 *addr);

#endif
