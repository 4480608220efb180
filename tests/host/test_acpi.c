/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: arch/x86/acpi.c arch/x86/acpi_s5.c */
/*
 * Reading the host's ACPI tables: addresses are pointers of this program, every table lies alone
 * in exactly sized memory so that the sanitizer sees a read too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

static unsigned warnings;

u64 tsc_khz = 1000;

const void *mem_map_ro(hpa_t pa, u64 size_bytes)
{
	(void)size_bytes;
	return (const void *)pa.v;
}

u64 tsc_from_us(u64 us)
{
	return us;
}

void tsc_wait_us(u64 us)
{
	(void)us;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	(void)fmt;
	warnings += level <= LOG_WARN;
}

/* Tables last for ever, as firmware's do. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void sum_fix(void *data, size_t len, u8 *sum)
{
	u8 *p = data;
	size_t i;

	*sum = 0;
	for (i = 0; i < len; i++)
		if (p + i != sum)
			*sum = (u8)(*sum - p[i]);
}

static struct acpi_header *table_make(const char *signature, u32 length)
{
	struct acpi_header *h = calloc(1, length);

	memcpy(h->signature, signature, 4);
	h->length = length;
	return h;
}

static u64 finish(struct acpi_header *h)
{
	sum_fix(h, h->length, &h->checksum);
	return (u64)h;
}

static void put(void *table, size_t offset, u64 value, size_t bytes)
{
	memcpy((u8 *)table + offset, &value, bytes);
}

/* A root pointer of revision 2 to an XSDT with `n` tables. */
static u64 root_make(const u64 *tables, u32 n)
{
	struct acpi_header *xsdt = table_make("XSDT", 36 + 8 * n);
	u8 *rsdp = calloc(1, 36);

	memcpy(xsdt + 1, tables, 8 * n);
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = 2;
	put(rsdp, 20, 36, 4);
	put(rsdp, 24, finish(xsdt), 8);
	sum_fix(rsdp, 20, rsdp + 8);
	return (u64)rsdp;
}

static void nothing_there(void **state)
{
	struct acpi_gas gas;
	u8 *bad = calloc(1, 36);

	(void)state;
	acpi_init(0);
	assert_int_equal(warnings, 0);
	memcpy(bad, "RSD PTR ", 8); /* wrong checksum */
	acpi_init((u64)bad);
	assert_int_equal(warnings, 1);
	memset(bad, 0, 36); /* right checksum, wrong signature */
	acpi_init((u64)bad);
	assert_int_equal(warnings, 2);
	assert_null(acpi_find("FACP"));
	assert_int_equal(acpi_pm_timer_port(), 0);
	assert_false(acpi_serial(0, &gas));
	assert_int_equal(acpi_poweroff(), ERR_NOENT);
	assert_int_equal(acpi_reset(), ERR_NOENT);
}

static void damaged_tables_are_left_out(void **state)
{
	struct acpi_header *sum = table_make("AAAA", 40), *shorter = table_make("BBBB", 36);
	struct acpi_header *longer = table_make("CCCC", 36), *good = table_make("GOOD", 36);
	struct acpi_header *spcr = table_make("SPCR", 44); /* too short to hold the address */
	u64 tables[6];
	struct acpi_gas gas;

	(void)state;
	sum->checksum = 1;
	shorter->length = 35;
	longer->length = 0x7fffffff;
	tables[0] = (u64)sum;
	tables[1] = (u64)shorter;
	tables[2] = (u64)longer;
	tables[3] = 0;
	tables[4] = finish(good);
	tables[5] = finish(spcr);
	warnings = 0;
	acpi_init(root_make(tables, 6));
	assert_int_equal(warnings, 4);
	assert_null(acpi_find("AAAA"));
	assert_null(acpi_find("BBBB"));
	assert_null(acpi_find("CCCC"));
	assert_ptr_equal(acpi_find("GOOD"), good);
	assert_false(acpi_serial(0, &gas));
}

static void old_fadt(void **state)
{
	struct acpi_header *fadt = table_make("FACP", 116); /* ends before the reset register */
	u64 tables[1];

	(void)state;
	put(fadt, 76, 0x608, 4);
	tables[0] = finish(fadt);
	acpi_init(root_make(tables, 1));
	assert_int_equal(acpi_pm_timer_port(), 0x608);
	assert_int_equal(acpi_poweroff(), ERR_NOENT); /* no DSDT */
	assert_int_equal(acpi_reset(), ERR_NOENT);
}

static void serial_console(void **state)
{
	struct acpi_header *spcr = table_make("SPCR", 80);
	u64 tables[1];
	struct acpi_gas gas;

	(void)state;
	put(spcr, 40, ACPI_SPACE_IO | 8 << 8, 4);
	put(spcr, 44, 0x2f8, 8);
	tables[0] = finish(spcr);
	acpi_init(root_make(tables, 1));
	assert_true(acpi_serial(0, &gas));
	assert_false(acpi_serial(1, &gas));
	assert_int_equal(gas.space, ACPI_SPACE_IO);
	assert_int_equal(gas.address, 0x2f8);
	put(spcr, 36, 3, 1); /* not a 16550 */
	tables[0] = finish(spcr);
	acpi_init(root_make(tables, 1));
	assert_false(acpi_serial(0, &gas));
}

/* A device of DBG2 at `at`: kind 0 is a 16550. */
static void dbg2_device(struct acpi_header *t, u32 at, u32 type, u32 kind, u64 port)
{
	put(t, at + 1, 40, 2);
	put(t, at + 3, 1, 1);
	put(t, at + 12, type, 2);
	put(t, at + 14, kind, 2);
	put(t, at + 18, 22, 2);
	put(t, at + 22, ACPI_SPACE_IO | 8 << 8, 4);
	put(t, at + 26, port, 8);
}

static void debug_ports(void **state)
{
	struct acpi_header *spcr = table_make("SPCR", 80), *dbg2 = table_make("DBG2", 44 + 4 * 40);
	struct acpi_gas gas;
	u64 tables[2];

	(void)state;
	put(spcr, 40, ACPI_SPACE_IO | 8 << 8, 4);
	put(spcr, 44, 0x2f8, 8);
	put(dbg2, 36, 44, 4);
	put(dbg2, 40, 4, 4);
	dbg2_device(dbg2, 44, 0x8000, 0, 0x3e8);
	dbg2_device(dbg2, 84, 0x8000, 3, 0x111); /* a PL011 */
	dbg2_device(dbg2, 124, 0x8001, 0, 0x222); /* not a serial line */
	dbg2_device(dbg2, 164, 0x8000, 0x12, 0x2e8);
	tables[0] = finish(spcr);
	tables[1] = finish(dbg2);
	acpi_init(root_make(tables, 2));
	assert_true(acpi_serial(0, &gas));
	assert_int_equal(gas.address, 0x2f8);
	assert_true(acpi_serial(1, &gas));
	assert_int_equal(gas.address, 0x3e8);
	assert_true(acpi_serial(2, &gas));
	assert_int_equal(gas.address, 0x2e8);
	assert_false(acpi_serial(3, &gas));
	acpi_init(root_make(tables + 1, 1)); /* without SPCR */
	assert_true(acpi_serial(0, &gas));
	assert_int_equal(gas.address, 0x3e8);
}

/* Whatever a field says, reading stays in the table: ASan looks. */
static void bad_debug_ports(void **state)
{
	static const struct {
		u32 at, value, width;
	} bad[] = { { 36, 0xffff, 4 }, { 36, 0xc4, 4 }, { 45, 0, 2 }, { 45, 21, 2 },
		    { 45, 0xffff, 2 }, { 45, 41, 2 }, { 62, 0xffff, 2 }, { 62, 29, 2 } };
	struct acpi_gas gas;
	u64 tables[1];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		struct acpi_header *dbg2 = table_make("DBG2", 84);

		put(dbg2, 36, 44, 4);
		dbg2_device(dbg2, 44, 0x8000, 0, 0x3e8);
		put(dbg2, bad[i].at, bad[i].value, (int)bad[i].width);
		tables[0] = finish(dbg2);
		acpi_init(root_make(tables, 1));
		assert_false(acpi_serial(0, &gas));
	}
}

static enum err s5(const char *bytes, size_t len, u8 *a, u8 *b)
{
	u8 *copy = malloc(len);
	enum err err;

	memcpy(copy, bytes, len);
	err = acpi_s5_find(copy, len, a, b);
	free(copy);
	return err;
}

#define S5(text, a, b) s5(text, sizeof(text) - 1, a, b)

static void s5_packages(void **state)
{
	u8 a = 99, b = 99;

	(void)state;
	assert_int_equal(S5("xx\x08_S5_\x12\x06\x04\x0a\x05\x0a\x07\x00\x00", &a, &b), ERR_NONE);
	assert_int_equal(a, 5);
	assert_int_equal(b, 7);
	assert_int_equal(S5("\x08\\_S5_\x12\x05\x02\x01\x00\x00", &a, &b), ERR_NONE);
	assert_int_equal(a, 1);
	assert_int_equal(b, 0);
	/* Two length bytes, one element. */
	assert_int_equal(S5("\x08_S5_\x12\x46\x00\x01\x0a\x05", &a, &b), ERR_NONE);
	assert_int_equal(a, 5);
	assert_int_equal(b, 0);
	/* A mention of the name before the real one. */
	assert_int_equal(S5("_S5_\x08_S5_z\x08_S5_\x12\x04\x01\x0a\x03", &a, &b), ERR_NONE);
	assert_int_equal(a, 3);
}

static void s5_cut_anywhere(void **state)
{
	static const char whole[] = "\x08_S5_\x12\x86\x00\x00\x02\x0a\x05\x0a\x07";
	size_t len;
	u8 a, b;

	(void)state;
	for (len = 1; len < sizeof(whole) - 1; len++)
		assert_int_equal(s5(whole, len, &a, &b), len < 12 ? ERR_NOENT : ERR_NONE);
	assert_int_equal(S5("\x08_S5_\x11\x06\x04\x0a\x05", &a, &b), ERR_NOENT); /* a buffer */
	assert_int_equal(S5("\x08_S5_\x12\x06\x04\x0b\x05\x00", &a, &b), ERR_NOENT); /* a word */
	assert_int_equal(S5("\x09_S5_\x12\x06\x04\x0a\x05\x00", &a, &b), ERR_NOENT); /* no name */
	assert_int_equal(S5("_S5_\x12\x06\x04\x0a\x05\x00", &a, &b), ERR_NOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_there),
		cmocka_unit_test(damaged_tables_are_left_out),
		cmocka_unit_test(old_fadt),
		cmocka_unit_test(serial_console),
		cmocka_unit_test(debug_ports),
		cmocka_unit_test(bad_debug_ports),
		cmocka_unit_test(s5_packages),
		cmocka_unit_test(s5_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
