/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that look into vCPUs, memory and the exit trace. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/ipi.h"
#include "arch/x86/page.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/tsc.h"
#include "core/hv.h"
#include "core/mon/command.h"
#include "core/pause.h"
#include "core/slow.h"
#include "core/trace.h"

#define PAUSE_WAIT_US 2000000
#define COUNT_MAX 1024
#define FRAMES_MAX 24
#define STACK_WORDS 64
#define CODE_NEAR MiB(32) /* what is as near to RIP may be a return address */

/* --- with a vCPU at rest --- */

static struct {
	struct args args;
	void (*show)(const struct args *a);
	u64 end_tsc;
} waiting;

static bool paused_step(void)
{
	const struct args *a = &waiting.args;
	struct vcpu *before;

	if (!vm_is_paused(a->vm) && !tsc_is_past(waiting.end_tsc))
		return true;
	if (vm_is_paused(a->vm)) {
		before = vcpu_borrow(a->v);
		waiting.show(a);
		vcpu_give_back(a->v, before);
	} else {
		console_print("%s: does not pause\n", a->vm->config->name);
	}
	vm_resume(a->vm);
	return false;
}

/* Pause the VM of the vCPU, do `show` with it loaded on this CPU, and let the VM go on. */
static void paused_show(const struct args *a, void (*show)(const struct args *a))
{
	waiting.args = *a;
	waiting.show = show;
	waiting.end_tsc = tsc_after_us(PAUSE_WAIT_US);
	vm_pause(a->vm);
	job_start(paused_step, false);
}

static void regs_show(const struct args *a)
{
	console_print("%s: vCPU %u on cpu%u\n", a->vm->config->name, a->v->index, a->v->cpu);
	vcpu_regs_print(a->v, console_print);
}

void cmd_regs(const struct args *a)
{
	paused_show(a, regs_show);
}

/* --- memory --- */

/* Where the arguments say. Of the host, addresses that can be no virtual ones are physical. */
static enum err bytes_read(const struct args *a, u64 address, void *out, u32 n)
{
	const u8 *p = address < BIT(46) ? pa_to_va((hpa_t){ address }) : (const void *)address;
	enum err e = ERR_NONE;

	if (a->vm)
		return debug_memory(a->v, !a->has_vcpu, address, out, n, false);
	for (u32 i = 0; i < n && !e; i++)
		e = load8_safe(p + i, (u8 *)out + i);
	return e;
}

#define ROW_BYTES 16
#define WORD_TEXT 18 /* with a blank and the end */

static void x_row(const struct args *a, u64 address, u32 bytes, u32 width)
{
	char text[ROW_BYTES * 6] = "", *at = text;
	char letters[ROW_BYTES + 1] = "";

	for (u32 i = 0; i < bytes; i += width) {
		u64 value = 0;

		if (bytes_read(a, address + i, &value, width)) {
			at += snprintf(at, WORD_TEXT, " %.*s", (int)width * 2, "----------------");
			continue;
		}
		at += snprintf(at, WORD_TEXT, " %0*llx", (int)width * 2, (ull)value);
		for (u32 j = 0; j < width; j++) {
			u8 c = (u8)(value >> (8 * j));

			letters[i + j] = isprint(c) ? (char)c : '.';
		}
	}
	console_print("%016llx:%s  %s\n", (ull)address, text, letters);
}

static void x_show(const struct args *a)
{
	u32 width = 1u << (strchr(FORMATS, a->format) - FORMATS);
	u64 left = (a->nr > 1 ? a->n[1] : ROW_BYTES / width) * width;

	for (u64 at = a->n[0]; left; at += ROW_BYTES) {
		u32 n = (u32)MIN(left, (u64)ROW_BYTES);

		x_row(a, at, n, width);
		left -= n;
	}
}

void cmd_x(const struct args *a)
{
	if (a->nr > 1 && (!a->n[1] || a->n[1] > COUNT_MAX))
		console_print("x: COUNT is 1 to %u\n", COUNT_MAX);
	else if (a->has_vcpu)
		paused_show(a, x_show);
	else
		x_show(a);
}

static enum err words_read(struct vcpu *v, u64 address, u64 *words, u32 nr)
{
	return debug_memory(v, false, address, (u8 *)words, 8 * nr, false);
}

/* Return addresses by frame pointers; then what on the stack may be one, where there are none. */
static void bt_show(const struct args *a)
{
	u64 rip = hv_reg_get(a->v, REG_RIP), rsp = hv_reg_get(a->v, REG_RSP);
	u64 frame[2] = { a->v->hot->gprs[GPR_RBP], rip };
	u64 before, word;

	for (u32 i = 0; i < FRAMES_MAX; i++) {
		console_print("  %016llx\n", (ull)frame[1]);
		before = frame[0];
		if (before < rsp || before % 8 || words_read(a->v, before, frame, 2) ||
		    frame[0] <= before)
			break;
	}
	for (u32 i = 0; i < STACK_WORDS && !words_read(a->v, rsp + 8 * i, &word, 1); i++)
		if (word - (rip - CODE_NEAR) < 2 * CODE_NEAR)
			console_print("  %016llx ? at %016llx\n", (ull)word, (ull)(rsp + 8 * i));
}

/* In the handler of an interrupt of that CPU: whom it has interrupted comes behind it. */
static void bt_here(void *arg __unused_arg)
{
	backtrace_print((u64)bt_here, (u64)__builtin_frame_address(0));
}

void cmd_bt(const struct args *a)
{
	u64 cpu = a->nr ? a->n[0] : cpu_index();

	if (a->vm)
		paused_show(a, bt_show);
	else if (cpu >= cpus_known())
		console_print("bt: there are CPUs 0 to %u\n", cpus_known() - 1);
	else if (ipi_call((u32)cpu, bt_here, NULL))
		console_print("bt: cpu%llu does not answer\n", (ull)cpu);
}

/* --- the trace --- */

static struct trace_walk walk;
static u32 walk_cpu;
static bool walk_releases;

static bool trace_step(void)
{
	struct trace_line line;
	char text[160];

	for (u32 i = 0; i < 8; i++) {
		if (!trace_walk_next(&walk, &line)) {
			if (walk_releases)
				trace_release();
			return false;
		}
		trace_format(text, sizeof(text), walk_cpu, &line);
		console_print("%s\n", text);
	}
	return true;
}

void cmd_trace(const struct args *a)
{
	walk_cpu = (u32)a->n[0];
	walk_releases = !trace_is_held();
	if (a->word == 1) {
		trace_release();
		console_print("trace: shows what happens\n");
	} else if (a->nr && a->n[0] >= cpus_known()) {
		console_print("trace: there are CPUs 0 to %u\n", cpus_known() - 1);
	} else if ((a->word == 2 || walk_releases) && trace_hold()) {
		console_print("trace: no memory for a copy\n");
	} else if (a->word == 2) {
		console_print("trace: held as it is now\n");
	} else {
		console_print("trace cpu%u: %llu ticks per ms\n", walk_cpu, (ull)tsc_khz);
		trace_walk_cpu(&walk, walk_cpu, a->nr > 1 ? (u32)MIN(a->n[1], 65536ull) :
							    TRACE_ENTRIES);
		job_start(trace_step, false);
	}
}

/* --- exits --- */

#define BUCKETS 12
#define BUCKET_FIRST 8 /* the first is for less than 2^8 ticks */
#define COSTS_MAX 16

static u64 stat_before[BOOT_MAX_VMS][NR_EXIT_KINDS], stat_tsc[BOOT_MAX_VMS];

static void stat_counts(const struct vm *vm)
{
	u64 ticks = MAX(rdtsc() - stat_tsc[vm->index], 1ull);

	stat_tsc[vm->index] += ticks;
	console_print("%-32s %14s %10s\n", "exits", "number", "per second");
	for (u32 kind = 0; kind < NR_EXIT_KINDS; kind++) {
		u64 *before = &stat_before[vm->index][kind], sum = 0;

		for (u32 i = 0; i < vm->nr_vcpus; i++)
			sum += vm->vcpu[i]->hot->exit_counts[kind];
		if (sum)
			console_print("%-32s %14llu %10llu\n", exit_kind_text(kind), (ull)sum,
				      (ull)mul_div_u64(sum - *before, tsc_khz * 1000, ticks));
		*before = sum;
	}
}

static struct cost {
	u32 code, nr;
	u32 bucket[BUCKETS];
} costs[COSTS_MAX];
static u32 nr_costs;

static void cost_add(u32 code, u64 ticks)
{
	u32 row = 0, bucket = ticks >> BUCKET_FIRST ? bit_last(ticks) - BUCKET_FIRST + 1 : 0;

	while (row < nr_costs && costs[row].code != code)
		row++;
	if (row == COSTS_MAX)
		return;
	if (row == nr_costs)
		costs[nr_costs++] = (struct cost){ .code = code };
	costs[row].nr++;
	costs[row].bucket[MIN(bucket, BUCKETS - 1u)]++;
}

/* An exit costs at most what passes until the next one: the guest has had the rest. */
static void costs_collect(u32 cpu, const struct vm *vm)
{
	struct trace_line line;
	bool is_first = true;
	u32 code = 0;

	trace_walk_cpu(&walk, cpu, TRACE_ENTRIES);
	while (trace_walk_next(&walk, &line)) {
		bool is_exit = (line.entry.code & TRACE_EVENT_MASK) != TRACE_EVENT;

		if (!is_first)
			cost_add(code, line.gap);
		is_first = !is_exit || line.who == TRACE_NOBODY || line.who >> 16 != vm->index;
		code = line.entry.code;
	}
}

void cmd_stat(const struct args *a)
{
	stat_counts(a->vm);
	walk_releases = !trace_is_held();
	if (walk_releases && trace_hold())
		return;
	nr_costs = 0;
	for (u32 i = 0; i < cpus_known(); i++)
		costs_collect(i, a->vm);
	if (walk_releases)
		trace_release();
	console_print("%-20s", "ticks to next, below");
	for (u32 i = 0; i < BUCKETS - 1; i++)
		console_print(" %6u", 1u << (BUCKET_FIRST + i));
	console_print("   more\n");
	for (u32 row = 0; row < nr_costs; row++) {
		const char *name = hv_exit_name(costs[row].code);

		console_print("%-20s", name ? name : "?");
		for (u32 i = 0; i < BUCKETS; i++)
			console_print(" %6u", costs[row].bucket[i]);
		console_print("\n");
	}
}
