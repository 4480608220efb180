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

/* Recognise a copy of its exact size, so that the sanitizer sees every read beyond the end. */
static enum kernel_kind recognise(size_t size_bytes)
{
	uint8_t *copy = malloc(size_bytes ? size_bytes : 1);
	enum kernel_kind kind;

	assert_non_null(copy);
	memcpy(copy, file, size_bytes);
	kind = kernel_recognise(copy, size_bytes);
	free(copy);
	return kind;
}

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
	assert_int_equal(recognise(FILE_BYTES), KERNEL_BZIMAGE);
	assert_int_equal(recognise(0x268), KERNEL_BZIMAGE);
	assert_int_equal(recognise(0x267), KERNEL_UNKNOWN);
	put(0x236, 0xfffe, 2);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_BZIMAGE_OLD);
	put(0x236, 1, 2);
	put(0x206, 0x20b, 2);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_BZIMAGE_OLD);
	assert_non_null(kernel_complaint(KERNEL_BZIMAGE_OLD));
	put(0x1fe, 0, 2);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_UNKNOWN);
}

static void make_elf64(uint64_t phoff, uint16_t phnum)
{
	memcpy(file, "\x7f" "ELF\x02\x01\x01", 7);
	put(0x20, phoff, 8);
	put(0x36, 56, 2);
	put(0x38, phnum, 2);
}

static void make_note_segment64(size_t at, uint64_t offset, uint64_t filesz)
{
	put(at, 4, 4);
	put(at + 8, offset, 8);
	put(at + 0x20, filesz, 8);
}

static size_t put_note(size_t at, const char *name, uint32_t type, uint32_t desc_bytes)
{
	size_t name_bytes = strlen(name) + 1;

	put(at, name_bytes, 4);
	put(at + 4, desc_bytes, 4);
	put(at + 8, type, 4);
	memcpy(file + at + 12, name, name_bytes);
	return 12 + ((name_bytes + 3) & ~3ul) + ((desc_bytes + 3) & ~3ul);
}

static void test_pvh64(void **state)
{
	size_t bytes;

	(void)state;
	make_elf64(0x40, 2);
	make_note_segment64(0x40 + 56, 0x200, 0);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	bytes = put_note(0x200, "GNU", 18, 5);
	bytes += put_note(0x200 + bytes, "Xen", 6, 12);
	make_note_segment64(0x40 + 56, 0x200, bytes);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	bytes += put_note(0x200 + bytes, "Xen", 18, 4);
	make_note_segment64(0x40 + 56, 0x200, bytes);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_PVH);
	assert_int_equal(recognise(0x200 + bytes), KERNEL_PVH);
	assert_int_equal(recognise(0x200 + bytes - 1), KERNEL_ELF);
	put(0x40 + 56, 1, 4); /* no longer a note segment */
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
}

static void test_pvh32(void **state)
{
	(void)state;
	memcpy(file, "\x7f" "ELF\x01\x01\x01", 7);
	put(0x1c, 0x34, 4);
	put(0x2a, 32, 2);
	put(0x2c, 1, 2);
	put(0x34, 4, 4);
	put(0x34 + 4, 0x100, 4);
	put(0x34 + 0x10, put_note(0x100, "Xen", 18, 4), 4);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_PVH);
}

static void test_hostile_notes(void **state)
{
	(void)state;
	make_elf64(0x40, 1);
	put_note(0x200, "Xen", 7, 4);
	make_note_segment64(0x40, 0x200, UINT64_MAX);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	make_note_segment64(0x40, UINT64_MAX - 4, 8);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	make_note_segment64(0x40, 0x200, 0x100);
	put(0x200, 0xffffffff, 4);
	put(0x204, 0xffffffff, 4);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	put(0x20, UINT64_MAX - 55, 8); /* program headers that wrap around */
	put(0x38, 0xffff, 2);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	put(0x20, 0x40, 8);
	put(0x36, 0, 2); /* headers of size 0 */
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
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
	make_elf64(0x40, 0);
	put_multiboot(0x1000, 3);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_MULTIBOOT);
	assert_int_equal(recognise(0x100c), KERNEL_MULTIBOOT);
	assert_int_equal(recognise(0x100b), KERNEL_ELF);
	put(0x1008, 0, 4); /* wrong checksum */
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	put(0x1000, 0, 4);
	put_multiboot(0x1002, 3); /* not on a multiple of 4 */
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	memset(file + 0x1000, 0, 16);
	put_multiboot(8192 - 12, 0); /* the last place that counts */
	assert_int_equal(recognise(FILE_BYTES), KERNEL_MULTIBOOT);
	put(8192 - 12, 0, 4);
	put_multiboot(8192 - 8, 0);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_ELF);
	file[0] = 0; /* a multiboot header alone is not enough */
	put_multiboot(0, 0);
	assert_int_equal(recognise(FILE_BYTES), KERNEL_UNKNOWN);
}

static void test_tiny_files(void **state)
{
	(void)state;
	assert_int_equal(recognise(0), KERNEL_UNKNOWN);
	make_elf64(0x40, 1);
	for (size_t i = 0; i < 64; i++)
		assert_non_null(kernel_complaint(recognise(i)));
	assert_int_equal(recognise(4), KERNEL_ELF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bzimage, setup),
		cmocka_unit_test_setup(test_pvh64, setup),
		cmocka_unit_test_setup(test_pvh32, setup),
		cmocka_unit_test_setup(test_hostile_notes, setup),
		cmocka_unit_test_setup(test_multiboot, setup),
		cmocka_unit_test_setup(test_tiny_files, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
