/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of core/load share: guest memory in an array that refuses the same holes as a
 * VM's, a request with sensible defaults, and checks of what every loaded image must have.
 */
#ifndef TESTS_HOST_LOAD_FIXTURE_H
#define TESTS_HOST_LOAD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/lib/bits.h"
#include "core/load/layout.h"
#include "core/load/load.h"

struct fixture {
	u8 *ram;
	u64 ram_bytes;
	u64 writes_left; /* then the writer fails */
	struct guest_mem mem;
	struct load_request req;
	struct load_result res;
	const char *why;
};

static inline enum err fake_range(struct fixture *f, u64 gpa, u64 len)
{
	if (f->writes_left == 0)
		return ERR_IO;
	f->writes_left--;
	if (gpa > f->ram_bytes || len > f->ram_bytes - gpa)
		return ERR_FAULT;
	if (gpa < GPA_ROM_BASE && gpa + len > GPA_EBDA_END)
		return ERR_FAULT;
	return ERR_NONE;
}

static inline enum err fake_write(void *env, gpa_t gpa, const void *buf, u64 len)
{
	struct fixture *f = env;
	enum err e = fake_range(f, gpa.v, len);

	if (!e)
		memcpy(f->ram + gpa.v, buf, len);
	return e;
}

static inline enum err fake_zero(void *env, gpa_t gpa, u64 len)
{
	struct fixture *f = env;
	enum err e = fake_range(f, gpa.v, len);

	if (!e)
		memset(f->ram + gpa.v, 0, len);
	return e;
}

/* Memory starts as a pattern, not as zeros: what must be zero has to be made so. */
static inline void fixture_open(struct fixture *f, u64 ram_bytes)
{
	*f = (struct fixture){ .ram_bytes = ram_bytes, .writes_left = UINT64_MAX };
	f->ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(f->ram != MAP_FAILED);
	if (ram_bytes <= MiB(64))
		memset(f->ram, 0xa5, ram_bytes);
	f->mem = (struct guest_mem){ .env = f, .write = fake_write, .zero = fake_zero };
	f->req.ram = (struct ram_layout){ .below_4g_bytes = ram_bytes };
	f->req.nr_cpus = 1;
}

static inline void fixture_close(struct fixture *f)
{
	munmap(f->ram, f->ram_bytes);
}

static inline enum err fixture_load(struct fixture *f)
{
	f->why = NULL;
	return load_image(&f->mem, &f->req, &f->res, &f->why);
}

/* The load must fail with `e` and a text that contains `text`. */
static inline void fixture_refused(struct fixture *f, enum err e, const char *text)
{
	assert_int_equal(fixture_load(f), e);
	assert_non_null(f->why);
	if (!strstr(f->why, text))
		fail_msg("wanted \"%s\", got \"%s\"", text, f->why);
}

static inline void fixture_accepted(struct fixture *f)
{
	enum err e = fixture_load(f);

	if (e)
		fail_msg("%s: %s", err_text(e), f->why);
	assert_string_equal(f->why, "");
}

static inline u32 ram32(const struct fixture *f, u64 gpa)
{
	u32 v;

	assert_true(gpa + sizeof(v) <= f->ram_bytes);
	memcpy(&v, f->ram + gpa, sizeof(v));
	return v;
}

static inline u64 ram64(const struct fixture *f, u64 gpa)
{
	u64 v;

	assert_true(gpa + sizeof(v) <= f->ram_bytes);
	memcpy(&v, f->ram + gpa, sizeof(v));
	return v;
}

static inline const char *ram_string(const struct fixture *f, u64 gpa)
{
	assert_true(gpa < f->ram_bytes);
	assert_non_null(memchr(f->ram + gpa, 0, f->ram_bytes - gpa));
	return (const char *)f->ram + gpa;
}

static inline bool ram_is(const struct fixture *f, u64 gpa, u64 len, u8 value)
{
	for (u64 i = 0; i < len; i++) {
		if (f->ram[gpa + i] != value)
			return false;
	}
	return true;
}

static inline void put16(u8 *p, u32 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

static inline void put32(u8 *p, u32 v)
{
	put16(p, v);
	put16(p + 2, v >> 16);
}

static inline void put64(u8 *p, u64 v)
{
	put32(p, (u32)v);
	put32(p + 4, (u32)(v >> 32));
}

/* Flat segments with the selectors promised in load.h. */
static inline void check_gdt(const struct fixture *f)
{
	u64 code = ram64(f, f->res.gdt_base + BOOT_CS);

	assert_int_equal(f->res.gdt_limit, 4 * 8 - 1);
	assert_true(ram64(f, f->res.gdt_base) == 0);
	assert_true(ram64(f, f->res.gdt_base + BOOT_DS) == 0x00cf93000000ffffull);
	assert_true(code ==
		    (f->res.mode == BOOT_LONG64 ? 0x00af9b000000ffffull : 0x00cf9b000000ffffull));
}

/* Every image must be refused cleanly whichever write fails; returns how many there were. */
static inline u64 check_writer_errors(struct fixture *f)
{
	u64 n = 0;

	for (;; n++) {
		f->writes_left = n;
		if (fixture_load(f) == ERR_NONE)
			break;
		assert_string_not_equal(f->why, "");
		assert_true(n < 1000);
	}
	f->writes_left = UINT64_MAX;
	return n;
}

/* Every prefix of the image must be refused, without a read behind its end. */
static inline void check_prefixes(struct fixture *f, u64 step)
{
	struct image whole = f->req.kernel;

	for (u64 n = 0; n < whole.size_bytes; n += step) {
		u8 *copy = malloc(n ? n : 1); /* its own block: the sanitizer sees each overrun */

		assert_non_null(copy);
		memcpy(copy, whole.data, n);
		f->req.kernel = (struct image){ .data = copy, .size_bytes = n };
		assert_int_not_equal(fixture_load(f), ERR_NONE);
		assert_string_not_equal(f->why, "");
		free(copy);
	}
	f->req.kernel = whole;
}

/* Turn over bits of the first `bytes` of the image: nothing may crash or write outside RAM. */
static inline void check_mutations(struct fixture *f, u8 *image, u64 bytes, unsigned rounds)
{
	u32 seed = 0x12345;

	for (unsigned i = 0; i < rounds; i++) {
		u64 at[3];
		u8 old[3];

		for (unsigned k = 0; k < 3; k++) {
			seed = seed * 1664525u + 1013904223u;
			at[k] = (seed >> 8) % bytes;
			old[k] = image[at[k]];
			image[at[k]] = (u8)((seed >> 3) & 1 ? seed >> 24 : old[k] ^ (seed >> 24));
		}
		if (fixture_load(f))
			assert_string_not_equal(f->why, "");
		assert_int_not_equal(f->res.rip == 0 && f->why[0] == '\0', 1);
		for (unsigned k = 3; k-- > 0;)
			image[at[k]] = old[k];
	}
}

#endif
