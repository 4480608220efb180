/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot protocols share while one image is loaded: the request, the places taken, the
 * text of the first failure, and bounded readers of image bytes. Internal to core/load; lives on
 * the stack of load_image().
 */
#ifndef CORE_LOAD_LOADER_H
#define CORE_LOAD_LOADER_H

#include <string.h>

#include "core/lib/bits.h"
#include "core/load/load.h"
#include "core/load/place.h"

/* A module in guest memory. */
struct loader_module {
	u64 start;
	u64 size_bytes;
	u64 cmdline;
};

struct loader {
	const struct guest_mem *mem;
	const struct load_request *req;
	struct load_result *res;
	const char *why;
	struct place place;
	struct e820_map e820;
	struct loader_module module[LOAD_MAX_MODULES];
};

/* Where command lines and tables may lie: kernels read them through an early map of 1 GiB. */
#define LOADER_DATA_END GiB(1)

/* Record the text of a failure and hand its code on. */
static inline enum err loader_fail(struct loader *l, enum err e, const char *why)
{
	l->why = why;
	return e;
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
enum err loader_write(struct loader *l, u64 gpa, const void *buf, u64 len_bytes) __must_check;
enum err loader_zero(struct loader *l, u64 gpa, u64 len_bytes) __must_check;

/* Write `file_bytes` of the kernel image from `offset` on, then zeros up to `mem_bytes`. */
enum err loader_write_image(struct loader *l, u64 gpa, u64 offset, u64 file_bytes,
			    u64 mem_bytes) __must_check;

/* Claim the fixed addresses that an image is linked to. */
enum err loader_claim(struct loader *l, u64 start, u64 size_bytes) __must_check;

/* Place `len_bytes` anywhere below LOADER_DATA_END, 16-byte aligned; does not write them. */
enum err loader_alloc(struct loader *l, u64 len_bytes, u64 *gpa) __must_check;

/* Place and write a block of data, or a string with its NUL (NULL is an empty string). */
enum err loader_put(struct loader *l, const void *buf, u64 len_bytes, u64 *gpa) __must_check;
enum err loader_put_string(struct loader *l, const char *s, u64 *gpa) __must_check;

/* Place and write all modules below `max_end`, page aligned, with their strings. */
enum err loader_put_modules(struct loader *l, u64 max_end) __must_check;

/* Flat segments for `mode`, and for BOOT_LONG64 the identity map; fills the result. */
enum err loader_put_cpu_tables(struct loader *l, enum boot_mode mode) __must_check;

/* The protocols: does the image look like one, and load it. */
bool image_is_bzimage(const struct image *img);
bool image_is_multiboot(const struct image *img);
bool image_is_elf(const struct image *img);
enum err bzimage_load(struct loader *l) __must_check;
enum err multiboot_load(struct loader *l) __must_check;
enum err pvh_load(struct loader *l) __must_check;

#endif
