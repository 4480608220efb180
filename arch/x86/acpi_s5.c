/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/acpi.h"

#include <string.h>

#define NAME_OP 0x08
#define PACKAGE_OP 0x12
#define BYTE_PREFIX 0x0a
#define ZERO_OP 0x00
#define ONE_OP 0x01
#define NAME_BYTES 4

/* One small integer of a package: 0, 1, or a byte behind its prefix. Advances *p. */
static bool integer_read(const u8 **p, const u8 *end, u8 *value)
{
	const u8 *at = *p;
	bool has_prefix = at < end && *at == BYTE_PREFIX;

	at += has_prefix;
	if (at >= end || (!has_prefix && *at != ZERO_OP && *at != ONE_OP))
		return false;
	*value = *at;
	*p = at + 1;
	return true;
}

/* The package at `p`: opcode, length of 1 to 4 bytes, number of elements, elements. */
static bool package_read(const u8 *p, const u8 *end, u8 *typ_a, u8 *typ_b)
{
	size_t head;

	if (end - p < 3 || p[0] != PACKAGE_OP)
		return false;
	head = 3 + (size_t)(p[1] >> 6); /* bits 7:6: further bytes of the length */
	if ((size_t)(end - p) < head)
		return false;
	p += head;
	if (!integer_read(&p, end, typ_a))
		return false;
	if (!integer_read(&p, end, typ_b))
		*typ_b = 0;
	return true;
}

enum err acpi_s5_find(const void *aml, size_t len_bytes, u8 *typ_a, u8 *typ_b)
{
	const u8 *start = aml;

	/* The name follows its opcode, or the root's backslash between the two. */
	for (size_t i = 1; i + NAME_BYTES <= len_bytes; i++) {
		if (memcmp(start + i, "_S5_", NAME_BYTES))
			continue;
		if (start[i - 1] != NAME_OP &&
		    !(i >= 2 && start[i - 1] == '\\' && start[i - 2] == NAME_OP))
			continue;
		if (package_read(start + i + NAME_BYTES, start + len_bytes, typ_a, typ_b))
			return ERR_NONE;
	}
	return ERR_NOENT;
}
