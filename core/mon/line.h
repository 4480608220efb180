/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line that the operator types: editing, history, completion. One line, one user; knows
 * nothing of commands or of the console, and runs on the host in tests.
 */
#ifndef CORE_MON_LINE_H
#define CORE_MON_LINE_H

#include "core/lib/types.h"

#define LINE_BYTES 128
#define LINE_PROMPT "lamina> "

struct line_user {
	void (*say)(const char *fmt, ...) __printf(1, 2);
	/* Offer everything that may stand where the word at text[word_at] does. */
	void (*candidates)(const char *text, u32 word_at, void (*offer)(const char *name));
};

void line_init(const struct line_user *user);

/* Begin a new line. */
void line_prompt(void);

/* One key's byte. At the end of a line returns it, else NULL; it may be written to. */
char *line_key(u8 byte);

#endif
