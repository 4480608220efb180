/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/load/load.c core/load/bzimage.c core/load/multiboot.c core/load/pvh.c */
/* LINK: core/load/elf.c core/load/place.c core/load/e820.c core/load/gacpi.c */
/* LINK: core/load/cputables.c core/load/legacy.c */
#include "tests/host/elf_fixture.h"

#define IMAGE_BYTES 0x3000
#define NOTES_AT 0x400
#define ENTRY (MiB(2) + 0x40)

static u8 image[IMAGE_BYTES];

/* Append a note at `at`; returns where the next one goes. */
static u32 note_make(u32 at, const char *name, u32 type, const void *desc, u32 desc_bytes, u32 pad)
{
	u32 name_bytes = (u32)strlen(name) + 1;
	u32 desc_at = ALIGN_UP(12 + name_bytes, pad);
	u32 bytes = ALIGN_UP(desc_at + desc_bytes, pad);

	memset(image + at, 0, bytes);
	put32(image + at, name_bytes);
	put32(image + at + 4, desc_bytes);
	put32(image + at + 8, type);
	memcpy(image + at + 12, name, name_bytes);
	memcpy(image + at + desc_at, desc, desc_bytes);
	return at + bytes;
}

static struct elf_spec spec_default(void)
{
	struct elf_spec s = { .is_64 = true, .entry = 0xffffffff81000000ull, .nr = 3 };

	s.seg[0].type = PT_LOAD;
	s.seg[0].offset = 0x1000;
	s.seg[0].vaddr = 0xffffffff81000000ull;
	s.seg[0].paddr = MiB(2);
	s.seg[0].filesz = 0x1000;
	s.seg[0].memsz = 0x2000;
	s.seg[1].type = PT_LOAD;
	s.seg[1].offset = 0x2000;
	s.seg[1].paddr = MiB(3);
	s.seg[1].filesz = s.seg[1].memsz = 0x1000;
	s.seg[2].type = PT_NOTE;
	s.seg[2].offset = NOTES_AT;
	s.seg[2].filesz = 0x100;
	s.seg[2].align = 4;
	return s;
}

static void image_make(const struct elf_spec *s, u64 entry, u32 entry_bytes)
{
	u32 at = NOTES_AT;

	memset(image, 0x3c, sizeof(image));
	memset(image + NOTES_AT, 0, 0x200);
	elf_make(image, s);
	at = note_make(at, "GNU", 3, "0123456789abcdefghi", 19, 4);
	at = note_make(at, "Xen", 6, "linux", 6, 4);
	at = note_make(at, "Xen", 18, &entry, entry_bytes, 4);
	note_make(at, "Xen", 18, "wrong", 4, 4); /* the first one counts */
}

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));
	struct elf_spec s = spec_default();

	fixture_open(f, MiB(16));
	image_make(&s, ENTRY, 8);
	f->req.kernel = (struct image){ .data = image, .size_bytes = sizeof(image) };
	f->req.cmdline = "root=/dev/vda";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

static void loads_by_the_note(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();

	for (u32 entry_bytes = 4; entry_bytes <= 8; entry_bytes += 4) {
		image_make(&s, ENTRY, entry_bytes);
		fixture_accepted(f);
		assert_string_equal(f->res.protocol, "PVH");
		assert_int_equal(f->res.mode, BOOT_PROT32);
		assert_int_equal(f->res.rip, ENTRY);
		assert_memory_equal(f->ram + MiB(2), image + 0x1000, 0x1000);
		assert_true(ram_is(f, MiB(2) + 0x1000, 0x1000, 0));
		assert_memory_equal(f->ram + MiB(3), image + 0x2000, 0x1000);
		check_gdt(f);
	}
}

static void start_info_is_complete(void **state)
{
	struct fixture *f = *state;
	u64 info, map;

	fixture_accepted(f);
	info = f->res.rbx;
	assert_int_equal(ram32(f, info), 0x336ec578);
	assert_int_equal(ram32(f, info + 4), 1);
	assert_int_equal(ram32(f, info + 8), 0);
	assert_int_equal(ram32(f, info + 12), 0);
	assert_int_equal(ram64(f, info + 16), 0);
	assert_string_equal(ram_string(f, ram64(f, info + 24)), "root=/dev/vda");
	assert_int_equal(ram64(f, info + 32), GPA_RSDP);
	map = ram64(f, info + 40);
	assert_int_equal(ram32(f, info + 48), 5);
	assert_int_equal(ram64(f, map + 3 * 24), MiB(1));
	assert_int_equal(ram64(f, map + 3 * 24 + 8), MiB(15));
	assert_int_equal(ram32(f, map + 3 * 24 + 16), E820_RAM);
	assert_int_equal(ram32(f, map + 3 * 24 + 20), 0);
}

static void start_info_lists_modules(void **state)
{
	struct fixture *f = *state;
	static u8 a[9000];
	struct load_module mods[2] = {
		{ .image = { a, sizeof(a) } },
		{ .image = { a, 10 }, .cmdline = "second" },
	};
	u64 list;

	memset(a, 0x42, sizeof(a));
	f->req.modules = mods;
	f->req.nr_modules = 2;
	fixture_accepted(f);
	assert_int_equal(ram32(f, f->res.rbx + 12), 2);
	list = ram64(f, f->res.rbx + 16);
	assert_true(ram_is(f, ram64(f, list), sizeof(a), 0x42));
	assert_int_equal(ram64(f, list + 8), sizeof(a));
	assert_string_equal(ram_string(f, ram64(f, list + 16)), "");
	assert_int_equal(ram64(f, list + 32 + 8), 10);
	assert_string_equal(ram_string(f, ram64(f, list + 32 + 16)), "second");
	assert_int_equal(ram64(f, list + 32 + 24), 0);
}

/* Notes in segments aligned to 8 bytes are padded to 8. */
static void notes_padded_to_8(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();
	u64 entry = ENTRY;
	u32 at;

	s.seg[2].align = 8;
	image_make(&s, 0, 8);
	memset(image + NOTES_AT, 0, 0x200);
	at = note_make(NOTES_AT, "GNU", 5, "1234567890", 10, 8);
	note_make(at, "Xen", 18, &entry, 8, 8);
	fixture_accepted(f);
	assert_int_equal(f->res.rip, ENTRY);
}

static void images_without_a_note(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();
	u32 xen = NOTES_AT + 36 + 24; /* behind the two other notes */

	image[xen + 8] = 17;
	fixture_refused(f, ERR_FORMAT, "outside the ELF image"); /* the one named "wrong" */
	image[xen + 28 + 4] = 17;
	image[xen + 24 + 8] = 17;
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	s.seg[2].type = 6;
	image_make(&s, ENTRY, 8);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
}

static void damaged_notes(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();

	/* Sizes that run past the segment, or wrap around. */
	put32(image + NOTES_AT, 0xffffffff);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	put32(image + NOTES_AT, 4);
	put32(image + NOTES_AT + 4, 0xfffffff0);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	/* A segment that ends inside the note, and segments outside the file. */
	s.seg[2].filesz = 36 + 24 + 20;
	image_make(&s, ENTRY, 8);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	s.seg[2].offset = IMAGE_BYTES - 8;
	image_make(&s, ENTRY, 8);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	s.seg[2].offset = UINT64_MAX - 4;
	s.seg[2].filesz = UINT64_MAX;
	image_make(&s, ENTRY, 8);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
	/* A value of a size that is neither 4 nor 8. */
	s = spec_default();
	image_make(&s, ENTRY, 6);
	fixture_refused(f, ERR_UNSUPPORTED, "PVH");
}

static void entries_outside(void **state)
{
	struct fixture *f = *state;
	struct elf_spec s = spec_default();
	const u64 bad[] = { 0, MiB(2) - 1, MiB(2) + 0x2000, MiB(16), GiB(4) + ENTRY, UINT64_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		image_make(&s, bad[i], 8);
		fixture_refused(f, ERR_FORMAT, "PVH entry point");
	}
	s.seg[0].paddr = GiB(4) + MiB(2);
	image_make(&s, GiB(4) + ENTRY, 8);
	fixture_refused(f, ERR_RANGE, "outside the VM's memory");
}

static void files_of_no_known_kind(void **state)
{
	struct fixture *f = *state;

	image[1] = 'e';
	fixture_refused(f, ERR_FORMAT, "neither a bzImage");
	f->req.kernel.size_bytes = 3;
	fixture_refused(f, ERR_FORMAT, "neither a bzImage");
}

static void cmdline_too_long(void **state)
{
	struct fixture *f = *state;
	static char text[LOAD_MAX_CMDLINE + 1];

	memset(text, 'y', LOAD_MAX_CMDLINE);
	f->req.cmdline = text;
	fixture_refused(f, ERR_RANGE, "command line too long");
	text[LOAD_MAX_CMDLINE - 1] = '\0';
	fixture_accepted(f);
}

static void hostile_bytes(void **state)
{
	struct fixture *f = *state;

	check_prefixes(f, 3);
	check_mutations(f, image, NOTES_AT, 2000);
	check_mutations(f, image, 256, 3000);
	check_mutations(f, image + NOTES_AT, 128, 3000);
	assert_true(check_writer_errors(f) > 10);
	fixture_accepted(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(loads_by_the_note, setup, teardown),
		cmocka_unit_test_setup_teardown(start_info_is_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(start_info_lists_modules, setup, teardown),
		cmocka_unit_test_setup_teardown(notes_padded_to_8, setup, teardown),
		cmocka_unit_test_setup_teardown(images_without_a_note, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_notes, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(files_of_no_known_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(cmdline_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
