/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reader for a strict subset of TOML: tables, arrays of tables, bare keys; one-line basic and
 * literal strings, decimal integers, booleans, and arrays of strings. Everything else that TOML
 * knows is refused with a message that names it. It owns the grammar, not the meaning of keys.
 *
 * The caller pulls events one by one. Nothing is allocated, nothing is truncated: what exceeds a
 * limit is an error. The first error ends the reading. It needs no C library, so it runs in the
 * loader and in host tests; it keeps no global state.
 */
#ifndef BOOT_TOML_H
#define BOOT_TOML_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOML_MAX_KEY 32 /* with the terminating NUL */
#define TOML_MAX_STRING 4096 /* all strings of one value, each with its NUL */
#define TOML_MAX_ITEMS 32
#define TOML_MAX_FILE_BYTES (1u << 20)
#define TOML_MAX_MESSAGE 256

/* Where and why reading stopped. */
struct toml_error {
	uint32_t line; /* from 1 */
	uint32_t column; /* from 1, in bytes */
	char key[TOML_MAX_KEY]; /* the key concerned, empty when there is none */
	char text[TOML_MAX_MESSAGE];
};

/* TOML_ANY is no value's type: it is for callers that take several. */
enum toml_type { TOML_STRING, TOML_INTEGER, TOML_BOOLEAN, TOML_ARRAY, TOML_ANY };

struct toml_value {
	enum toml_type type;
	uint32_t line, column; /* of its first character */
	uint64_t integer; /* magnitude */
	bool is_negative;
	bool boolean;
	uint32_t nr_items; /* of an array; 1 for a string */
	uint32_t item[TOML_MAX_ITEMS]; /* offsets of the strings in `string` */
	uint32_t string_bytes;
	char string[TOML_MAX_STRING];
};

enum toml_event {
	TOML_FAIL, /* see the error */
	TOML_END, /* end of the text */
	TOML_TABLE, /* [key] */
	TOML_TABLE_ITEM, /* [[key]] */
	TOML_PAIR, /* key = value */
};

struct toml {
	const char *text;
	size_t text_bytes;
	size_t pos;
	size_t line_start;
	uint32_t line;
	uint32_t key_line, key_column; /* of the last event */
	char key[TOML_MAX_KEY];
	struct toml_value value;
	struct toml_error *error;
};

/*
 * Start reading `text` (need not end in NUL). Checks that it is UTF-8 text without control
 * characters. Returns false with `error` filled in otherwise.
 */
bool toml_open(struct toml *t, const char *text, size_t text_bytes, struct toml_error *error);

/* Read up to the next table header or pair, which is then in t->key and t->value. */
enum toml_event toml_next(struct toml *t);

/*
 * Record an error and return false. `key` may be "". The format knows %s, %u (uint32_t) and %c;
 * a text that does not fit is cut at TOML_MAX_MESSAGE - 1 bytes.
 */
bool toml_fail(struct toml *t, uint32_t line, uint32_t column, const char *key, const char *fmt,
	       ...) __attribute__((format(printf, 5, 6)));

/*
 * Write "file:line:column: key: text" to `out`, with NUL, cut at `out_bytes`. `line` and `key` are
 * left out where the error has none.
 */
void toml_error_print(const struct toml_error *e, const char *file, char *out, size_t out_bytes);

/* The type's name for messages, with its article. */
const char *toml_type_name(enum toml_type type);

/* Whether two strings are equal. */
bool text_equal(const char *a, const char *b);

/* The value of a hexadecimal digit, -1 where `c` is none; whether `c` may stand in a bare key. */
int text_hex_digit(int c);
bool text_is_bare(int c);

/* Length in bytes without the NUL. */
size_t text_bytes(const char *s);

#endif
