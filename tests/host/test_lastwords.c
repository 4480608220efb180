/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/lastwords.c core/lib/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "boot/lastwords.h"
#include "core/lastwords.h"
#include "core/lib/log.h"

/* What the machines of a test share: memory that a reset leaves alone, and what was said. */
static struct words_slot *record;
static char *output;
#define OUTPUT_BYTES (1 << 20)

static void sink_write(const char *text, u32 len_bytes)
{
	size_t at = strlen(output);

	if (at + len_bytes >= OUTPUT_BYTES)
		_exit(2);
	memcpy(output + at, text, len_bytes);
}

static void nothing(void)
{
}

/* A machine from its boot, up to where `run` returns: a process of its own. */
static void machine(void (*run)(void))
{
	static const struct log_sink sink = { sink_write };
	int status = 0;
	pid_t child;

	memset(output, 0, OUTPUT_BYTES);
	child = fork();
	if (!child) {
		alarm(60); /* kills it, which fails */
		log_sink_add(&sink);
		lastwords_init(record);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void expect(const char *text)
{
	if (!strstr(output, text))
		print_error("not said: %s; but: %s\n", text, output);
	assert_non_null(strstr(output, text));
}

static void *memory(size_t size_bytes)
{
	return mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int setup(void **state)
{
	(void)state;
	record = memory(WORDS_BYTES);
	output = memory(OUTPUT_BYTES);
	return record == MAP_FAILED || output == MAP_FAILED;
}

static void garbage_and_nothing_are_silent(void **state)
{
	(void)state;
	memset(record, 0x5a, WORDS_BYTES);
	machine(nothing);
	assert_string_equal(output, "");
	memset(record, 0, WORDS_BYTES);
	machine(nothing);
	assert_string_equal(output, "");
}

static void wanted_end(void)
{
	log_info("something");
	lastwords_end();
}

static void an_end_that_was_wanted_is_silent(void **state)
{
	(void)state;
	machine(wanted_end);
	machine(lastwords_end);
	assert_string_equal(output, "");
}

static void panics(void)
{
	for (int i = 0; i < 30; i++)
		log_info("old line %d.", i);
	lastwords_panic();
	log_err("PANIC: why");
	for (int i = 0; i < 300; i++)
		log_err("detail %d.", i);
}

static void a_panic_is_told_from_before_it_to_its_end(void **state)
{
	(void)state;
	machine(panics);
	machine(lastwords_end);
	expect("the last run ended in a panic");
	expect("| [    0.000000] (lamina) [cpu0] error: PANIC: why\n");
	expect("detail 0.\n");
	expect("detail 299.\n");
	expect("old line 22.\n");
	assert_null(strstr(output, "old line 21."));
	assert_null(strstr(output, "damaged"));
	machine(nothing);
	assert_string_equal(output, "");
}

static void many_lines(void)
{
	for (u32 i = 0; i < 2 * WORDS_SLOTS + 5; i++)
		log_info("line %u.", i);
}

static void a_reset_is_told_with_the_last_lines(void **state)
{
	char text[32];

	(void)state;
	machine(many_lines);
	machine(lastwords_end);
	expect("the last run ended without a word");
	for (u32 i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "line %u.\n", (u32)(2 * WORDS_SLOTS + 4 - i));
		expect(text);
	}
	snprintf(text, sizeof(text), "line %u.\n", (u32)(2 * WORDS_SLOTS + 4 - 40));
	assert_null(strstr(output, text));
	assert_null(strstr(output, "damaged"));
}

static void small_panic(void)
{
	lastwords_panic();
	log_err("PANIC: first");
	log_err("second");
	log_err("third");
}

/* But for the magic number: without it there is no record. */
static void every_damaged_bit_of_the_state_is_noticed(void **state)
{
	struct words_slot copy;

	(void)state;
	machine(small_panic);
	copy = *record;
	for (size_t bit = 0; bit < 8 * (offsetof(struct words_slot, text) + 24); bit++) {
		if (bit / 64 == 1)
			continue;
		*record = copy;
		((u8 *)record)[bit / 8] ^= (u8)(1 << bit % 8);
		assert_null(words_get(record, WORDS_MAGIC));
	}
	machine(lastwords_end);
	expect("the record of last words is damaged: ignored");
	assert_null(strstr(output, "PANIC"));
}

static void a_damaged_line_is_left_out(void **state)
{
	(void)state;
	machine(small_panic);
	words_get(record, record->first + 1)->text[3] ^= 1;
	machine(lastwords_end);
	expect("PANIC: first");
	expect("| (a damaged line)\n");
	expect("third");
	assert_null(strstr(output, "second"));
}

static void long_line(void)
{
	log_err("%0250d", 0);
}

static void long_lines_are_cut(void **state)
{
	(void)state;
	machine(long_line);
	assert_int_equal(words_get(record, record->last)->len_bytes, 240);
}

/* Sums can be forged, by a guest that has had the memory in the run before. */
static void a_forged_record_does_not_hold_up_the_boot(void **state)
{
	static const uint64_t forged[][3] = { /* state, first, last */
		{ WORDS_PANIC, 1, ~0ull }, { WORDS_PANIC, ~0ull, 0 }, { WORDS_PANIC, 0, 0 },
		{ WORDS_PANIC, ~0ull, ~0ull }, { WORDS_RUNNING, 0, ~0ull }, { 7, 9, 1ull << 63 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		memset(record, 0x5a, WORDS_BYTES);
		record->state = forged[i][0];
		record->first = forged[i][1];
		record->last = forged[i][2];
		record->number = WORDS_MAGIC;
		record->len_bytes = 24;
		record->sum = words_sum(record);
		machine(lastwords_end);
		expect("its last words:\n");
		machine(nothing);
		assert_string_equal(output, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_and_nothing_are_silent),
		cmocka_unit_test(an_end_that_was_wanted_is_silent),
		cmocka_unit_test(a_panic_is_told_from_before_it_to_its_end),
		cmocka_unit_test(a_reset_is_told_with_the_last_lines),
		cmocka_unit_test(every_damaged_bit_of_the_state_is_noticed),
		cmocka_unit_test(a_damaged_line_is_left_out),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(a_forged_record_does_not_hold_up_the_boot),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
