/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/load/gacpi.c */
#include "tests/host/load_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "core/load/gacpi.h"

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

static u8 sum(const struct fixture *f, u64 gpa, u64 len)
{
	u8 s = 0;

	for (u64 i = 0; i < len; i++)
		s = (u8)(s + f->ram[gpa + i]);
	return s;
}

static u64 rsdp_make(struct fixture *f, u32 nr_cpus)
{
	u64 rsdp = 0;

	assert_int_equal(gacpi_write(&f->mem, nr_cpus, &rsdp), ERR_NONE);
	return rsdp;
}

/* The table with this signature that the XSDT lists. */
static u64 table_find(const struct fixture *f, u64 rsdp, const char *signature)
{
	u64 xsdt = ram64(f, rsdp + 24);

	for (u64 at = xsdt + 36; at < xsdt + ram32(f, xsdt + 4); at += 8) {
		u64 table = ram64(f, at);

		if (!memcmp(f->ram + table, signature, 4))
			return table;
	}
	fail_msg("no %s", signature);
	return 0;
}

static void check_table(const struct fixture *f, u64 table, const char *signature)
{
	u32 len = ram32(f, table + 4);

	assert_memory_equal(f->ram + table, signature, 4);
	assert_true(table >= GPA_ROM_BASE && len >= 36 && table + len <= GPA_ROM_CODE);
	assert_int_equal(sum(f, table, len), 0);
}

static void root_is_found_by_scanning(void **state)
{
	struct fixture *f = *state;
	u64 rsdp = rsdp_make(f, 2);
	u64 found = 0;

	for (u64 at = GPA_ROM_END - 16; at >= GPA_ROM_BASE; at -= 16) {
		if (!memcmp(f->ram + at, "RSD PTR ", 8))
			found = at;
	}
	assert_int_equal(found, rsdp);
	assert_int_equal(sum(f, rsdp, 20), 0);
	assert_int_equal(sum(f, rsdp, 36), 0);
	assert_int_equal(f->ram[rsdp + 15], 2);
	assert_int_equal(ram32(f, rsdp + 16), 0); /* no RSDT */
	assert_int_equal(ram32(f, rsdp + 20), 36);
}

static void checksums_are_right(void **state)
{
	struct fixture *f = *state;
	u64 rsdp = rsdp_make(f, 2);
	u64 fadt = table_find(f, rsdp, "FACP");
	u64 facs = ram32(f, fadt + 36);

	check_table(f, ram64(f, rsdp + 24), "XSDT");
	check_table(f, fadt, "FACP");
	check_table(f, table_find(f, rsdp, "APIC"), "APIC");
	check_table(f, table_find(f, rsdp, "MCFG"), "MCFG");
	check_table(f, ram32(f, fadt + 40), "DSDT");
	assert_int_equal(ram64(f, fadt + 140), ram32(f, fadt + 40));
	assert_memory_equal(f->ram + facs, "FACS", 4);
	assert_int_equal(facs % 64, 0);
	assert_int_equal(ram32(f, facs + 4), 64);
	assert_true(ram_is(f, facs + 8, 24, 0));
	assert_int_equal(ram64(f, fadt + 132), 0); /* never both addresses of the FACS */
}

static void fadt_names_the_registers(void **state)
{
	struct fixture *f = *state;
	u64 t = table_find(f, rsdp_make(f, 1), "FACP");

	assert_int_equal(ram32(f, t + 4), 276);
	assert_int_equal(f->ram[t + 8], 6);
	assert_int_equal(f->ram[t + 46], ACPI_SCI_IRQ);
	assert_int_equal(ram32(f, t + 48), 0); /* no SMI command: always in ACPI mode */
	assert_int_equal(ram32(f, t + 56), IO_PM1A_EVT);
	assert_int_equal(ram32(f, t + 64), IO_PM1A_CNT);
	assert_int_equal(ram32(f, t + 76), IO_PM_TMR);
	assert_int_equal(ram32(f, t + 80), 0); /* no GPE */
	assert_int_equal(ram32(f, t + 88), 0x04000204); /* lengths: evt, cnt, pm2, tmr */
	assert_int_equal(ram32(f, t + 92), 0);
	assert_int_equal(f->ram[t + 109] | f->ram[t + 110] << 8, 0x5); /* no 8042, no VGA */
	assert_int_equal(ram32(f, t + 112), 0x575);
	assert_int_equal(f->ram[t + 116], 1); /* reset: I/O space, 8 bits */
	assert_int_equal(f->ram[t + 117], 8);
	assert_int_equal(ram64(f, t + 120), IO_RESET);
	assert_int_equal(f->ram[t + 128], RESET_VALUE);
	assert_int_equal(ram32(f, t + 148), 0x02002001); /* extended forms agree */
	assert_int_equal(ram64(f, t + 152), IO_PM1A_EVT);
	assert_int_equal(ram32(f, t + 172), 0x02001001);
	assert_int_equal(ram64(f, t + 176), IO_PM1A_CNT);
	assert_int_equal(ram32(f, t + 208), 0x03002001);
	assert_int_equal(ram64(f, t + 212), IO_PM_TMR);
}

static void mcfg_names_bus_0(void **state)
{
	struct fixture *f = *state;
	u64 t = table_find(f, rsdp_make(f, 1), "MCFG");

	assert_int_equal(ram32(f, t + 4), 60);
	assert_int_equal(ram64(f, t + 44), GPA_PCI_ECAM);
	assert_int_equal(ram64(f, t + 52), 0); /* segment, first bus, last bus */
}

/* Counts of MADT entries by type. */
struct madt_count {
	u32 of[16];
	u32 next_id;
	bool irq0, sci;
};

static void madt_count_entry(const struct fixture *f, u64 at, struct madt_count *c)
{
	switch (f->ram[at]) {
	case 0:
		assert_int_equal(f->ram[at + 1], 8);
		assert_int_equal(f->ram[at + 3], c->next_id++);
		assert_int_equal(ram32(f, at + 4), 1);
		break;
	case 1:
		assert_int_equal(f->ram[at + 1], 12);
		assert_int_equal(f->ram[at + 2], IOAPIC_ID);
		assert_int_equal(ram32(f, at + 4), GPA_IOAPIC);
		assert_int_equal(ram32(f, at + 8), 0);
		break;
	case 2:
		assert_int_equal(f->ram[at + 1], 10);
		c->irq0 |= f->ram[at + 3] == 0 && ram32(f, at + 4) == 2 && f->ram[at + 8] == 5;
		c->sci |= f->ram[at + 3] == 9 && ram32(f, at + 4) == 9 && f->ram[at + 8] == 0xd;
		break;
	case 4:
		assert_memory_equal(f->ram + at, "\4\6\xff\0\0\1", 6);
		break;
	default:
		fail_msg("MADT entry of type %u", f->ram[at]);
	}
	c->of[f->ram[at]]++;
}

static void check_madt(struct fixture *f, u32 nr_cpus)
{
	u64 t = table_find(f, rsdp_make(f, nr_cpus), "APIC");
	u64 end = t + ram32(f, t + 4);
	struct madt_count c = { .next_id = 0 };
	u64 at;

	assert_int_equal(ram32(f, t + 36), GPA_LAPIC);
	assert_int_equal(ram32(f, t + 40), 1);
	for (at = t + 44; at < end; at += f->ram[at + 1])
		madt_count_entry(f, at, &c);
	assert_int_equal(at, end);
	assert_int_equal(c.of[0], nr_cpus);
	assert_int_equal(c.of[1], 1);
	assert_int_equal(c.of[2], 2);
	assert_int_equal(c.of[4], 1);
	assert_true(c.irq0 && c.sci);
	check_table(f, t, "APIC");
}

static void madt_lists_all_cpus(void **state)
{
	check_madt(*state, 1);
	check_madt(*state, LOAD_MAX_CPUS);
}

static void tables_stay_inside(void **state)
{
	struct fixture *f = *state;

	rsdp_make(f, 64);
	assert_true(ram_is(f, 0, GPA_RSDP, 0xa5));
	assert_true(ram_is(f, GPA_ROM_CODE, MiB(1), 0xa5));
}

static void writer_errors_come_back(void **state)
{
	struct fixture *f = *state;
	u64 rsdp, writes;

	rsdp_make(f, 3);
	writes = UINT64_MAX - f->writes_left;
	assert_int_equal(writes, 7);
	for (u64 n = 0; n < writes; n++) {
		f->writes_left = n;
		assert_int_equal(gacpi_write(&f->mem, 3, &rsdp), ERR_IO);
	}
}

static bool dsdt_has(const struct fixture *f, u64 dsdt, const void *bytes, size_t len)
{
	for (u64 at = dsdt; at + len <= dsdt + ram32(f, dsdt + 4); at++) {
		if (!memcmp(f->ram + at, bytes, len))
			return true;
	}
	return false;
}

/* Resource descriptors as the ACPI Specification encodes them, "Resource Data Types for ACPI". */
static bool dsdt_has_io(const struct fixture *f, u64 dsdt, u32 port, u8 align, u8 len)
{
	u8 d[8] = { 0x47, 1, 0, 0, 0, 0, align, len };

	put16(d + 2, port);
	put16(d + 4, port);
	return dsdt_has(f, dsdt, d, sizeof(d));
}

static bool dsdt_has_mem(const struct fixture *f, u64 dsdt, u64 base, u32 len)
{
	u8 d[12] = { 0x86, 9, 0, 1 };

	put32(d + 4, (u32)base);
	put32(d + 8, len);
	return dsdt_has(f, dsdt, d, sizeof(d));
}

static void dsdt_agrees_with_the_layout(void **state)
{
	struct fixture *f = *state;
	u64 dsdt = ram32(f, table_find(f, rsdp_make(f, 1), "FACP") + 40);
	u8 window[20] = { 0 };
	const u8 s5[] = { '_', 'S', '5', '_', 0x12, 0x08, 4, 0x0a, ACPI_S5_SLP_TYP,
			  0x0a, ACPI_S5_SLP_TYP };

	assert_true(dsdt_has_io(f, dsdt, IO_PM_BASE, 1, IO_PM_BYTES));
	assert_true(dsdt_has_io(f, dsdt, 0xcf8, 1, 8));
	assert_true(dsdt_has_io(f, dsdt, 0x3f8, 0, 8));
	assert_true(dsdt_has_mem(f, dsdt, GPA_PCI_ECAM, (u32)GPA_PCI_ECAM_BYTES));
	assert_true(dsdt_has_mem(f, dsdt, GPA_IOAPIC, 0x1000));
	assert_true(dsdt_has_mem(f, dsdt, GPA_LAPIC, 0x1000));
	put32(window + 4, GPA_PCI_WINDOW_BASE);
	put32(window + 8, GPA_PCI_WINDOW_END - 1);
	put32(window + 16, GPA_PCI_WINDOW_END - GPA_PCI_WINDOW_BASE);
	assert_true(dsdt_has(f, dsdt, window, sizeof(window)));
	assert_true(dsdt_has(f, dsdt, s5, sizeof(s5)));
	_Static_assert(IO_PM1A_EVT >= IO_PM_BASE && IO_PM_TMR + 4 <= IO_PM_BASE + IO_PM_BYTES,
		       "PM registers lie in what the DSDT reserves");
}

/* An independent reader: iasl must take every table apart without a complaint. */
static void iasl_check(const struct fixture *f, const char *dir, u64 table)
{
	char path[128], cmd[512];
	FILE *out;
	int n;

	snprintf(path, sizeof(path), "%s/%.4s.dat", dir, (const char *)f->ram + table);
	out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(f->ram + table, 1, ram32(f, table + 4), out), ram32(f, table + 4));
	fclose(out);
	n = snprintf(cmd, sizeof(cmd),
		     "iasl -d %s >%s/log 2>&1 && ! grep -iE 'warning|error|invalid|incorrect' "
		     "%s/log %s/%.4s.dsl",
		     path, dir, dir, dir, (const char *)f->ram + table);
	assert_true(n > 0 && n < (int)sizeof(cmd));
	if (system(cmd))
		fail_msg("iasl does not like %s", path);
}

static void iasl_reads_the_tables(void **state)
{
	struct fixture *f = *state;
	u64 rsdp = rsdp_make(f, LOAD_MAX_CPUS);
	u64 fadt = table_find(f, rsdp, "FACP");
	char dir[] = "/tmp/lamina-acpi-XXXXXX", cmd[64];

	if (system("command -v iasl >/dev/null 2>&1")) {
		print_message("skipped: iasl is not installed\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	iasl_check(f, dir, ram64(f, rsdp + 24));
	iasl_check(f, dir, fadt);
	iasl_check(f, dir, table_find(f, rsdp, "APIC"));
	iasl_check(f, dir, table_find(f, rsdp, "MCFG"));
	iasl_check(f, dir, ram32(f, fadt + 40));
	iasl_check(f, dir, ram32(f, fadt + 36));
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(root_is_found_by_scanning, setup, teardown),
		cmocka_unit_test_setup_teardown(checksums_are_right, setup, teardown),
		cmocka_unit_test_setup_teardown(fadt_names_the_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(mcfg_names_bus_0, setup, teardown),
		cmocka_unit_test_setup_teardown(madt_lists_all_cpus, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_stay_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(writer_errors_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(dsdt_agrees_with_the_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(iasl_reads_the_tables, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
