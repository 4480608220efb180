/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: */
/* The exit trace: what readers make of a ring, and that writers go round in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/page.h"
#include "arch/x86/percpu.h"
#include "core/lib/log.h"
#include "core/vm.h"

static struct percpu cpus[2];
static u64 fake_now;

#define this_cpu() (&cpus[0])
#define rdtsc() (fake_now)
#include "core/trace.c"

static struct vm vm;
static struct vm_config config = { .name = "guest" };
static struct vcpu vcpus[2];
static struct vcpu_hot hots[2];
static char logged[64][200];
static u32 nr_logged;
bool hv_is_vmx;
struct percpu percpu_boot;

struct percpu *percpu_of(u32 index)
{
	return &cpus[index];
}

u32 cpus_known(void)
{
	return 2;
}

struct vm *vm_of(u32 index)
{
	return index ? NULL : &vm;
}

const char *vmx_exit_name(u32 code)
{
	return code == 10 ? "CPUID" : NULL;
}

const char *svm_exit_name(u32 code)
{
	return code == 0x72 ? "CPUID" : NULL;
}

void *page_alloc_contig(u64 bytes, u64 alignment, bool is_zeroed)
{
	void *p = aligned_alloc(alignment, bytes);

	return is_zeroed ? memset(p, 0, bytes) : p;
}

void page_free_contig(void *p, u64 bytes)
{
	assert_int_equal(bytes, TRACE_BYTES);
	free(p);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	assert_int_equal(level, LOG_ERROR);
	va_start(ap, fmt);
	vsnprintf(logged[nr_logged++ % 64], sizeof(logged[0]), fmt, ap);
	va_end(ap);
}

static void *ring_base(u32 cpu)
{
	return (void *)((u64)*at_of(&cpus[cpu]) & ~(u64)(TRACE_BYTES - 1));
}

static int setup(void **state)
{
	(void)state;
	memset(cpus, 0, sizeof(cpus));
	vm.config = &config;
	for (u32 i = 0; i < 2; i++) {
		vcpus[i] = (struct vcpu){ .vm = &vm, .index = i, .hot = &hots[i] };
		assert_int_equal(trace_create(i), ERR_NONE);
	}
	hv_is_vmx = false;
	nr_logged = 0;
	fake_now = 1ull << 40;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	trace_release();
	for (u32 i = 0; i < 2; i++)
		free(ring_base(i));
	return 0;
}

/* As core/run.c does it. */
static void load(u32 i)
{
	trace_event(TRACE_VCPU, TRACE_WHO(&vcpus[i]));
	hots[i].trace_at = cpus[0].trace_at;
	cpus[0].vcpu = &vcpus[i];
}

static void unload(void)
{
	trace_event(TRACE_VCPU, TRACE_NOBODY);
	cpus[0].trace_at = cpus[0].vcpu->hot->trace_at;
	cpus[0].vcpu = NULL;
}

static void exit_at(u64 tsc, u32 code, u64 rip)
{
	struct trace_entry *entry;

	fake_now = tsc;
	entry = trace_exit(cpus[0].vcpu->hot, code);
	entry->rip = rip;
	entry->info = 7;
}

static void ring_goes_round(void **state)
{
	struct trace_entry *base = ring_base(0);
	struct trace_walk walk;
	struct trace_line line;
	u32 n = 0;

	(void)state;
	assert_int_equal((u64)base % TRACE_BYTES, 0);
	load(0);
	for (u32 i = 0; i < 3 * TRACE_ENTRIES + 5; i++)
		exit_at(fake_now + 100, 0x72, i);
	assert_ptr_equal(ring_base(0), base);
	trace_walk_cpu(&walk, 0, TRACE_ENTRIES);
	for (; trace_walk_next(&walk, &line); n++) {
		assert_int_equal(line.entry.rip, 2 * TRACE_ENTRIES + 5 + TORN_ENTRIES + n);
		assert_int_equal(line.tsc,
				 fake_now - 100 * (u64)(TRACE_ENTRIES - TORN_ENTRIES - 1 - n));
		assert_int_equal(line.gap, n ? 100 : 0);
		assert_int_equal(line.who, 0);
	}
	assert_int_equal(n, TRACE_ENTRIES - TORN_ENTRIES);
	trace_walk_cpu(&walk, 0, 3);
	for (n = 0; trace_walk_next(&walk, &line); n++)
		assert_int_equal(line.entry.rip, 3 * TRACE_ENTRIES + 2 + n);
	assert_int_equal(n, 3);
}

static void empty_ring_has_no_lines(void **state)
{
	struct trace_walk walk;
	struct trace_line line;

	(void)state;
	trace_walk_cpu(&walk, 1, 100);
	assert_false(trace_walk_next(&walk, &line));
	trace_dump(1);
	assert_int_equal(nr_logged, 0);
}

/* Time stamps of exits have 32 bits; events about them have all. */
static void times_follow_from_events(void **state)
{
	static const struct {
		u64 gap;
		bool is_event;
	} rows[] = { { 1000, false }, { 3ull << 30, false }, { 5, true }, { 1ull << 34, true },
		     { 9, false }, { 3ull << 30, false }, { 1, true }, { 1ull << 33, true },
		     { 77, false } };
	u64 times[ARRAY_SIZE(rows)];
	struct trace_walk walk;
	struct trace_line line;

	(void)state;
	load(0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		times[i] = fake_now += rows[i].gap;
		if (rows[i].is_event)
			trace_event(TRACE_TICK, 0);
		else
			exit_at(fake_now, 0x72, i);
	}
	/* Long ago: the newest event tells when. */
	fake_now += 1ull << 36;
	trace_walk_cpu(&walk, 0, ARRAY_SIZE(rows));
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(trace_walk_next(&walk, &line));
		assert_int_equal(line.tsc, times[i]);
		assert_int_equal(line.gap, i ? rows[i].gap : 0);
	}
	assert_false(trace_walk_next(&walk, &line));
}

/* Who ran, also where the event that says so has been written over. */
static void entries_have_owners(void **state)
{
	struct trace_walk walk;
	struct trace_line line;
	u32 whos[12], n = 0;
	static const u32 expected[] = { TRACE_NOBODY, 0, 0, TRACE_NOBODY, 1, 1, 1 };

	(void)state;
	load(0);
	exit_at(fake_now + 1, 0x72, 1);
	unload();
	load(1);
	exit_at(fake_now + 1, 0x72, 2);
	trace_event(TRACE_INJECT, 0x30);
	exit_at(fake_now + 1, 0x72, 3);
	for (u32 count = 7; count; count--) {
		trace_walk_cpu(&walk, 0, count);
		for (n = 0; trace_walk_next(&walk, &line); n++)
			whos[n] = line.who;
		assert_int_equal(n, count);
		for (u32 i = 0; i < count; i++)
			if (whos[i] != expected[7 - count + i])
				fail_msg("the last %u: entry %u belongs to %x", count, i, whos[i]);
	}
}

static void lines_are_readable(void **state)
{
	(void)state;
	load(0);
	exit_at(fake_now + 50, 0x72, 0x1234);
	exit_at(fake_now + 25, 0x9999, 0xffffffff81000000);
	hv_is_vmx = true;
	exit_at(fake_now + 25, 10, 0x10);
	trace_event(TRACE_VM_STOP, 0x104);
	trace_dump(0);
	assert_int_equal(nr_logged, 5);
	assert_string_equal(logged[0], "trace cpu0 1099511627776 +0 - event vcpu datum 0x0");
	assert_string_equal(logged[2], "trace cpu0 1099511627851 +25 guest/0 exit 0x9999 "
				       "rip 0xffffffff81000000 info 0x7");
	assert_string_equal(logged[3],
			    "trace cpu0 1099511627876 +25 guest/0 exit CPUID rip 0x10 info 0x7");
	assert_string_equal(logged[4],
			    "trace cpu0 1099511627876 +0 guest/0 event vm-stop datum 0x104");
	nr_logged = 0;
	for (u32 i = 0; i < 100; i++)
		exit_at(fake_now + 1, 10, i);
	trace_dump(0);
	assert_int_equal(nr_logged, DUMP_LINES);
	assert_non_null(strstr(logged[DUMP_LINES - 1], "rip 0x63 "));
}

static void held_copy_stays(void **state)
{
	struct trace_walk walk;
	struct trace_line line;

	(void)state;
	load(0);
	exit_at(fake_now + 1, 10, 1);
	assert_false(trace_is_held());
	assert_int_equal(trace_hold(), ERR_NONE);
	assert_true(trace_is_held());
	for (u32 i = 0; i < TRACE_ENTRIES; i++)
		exit_at(fake_now + 1, 10, 99);
	trace_walk_cpu(&walk, 0, TRACE_ENTRIES);
	assert_true(trace_walk_next(&walk, &line));
	assert_true(trace_walk_next(&walk, &line));
	assert_int_equal(line.entry.rip, 1);
	assert_false(trace_walk_next(&walk, &line));
	/* A death is of the present. */
	trace_dump(0);
	assert_non_null(strstr(logged[0], "rip 0x63 "));
	trace_release();
	assert_false(trace_is_held());
	trace_walk_cpu(&walk, 0, 1);
	assert_true(trace_walk_next(&walk, &line));
	assert_int_equal(line.entry.rip, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ring_goes_round, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_ring_has_no_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(times_follow_from_events, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_have_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_are_readable, setup, teardown),
		cmocka_unit_test_setup_teardown(held_copy_stays, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
