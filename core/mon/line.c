/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/mon/line.h"

#include <string.h>

#include "core/lib/bits.h"

#define HISTORY_LINES 16
#define CTRL(letter) ((letter) & 0x1f)
#define KEY_TAB 0x09
#define KEY_ESC 0x1b
#define KEY_DELETE 0x7f

static struct line_user user; /* [c] */
static char text[LINE_BYTES], result[LINE_BYTES];
static u32 len, at; /* at: the cursor */
static char history[HISTORY_LINES][LINE_BYTES];
static u32 nr_history; /* lines ever entered */
static u32 back; /* how far back the line shown is; 0: none of them */
static u8 escape; /* where in an escape sequence: its last byte that counts; 0 outside */
static u8 escape_digit;

static struct {
	const char *prefix;
	u32 prefix_len, count;
	char common[LINE_BYTES];
	bool is_listing;
} offered;

void line_init(const struct line_user *u)
{
	user = *u;
}

static void show(void)
{
	user.say("\r" LINE_PROMPT "%s\x1b[K", text);
	if (at < len)
		user.say("\x1b[%uD", len - at);
}

void line_prompt(void)
{
	len = at = back = 0;
	text[0] = '\0';
	user.say(LINE_PROMPT);
}

static void insert(char byte)
{
	if (len >= LINE_BYTES - 1)
		return;
	memmove(text + at + 1, text + at, len - at + 1);
	text[at++] = byte;
	if (at == ++len)
		user.say("%c", byte);
	else
		show();
}

static void cut(u32 from, u32 to)
{
	bool is_last = to == len && at == len && to - from == 1;

	if (from >= to || to > len)
		return;
	memmove(text + from, text + to, len - to + 1);
	len -= to - from;
	at = from;
	if (is_last)
		user.say("\b \b");
	else
		show();
}

static u32 word_start(void)
{
	u32 i = at;

	while (i && text[i - 1] == ' ')
		i--;
	while (i && text[i - 1] != ' ')
		i--;
	return i;
}

static void recall(int step)
{
	u32 wanted = back + (u32)step;

	if (wanted > nr_history || wanted > HISTORY_LINES)
		return;
	back = wanted;
	strcpy(text, back ? history[(nr_history - back) % HISTORY_LINES] : "");
	len = at = (u32)strlen(text);
	show();
}

static void offer(const char *name)
{
	u32 i = 0;

	if (strncmp(name, offered.prefix, offered.prefix_len))
		return;
	if (offered.is_listing) {
		user.say("  %s", name);
		return;
	}
	if (!offered.count++)
		strncpy(offered.common, name, sizeof(offered.common) - 1);
	while (offered.common[i] && offered.common[i] == name[i])
		i++;
	offered.common[i] = '\0';
}

static void complete(void)
{
	u32 start = at && text[at - 1] != ' ' ? word_start() : at;
	u32 before = at;
	char prefix[LINE_BYTES];

	memset(&offered, 0, sizeof(offered));
	memcpy(prefix, text + start, at - start);
	offered.prefix = prefix;
	offered.prefix_len = at - start;
	user.candidates(text, start, offer);
	for (u32 i = at - start; offered.count && offered.common[i]; i++)
		insert(offered.common[i]);
	if (offered.count == 1) {
		insert(' ');
	} else if (offered.count && at == before) {
		offered.is_listing = true;
		user.say("\n");
		user.candidates(text, start, offer);
		user.say("\n");
		show();
	}
}

static void cursor_move(int step)
{
	if (at + (u32)step <= len)
		at += (u32)step;
	show();
}

static void control(u8 key)
{
	switch (key) {
	case CTRL('A'):
		return cursor_move(-(int)at);
	case CTRL('B'):
		return cursor_move(-1);
	case CTRL('C'):
		user.say("^C\n");
		return line_prompt();
	case CTRL('D'):
		return cut(at, at + 1);
	case CTRL('E'):
		return cursor_move((int)(len - at));
	case CTRL('F'):
		return cursor_move(1);
	case CTRL('H'):
	case KEY_DELETE:
		return cut(at - 1, at);
	case KEY_TAB:
		return complete();
	case CTRL('K'):
		return cut(at, len);
	case CTRL('N'):
		return recall(-1);
	case CTRL('P'):
		return recall(1);
	case CTRL('U'):
		return cut(0, at);
	case CTRL('W'):
		return cut(word_start(), at);
	}
}

/* What a terminal sends for its keys: ESC [ letter, ESC O letter, ESC [ digit ~. */
static void escape_key(u8 byte)
{
	static const char keys[] = { 'A', CTRL('P'), 'B', CTRL('N'), 'C', CTRL('F'), 'D', CTRL('B'),
				     'H', CTRL('A'), 'F', CTRL('E'), '1', CTRL('A'), '3', CTRL('D'),
				     '4', CTRL('E'), '\0' };

	if (escape == KEY_ESC) {
		escape = byte == '[' || byte == 'O' ? byte : 0;
		escape_digit = 0;
		return;
	}
	if ((byte >= '0' && byte <= '9') || byte == ';') {
		escape_digit = byte;
		return;
	}
	escape = 0;
	for (u32 i = 0; keys[i]; i += 2)
		if (keys[i] == (char)(byte == '~' ? escape_digit : byte))
			control((u8)keys[i + 1]);
}

static char *finish(void)
{
	const char *last = history[(nr_history - 1) % HISTORY_LINES];

	user.say("\n");
	if (len && (!nr_history || strcmp(last, text)))
		strcpy(history[nr_history++ % HISTORY_LINES], text);
	return strcpy(result, text);
}

char *line_key(u8 byte)
{
	if (escape)
		escape_key(byte);
	else if (byte == KEY_ESC)
		escape = byte;
	else if (byte == '\r' || byte == '\n')
		return finish();
	else if (byte < ' ' || byte == KEY_DELETE)
		control(byte);
	else
		insert((char)byte);
	return NULL;
}
