/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/archive.h"

#include "boot/sha256.h"

/* Microsoft's "PE Format": offsets of the fields that lead to a section. */
#define DOS_PE_OFFSET 0x3c
#define PE_NR_SECTIONS 6
#define PE_OPTIONAL_BYTES 20
#define PE_OPTIONAL 24
#define SECTION_BYTES 40
#define SECTION_NAME_CHARS 8
#define SECTION_SIZE 8
#define SECTION_ADDRESS 12

/* cpio(5), "New ASCII Format": numbers of eight hexadecimal digits. */
#define CPIO_HEADER_BYTES 110
#define CPIO_FILE_SIZE 54
#define CPIO_NAME_SIZE 94
#define CPIO_DIGITS 8

#define HASH_DIGITS (2 * SHA256_BYTES)

static bool is_inside(struct blob b, size_t offset, size_t size_bytes)
{
	return offset <= b.size_bytes && size_bytes <= b.size_bytes - offset;
}

uint64_t blob_le(struct blob b, uint64_t offset, unsigned int width_bytes)
{
	uint64_t value = 0;

	for (unsigned int i = width_bytes; i && is_inside(b, offset, width_bytes); i--)
		value = value << 8 | b.data[offset + i - 1];
	return value;
}

static char with_slash(char c)
{
	return c == '\\' ? '/' : c;
}

/* Whether the `max_chars` bytes at `at` are `name`, which may be shorter and then ends in `end`. */
static bool name_matches(const uint8_t *at, size_t max_chars, const char *name, char end)
{
	size_t i = 0;

	while (i < max_chars && name[i] && at[i] == (uint8_t)with_slash(name[i]))
		i++;
	return !name[i] && (i == max_chars || at[i] == (uint8_t)end);
}

struct blob pe_section(struct blob image, const char *name)
{
	size_t pe = blob_le(image, DOS_PE_OFFSET, 4);
	size_t at = pe + PE_OPTIONAL + blob_le(image, pe + PE_OPTIONAL_BYTES, 2);
	struct blob found = { NULL, 0 };

	for (size_t n = blob_le(image, pe + PE_NR_SECTIONS, 2); n; n--, at += SECTION_BYTES) {
		size_t address = blob_le(image, at + SECTION_ADDRESS, 4);
		size_t size_bytes = blob_le(image, at + SECTION_SIZE, 4);

		if (is_inside(image, at, SECTION_BYTES) && is_inside(image, address, size_bytes) &&
		    name_matches(image.data + at, SECTION_NAME_CHARS, name, 0))
			found = (struct blob){ image.data + address, size_bytes };
	}
	return found;
}

/* The value of a hexadecimal digit, -1 where `c` is none. */
static int hex_digit(uint8_t c)
{
	int letter = c | 0x20;

	if (c >= '0' && c <= '9')
		return c - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static size_t cpio_number(const uint8_t *digits)
{
	size_t n = 0;

	for (unsigned int i = 0; i < CPIO_DIGITS; i++)
		n = n << 4 | (size_t)(hex_digit(digits[i]) & 15);
	return n;
}

static const char *skip_separators(const char *name)
{
	while (with_slash(*name) == '/')
		name++;
	return name;
}

struct blob archive_find(struct blob archive, const char *name)
{
	size_t at = 0;

	name = skip_separators(name);
	while (is_inside(archive, at, CPIO_HEADER_BYTES) &&
	       name_matches(archive.data + at, 6, "070701", 0)) {
		const uint8_t *header = archive.data + at;
		size_t name_bytes = cpio_number(header + CPIO_NAME_SIZE);
		size_t data = round_up_4(at + CPIO_HEADER_BYTES + name_bytes);
		struct blob file = { archive.data + data, cpio_number(header + CPIO_FILE_SIZE) };

		if (!is_inside(archive, data, file.size_bytes))
			break;
		if (name_matches(header + CPIO_HEADER_BYTES, name_bytes, name, 0))
			return file;
		at = round_up_4(data + file.size_bytes);
	}
	return (struct blob){ NULL, 0 };
}

static bool hash_matches(const uint8_t *digits, struct blob file)
{
	uint8_t digest[SHA256_BYTES];
	bool is_equal = true;

	sha256(file.data, file.size_bytes, digest);
	for (unsigned int i = 0; i < HASH_DIGITS; i++)
		is_equal &= hex_digit(digits[i]) == (digest[i / 2] >> (i % 2 ? 0 : 4) & 15);
	return is_equal;
}

/* Lines of a hash, a blank, a blank or a star, and a name. */
enum hash_verdict hash_check(struct blob list, const char *name, struct blob file)
{
	size_t at = 0, end;

	name = skip_separators(name);
	for (; is_inside(list, at, HASH_DIGITS + 2); at = end + 1) {
		for (end = at; end < list.size_bytes && list.data[end] != '\n'; end++)
			;
		if (end - at > HASH_DIGITS + 2 &&
		    name_matches(list.data + at + HASH_DIGITS + 2, end - at - HASH_DIGITS - 2, name,
				 '\n'))
			return hash_matches(list.data + at, file) ? HASH_GOOD : HASH_DIFFERS;
	}
	return HASH_UNLISTED;
}
