/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot protocols share while one image is loaded: the request, the places taken, the
 * first failure, and bounded readers of image bytes. Internal to core/load; lives on the stack of
 * load_image().
 *
 * The first failure sticks. What checks an image says so by its result, false; what places and
 * writes does nothing from then on, so that its callers need not ask after each step.
 */
#ifndef CORE_LOAD_LOADER_H
#define CORE_LOAD_LOADER_H

#include <string.h>

#include "core/lib/bits.h"
#include "core/load/load.h"
#include "core/load/place.h"

/* A module in guest memory; also an entry of PVH's module list. */
struct loader_module {
	u64 start, size_bytes, cmdline;
	u64 reserved;
};
_Static_assert(sizeof(struct loader_module) == 32, "loader_module layout");

struct loader {
	const struct guest_mem *mem;
	const struct load_request *req;
	struct load_result *res;
	enum err err; /* the first failure */
	const char *why; /* its text */
	struct place place;
	struct e820_map e820;
	struct loader_module module[LOAD_MAX_MODULES];
};

/* Where command lines and tables may lie: kernels read them through an early map of 1 GiB. */
#define LOADER_DATA_END GiB(1)

/* Record a failure, unless there has been one; always false. */
static inline bool loader_fail(struct loader *l, enum err e, const char *why)
{
	if (!l->err) {
		l->err = e;
		l->why = why;
	}
	return false;
}

/* Copy `len_bytes` at `offset` out of an image; false if the image has fewer. */
static inline bool image_read(const struct image *img, u64 offset, void *buf, u64 len_bytes)
{
	if (offset > img->size_bytes || len_bytes > img->size_bytes - offset)
		return false;
	memcpy(buf, (const u8 *)img->data + offset, len_bytes);
	return true;
}

/* Write to, or clear, guest memory that the caller has claimed. */
void loader_write(struct loader *l, u64 gpa, const void *buf, u64 len_bytes);
void loader_zero(struct loader *l, u64 gpa, u64 len_bytes);

/*
 * Claim `mem_bytes` at `gpa`, where this part of the kernel is linked to, and write `file_bytes` of
 * the image from `offset` on, then zeros.
 */
void loader_put_part(struct loader *l, u64 gpa, u64 offset, u64 file_bytes, u64 mem_bytes);

/*
 * Place `len_bytes` anywhere below `max_end`; does not write them. Returns the address, after a
 * failure 0; `why` is the text if there is no room.
 */
u64 loader_alloc(struct loader *l, u64 len_bytes, u64 align_bytes, u64 max_end, const char *why);

/*
 * Place and write a block of data, or a string with its NUL (NULL is an empty string), below
 * LOADER_DATA_END. Return the address, after a failure 0.
 */
u64 loader_put(struct loader *l, const void *buf, u64 len_bytes);
u64 loader_put_string(struct loader *l, const char *s);

/* Place and write all modules below `max_end`, page aligned, with their strings. */
void loader_put_modules(struct loader *l, u64 max_end);

/* Flat segments for `mode`, and for BOOT_LONG64 the identity map; fills the result. */
void loader_put_cpu_tables(struct loader *l, enum boot_mode mode);

/* The protocols: does the image look like one, and load it. */
bool image_is_bzimage(const struct image *img);
bool image_is_multiboot(const struct image *img);
bool image_is_elf(const struct image *img);
void bzimage_load(struct loader *l);
void multiboot_load(struct loader *l);
void pvh_load(struct loader *l);

#endif
