/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files as kernel images, 32 and 64 bits wide behind one view. Opening checks the header and
 * the program header table against the file's size, so that later reads cannot fail. Internal to
 * core/load; owns nothing.
 */
#ifndef CORE_LOAD_ELF_H
#define CORE_LOAD_ELF_H

#include "core/load/loader.h"

#define ELF_MAX_SEGMENTS 32

enum elf_segment_type { ELF_PT_LOAD = 1, ELF_PT_NOTE = 4 };

struct elf {
	const struct image *image;
	bool is_64;
	u64 entry; /* as linked, that is a virtual address */
	u64 table_offset;
	u32 nr_segments;
};

/* A program header. */
struct elf_segment {
	u32 type;
	u64 offset;
	u64 vaddr;
	u64 paddr;
	u64 file_bytes;
	u64 mem_bytes;
	u64 align_bytes;
};

/* Check the kernel image's ELF header; it must be a little-endian x86 executable. */
enum err elf_open(struct loader *l, struct elf *elf) __must_check;

/* Program header `i` < elf->nr_segments. */
struct elf_segment elf_segment_get(const struct elf *elf, u32 i);

/* Claim and write all PT_LOAD segments at their physical addresses, the rest of each zeroed. */
enum err elf_load(struct loader *l, const struct elf *elf) __must_check;

/* Is the physical address `paddr` inside a PT_LOAD segment? */
bool elf_has_paddr(const struct elf *elf, u64 paddr);

/* The entry point as a physical address; false if it lies in no PT_LOAD segment. */
bool elf_entry_paddr(const struct elf *elf, u64 *paddr);

#endif
