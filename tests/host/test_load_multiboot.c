/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/load/load.c core/load/bzimage.c core/load/multiboot.c core/load/pvh.c */
/* LINK: core/load/elf.c core/load/place.c core/load/e820.c core/load/gacpi.c */
/* LINK: core/load/cputables.c core/load/legacy.c */
#include "tests/host/elf_fixture.h"

#define IMAGE_BYTES 0x4000
#define MB_AT 0x1000
#define MB_MAGIC 0x1badb002u

static u8 image[IMAGE_BYTES];

static void header_make(u32 at, u32 flags)
{
	put32(image + at, MB_MAGIC);
	put32(image + at + 4, flags);
	put32(image + at + 8, 0u - MB_MAGIC - flags);
}

/* Two segments at 4 MiB as test kernels have them; the second one is mostly zeros. */
static struct elf_spec spec_default(void)
{
	struct elf_spec s = { .entry = MiB(4) + 0x20, .nr = 2 };

	s.seg[0].type = PT_LOAD;
	s.seg[0].offset = 0x1000;
	s.seg[0].vaddr = s.seg[0].paddr = MiB(4);
	s.seg[0].filesz = s.seg[0].memsz = 0x1000;
	s.seg[1].type = PT_LOAD;
	s.seg[1].offset = 0x2000;
	s.seg[1].vaddr = s.seg[1].paddr = MiB(5);
	s.seg[1].filesz = 0x800;
	s.seg[1].memsz = MiB(3);
	return s;
}

static void image_make(const struct elf_spec *s)
{
	memset(image, 0xc3, sizeof(image));
	elf_make(image, s);
	header_make(MB_AT, 3);
}

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));
	struct elf_spec s = spec_default();

	fixture_open(f, MiB(16));
	image_make(&s);
	f->req.kernel = (struct image){ .data = image, .size_bytes = sizeof(image) };
	f->req.cmdline = "test arg";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

static void check_loaded(struct fixture *f)
{
	fixture_accepted(f);
	assert_string_equal(f->res.protocol, "multiboot");
	assert_int_equal(f->res.mode, BOOT_PROT32);
	assert_int_equal(f->res.rip, MiB(4) + 0x20);
	assert_int_equal(f->res.rax, 0x2badb002);
	assert_int_equal(f->res.cr3, 0);
	assert_memory_equal(f->ram + MiB(4), image + 0x1000, 0x1000);
	assert_memory_equal(f->ram + MiB(5), image + 0x2000, 0x800);
	assert_true(ram_is(f, MiB(5) + 0x800, MiB(3) - 0x800, 0));
	check_gdt(f);
}

static void loads_elf_of_both_widths(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();

	check_loaded(f);
	s.is_64 = true;
	s.seg[0].vaddr = 0xffffffff80000000ull;
	s.entry = 0xffffffff80000020ull;
	image_make(&s);
	check_loaded(f);
	/* An entry that is physical already. */
	s.entry = MiB(4) + 0x20;
	image_make(&s);
	check_loaded(f);
}

/* Test kernels for real mode are linked just above the first pages. */
static void loads_below_1m(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = { .entry = 0x8018, .nr = 1 };

	s.seg[0].type = PT_LOAD;
	s.seg[0].offset = 0x1000;
	s.seg[0].vaddr = s.seg[0].paddr = 0x8000;
	s.seg[0].filesz = 0x1000;
	s.seg[0].memsz = 0x6000;
	image_make(&s);
	fixture_accepted(f);
	assert_int_equal(f->res.rip, 0x8018);
	assert_memory_equal(f->ram + 0x8000, image + 0x1000, 0x1000);
	assert_true(ram_is(f, 0x9000, 0x5000, 0));
	assert_true(f->res.rbx >= MiB(1) && f->res.gdt_base >= MiB(1));
}

static void info_without_modules(void **state)
{
	struct fixture *f = *state;
	u64 info;

	f->req.cmdline = NULL;
	fixture_accepted(f);
	info = f->res.rbx;
	assert_int_equal(ram32(f, info), 0x24d);
	assert_int_equal(ram32(f, info + 4), 639);
	assert_int_equal(ram32(f, info + 8), 15 * 1024);
	assert_string_equal(ram_string(f, ram32(f, info + 16)), "");
	assert_int_equal(ram32(f, info + 20), 0);
	assert_string_equal(ram_string(f, ram32(f, info + 64)), "Lamina");
}

static void info_lists_memory(void **state)
{
	struct fixture *f = *state;
	u64 map;
	u32 largest = 0;

	fixture_accepted(f);
	assert_int_equal(ram32(f, f->res.rbx + 44), 5 * 24);
	map = ram32(f, f->res.rbx + 48);
	for (u32 at = 0; at < 5 * 24; at += 24) {
		assert_int_equal(ram32(f, map + at), 20);
		if (ram64(f, map + at + 12) > ram64(f, map + largest + 12))
			largest = at;
	}
	assert_int_equal(ram64(f, map + largest + 4), MiB(1));
	assert_int_equal(ram64(f, map + largest + 12), MiB(15));
	assert_int_equal(ram32(f, map + largest + 20), E820_RAM);
}

static void info_lists_modules(void **state)
{
	struct fixture *f = *state;
	static u8 a[5000], b[1];
	struct load_module mods[3] = {
		{ .image = { a, sizeof(a) }, .cmdline = "first one" },
		{ .image = { b, sizeof(b) } },
		{ .image = { b, 0 }, .cmdline = "empty" },
	};
	u64 list;

	memset(a, 0x11, sizeof(a));
	b[0] = 0x22;
	f->req.modules = mods;
	f->req.nr_modules = 3;
	fixture_accepted(f);
	assert_int_equal(ram32(f, f->res.rbx + 20), 3);
	list = ram32(f, f->res.rbx + 24);
	assert_true(ram_is(f, ram32(f, list), sizeof(a), 0x11));
	assert_int_equal(ram32(f, list) % 4096, 0);
	assert_int_equal(ram32(f, list + 4) - ram32(f, list), sizeof(a));
	assert_string_equal(ram_string(f, ram32(f, list + 8)), "first one");
	assert_int_equal(ram32(f, list + 12), 0);
	assert_int_equal(f->ram[ram32(f, list + 16)], 0x22);
	assert_string_equal(ram_string(f, ram32(f, list + 24)), "");
	assert_int_equal(ram32(f, list + 32), ram32(f, list + 36));
	assert_string_equal(ram_string(f, ram32(f, list + 40)), "empty");
}

/* A kernel in the middle and one at the top: nothing of ours may lie inside. */
static void data_avoids_the_kernel(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();
	static u8 m[MiB(2)];
	struct load_module mod = { .image = { m, sizeof(m) } };

	s.seg[1].paddr = MiB(16) - s.seg[1].memsz;
	image_make(&s);
	f->req.modules = &mod;
	f->req.nr_modules = 1;
	fixture_accepted(f);
	assert_true(ram_is(f, MiB(13) + 0x800, MiB(3) - 0x800, 0));
	assert_true(f->res.rbx + 116 <= MiB(13));
	assert_int_equal(ram32(f, ram32(f, f->res.rbx + 24)), MiB(11));
	/* What is left is smaller than the module. */
	s.seg[1].paddr = MiB(6);
	s.seg[1].memsz = MiB(9);
	image_make(&s);
	fixture_accepted(f);
	s.seg[1].paddr = MiB(3) - 4096;
	s.seg[0].paddr = MiB(15);
	s.seg[1].memsz = MiB(11);
	image_make(&s);
	fixture_refused(f, ERR_NOMEM, "module does not fit");
}

static void header_search(void **state)
{
	struct fixture *f = *state;

	/* The last place where a header may start, and the first behind it. */
	put32(image + MB_AT, 0);
	header_make(8192 - 12, 0);
	fixture_accepted(f);
	put32(image + 8192 - 12, 0);
	header_make(8192 - 8, 0);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	put32(image + 8192 - 8, 0);
	header_make(MB_AT + 2, 0);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	put32(image + MB_AT + 2, 0);
	header_make(MB_AT, 0);
	image[MB_AT + 8]++;
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
}

static void demands_that_we_lack(void **state)
{
	struct fixture *f = *state;

	header_make(MB_AT, 4);
	fixture_refused(f, ERR_UNSUPPORTED, "video");
	header_make(MB_AT, 8);
	fixture_refused(f, ERR_UNSUPPORTED, "unknown feature");
	header_make(MB_AT, 0x8000);
	fixture_refused(f, ERR_UNSUPPORTED, "unknown feature");
	header_make(MB_AT, 0xfffe0003); /* optional ones are ignored */
	fixture_accepted(f);
}

static void segments_out_of_place(void **state)
{
	struct fixture *f = *state;
	const u64 bad[] = { MiB(16) - 4096, GiB(3), 0xfffffffffffff000ull, GPA_LOW_RAM_END - 4,
			    0xa0000, 0xf0000, MiB(1) - 8 };
	struct elf_spec s = spec_default();

	s.is_64 = true;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		s.seg[1].paddr = bad[i];
		image_make(&s);
		fixture_refused(f, ERR_RANGE, "outside the VM's memory");
	}
	s = spec_default();
	s.is_64 = true;
	s.seg[1].memsz = UINT64_MAX;
	image_make(&s);
	fixture_refused(f, ERR_RANGE, "outside the VM's memory");
	s.seg[1].memsz = 0x1000;
	s.seg[1].paddr = MiB(4) + 0xfff;
	image_make(&s);
	fixture_refused(f, ERR_BUSY, "overlap");
	s.seg[1].paddr = MiB(4) - 0xfff;
	image_make(&s);
	fixture_refused(f, ERR_BUSY, "overlap");
}

static void damaged_segments(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();

	s.is_64 = true;
	s.seg[1].filesz = s.seg[1].memsz + 1;
	image_make(&s);
	fixture_refused(f, ERR_FORMAT, "larger in the file");
	s.seg[1].filesz = IMAGE_BYTES - 0x2000 + 1;
	image_make(&s);
	fixture_refused(f, ERR_FORMAT, "outside the file");
	s.seg[1].filesz = 0x800;
	s.seg[1].offset = UINT64_MAX - 0x100;
	image_make(&s);
	fixture_refused(f, ERR_FORMAT, "outside the file");
	s = spec_default();
	s.entry = MiB(4) - 1;
	image_make(&s);
	fixture_refused(f, ERR_FORMAT, "entry point");
	s.seg[0].type = s.seg[1].type = 6;
	image_make(&s);
	fixture_refused(f, ERR_FORMAT, "nothing to load");
}

static void damaged_elf_headers(void **state)
{
	struct fixture *f = *state;
	static const struct {
		u32 at;
		u8 value;
		enum err err;
		const char *text;
	} bad[] = {
		{ 4, 3, ERR_FORMAT, "class" },
		{ 5, 2, ERR_FORMAT, "class" },
		{ 16, 1, ERR_UNSUPPORTED, "executable" },
		{ 18, 40, ERR_UNSUPPORTED, "x86" },
		{ 42, 56, ERR_FORMAT, "unknown size" },
		{ 44, 0, ERR_FORMAT, "segments" },
		{ 44, 33, ERR_FORMAT, "segments" },
		{ 30, 1, ERR_FORMAT, "outside the file" },
		{ 0, 0, ERR_FORMAT, "no load addresses" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		u8 old = image[bad[i].at];

		image[bad[i].at] = bad[i].value;
		fixture_refused(f, bad[i].err, bad[i].text);
		image[bad[i].at] = old;
	}
	fixture_accepted(f);
}

/* As many segments as allowed, together with as many modules. */
static void many_parts(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = { .entry = MiB(4), .nr = 32 };
	struct load_module mods[LOAD_MAX_MODULES];
	u8 byte = 9;

	for (u32 i = 0; i < s.nr; i++) {
		s.seg[i].type = PT_LOAD;
		s.seg[i].offset = 0x1000;
		s.seg[i].vaddr = s.seg[i].paddr = MiB(4) + i * 0x10000ull;
		s.seg[i].filesz = s.seg[i].memsz = 64;
	}
	image_make(&s);
	for (u32 i = 0; i < LOAD_MAX_MODULES; i++)
		mods[i] = (struct load_module){ .image = { &byte, 1 }, .cmdline = "m" };
	f->req.modules = mods;
	f->req.nr_modules = LOAD_MAX_MODULES;
	fixture_accepted(f);
	assert_int_equal(ram32(f, f->res.rbx + 20), LOAD_MAX_MODULES);
}

struct raw {
	u32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* No ELF: a header at 0x100 of the file that is loaded from 0x80 on. */
static const struct raw raw_good = {
	.header_addr = 0x200080,
	.load_addr = 0x200000,
	.load_end_addr = 0x201000,
	.bss_end_addr = 0x203000,
	.entry_addr = 0x200100,
};

static void raw_make(const struct raw *r)
{
	memset(image, 0x5a, sizeof(image));
	header_make(0x100, 0x10003);
	put32(image + 0x10c, r->header_addr);
	put32(image + 0x110, r->load_addr);
	put32(image + 0x114, r->load_end_addr);
	put32(image + 0x118, r->bss_end_addr);
	put32(image + 0x11c, r->entry_addr);
}

static void loads_raw_images(void **state)
{
	struct fixture *f = *state;
	struct raw r = raw_good;

	raw_make(&r);
	fixture_accepted(f);
	assert_int_equal(f->res.rip, 0x200100);
	assert_memory_equal(f->ram + 0x200000, image + 0x80, 0x1000);
	assert_true(ram_is(f, 0x201000, 0x2000, 0));
	assert_int_equal(f->ram[0x203000], 0xa5);
	/* Zeros: the whole file, and nothing behind it. */
	r.load_end_addr = r.bss_end_addr = 0;
	raw_make(&r);
	fixture_accepted(f);
	assert_memory_equal(f->ram + 0x200000, image + 0x80, IMAGE_BYTES - 0x80);
	assert_int_equal(f->ram[0x200000 + IMAGE_BYTES - 0x80], 0xa5);
}

static void raw_refused(struct fixture *f, const struct raw *r, enum err e, const char *text)
{
	raw_make(r);
	fixture_refused(f, e, text);
}

static void damaged_raw_images(void **state)
{
	struct fixture *f = *state;
	struct raw r = raw_good;

	r.header_addr = 0x1fffff;
	raw_refused(f, &r, ERR_FORMAT, "before the file");
	r.header_addr = 0x200101;
	raw_refused(f, &r, ERR_FORMAT, "before the file");
	r = raw_good;
	r.load_end_addr = 0x1fffff;
	raw_refused(f, &r, ERR_FORMAT, "load_end_addr");
	r.load_end_addr = 0x200000 + IMAGE_BYTES - 0x80 + 1;
	r.bss_end_addr = 0;
	raw_refused(f, &r, ERR_FORMAT, "cut off");
	r = raw_good;
	r.bss_end_addr = 0x200fff;
	raw_refused(f, &r, ERR_FORMAT, "bss_end_addr");
	r = raw_good;
	r.entry_addr = 0x203000;
	raw_refused(f, &r, ERR_FORMAT, "entry point");
	r.entry_addr = 0x1fffff;
	raw_refused(f, &r, ERR_FORMAT, "entry point");
	r = raw_good;
	r.bss_end_addr = 0xffffffff;
	raw_refused(f, &r, ERR_RANGE, "outside the VM's memory");
	r = (struct raw){ .header_addr = 0x9fc00, .load_addr = 0x9fb80, .entry_addr = 0x9fb80 };
	raw_refused(f, &r, ERR_RANGE, "outside the VM's memory");
	/* The header's end is the file's end. */
	raw_make(&raw_good);
	f->req.kernel.size_bytes = 0x11f;
	fixture_refused(f, ERR_FORMAT, "cut off");
}

static void hostile_bytes(void **state)
{
	struct fixture *f = *state;
	u8 byte = 1;
	struct load_module mod = { .image = { &byte, 1 }, .cmdline = "x" };

	f->req.modules = &mod;
	f->req.nr_modules = 1;
	f->req.kernel.size_bytes = 0x2800; /* no more than is loaded: each prefix is too short */
	check_prefixes(f, 3);
	check_mutations(f, image, 128, 3000);
	assert_true(check_writer_errors(f) > 10);
	raw_make(&raw_good);
	check_mutations(f, image + 0x100, 32, 3000);
	assert_true(check_writer_errors(f) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(loads_elf_of_both_widths, setup, teardown),
		cmocka_unit_test_setup_teardown(loads_below_1m, setup, teardown),
		cmocka_unit_test_setup_teardown(info_without_modules, setup, teardown),
		cmocka_unit_test_setup_teardown(info_lists_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(info_lists_modules, setup, teardown),
		cmocka_unit_test_setup_teardown(data_avoids_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(header_search, setup, teardown),
		cmocka_unit_test_setup_teardown(demands_that_we_lack, setup, teardown),
		cmocka_unit_test_setup_teardown(segments_out_of_place, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_elf_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(many_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(loads_raw_images, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_raw_images, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
