/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/toml.h"

#include <stdarg.h>

#define END_OF_TEXT (-1)

/* ---- characters ---- */

static int peek_at(const struct toml *t, size_t ahead)
{
	if (ahead >= t->text_bytes - t->pos)
		return END_OF_TEXT;
	return (unsigned char)t->text[t->pos + ahead];
}

static int peek(const struct toml *t)
{
	return peek_at(t, 0);
}

static void advance(struct toml *t)
{
	if (t->text[t->pos++] == '\n') {
		t->line++;
		t->line_start = t->pos;
	}
}

static bool accept(struct toml *t, int c)
{
	if (peek(t) != c)
		return false;
	advance(t);
	return true;
}

static bool accept_word(struct toml *t, const char *word)
{
	size_t n = 0;

	while (word[n] && peek_at(t, n) == (unsigned char)word[n])
		n++;
	if (word[n])
		return false;
	t->pos += n;
	return true;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

bool toml_is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
	       c == '-';
}

/* ---- errors ---- */

/* What is read now is what errors are about. */
static void set_place(struct toml *t)
{
	t->place.line = t->line;
	t->place.column = (uint32_t)(t->pos - t->line_start) + 1;
}

static void put_char(struct toml *t, char c)
{
	if (t->message_chars == TOML_MAX_MESSAGE - 1)
		return;
	t->message[t->message_chars++] = c;
	t->message[t->message_chars] = 0;
}

void toml_say(struct toml *t, const char *text)
{
	while (*text)
		put_char(t, *text++);
}

static void put_number(struct toml *t, uint32_t n)
{
	for (uint32_t unit = 1000000000; unit; unit /= 10) {
		if (n >= unit || unit == 1)
			put_char(t, (char)('0' + n / unit % 10));
	}
}

bool toml_fail(struct toml *t, const char *fmt, ...)
{
	va_list ap;

	put_number(t, t->place.line);
	put_char(t, ':');
	put_number(t, t->place.column);
	toml_say(t, ": ");
	toml_say(t, t->key);
	toml_say(t, t->key[0] ? ": " : "");
	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%')
			put_char(t, *fmt);
		else if (*++fmt == 's')
			toml_say(t, va_arg(ap, const char *));
		else
			put_number(t, va_arg(ap, uint32_t));
	}
	va_end(ap);
	return false;
}

/* Say that something else was expected at the reading position. */
static bool fail_expected(struct toml *t, const char *what)
{
	int c = peek(t);
	char found[] = { '\'', (char)c, '\'', 0 };
	const char *text = c < ' ' || c > '~' ? "another character" : found;

	if (c == END_OF_TEXT)
		text = "the end of the file";
	if (c == '\n' || c == '\r')
		text = "the end of the line";
	set_place(t);
	return toml_fail(t, "expected %s, found %s", what, text);
}

/* ---- between values ---- */

static void skip_blanks(struct toml *t)
{
	while (peek(t) == ' ' || peek(t) == '\t')
		advance(t);
}

static void skip_comment(struct toml *t)
{
	skip_blanks(t);
	if (peek(t) != '#')
		return;
	while (peek(t) != '\n' && peek(t) != END_OF_TEXT)
		advance(t);
}

/* Skip blanks, comments and ends of lines. */
static void skip_space(struct toml *t)
{
	do {
		skip_comment(t);
		accept(t, '\r');
	} while (accept(t, '\n'));
}

static bool is_control(const struct toml *t)
{
	int c = peek(t);

	if (c == '\r')
		return peek_at(t, 1) != '\n';
	return (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
}

/* Of UTF-8 the form is checked: each first byte has as many behind it as it says. */
static bool check_text(struct toml *t)
{
	int nr_more = 0, c;

	for (; (c = peek(t)) != END_OF_TEXT; advance(t)) {
		set_place(t);
		if ((nr_more > 0) != ((c & 0xc0) == 0x80) || c >= 0xf8)
			return toml_fail(t, "not UTF-8 text");
		if (is_control(t))
			return toml_fail(t, "control characters are not allowed");
		nr_more = nr_more ? nr_more - 1 : (c >= 0xc0) + (c >= 0xe0) + (c >= 0xf0);
	}
	return !nr_more || toml_fail(t, "not UTF-8 text");
}

bool toml_open(struct toml *t, const char *text, size_t text_bytes, char *message)
{
	*t = (struct toml){ .text = text, .text_bytes = text_bytes, .message = message };
	t->line = 1;
	set_place(t);
	if (text_bytes > TOML_MAX_FILE_BYTES)
		return toml_fail(t, "larger than the limit of %u bytes", TOML_MAX_FILE_BYTES);
	if (!check_text(t))
		return false;
	t->line = 1;
	/* Editors on other systems begin a file with a byte order mark. */
	t->pos = t->line_start = 0;
	if (accept_word(t, "\xef\xbb\xbf"))
		t->line_start = t->pos;
	return true;
}

static bool read_key(struct toml *t)
{
	size_t n = 0;

	for (; toml_is_bare(peek(t)); advance(t)) {
		if (n == sizeof(t->key) - 1)
			return toml_fail(t, "the key is longer than %u characters", (uint32_t)n);
		t->key[n++] = (char)peek(t);
		t->key[n] = 0;
	}
	return n || fail_expected(t, "a key or a table");
}

static enum toml_event fail_event(struct toml *t, const char *expected)
{
	fail_expected(t, expected);
	return TOML_FAIL;
}

enum toml_event toml_next(struct toml *t)
{
	static const char *const behind_key[] = {
		[TOML_TABLE] = "]",
		[TOML_TABLE_ITEM] = "]]",
		[TOML_PAIR] = "=",
	};
	enum toml_event event = TOML_PAIR;
	uint32_t line = t->line;

	skip_space(t);
	if (t->key[0] && t->line == line && peek(t) != END_OF_TEXT)
		return fail_event(t, "the end of the line");
	t->key[0] = 0;
	set_place(t);
	if (peek(t) == END_OF_TEXT)
		return TOML_END;
	if (accept(t, '['))
		event = accept(t, '[') ? TOML_TABLE_ITEM : TOML_TABLE;
	skip_blanks(t);
	if (!read_key(t))
		return TOML_FAIL;
	skip_blanks(t);
	return accept_word(t, behind_key[event]) ? event : fail_event(t, behind_key[event]);
}

/* ---- values ---- */

static void begin_value(struct toml *t)
{
	skip_blanks(t);
	set_place(t);
}

bool toml_string(struct toml *t, char *out, uint32_t max)
{
	uint32_t n = 0;
	int quote, c;

	begin_value(t);
	quote = peek(t);
	if (!accept(t, '"') && !accept(t, '\''))
		return fail_expected(t, "text in quotes");
	if (peek(t) == quote && peek_at(t, 1) == quote)
		return toml_fail(t, "strings of several lines are not supported");
	while (!accept(t, quote)) {
		c = peek(t);
		if (c == END_OF_TEXT || c == '\n' || c == '\r')
			return toml_fail(t, "the string has no closing quote");
		advance(t);
		if (c == '\\' && quote == '"') {
			c = peek(t);
			if (!accept(t, '\\') && !accept(t, '"'))
				return fail_expected(t, "\\ or \" after the backslash");
		}
		if (n == max - 1)
			return toml_fail(t, "longer than the limit of %u bytes", n);
		out[n++] = (char)c;
	}
	out[n] = 0;
	return true;
}

bool toml_number(struct toml *t, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t n = 0;
	size_t start;

	begin_value(t);
	for (start = t->pos; is_digit(peek(t)); advance(t)) {
		if (n <= max)
			n = n * 10 + (uint64_t)(peek(t) - '0');
	}
	if (t->pos == start || n < min || n > max)
		return toml_fail(t, "must be a whole number from %u to %u", min, max);
	if (t->text[start] == '0' && t->pos - start > 1)
		return toml_fail(t, "numbers are decimal and begin with a digit other than 0");
	*out = (uint32_t)n;
	return true;
}

bool toml_boolean(struct toml *t, uint32_t *out)
{
	begin_value(t);
	*out = accept_word(t, "true");
	return *out || accept_word(t, "false") || toml_fail(t, "must be true or false");
}

bool toml_array(struct toml *t, bool (*read_item)(void *arg), void *arg)
{
	begin_value(t);
	if (!accept(t, '['))
		return fail_expected(t, "an array of strings");
	for (skip_space(t); !accept(t, ']'); skip_space(t)) {
		if (!read_item(arg))
			return false;
		skip_space(t);
		if (!accept(t, ',') && peek(t) != ']')
			return fail_expected(t, "',' or ']'");
	}
	return true;
}
