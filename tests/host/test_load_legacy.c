/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/load/legacy.c */
#include "tests/host/load_fixture.h"

#include "core/load/legacy.h"

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));

	fixture_open(f, MiB(2));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

/* The linear address of a vector's handler. */
static u64 handler(const struct fixture *f, u32 vector)
{
	u32 entry = ram32(f, vector * 4);

	return (entry >> 16) * 16ull + (entry & 0xffff);
}

static void vectors_lead_to_handlers(void **state)
{
	struct fixture *f = *state;
	static const u8 iret[] = { 0xcf };
	static const u8 master[] = { 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf };
	static const u8 slave[] = { 0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf };

	assert_int_equal(legacy_write(&f->mem), ERR_NONE);
	for (u32 v = 0; v < 256; v++) {
		u64 at = handler(f, v);

		assert_true(at >= GPA_ROM_CODE && at < GPA_ROM_END - 16);
		if (v >= 8 && v < 16)
			assert_memory_equal(f->ram + at, master, sizeof(master));
		else if (v >= 0x70 && v < 0x78)
			assert_memory_equal(f->ram + at, slave, sizeof(slave));
		else
			assert_memory_equal(f->ram + at, iret, sizeof(iret));
	}
}

static void reset_vector_resets(void **state)
{
	struct fixture *f = *state;
	static const u8 code[] = { 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd };

	assert_int_equal(legacy_write(&f->mem), ERR_NONE);
	assert_memory_equal(f->ram + 0xffff0, code, sizeof(code));
}

static void nothing_else_is_written(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(legacy_write(&f->mem), ERR_NONE);
	assert_true(ram_is(f, 0x400, GPA_ROM_CODE - 0x400, 0xa5));
	assert_true(ram_is(f, GPA_ROM_END, MiB(1), 0xa5));
}

static void writer_errors_come_back(void **state)
{
	struct fixture *f = *state;

	for (f->writes_left = 0; f->writes_left < 3;) {
		u64 n = f->writes_left;

		assert_int_equal(legacy_write(&f->mem), ERR_IO);
		f->writes_left = n + 1;
	}
	assert_int_equal(legacy_write(&f->mem), ERR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(vectors_lead_to_handlers, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_vector_resets, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_else_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(writer_errors_come_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
