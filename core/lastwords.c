/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/lastwords.h"

#include <string.h>

#include "arch/x86/insn.h"
#include "boot/lastwords.h"
#include "core/lib/log.h"

#define CACHE_LINE 64
#define LINES_BEFORE 8 /* shown of those before a panic */
#define LINES_SUDDEN 40 /* shown when no panic was noted */

static struct words_slot *record; /* [c] NULL: none; its content [L:log] */
static struct words_slot line; /* [L:log] what has come of the next one */

/* A reset drops what is only in the caches. */
static void slot_write(struct words_slot *slot, u64 number)
{
	slot->number = number;
	slot->sum = words_sum(slot);
	for (u64 at = 0; at < sizeof(*slot); at += CACHE_LINE)
		clflush((u8 *)slot + at);
	mfence();
}

static void state_write(enum words_state state)
{
	if (!record)
		return;
	record->state = state;
	record->first = record->last + 1;
	record->len_bytes = 3 * sizeof(u64);
	slot_write(record, WORDS_MAGIC);
}

static void sink_write(const char *text, u32 len_bytes)
{
	for (; len_bytes; len_bytes--, text++) {
		struct words_slot *slot = record + 1 + (record->last + 1) % WORDS_SLOTS;

		if (*text != '\n') {
			if (line.len_bytes < sizeof(line.text))
				line.text[line.len_bytes++] = *text;
			continue;
		}
		*slot = line;
		slot_write(slot, ++record->last);
		slot_write(record, WORDS_MAGIC);
		line.len_bytes = 0;
	}
}

static void show(void)
{
	bool is_panic = record->state == WORDS_PANIC;
	u64 back = is_panic ? LINES_BEFORE : LINES_SUDDEN;
	u64 from = is_panic ? record->first : record->last + 1;
	u64 start = from > back ? from - back : 1;
	/* The place may have been a guest's memory: no more lines than there is room for. */
	u64 nr = record->last < start ? 0 : MIN(record->last - start, WORDS_SLOTS - 1) + 1;

	log_warn("the last run ended %s; its last words:",
		 is_panic ? "in a panic" : "without a word: something reset the machine");
	while (nr--) {
		const struct words_slot *s = words_get(record, record->last - nr);

		log_warn("| %.*s", s ? (int)s->len_bytes : 99, s ? s->text : "(a damaged line)");
	}
}

void lastwords_init(void *memory)
{
	static const struct log_sink sink = { sink_write };

	record = memory;
	if (record->number == WORDS_MAGIC && !words_get(record, WORDS_MAGIC))
		log_warn("the record of last words is damaged: ignored");
	else if (record->number == WORDS_MAGIC && record->state != WORDS_ENDED)
		show();
	memset(record, 0, WORDS_BYTES);
	state_write(WORDS_RUNNING);
	log_sink_add(&sink);
}

void lastwords_panic(void)
{
	state_write(WORDS_PANIC);
}

void lastwords_end(void)
{
	state_write(WORDS_ENDED);
}
