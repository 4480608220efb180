/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/load/load.c core/load/bzimage.c core/load/multiboot.c core/load/pvh.c */
/* LINK: core/load/elf.c core/load/place.c core/load/e820.c core/load/gacpi.c */
/* LINK: core/load/cputables.c core/load/legacy.c */
#include "tests/host/load_fixture.h"

#define SETUP_SECTS 3
#define KERNEL_OFFSET ((SETUP_SECTS + 1) * 512)
#define KERNEL_BYTES 0x1000
#define IMAGE_BYTES (KERNEL_OFFSET + KERNEL_BYTES)
#define PREF MiB(2)
#define INIT_SIZE MiB(1)
#define HDR_END 0x26c

static u8 image[IMAGE_BYTES];

static void image_make(void)
{
	memset(image, 0xcc, sizeof(image));
	memset(image, 0, KERNEL_OFFSET);
	image[0x1f1] = SETUP_SECTS;
	put32(image + 0x1f4, KERNEL_BYTES / 16);
	put16(image + 0x1fe, 0xaa55);
	image[0x200] = 0xeb;
	image[0x201] = HDR_END - 0x202;
	memcpy(image + 0x202, "HdrS", 4);
	put16(image + 0x206, 0x20f);
	image[0x211] = 1; /* loaded high */
	put32(image + 0x22c, 0x7fffffff);
	put32(image + 0x230, 0x200000);
	image[0x234] = 1;
	put16(image + 0x236, 0x7f);
	put32(image + 0x238, 255);
	put64(image + 0x250, 0xdeadbeef); /* setup_data */
	put64(image + 0x258, PREF);
	put32(image + 0x260, INIT_SIZE);
	put32(image + 0x268, 0x11223344); /* behind what the loader knows, still header */
	put32(image + 0x26c, 0x55667788); /* behind the header */
}

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));

	fixture_open(f, MiB(16));
	image_make();
	f->req.kernel = (struct image){ .data = image, .size_bytes = sizeof(image) };
	f->req.cmdline = "console=ttyS0 quiet";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

static void loads_kernel_at_its_address(void **state)
{
	struct fixture *f = *state;

	fixture_accepted(f);
	assert_string_equal(f->res.protocol, "bzImage");
	assert_int_equal(f->res.mode, BOOT_LONG64);
	assert_int_equal(f->res.rip, PREF + 0x200);
	assert_memory_equal(f->ram + PREF, image + KERNEL_OFFSET, KERNEL_BYTES);
	check_gdt(f);
}

static void boot_params_are_complete(void **state)
{
	struct fixture *f = *state;
	u64 bp;

	fixture_accepted(f);
	bp = f->res.rsi;
	assert_int_equal(bp % 4096, 0);
	assert_true(ram_is(f, bp, 0x70, 0));
	assert_int_equal(ram64(f, bp + 0x70), GPA_RSDP);
	assert_memory_equal(f->ram + f->res.rsdp, "RSD PTR ", 8);
	assert_int_equal(f->ram[bp + 0x1ef], 0); /* the sentinel */
	assert_int_equal(f->ram[bp + 0x210], 0xff);
	assert_int_equal(ram32(f, bp + 0x214), PREF);
	assert_int_equal(ram64(f, bp + 0x250), 0);
	assert_int_equal(ram32(f, bp + 0x268), 0x11223344);
	assert_int_equal(ram32(f, bp + 0x26c), 0);
	assert_int_equal(ram32(f, bp + 0x218), 0);
	assert_int_equal(ram32(f, bp + 0x21c), 0);
	assert_string_equal(ram_string(f, ram32(f, bp + 0x228)), "console=ttyS0 quiet");
}

static void e820_is_in_boot_params(void **state)
{
	struct fixture *f = *state;
	u64 bp, entry;

	f->req.ram.above_4g_bytes = GiB(5);
	fixture_accepted(f);
	bp = f->res.rsi;
	assert_int_equal(f->ram[bp + 0x1e8], 6);
	entry = bp + 0x2d0;
	assert_int_equal(ram64(f, entry), 0);
	assert_int_equal(ram64(f, entry + 8), GPA_LOW_RAM_END);
	assert_int_equal(ram32(f, entry + 16), E820_RAM);
	entry += 3 * 20;
	assert_int_equal(ram64(f, entry), MiB(1));
	assert_int_equal(ram64(f, entry + 8), MiB(15));
	entry += 20;
	assert_int_equal(ram64(f, entry), GPA_PCI_ECAM);
	assert_int_equal(ram32(f, entry + 16), E820_RESERVED);
	entry += 20;
	assert_int_equal(ram64(f, entry), GiB(4));
	assert_int_equal(ram64(f, entry + 8), GiB(5));
	assert_int_equal(ram64(f, entry + 20), 0);
}

/* Walk the tables as the CPU does, for the first and last page and some between. */
static void identity_map_covers_4g(void **state)
{
	struct fixture *f = *state;
	const u64 probe[] = { 0, PREF, GPA_LAPIC, GiB(1), GiB(3) - 1, GiB(4) - 1 };

	fixture_accepted(f);
	assert_int_equal(f->res.cr3 % 4096, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(probe); i++) {
		u64 va = probe[i];
		u64 pml4e = ram64(f, f->res.cr3);
		u64 pdpte = ram64(f, (pml4e & MASK(51, 12)) + (va >> 30) * 8);
		u64 pde = ram64(f, (pdpte & MASK(51, 12)) + (va >> 21) % 512 * 8);

		assert_int_equal(pml4e & MASK(11, 0), 3);
		assert_int_equal(pdpte & MASK(11, 0), 3);
		assert_int_equal(pde, ALIGN_DOWN(va, MiB(2)) | 0x83);
	}
	assert_int_equal(ram64(f, f->res.cr3 + 8), 0);
	assert_int_equal(ram64(f, f->res.cr3 + 4096 + 4 * 8), 0);
}

static void initrd_lies_high_and_apart(void **state)
{
	struct fixture *f = *state;
	static u8 initrd[100000];
	struct load_module m = { .image = { initrd, sizeof(initrd) } };
	u32 start;

	memset(initrd, 0x77, sizeof(initrd));
	f->req.modules = &m;
	f->req.nr_modules = 1;
	fixture_accepted(f);
	start = ram32(f, f->res.rsi + 0x218);
	assert_int_equal(start, ALIGN_DOWN(MiB(16) - sizeof(initrd), 4096));
	assert_int_equal(ram32(f, f->res.rsi + 0x21c), sizeof(initrd));
	assert_true(ram_is(f, start, sizeof(initrd), 0x77));
	/* Lower when the kernel wants it lower. */
	put32(image + 0x22c, MiB(8) - 1);
	fixture_accepted(f);
	assert_int_equal(ram32(f, f->res.rsi + 0x218), ALIGN_DOWN(MiB(8) - sizeof(initrd), 4096));
	assert_memory_equal(f->ram + PREF, image + KERNEL_OFFSET, KERNEL_BYTES);
}

static void initrd_that_does_not_fit(void **state)
{
	struct fixture *f = *state;
	u8 byte = 0;
	struct load_module m = { .image = { &byte, MiB(14) } };
	struct load_module two[2] = { { .image = { &byte, 1 } }, { .image = { &byte, 1 } } };

	f->req.modules = &m;
	f->req.nr_modules = 1;
	fixture_refused(f, ERR_NOMEM, "does not fit");
	m.image.size_bytes = UINT64_MAX;
	fixture_refused(f, ERR_NOMEM, "does not fit");
	m.image.size_bytes = 1;
	put32(image + 0x22c, 0);
	fixture_refused(f, ERR_NOMEM, "does not fit");
	f->req.modules = two;
	f->req.nr_modules = 2;
	fixture_refused(f, ERR_INVAL, "one initrd");
	f->req.nr_modules = LOAD_MAX_MODULES + 1;
	fixture_refused(f, ERR_INVAL, "too many modules");
}

static void cmdline_limits(void **state)
{
	struct fixture *f = *state;
	static char text[LOAD_MAX_CMDLINE + 1];

	memset(text, 'x', 255);
	f->req.cmdline = text;
	fixture_accepted(f);
	assert_int_equal(strlen(ram_string(f, ram32(f, f->res.rsi + 0x228))), 255);
	text[255] = 'x';
	fixture_refused(f, ERR_RANGE, "command line");
	memset(text, 'x', LOAD_MAX_CMDLINE);
	put32(image + 0x238, 0xffffffff);
	fixture_refused(f, ERR_RANGE, "command line");
	f->req.cmdline = NULL;
	fixture_accepted(f);
	assert_string_equal(ram_string(f, ram32(f, f->res.rsi + 0x228)), "");
}

static void protocols_that_we_lack(void **state)
{
	struct fixture *f = *state;

	put16(image + 0x206, 0x20b);
	fixture_refused(f, ERR_UNSUPPORTED, "2.12");
	image_make();
	put16(image + 0x236, 0x7e);
	fixture_refused(f, ERR_UNSUPPORTED, "64-bit");
	image_make();
	image[0x211] = 0;
	fixture_refused(f, ERR_UNSUPPORTED, "below 1 MiB");
}

static void damaged_headers(void **state)
{
	struct fixture *f = *state;

	image[0x201] = 0x264 - 0x202 - 1;
	fixture_refused(f, ERR_FORMAT, "setup header");
	image[0x201] = 0x290 - 0x202 + 1;
	fixture_refused(f, ERR_FORMAT, "setup header");
	image_make();
	put32(image + 0x1f4, 0);
	fixture_refused(f, ERR_FORMAT, "no kernel");
	put32(image + 0x1f4, 0x20);
	fixture_refused(f, ERR_FORMAT, "no kernel");
	put32(image + 0x1f4, KERNEL_BYTES / 16 + 1);
	fixture_refused(f, ERR_FORMAT, "cut off");
	put32(image + 0x1f4, 0xffffffff);
	fixture_refused(f, ERR_FORMAT, "cut off");
	image_make();
	image[0x1f1] = 0xff;
	fixture_refused(f, ERR_FORMAT, "cut off");
	image_make();
	put16(image + 0x1fe, 0);
	fixture_refused(f, ERR_FORMAT, "neither a bzImage");
}

static void kernels_that_do_not_fit(void **state)
{
	struct fixture *f = *state;
	const u64 bad[] = { MiB(15) + 1, MiB(16), GiB(3), UINT64_MAX - 0x100, UINT64_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		put64(image + 0x258, bad[i]);
		fixture_refused(f, ERR_NOMEM, "more memory");
	}
	put64(image + 0x258, 0x10000);
	fixture_refused(f, ERR_FORMAT, "below 1 MiB");
	put64(image + 0x258, PREF);
	put32(image + 0x260, 0xffffffff);
	fixture_refused(f, ERR_NOMEM, "more memory");
	/* The kernel takes everything that there is. */
	put64(image + 0x258, MiB(1));
	put32(image + 0x260, MiB(15));
	fixture_refused(f, ERR_NOMEM, "more");
	put32(image + 0x260, MiB(15) - KiB(16));
	fixture_refused(f, ERR_NOMEM, "page tables");
	/* Even when the kernel claims to need less than it is long. */
	put32(image + 0x260, 0);
	put64(image + 0x258, MiB(16) - KERNEL_BYTES + 4096);
	fixture_refused(f, ERR_NOMEM, "more memory");
}

static void requests_out_of_range(void **state)
{
	struct fixture *f = *state;

	f->req.nr_cpus = 0;
	fixture_refused(f, ERR_INVAL, "CPUs");
	f->req.nr_cpus = LOAD_MAX_CPUS + 1;
	fixture_refused(f, ERR_INVAL, "CPUs");
	f->req.nr_cpus = 1;
	f->req.ram.below_4g_bytes = MiB(1);
	fixture_refused(f, ERR_INVAL, "memory size");
	f->req.ram.below_4g_bytes = MiB(16);
	f->req.kernel.size_bytes = 0;
	fixture_refused(f, ERR_FORMAT, "empty");
}

/* Boot data must lie within the first GiB, the initrd below what the kernel can reach. */
static void large_memory(void **state)
{
	struct fixture *f = *state;
	u8 initrd[5000] = { 1, 2, 3 };
	struct load_module m = { .image = { initrd, sizeof(initrd) } };
	struct fixture big;

	fixture_open(&big, GiB(3));
	big.req = f->req;
	big.req.ram = ram_layout_make(GiB(7));
	big.req.modules = &m;
	big.req.nr_modules = 1;
	fixture_accepted(&big);
	assert_int_equal(ram32(&big, big.res.rsi + 0x218), GiB(2) - 8192);
	assert_true(big.res.rsi < GiB(1) && big.res.cr3 < GiB(1) && big.res.gdt_base < GiB(1));
	assert_true(ram32(&big, big.res.rsi + 0x228) < GiB(1));
	fixture_close(&big);
}

static void hostile_bytes(void **state)
{
	struct fixture *f = *state;

	check_prefixes(f, 1);
	check_mutations(f, image, KERNEL_OFFSET, 20000);
	assert_true(check_writer_errors(f) > 5);
	fixture_accepted(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(loads_kernel_at_its_address, setup, teardown),
		cmocka_unit_test_setup_teardown(boot_params_are_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(e820_is_in_boot_params, setup, teardown),
		cmocka_unit_test_setup_teardown(identity_map_covers_4g, setup, teardown),
		cmocka_unit_test_setup_teardown(initrd_lies_high_and_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(initrd_that_does_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(cmdline_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(protocols_that_we_lack, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(kernels_that_do_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_out_of_range, setup, teardown),
		cmocka_unit_test_setup_teardown(large_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
