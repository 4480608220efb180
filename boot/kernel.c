/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel.h"

#include "boot/archive.h"

#define ELF_MAGIC 0x464c457f
#define ELF_CLASS_OFFSET 4
#define ELF_CLASS_64 2
#define PT_NOTE 4

/* "The Linux/x86 Boot Protocol", the real-mode kernel header. */
#define BZ_BOOT_FLAG_OFFSET 0x1fe
#define BZ_MAGIC_OFFSET 0x202
#define BZ_VERSION_OFFSET 0x206
#define BZ_XLOADFLAGS_OFFSET 0x236
#define BZ_HEADER_BYTES 0x268
#define BZ_BOOT_FLAG 0xaa55
#define BZ_MAGIC 0x53726448 /* "HdrS" */
#define BZ_VERSION_64 0x20c
#define BZ_XLF_KERNEL_64 1

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_SEARCH_BYTES 8192

#define PVH_NOTE_TYPE 18

static bool is_bzimage(struct blob f)
{
	return f.size_bytes >= BZ_HEADER_BYTES &&
	       blob_le(f, BZ_BOOT_FLAG_OFFSET, 2) == BZ_BOOT_FLAG &&
	       blob_le(f, BZ_MAGIC_OFFSET, 4) == BZ_MAGIC;
}

static bool has_64bit_entry(struct blob f)
{
	return blob_le(f, BZ_VERSION_OFFSET, 2) >= BZ_VERSION_64 &&
	       (blob_le(f, BZ_XLOADFLAGS_OFFSET, 2) & BZ_XLF_KERNEL_64);
}

static bool has_multiboot_header(struct blob f)
{
	uint64_t sum;

	for (uint64_t i = 0; i + 12 <= f.size_bytes && i + 12 <= MULTIBOOT_SEARCH_BYTES; i += 4) {
		if (blob_le(f, i, 4) != MULTIBOOT_MAGIC)
			continue;
		sum = MULTIBOOT_MAGIC + blob_le(f, i + 4, 4) + blob_le(f, i + 8, 4);
		if (!(sum & 0xffffffff))
			return true;
	}
	return false;
}

/* Whether the notes in the range name a PVH entry: name "Xen", type 18. */
static bool has_pvh_note(struct blob f, uint64_t offset, uint64_t size_bytes)
{
	uint64_t end, name_bytes, desc_bytes;

	if (offset > f.size_bytes || size_bytes > f.size_bytes - offset)
		return false;
	end = offset + size_bytes;
	while (end - offset >= 16) {
		name_bytes = blob_le(f, offset, 4);
		desc_bytes = blob_le(f, offset + 4, 4);
		if (blob_le(f, offset + 8, 4) == PVH_NOTE_TYPE && name_bytes == 4 &&
		    blob_le(f, offset + 12, 4) == 0x006e6558)
			return true;
		name_bytes = round_up_4(name_bytes) + round_up_4(desc_bytes);
		if (name_bytes > end - offset - 12)
			return false;
		offset += 12 + name_bytes;
	}
	return false;
}

/* Offsets of the fields that differ between ELF32 and ELF64. */
struct elf_layout {
	unsigned int word_bytes, phoff, phentsize, phnum, p_offset, p_filesz;
};

static bool elf_has_pvh_note(struct blob f)
{
	static const struct elf_layout elf32 = { 4, 0x1c, 0x2a, 0x2c, 0x04, 0x10 };
	static const struct elf_layout elf64 = { 8, 0x20, 0x36, 0x38, 0x08, 0x20 };
	const struct elf_layout *l =
		blob_le(f, ELF_CLASS_OFFSET, 1) == ELF_CLASS_64 ? &elf64 : &elf32;
	uint64_t header = blob_le(f, l->phoff, l->word_bytes);
	uint64_t step = blob_le(f, l->phentsize, 2);

	for (uint64_t n = blob_le(f, l->phnum, 2); n; n--, header += step) {
		if (header > f.size_bytes)
			return false;
		if (blob_le(f, header, 4) == PT_NOTE &&
		    has_pvh_note(f, blob_le(f, header + l->p_offset, l->word_bytes),
				 blob_le(f, header + l->p_filesz, l->word_bytes)))
			return true;
	}
	return false;
}

enum kernel_kind kernel_recognise(const uint8_t *data, size_t size_bytes)
{
	struct blob f = { data, size_bytes };

	if (is_bzimage(f))
		return has_64bit_entry(f) ? KERNEL_BZIMAGE : KERNEL_BZIMAGE_OLD;
	if (blob_le(f, 0, 4) != ELF_MAGIC)
		return KERNEL_UNKNOWN;
	if (elf_has_pvh_note(f))
		return KERNEL_PVH;
	return has_multiboot_header(f) ? KERNEL_MULTIBOOT : KERNEL_ELF;
}

const char *kernel_complaint(enum kernel_kind kind)
{
	static const char *const complaints[] = {
		[KERNEL_UNKNOWN] = "is no kernel",
		[KERNEL_BZIMAGE_OLD] = "is a bzImage without a 64-bit entry (Linux older than 3.8, "
				       "or 32-bit)",
		[KERNEL_ELF] = "is an ELF file without PVH note and multiboot header",
	};

	return complaints[kind];
}
