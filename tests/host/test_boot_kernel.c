/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: boot/kernel.c boot/archive.c boot/sha256.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/kernel.h"

#define FILE_BYTES 0x3000

static uint8_t file[FILE_BYTES];

static int setup(void **state)
{
	(void)state;
	memset(file, 0, sizeof(file));
	return 0;
}

/* Write `width_bytes` little-endian bytes. */
static void put(size_t at, uint64_t value, size_t width_bytes)
{
	for (size_t i = 0; i < width_bytes; i++)
		file[at + i] = (uint8_t)(value >> (8 * i));
}

/* Look at a copy of its exact size, so that the sanitizer sees every read beyond the end. */
static const char *complaint(size_t size_bytes)
{
	uint8_t *copy = malloc(size_bytes ? size_bytes : 1);
	const char *text;

	assert_non_null(copy);
	memcpy(copy, file, size_bytes);
	text = kernel_complaint(copy, size_bytes);
	free(copy);
	return text;
}

static void assert_good(size_t size_bytes)
{
	assert_null(complaint(size_bytes));
}

static void assert_bad(size_t size_bytes, const char *expected)
{
	const char *text = complaint(size_bytes);

	assert_non_null(text);
	assert_string_equal(text, expected);
}

#define NO_KERNEL "is no kernel"
#define OLD "is a bzImage without a 64-bit entry (Linux older than 3.8, or 32-bit)"
#define ELF "is an ELF file without PVH note and multiboot header"

static void make_bzimage(void)
{
	put(0x1fe, 0xaa55, 2);
	memcpy(file + 0x202, "HdrS", 4);
	put(0x206, 0x20f, 2);
	put(0x236, 1, 2);
}

static void test_bzimage(void **state)
{
	(void)state;
	make_bzimage();
	assert_good(FILE_BYTES);
	assert_good(0x268);
	assert_bad(0x267, NO_KERNEL);
	put(0x236, 0xfffe, 2);
	assert_bad(FILE_BYTES, OLD);
	put(0x236, 1, 2);
	put(0x206, 0x20b, 2);
	assert_bad(FILE_BYTES, OLD);
	put(0x1fe, 0, 2);
	assert_bad(FILE_BYTES, NO_KERNEL);
}

static void make_elf(void)
{
	memcpy(file, "\x7f" "ELF\x02\x01\x01", 7);
}

static size_t put_note(size_t at, const char *name, uint32_t type, uint32_t desc_bytes)
{
	size_t name_bytes = strlen(name) + 1;

	put(at, name_bytes, 4);
	put(at + 4, desc_bytes, 4);
	put(at + 8, type, 4);
	memcpy(file + at + 12, name, name_bytes);
	return at + 12 + ((name_bytes + 3) & ~3ul) + ((desc_bytes + 3) & ~3ul);
}

static void test_pvh(void **state)
{
	size_t at;

	(void)state;
	make_elf();
	at = put_note(0x200, "GNU", 18, 5);
	at = put_note(at, "Xen", 6, 12);
	assert_bad(FILE_BYTES, ELF);
	put_note(at, "Xen", 18, 4);
	assert_good(FILE_BYTES);
	assert_good(at + 16);
	assert_bad(at + 15, ELF);
	put(at + 8, 18 | 1u << 31, 4);
	assert_bad(FILE_BYTES, ELF);
	put_note(at, "Xem", 18, 4);
	assert_bad(FILE_BYTES, ELF);
	put_note(FILE_BYTES - 16, "Xen", 18, 0);
	assert_good(FILE_BYTES);
	make_elf();
	put_note(0x203, "Xen", 18, 4); /* of a section that is not aligned */
	assert_good(FILE_BYTES);
}

static void put_multiboot(size_t at, uint32_t flags)
{
	put(at, 0x1badb002, 4);
	put(at + 4, flags, 4);
	put(at + 8, 0u - 0x1badb002u - flags, 4);
}

static void test_multiboot(void **state)
{
	(void)state;
	make_elf();
	put_multiboot(0x1000, 3);
	assert_good(FILE_BYTES);
	assert_good(0x100c);
	assert_bad(0x100b, ELF);
	put(0x1008, 0, 4); /* wrong checksum */
	assert_bad(FILE_BYTES, ELF);
	put(0x1000, 0, 4);
	put_multiboot(0x1002, 3); /* not on a multiple of 4 */
	assert_bad(FILE_BYTES, ELF);
	memset(file + 0x1000, 0, 16);
	put_multiboot(8192 - 12, 0); /* the last place that counts */
	assert_good(FILE_BYTES);
	put(8192 - 12, 0, 4);
	put_multiboot(8192 - 8, 0);
	assert_bad(FILE_BYTES, ELF);
	file[0] = 0; /* a multiboot header alone is not enough */
	put_multiboot(0, 0);
	assert_bad(FILE_BYTES, NO_KERNEL);
}

static void test_tiny_files(void **state)
{
	(void)state;
	assert_bad(0, NO_KERNEL);
	make_elf();
	for (size_t i = 0; i < 64; i++)
		assert_non_null(complaint(i));
	assert_bad(4, ELF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bzimage, setup),
		cmocka_unit_test_setup(test_pvh, setup),
		cmocka_unit_test_setup(test_multiboot, setup),
		cmocka_unit_test_setup(test_tiny_files, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
