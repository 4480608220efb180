/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel.h"

#include "boot/archive.h"

#define ELF_MAGIC 0x464c457f

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

/* An ELF note with a PVH entry begins with the sizes of its name and content, type and name. */
#define NOTE_TYPE_OFFSET 8
#define NOTE_NAME_OFFSET 12
#define NOTE_BYTES 16
#define PVH_NOTE_TYPE 18
#define PVH_NOTE_NAME 0x006e6558 /* "Xen" */

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

/* Anywhere: where in the file the headers put notes is for the core to check. */
static bool has_pvh_note(struct blob f)
{
	for (uint64_t i = 0; i + NOTE_BYTES <= f.size_bytes; i++)
		if (f.data[i] == sizeof("Xen") &&
		    blob_le(f, i + NOTE_TYPE_OFFSET, 4) == PVH_NOTE_TYPE &&
		    blob_le(f, i + NOTE_NAME_OFFSET, 4) == PVH_NOTE_NAME)
			return true;
	return false;
}

const char *kernel_complaint(const uint8_t *file, size_t size_bytes)
{
	struct blob f = { file, size_bytes };

	if (is_bzimage(f))
		return has_64bit_entry(f) ? NULL : "is a bzImage without a 64-bit entry (Linux "
						   "older than 3.8, or 32-bit)";
	if (blob_le(f, 0, 4) != ELF_MAGIC)
		return "is no kernel";
	if (!has_multiboot_header(f) && !has_pvh_note(f))
		return "is an ELF file without PVH note and multiboot header";
	return NULL;
}
