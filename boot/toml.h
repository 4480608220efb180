/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reader for the part of TOML that the configuration needs: tables, arrays of tables, bare keys;
 * one-line basic strings with the escapes \" and \\, literal strings, decimal integers without
 * sign, booleans, and arrays of strings. Everything else is refused with a message. It owns the
 * grammar, not the meaning of keys.
 *
 * The caller pulls headers and keys one by one, and behind a key the type of value that it wants.
 * Nothing is allocated, nothing is truncated: what exceeds a limit is an error. The first error
 * ends the reading. It needs no C library, so it runs in the loader and in host tests; it keeps no
 * global state.
 */
#ifndef BOOT_TOML_H
#define BOOT_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOML_MAX_KEY 32 /* with the terminating NUL */
#define TOML_MAX_FILE_BYTES (1u << 20)
#define TOML_MAX_MESSAGE 320 /* a longer one is cut */

enum toml_event {
	TOML_FAIL, /* see the message */
	TOML_END, /* end of the text */
	TOML_TABLE, /* [key] */
	TOML_TABLE_ITEM, /* [[key]] */
	TOML_PAIR, /* key = */
};

struct toml_place {
	uint32_t line; /* from 1 */
	uint32_t column; /* from 1, in bytes */
};

struct toml {
	const char *text;
	size_t text_bytes;
	size_t pos;
	size_t line_start;
	uint32_t line;
	struct toml_place place; /* of the last header, key or value: what errors are about */
	char key[TOML_MAX_KEY];
	char *message;
	size_t message_chars;
};

/*
 * Start reading `text` (need not end in NUL). Checks that it is UTF-8 text without control
 * characters. `message`, of TOML_MAX_MESSAGE, gets the error of this and all other functions as
 * "line:column: key: text", without "key: " where there is none.
 */
bool toml_open(struct toml *t, const char *text, size_t text_bytes, char *message);

/* Read up to the next table header, or the next key, which is then in t->key, and its "=". */
enum toml_event toml_next(struct toml *t);

/* Read the value behind a key. At most `max` bytes with the NUL; a number from `min` to `max`. */
bool toml_string(struct toml *t, char *out, uint32_t max);
bool toml_number(struct toml *t, uint32_t min, uint32_t max, uint32_t *out);
bool toml_boolean(struct toml *t, uint32_t *out);

/* Read an array; `read_item` is to read each of its strings. */
bool toml_array(struct toml *t, bool (*read_item)(void *arg), void *arg);

/* Make an error of t->place and t->key the message, and return false. Knows %s, %u (uint32_t). */
bool toml_fail(struct toml *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append to the message. */
void toml_say(struct toml *t, const char *text);

/* Whether `c` may stand in a bare key. */
bool toml_is_bare(int c);

#endif
