/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a unified or signed image carries besides code: its PE sections, the cpio archive (kind
 * "newc") of embedded files, and the list of SHA-256 hashes of files outside (what sha256sum
 * prints). Pure, no C library; nothing is read beyond the sizes given. Names asked for have / or \;
 * separators at their front do not count.
 */
#ifndef BOOT_ARCHIVE_H
#define BOOT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
	const uint8_t *data; /* NULL: there is none */
	size_t size_bytes;
};

/* Archives and notes align by 4. */
static inline size_t round_up_4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* A little-endian number of `width_bytes` at `offset`; 0 where that is not all inside. */
uint64_t blob_le(struct blob b, uint64_t offset, unsigned int width_bytes);

/* Section `name` (at most 8 characters) of the PE image as firmware has loaded it. */
struct blob pe_section(struct blob image, const char *name);

/* File `name` of a cpio archive. */
struct blob archive_find(struct blob archive, const char *name);

enum hash_verdict { HASH_GOOD, HASH_UNLISTED, HASH_DIFFERS };

/* Look `name` and the SHA-256 of `file` up in a list. */
enum hash_verdict hash_check(struct blob list, const char *name, struct blob file);

#endif
