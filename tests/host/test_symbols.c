/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: arch/x86/symbols.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <elf.h>

#include <cmocka.h>

#include "arch/x86/symbols.h"

#define NAMES "\0start\0alpha\0label\0data\0undef"

static const Elf64_Sym table[] = {
	{ 0 },
	{ .st_name = 1, .st_info = STT_NOTYPE, .st_shndx = 1, .st_value = 0x1000 },
	{ .st_name = 7, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 0x1000, .st_size = 0x40 },
	{ .st_name = 13, .st_info = STT_NOTYPE, .st_shndx = 1, .st_value = 0x1100 },
	{ .st_name = 19, .st_info = STT_OBJECT, .st_shndx = 2, .st_value = 0x1110, .st_size = 8 },
	{ .st_name = 24, .st_info = STT_FUNC, .st_shndx = 0, .st_value = 0x1120 },
	{ .st_name = 999, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 0x1130 },
};

static void expect(u64 address, const char *name, u64 offset)
{
	u64 found = 77;
	const char *text = symbol_find(address, &found);

	if (!name) {
		assert_null(text);
		assert_int_equal(found, 77);
		return;
	}
	assert_string_equal(text, name);
	assert_int_equal(found, offset);
}

static void without_table(void **state)
{
	(void)state;
	expect(0x1000, NULL, 0);
	/* Strings without an end are refused. */
	symbols_init(table, 7, "\0start", 6);
	expect(0x1000, NULL, 0);
}

static void with_table(void **state)
{
	(void)state;
	symbols_init(table, 7, NAMES, sizeof(NAMES));
	expect(0xfff, NULL, 0);
	expect(0x1000, "alpha", 0); /* the function, not the label at the same place */
	expect(0x103f, "alpha", 0x3f);
	expect(0x1040, "start", 0x40); /* behind the function's end */
	expect(0x1118, "label", 0x18); /* not data */
	expect(0x1125, "label", 0x25); /* nor an undefined one, */
	expect(0x1135, "label", 0x35); /* nor one whose name lies outside of the strings */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_table),
		cmocka_unit_test(with_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
