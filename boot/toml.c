/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/toml.h"

#define END_OF_TEXT (-1)

/* ---- text ---- */

bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

int text_hex_digit(int c)
{
	int letter = c | 0x20;

	if (c >= '0' && c <= '9')
		return c - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

size_t text_bytes(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* A buffer that is filled from the front and always ends in NUL. */
struct sink {
	char *out;
	size_t left_bytes; /* with the NUL */
};

static void put_char(struct sink *s, char c)
{
	if (s->left_bytes < 2)
		return;
	*s->out++ = c;
	*s->out = 0;
	s->left_bytes--;
}

static void put_text(struct sink *s, const char *text)
{
	while (*text)
		put_char(s, *text++);
}

static void put_number(struct sink *s, uint32_t n)
{
	char digits[10];
	unsigned int i = 0;

	do {
		digits[i++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (i)
		put_char(s, digits[--i]);
}

static void put_format(struct sink *s, const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put_char(s, *fmt);
			continue;
		}
		fmt++;
		if (*fmt == 's')
			put_text(s, va_arg(ap, const char *));
		else if (*fmt == 'u')
			put_number(s, va_arg(ap, uint32_t));
		else
			put_char(s, (char)va_arg(ap, int));
	}
}

/* ---- errors ---- */

bool toml_fail(struct toml *t, uint32_t line, uint32_t column, const char *key, const char *fmt,
	       ...)
{
	struct toml_error *e = t->error;
	struct sink name = { e->key, sizeof(e->key) };
	struct sink text = { e->text, sizeof(e->text) };
	va_list ap;

	e->line = line;
	e->column = column;
	e->key[0] = 0;
	e->text[0] = 0;
	put_text(&name, key);
	va_start(ap, fmt);
	put_format(&text, fmt, ap);
	va_end(ap);
	return false;
}

__attribute__((format(printf, 2, 3))) static void put(struct sink *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_format(s, fmt, ap);
	va_end(ap);
}

void toml_error_print(const struct toml_error *e, const char *file, char *out, size_t out_bytes)
{
	struct sink s = { out, out_bytes };

	if (!out_bytes)
		return;
	*out = 0;
	put(&s, "%s:", file);
	if (e->line)
		put(&s, "%u:%u:", e->line, e->column);
	put(&s, e->key[0] ? " %s: %s" : " %s%s", e->key, e->text);
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = { "a string", "an integer", "a boolean", "an array" };

	return names[type];
}

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

static uint32_t column(const struct toml *t)
{
	return (uint32_t)(t->pos - t->line_start) + 1;
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

/* Record an error at the reading position. */
#define fail_here(t, ...) toml_fail(t, (t)->line, column(t), (t)->key, __VA_ARGS__)

/* Say that something else was expected at the reading position. */
static bool fail_expected(struct toml *t, const char *what)
{
	int c = peek(t);

	if (c == END_OF_TEXT)
		return fail_here(t, "expected %s, found the end of the file", what);
	if (c == '\n' || c == '\r')
		return fail_here(t, "expected %s, found the end of the line", what);
	if (c < 0x20 || c > 0x7e)
		return fail_here(t, "expected %s", what);
	return fail_here(t, "expected %s, found '%c'", what, c);
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

bool text_is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
	       c == '-';
}

static void skip_blanks(struct toml *t)
{
	while (peek(t) == ' ' || peek(t) == '\t')
		advance(t);
}

static void skip_comment(struct toml *t)
{
	if (peek(t) != '#')
		return;
	while (peek(t) != '\n' && peek(t) != END_OF_TEXT)
		advance(t);
}

/* Skip blanks, comments and ends of lines. */
static void skip_space(struct toml *t)
{
	size_t start;

	do {
		start = t->pos;
		skip_blanks(t);
		skip_comment(t);
		accept(t, '\r');
		accept(t, '\n');
	} while (t->pos != start);
}

/* What follows a header or a pair: nothing but a comment. */
static bool read_line_end(struct toml *t)
{
	skip_blanks(t);
	skip_comment(t);
	accept(t, '\r');
	if (accept(t, '\n') || peek(t) == END_OF_TEXT)
		return true;
	return fail_expected(t, "the end of the line");
}

/* ---- UTF-8 ---- */

static bool is_scalar(uint32_t code)
{
	return code < 0xd800 || (code > 0xdfff && code <= 0x10ffff);
}

/* Length of the well-formed character at the reading position, 0 if it is malformed. */
static size_t utf8_bytes(const struct toml *t)
{
	static const uint32_t least[4] = { 0, 0x80, 0x800, 0x10000 };
	int c = peek(t);
	int tail = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;
	uint32_t code;

	if (tail <= 0)
		return tail == 0;
	code = (uint32_t)c & (0x3fu >> tail);
	for (int i = 1; i <= tail; i++) {
		c = peek_at(t, (size_t)i);
		if (c == END_OF_TEXT || (c & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((uint32_t)c & 0x3f);
	}
	return is_scalar(code) && code >= least[tail] ? (size_t)tail + 1 : 0;
}

static bool is_control(const struct toml *t)
{
	int c = peek(t);

	if (c == '\r')
		return peek_at(t, 1) != '\n';
	return (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
}

static bool check_text(struct toml *t)
{
	size_t n;

	while (peek(t) != END_OF_TEXT) {
		n = utf8_bytes(t);
		if (!n)
			return fail_here(t, "not UTF-8 text");
		if (is_control(t))
			return fail_here(t, "control characters are not allowed");
		while (n--)
			advance(t);
	}
	return true;
}

/* ---- values ---- */

/* Append one byte to the value's strings. */
static bool value_add(struct toml *t, uint32_t byte)
{
	struct toml_value *v = &t->value;

	if (v->string_bytes == sizeof(v->string))
		return toml_fail(t, v->line, v->column, t->key,
				 "longer than the limit of %u bytes",
				 (uint32_t)sizeof(v->string) - 1);
	v->string[v->string_bytes++] = (char)(unsigned char)byte;
	return true;
}

static bool value_add_code(struct toml *t, uint32_t code)
{
	unsigned int tail = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	bool ok = value_add(t, tail ? (0xff80 >> tail & 0xff) | code >> 6 * tail : code);

	while (tail--)
		ok = ok && value_add(t, 0x80 | (code >> 6 * tail & 0x3f));
	return ok;
}

/* The digits after \u or \U. NUL would end the string early, so it is refused as well. */
static bool read_code(struct toml *t, int nr_digits)
{
	uint32_t code = 0;
	int digit;

	for (int i = 0; i < nr_digits; i++) {
		digit = text_hex_digit(peek(t));
		if (digit < 0)
			return fail_expected(t, "a hexadecimal digit");
		code = code << 4 | (uint32_t)digit;
		advance(t);
	}
	if (!code || !is_scalar(code))
		return fail_here(t, "the escape before names no character");
	return value_add_code(t, code);
}

static bool read_escape(struct toml *t)
{
	static const char names[] = "btnfr\"\\";
	static const char codes[] = "\b\t\n\f\r\"\\";
	int c = peek(t);

	for (unsigned int i = 0; i < sizeof(names) - 1; i++) {
		if (c == names[i]) {
			advance(t);
			return value_add(t, (uint32_t)codes[i]);
		}
	}
	if (c != 'u' && c != 'U')
		return fail_expected(t, "one of b t n f r \" \\ u U after the backslash");
	advance(t);
	return read_code(t, c == 'u' ? 4 : 8);
}

/* The rest of a string behind its opening quote. */
static bool read_quoted(struct toml *t, int quote)
{
	int c;

	while (!accept(t, quote)) {
		c = peek(t);
		if (c == END_OF_TEXT || c == '\n' || c == '\r')
			return fail_here(t, "the string has no closing %c", quote);
		advance(t);
		if (c == '\\' && quote == '"') {
			if (!read_escape(t))
				return false;
		} else if (!value_add(t, (uint32_t)c)) {
			return false;
		}
	}
	return value_add(t, 0);
}

static bool read_string(struct toml *t)
{
	struct toml_value *v = &t->value;
	int quote = peek(t);

	if (peek_at(t, 1) == quote && peek_at(t, 2) == quote)
		return fail_here(t, "strings of several lines are not supported");
	if (v->nr_items == TOML_MAX_ITEMS)
		return fail_here(t, "more than %u strings in one array", (uint32_t)TOML_MAX_ITEMS);
	advance(t);
	v->item[v->nr_items++] = v->string_bytes;
	return read_quoted(t, quote);
}

static bool read_array(struct toml *t)
{
	t->value.type = TOML_ARRAY;
	advance(t);
	for (;;) {
		skip_space(t);
		if (accept(t, ']'))
			return true;
		if (peek(t) != '"' && peek(t) != '\'')
			return fail_expected(t, "a string or ']'");
		if (!read_string(t))
			return false;
		skip_space(t);
		if (peek(t) != ']' && !accept(t, ','))
			return fail_expected(t, "',' or ']'");
	}
}

/* Digits, single underscores between them. */
static bool read_digits(struct toml *t)
{
	uint64_t n = 0;
	bool want_digit = true;

	for (; is_digit(peek(t)) || (peek(t) == '_' && !want_digit); advance(t)) {
		want_digit = peek(t) == '_';
		if (want_digit)
			continue;
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(peek(t) - '0'), &n))
			return fail_here(t, "the integer is too large");
	}
	t->value.integer = n;
	return !want_digit || fail_expected(t, "a digit");
}

static bool read_integer(struct toml *t)
{
	t->value.type = TOML_INTEGER;
	t->value.is_negative = peek(t) == '-';
	if (peek(t) == '-' || peek(t) == '+')
		advance(t);
	if (peek(t) == '0' && (text_is_bare(peek_at(t, 1))))
		return fail_here(t, "integers are decimal and begin with a digit other than 0");
	if (!read_digits(t))
		return false;
	if (peek(t) == '.' || peek(t) == ':' || text_is_bare(peek(t)))
		return fail_here(t, "not an integer (text and sizes need quotes)");
	return true;
}

static bool accept_word(struct toml *t, const char *word)
{
	size_t n = text_bytes(word);

	for (size_t i = 0; i < n; i++) {
		if (peek_at(t, i) != word[i])
			return false;
	}
	if (text_is_bare(peek_at(t, n)))
		return false;
	t->pos += n;
	return true;
}

static bool read_boolean(struct toml *t)
{
	t->value.type = TOML_BOOLEAN;
	t->value.boolean = accept_word(t, "true");
	if (t->value.boolean || accept_word(t, "false"))
		return true;
	return fail_expected(t, "a value: \"text\", 123, true, false, or [\"text\", ...]");
}

static bool read_value(struct toml *t)
{
	int c = peek(t);

	t->value.line = t->line;
	t->value.column = column(t);
	t->value.nr_items = 0;
	t->value.string_bytes = 0;
	t->value.type = TOML_STRING;
	if (c == '"' || c == '\'')
		return read_string(t);
	if (c == '[')
		return read_array(t);
	if (c == '{')
		return fail_here(t, "inline tables are not supported");
	if (is_digit(c) || c == '-' || c == '+')
		return read_integer(t);
	return read_boolean(t);
}

/* ---- lines ---- */

static bool read_key(struct toml *t)
{
	size_t n = 0;

	t->key_line = t->line;
	t->key_column = column(t);
	t->key[0] = 0;
	if (peek(t) == '"' || peek(t) == '\'')
		return fail_here(t, "quoted keys are not supported");
	for (; text_is_bare(peek(t)); advance(t)) {
		if (n == sizeof(t->key) - 1)
			return fail_here(t, "the key is longer than %u characters", (uint32_t)n);
		t->key[n++] = (char)peek(t);
		t->key[n] = 0;
	}
	if (!n)
		return fail_expected(t, "a key or a table");
	skip_blanks(t);
	if (peek(t) == '.')
		return fail_here(t, "dotted keys are not supported");
	return true;
}

static enum toml_event read_header(struct toml *t)
{
	uint32_t line = t->line, col = column(t);
	bool is_item, ok;

	advance(t);
	is_item = accept(t, '[');
	skip_blanks(t);
	if (!read_key(t))
		return TOML_FAIL;
	t->key_line = line;
	t->key_column = col;
	ok = accept(t, ']') && (!is_item || accept(t, ']'));
	ok = ok ? read_line_end(t) : fail_expected(t, is_item ? "']]'" : "']'");
	return !ok ? TOML_FAIL : is_item ? TOML_TABLE_ITEM : TOML_TABLE;
}

static bool read_pair(struct toml *t)
{
	if (!read_key(t))
		return false;
	if (!accept(t, '='))
		return fail_expected(t, "'='");
	skip_blanks(t);
	return read_value(t) && read_line_end(t);
}

bool toml_open(struct toml *t, const char *text, size_t size_bytes, struct toml_error *error)
{
	__builtin_memset(t, 0, sizeof(*t));
	t->text = text;
	t->text_bytes = size_bytes;
	t->line = 1;
	t->error = error;
	if (size_bytes > TOML_MAX_FILE_BYTES)
		return toml_fail(t, 0, 0, "", "larger than the limit of %u bytes",
				 TOML_MAX_FILE_BYTES);
	if (!check_text(t))
		return false;
	t->line = 1;
	t->pos = 0;
	/* Editors on other systems begin a file with a byte order mark. */
	if (peek(t) == 0xef && peek_at(t, 1) == 0xbb && peek_at(t, 2) == 0xbf)
		t->pos = 3;
	t->line_start = t->pos;
	return true;
}

enum toml_event toml_next(struct toml *t)
{
	t->key[0] = 0;
	skip_space(t);
	if (peek(t) == END_OF_TEXT)
		return TOML_END;
	if (peek(t) == '[')
		return read_header(t);
	return read_pair(t) ? TOML_PAIR : TOML_FAIL;
}
