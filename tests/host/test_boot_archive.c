/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: boot/archive.c boot/sha256.c */
/* SHA-256 by NIST's vectors, and what an image carries: sections, archive, list of hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/archive.h"
#include "boot/sha256.h"

/* A copy that ends where its memory ends, so that the sanitizer sees a read behind it. */
static struct blob blob_of(const void *data, size_t size_bytes)
{
	uint8_t *copy = malloc(size_bytes ? size_bytes : 1);

	assert_non_null(copy);
	memcpy(copy, data, size_bytes);
	return (struct blob){ copy, size_bytes };
}

static void blob_free(struct blob b)
{
	free((void *)(uintptr_t)b.data);
}

/* ---- SHA-256 ---- */

static void assert_digest(const void *message, size_t size_bytes, const char *expected)
{
	uint8_t digest[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];
	struct blob b = blob_of(message, size_bytes);

	sha256(b.data, b.size_bytes, digest);
	for (int i = 0; i < SHA256_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, expected);
	blob_free(b);
}

/* FIPS 180-4's examples and SHA256ShortMsg.rsp, SHA256LongMsg.rsp of NIST's CAVP. */
static void test_nist_vectors(void **state)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	char *million = malloc(1000000);

	(void)state;
	assert_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_digest(two_blocks, 56,
		      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_digest("\xd3", 1,
		      "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
	assert_digest("\x11\xaf", 2,
		      "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98");
	assert_non_null(million);
	memset(million, 'a', 1000000);
	assert_digest(million, 1000000,
		      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* Lengths around the end of a block, where the padding changes; figures of sha256sum. */
static void test_padding(void **state)
{
	static const struct {
		size_t bytes;
		const char *digest;
	} cases[] = {
		{ 54, "45f316e10b2c99abf374b22bda893cf3300d77263f1e272349ed414680522952" },
		{ 55, "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072" },
		{ 56, "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e" },
		{ 57, "ae14a2563ccf969d99aca69ce6bb74981f734bbf9f655f73b8f06db68cab5217" },
		{ 63, "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2" },
		{ 64, "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c" },
		{ 65, "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9" },
		{ 119, "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c" },
		{ 120, "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98" },
		{ 128, "24da1b81d0b16df6428eee73c69fcb2a93c76bc6df706f0c6670fe6bfe800464" },
	};
	char message[200];

	(void)state;
	memset(message, 'x', sizeof(message));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_digest(message, cases[i].bytes, cases[i].digest);
}

/* ---- the archive ---- */

static size_t add_file(char *out, size_t at, const char *name, const void *data, size_t size_bytes)
{
	size_t name_bytes = strlen(name) + 1;

	at += (size_t)sprintf(out + at, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X"
			      "%08X%08zx%08X",
			      1, 0100644, 0, 0, 1, 0, size_bytes, 0, 0, 0, 0, name_bytes, 0);
	memcpy(out + at, name, name_bytes);
	for (at += name_bytes; at % 4; at++)
		out[at] = 0;
	memcpy(out + at, data, size_bytes);
	for (at += size_bytes; at % 4; at++)
		out[at] = 0;
	return at;
}

static struct blob archive_make(void)
{
	static char out[1024];
	size_t at = add_file(out, 0, "lamina.toml", "[lamina]\n", 9);

	at = add_file(out, at, "empty", "", 0);
	at = add_file(out, at, "sub/kernel", "KERNEL", 6);
	at = add_file(out, at, "TRAILER!!!", "", 0);
	return blob_of(out, at);
}

static void assert_found(struct blob archive, const char *name, const char *content)
{
	struct blob file = archive_find(archive, name);

	assert_non_null(file.data);
	assert_int_equal(file.size_bytes, strlen(content));
	assert_memory_equal(file.data, content, file.size_bytes);
}

static void test_archive(void **state)
{
	static const char *const absent[] = { "", "lamina", "lamina.toml2", "sub", "kernel",
					      "sub/kerne", "sub/kernels" };
	struct blob archive = archive_make();

	(void)state;
	assert_found(archive, "lamina.toml", "[lamina]\n");
	assert_found(archive, "/lamina.toml", "[lamina]\n");
	assert_found(archive, "empty", "");
	assert_found(archive, "sub/kernel", "KERNEL");
	assert_found(archive, "//sub/kernel", "KERNEL");
	assert_found(archive, "\\sub\\kernel", "KERNEL");
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		assert_null(archive_find(archive, absent[i]).data);
	assert_null(archive_find((struct blob){ NULL, 0 }, "lamina.toml").data);
	blob_free(archive);
}

/* Cut at any place, and with any byte turned: nothing outside is read or handed out. */
static void test_broken_archive(void **state)
{
	struct blob whole = archive_make();

	(void)state;
	for (size_t n = 0; n < whole.size_bytes; n++) {
		struct blob cut = blob_of(whole.data, n);
		struct blob file = archive_find(cut, "sub/kernel");

		assert_true(!file.data || (file.data >= cut.data &&
					   file.data + file.size_bytes <= cut.data + n));
		blob_free(cut);
	}
	for (size_t n = 0; n < 8 * whole.size_bytes; n++) {
		struct blob bad = blob_of(whole.data, whole.size_bytes);
		struct blob file;

		((uint8_t *)(uintptr_t)bad.data)[n / 8] ^= (uint8_t)(1 << n % 8);
		file = archive_find(bad, "sub/kernel");
		assert_true(!file.data || (file.data >= bad.data && file.data + file.size_bytes <=
								    bad.data + bad.size_bytes));
		blob_free(bad);
	}
	blob_free(whole);
}

/* ---- the list of hashes ---- */

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static enum hash_verdict check(const char *list, const char *name, const char *content)
{
	struct blob l = blob_of(list, strlen(list));
	struct blob file = blob_of(content, strlen(content));
	enum hash_verdict verdict = hash_check(l, name, file);

	blob_free(l);
	blob_free(file);
	return verdict;
}

static void test_hashes(void **state)
{
	static const char list[] = EMPTY "  empty\n" ABC "  sub/abc\n" ABC " *last";

	(void)state;
	assert_int_equal(check(list, "sub/abc", "abc"), HASH_GOOD);
	assert_int_equal(check(list, "/sub/abc", "abc"), HASH_GOOD);
	assert_int_equal(check(list, "last", "abc"), HASH_GOOD);
	assert_int_equal(check(list, "empty", ""), HASH_GOOD);
	assert_int_equal(check(list, "sub/abc", "abd"), HASH_DIFFERS);
	assert_int_equal(check(list, "sub/abc", "ab"), HASH_DIFFERS);
	assert_int_equal(check(list, "empty", "abc"), HASH_DIFFERS);
	assert_int_equal(check(list, "sub/ab", "abc"), HASH_UNLISTED);
	assert_int_equal(check(list, "abc", "abc"), HASH_UNLISTED);
	assert_int_equal(check(list, "sub/abcd", "abc"), HASH_UNLISTED);
	assert_int_equal(check(list, "", "abc"), HASH_UNLISTED);
	assert_int_equal(check("", "abc", "abc"), HASH_UNLISTED);
	/* A hash that is none is no match, whatever the file. */
	assert_int_equal(check("zz" ABC "\n", "abc", "abc"), HASH_UNLISTED);
	assert_int_equal(check("g" "a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
			       "  abc\n", "abc", "abc"), HASH_DIFFERS);
}

static void test_cut_list(void **state)
{
	static const char list[] = EMPTY "  empty\n" ABC "  abc\n";
	char cut[sizeof(list)];

	(void)state;
	for (size_t n = 0; n < sizeof(list) - 2; n++) {
		memcpy(cut, list, n);
		cut[n] = 0;
		assert_int_equal(check(cut, "abc", "abc"), HASH_UNLISTED);
	}
}

/* ---- sections ---- */

static void put_le(uint8_t *at, uint32_t value, int width_bytes)
{
	for (int i = 0; i < width_bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* An image with the PE header at 0x80 and two sections. */
static struct blob image_make(uint32_t address, uint32_t size_bytes)
{
	static uint8_t image[0x400];
	uint8_t *section = image + 0x80 + 24 + 0xf0;

	put_le(image + 0x3c, 0x80, 4);
	put_le(image + 0x80 + 6, 2, 2);
	put_le(image + 0x80 + 20, 0xf0, 2);
	memcpy(section, ".text\0\0\0", 8);
	memcpy(section + 40, ".modules", 8);
	put_le(section + 40 + 8, size_bytes, 4);
	put_le(section + 40 + 12, address, 4);
	memcpy(image + 0x300, "content", 7);
	return blob_of(image, sizeof(image));
}

static void test_sections(void **state)
{
	struct blob image = image_make(0x300, 7);

	(void)state;
	assert_int_equal(pe_section(image, ".modules").size_bytes, 7);
	assert_memory_equal(pe_section(image, ".modules").data, "content", 7);
	assert_non_null(pe_section(image, ".text").data);
	assert_null(pe_section(image, ".tex").data);
	assert_null(pe_section(image, ".module").data);
	assert_null(pe_section(image, ".hashes").data);
	for (size_t n = 0; n < image.size_bytes; n++) {
		struct blob cut = blob_of(image.data, n);
		struct blob found = pe_section(cut, ".modules");

		assert_true(!found.data || n >= 0x307);
		blob_free(cut);
	}
	blob_free(image);
	image = image_make(0x300, 0x101);
	assert_null(pe_section(image, ".modules").data);
	blob_free(image);
	image = image_make(0xffffffff, 0xffffffff);
	assert_null(pe_section(image, ".modules").data);
	blob_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nist_vectors),   cmocka_unit_test(test_padding),
		cmocka_unit_test(test_archive),	       cmocka_unit_test(test_broken_archive),
		cmocka_unit_test(test_hashes),	       cmocka_unit_test(test_cut_list),
		cmocka_unit_test(test_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
