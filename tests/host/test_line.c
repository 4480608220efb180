/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/mon/line.c */
/* The monitor's line: what keys do to it, seen on a terminal of one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/mon/line.h"

#define WIDTH 400

/* A terminal: its last line, and where the cursor is. */
static char screen[WIDTH + 1];
static size_t cursor;
static char listed[WIDTH]; /* the line before */

static void screen_clear(void)
{
	memset(screen, ' ', WIDTH);
	cursor = 0;
}

static const char *screen_text(void)
{
	static char text[WIDTH + 1];
	size_t n = WIDTH;

	while (n && screen[n - 1] == ' ')
		n--;
	memcpy(text, screen, n);
	text[n] = '\0';
	return text;
}

static const char *csi(const char *at)
{
	int n = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		n = n * 10 + *at - '0';
	if (*at == 'K')
		memset(screen + cursor, ' ', WIDTH - cursor);
	else if (*at == 'D')
		cursor -= (size_t)n;
	else
		fail_msg("escape sequence ending in %c", *at);
	assert_true(cursor < WIDTH);
	return at;
}

static void say(const char *fmt, ...)
{
	char text[WIDTH];
	va_list ap;

	va_start(ap, fmt);
	assert_true(vsnprintf(text, sizeof(text), fmt, ap) < WIDTH);
	va_end(ap);
	for (const char *at = text; *at; at++) {
		if (*at == '\r') {
			cursor = 0;
		} else if (*at == '\n') {
			strcpy(listed, screen_text());
			screen_clear();
		} else if (*at == '\b') {
			assert_true(cursor > 0);
			cursor--;
		} else if (*at == '\x1b') {
			assert_int_equal(at[1], '[');
			at = csi(at + 2);
		} else {
			assert_true(cursor < WIDTH);
			screen[cursor++] = *at;
		}
	}
}

static void candidates(const char *text, u32 word_at, void (*offer)(const char *name))
{
	static const char *const first[] = { "pause", "poweroff", "regs", "reset", "resume", "x" };

	for (size_t i = 0; i < 6 && !word_at; i++)
		offer(first[i]);
	if (word_at && !strncmp(text, "regs ", 5))
		offer("alpha");
}

static char *type(const char *keys)
{
	char *line = NULL;

	for (; *keys; keys++) {
		assert_null(line);
		line = line_key((u8)*keys);
	}
	return line;
}

static int setup(void **state)
{
	static const struct line_user user = { say, candidates };

	(void)state;
	memset(screen, ' ', WIDTH);
	line_init(&user);
	screen_clear();
	line_prompt();
	return 0;
}

/* Keys, the line, the column of the cursor behind the prompt. */
static const struct {
	const char *keys, *line;
	size_t at;
} edits[] = {
	{ "", "", 0 },
	{ "abc", "abc", 3 },
	{ "abc\b", "ab", 2 },
	{ "abc\x7f\x7f\x7f\x7f", "", 0 },
	{ "ac\x1b[Db", "abc", 2 },
	{ "abc\x01x", "xabc", 1 },
	{ "abc\x1b[Hx\x1b[Fy", "xabcy", 5 },
	{ "abc\x1b[1~x\x1b[4~y", "xabcy", 5 },
	{ "abc\x1bOHx\x1bOFy", "xabcy", 5 },
	{ "abc\x01\x04", "bc", 0 },
	{ "abc\x01\x1b[3~\x1b[3~\x1b[3~\x1b[3~", "", 0 },
	{ "abc\x02\x02\x0b", "a", 1 },
	{ "abc\x02\x15", "c", 0 },
	{ "one two  \x17", "one ", 4 },
	{ "one two\x17\x17\x17", "", 0 },
	{ "abc\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D", "abc", 0 },
	{ "abc\x06\x06", "abc", 3 },
	{ "abc\x1b[24~\x1b[Z\x1b[1;5Ad", "abcd", 4 },
	{ "abc\x01\x08\x7f", "abc", 0 },
	{ "ab\x03" "cd", "cd", 2 },
	{ "re\t", "re", 2 },
	{ "reg\t", "regs ", 5 },
	{ "res\t", "res", 3 },
	{ "regs \t", "regs alpha ", 11 },
	{ "regs al\t", "regs alpha ", 11 },
	{ "regs b\t", "regs b", 6 },
	{ "x alp\t", "x alp", 5 },
	{ "zz\t", "zz", 2 },
	{ "p\tau\t", "pause ", 6 },
	{ "s x\x01reg\t", "regs s x", 5 },
	{ "a\x07\x0c\x1a" "b", "ab", 2 },
};

static void keys_edit_the_line(void **state)
{
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		char shown[WIDTH] = LINE_PROMPT;

		setup(state);
		assert_null(type(edits[i].keys));
		/* Blanks at the end cannot be seen. */
		strcat(shown, edits[i].line);
		for (size_t n = strlen(shown); n && shown[n - 1] == ' '; n--)
			shown[n - 1] = '\0';
		if (strcmp(screen_text(), shown) || cursor != strlen(LINE_PROMPT) + edits[i].at)
			fail_msg("row %zu: '%s', cursor at %zu", i, screen_text(), cursor);
		assert_string_equal(type("\r"), edits[i].line);
	}
}

static void candidates_are_listed(void **state)
{
	(void)state;
	type("re\t");
	assert_string_equal(listed, "  regs  reset  resume");
	type("\x15p\t");
	assert_string_equal(listed, "  pause  poweroff");
}

static void history_comes_back(void **state)
{
	(void)state;
	assert_string_equal(type("one\n"), "one");
	line_prompt();
	assert_string_equal(type("two\n"), "two");
	line_prompt();
	assert_string_equal(type("\n"), "");
	line_prompt();
	assert_string_equal(type("two\n"), "two");
	line_prompt();
	assert_string_equal(type("\x1b[A\x1b[A\n"), "one");
	line_prompt();
	assert_string_equal(type("\x10\x10\x0e\x0e\n"), "");
	line_prompt();
	assert_string_equal(type("\x1b[A!\n"), "one!");
	line_prompt();
	/* Further back than there is, and forth. */
	for (int i = 0; i < 12; i++)
		assert_null(type("\x10"));
	for (int i = 0; i < 12; i++)
		assert_null(type("\x0e"));
	assert_string_equal(type("\n"), "");
}

static void history_is_bounded(void **state)
{
	char keys[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		line_prompt();
		sprintf(keys, "line %d\n", i);
		type(keys);
	}
	line_prompt();
	for (int i = 0; i < 40; i++)
		type("\x10");
	assert_string_equal(type("\n"), "line 84");
}

static void lines_are_bounded(void **state)
{
	char *line;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_null(line_key('a' + (u8)(i % 26)));
	line = line_key('\n');
	assert_int_equal(strlen(line), LINE_BYTES - 1);
	line_prompt();
	for (int i = 0; i < 200; i++)
		type("\x01x");
	assert_int_equal(strlen(line_key('\n')), LINE_BYTES - 1);
	/* Completion into a full line. */
	line_prompt();
	for (int i = 0; i < LINE_BYTES - 2; i++)
		type(" ");
	assert_null(type("\t\t"));
	assert_true(strlen(line_key('\n')) < LINE_BYTES);
}

/* Whatever is typed: the terminal shows the line, and nothing is out of bounds. */
static void any_keys_are_survived(void **state)
{
	srand(1);
	setup(state);
	for (int i = 0; i < 300000; i++) {
		u8 byte = (u8)rand();

		if (!(rand() & 3))
			byte = (u8)"\x1b[ABCDHF34~\t\x01\x05 p"[rand() % 16];
		if (byte >= 0x80)
			byte = 'r';
		if (line_key(byte))
			line_prompt();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(keys_edit_the_line, setup),
		cmocka_unit_test_setup(candidates_are_listed, setup),
		cmocka_unit_test_setup(history_comes_back, setup),
		cmocka_unit_test_setup(history_is_bounded, setup),
		cmocka_unit_test_setup(lines_are_bounded, setup),
		cmocka_unit_test_setup(any_keys_are_survived, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
