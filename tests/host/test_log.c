/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/lib/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "core/lib/log.h"

#define PREFIX "[   12.000345] (lamina) [cpu7] "

static char output[1 << 20];
static u32 output_len;
static u32 irq_depth, irq_max;

static void sink_write(const char *text, u32 len_bytes)
{
	assert_true(output_len + len_bytes < sizeof(output));
	assert_int_equal(text[len_bytes - 1] == '\n' || len_bytes == 128, 1);
	memcpy(output + output_len, text, len_bytes);
	output_len += len_bytes;
	output[output_len] = 0;
}

static u64 fake_time(void)
{
	return 12000345;
}

static u32 fake_cpu(void)
{
	return 7;
}

static u64 fake_irq_save(void)
{
	irq_max = ++irq_depth > irq_max ? irq_depth : irq_max;
	return 99;
}

static void fake_irq_restore(u64 flags)
{
	assert_int_equal(flags, 99);
	irq_depth--;
}

static const struct log_hooks hooks = {
	.time_us = fake_time,
	.cpu = fake_cpu,
	.irq_save = fake_irq_save,
	.irq_restore = fake_irq_restore,
};

/* The tests run in this order and share the log, as boot does. */
static void lines_before_hooks_and_sinks_are_kept(void **state)
{
	const struct log_sink sink = { sink_write };

	(void)state;
	log_info("first %d", 1);
	assert_true(log_sink_add(&sink));
	assert_string_equal(output, "[    0.000000] (lamina) [cpu0] first 1\n");
	log_hooks_set(&hooks);
}

static void expect_output(const char *text)
{
	assert_string_equal(output, text);
	output_len = 0;
	output[0] = 0;
}

static void prefix_and_levels(void **state)
{
	(void)state;
	output_len = 0;
	log_err("e");
	log_warn("w");
	log_info("i\n"); /* a newline too many is no empty line */
	log_debug("not shown");
	expect_output(PREFIX "error: e\n" PREFIX "warning: w\n" PREFIX "i\n");
	log_level_set(LOG_ERROR);
	log_info("not shown");
	log_err("shown");
	expect_output(PREFIX "error: shown\n");
	log_level_set(LOG_DEBUG);
	log_debug("d");
	expect_output(PREFIX "d\n");
	log_level_set(LOG_INFO);
	assert_int_equal(irq_depth, 0);
	assert_int_equal(irq_max, 1);
}

static void long_lines_are_cut(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	log_info("%s", text);
	assert_int_equal(output_len, LOG_LINE_MAX);
	assert_int_equal(output[LOG_LINE_MAX - 1], '\n');
	assert_int_equal(output[LOG_LINE_MAX - 2], 'x');
	output_len = 0;
}

static void empty_line(void **state)
{
	(void)state;
	log_info("%s", "");
	expect_output(PREFIX "\n");
}

static u32 read_all(u64 *position, char *out, u32 size)
{
	u32 n, sum = 0;

	while ((n = log_read(position, out + sum, size - sum > 100 ? 100 : size - sum)))
		sum += n;
	out[sum] = 0;
	return sum;
}

static void reader_sees_all_levels(void **state)
{
	static char text[LOG_RING_BYTES + 1];
	u64 position = 0;

	(void)state;
	read_all(&position, text, LOG_RING_BYTES);
	assert_non_null(strstr(text, "first 1\n"));
	assert_non_null(strstr(text, "not shown\n"));
	assert_int_equal(log_read(&position, text, 100), 0);
	log_info("later");
	assert_int_equal(read_all(&position, text, LOG_RING_BYTES), strlen(PREFIX "later\n"));
	assert_string_equal(text, PREFIX "later\n");
	position = ~0ull; /* beyond the end: nothing, not garbage */
	assert_int_equal(log_read(&position, text, 100), 0);
}

static void overwritten_lines_are_skipped_whole(void **state)
{
	static char text[LOG_RING_BYTES + 1];
	u64 position = 0;
	u32 n, i;

	(void)state;
	output_len = 0;
	for (i = 0; i < 5000; i++)
		log_debug("line number %u", i);
	n = read_all(&position, text, LOG_RING_BYTES);
	assert_true(n > LOG_RING_BYTES - LOG_LINE_MAX);
	assert_memory_equal(text, PREFIX "line number ", strlen(PREFIX "line number "));
	assert_non_null(strstr(text, "line number 4999\n"));
	assert_int_equal(output_len, 0);
}

static void *writer(void *arg)
{
	u32 i;

	for (i = 0; i < 1000; i++)
		log_info("writer %s %04u end", (const char *)arg, i);
	return NULL;
}

static void lines_of_several_cpus_stay_whole(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	pthread_t threads[3];
	char *line, *save = NULL;
	u32 i, lines = 0;

	(void)state;
	log_hooks_set(&(struct log_hooks){ .time_us = fake_time, .cpu = fake_cpu });
	output_len = 0;
	for (i = 0; i < 3; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, writer, (void *)(size_t)names[i]), 0);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_int_equal(strlen(line), strlen(PREFIX "writer a 0000 end"));
		assert_memory_equal(line, PREFIX "writer ", strlen(PREFIX "writer "));
		assert_string_equal(line + strlen(line) - 4, " end");
		lines++;
	}
	assert_int_equal(lines, 3000);
}

static bool sink_is_dead;

static void sink_dead(const char *text, u32 len_bytes)
{
	static bool inside;

	(void)text;
	(void)len_bytes;
	/* A fault inside a sink: the report goes out although the lock is taken. */
	if (sink_is_dead && !inside) {
		inside = true;
		log_break_lock();
		log_err("nested");
		inside = false;
	}
}

static void too_many_sinks_and_nesting(void **state)
{
	const struct log_sink dead = { sink_dead }, sink = { sink_write };
	u32 i;

	(void)state;
	assert_true(log_sink_add(&dead));
	for (i = 2; i < LOG_SINKS_MAX; i++) {
		output_len = 0;
		assert_true(log_sink_add(&sink));
	}
	assert_false(log_sink_add(&sink));
	output_len = 0;
	sink_is_dead = true;
	log_info("outer");
	assert_non_null(strstr(output, "nested\n"));
	assert_non_null(strstr(output, "outer\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_before_hooks_and_sinks_are_kept),
		cmocka_unit_test(prefix_and_levels),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(empty_line),
		cmocka_unit_test(reader_sees_all_levels),
		cmocka_unit_test(overwritten_lines_are_skipped_whole),
		cmocka_unit_test(lines_of_several_cpus_stay_whole),
		cmocka_unit_test(too_many_sinks_and_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
