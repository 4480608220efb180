/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/trace.h"

#include <stdio.h>
#include <string.h>

#include "arch/x86/page.h"
#include "arch/x86/percpu.h"
#include "core/hv.h"
#include "core/lib/log.h"
#include "core/vm.h"

#define DUMP_LINES 16
#define LINE_BYTES 160

/* A writer may be in the middle of these when a copy is made. */
#define TORN_ENTRIES 4

/* A ring as it was at one moment; in held[] the ring is a copy, or NULL. */
static struct held {
	struct trace_entry *ring;
	u32 next; /* entry to be written */
	u32 who; /* the vCPU that is loaded */
	u64 tsc;
	u32 count; /* entries that are whole */
} held[CPUS_MAX]; /* [o] boot CPU */

enum err trace_create(u32 index)
{
	percpu_of(index)->trace_at = page_alloc_contig(TRACE_BYTES, TRACE_BYTES, true);
	return percpu_of(index)->trace_at ? ERR_NONE : ERR_NOMEM;
}

/* While a vCPU is loaded its hot page has the position, where the isolated code finds it. */
static struct trace_entry **at_of(struct percpu *cpu)
{
	return cpu->vcpu ? &cpu->vcpu->hot->trace_at : &cpu->trace_at;
}

static u32 who_of(const struct percpu *cpu)
{
	return cpu->vcpu ? TRACE_WHO(cpu->vcpu) : TRACE_NOBODY;
}

void trace_event(enum trace_event what, u64 datum)
{
	struct percpu *cpu = this_cpu();
	u64 now = rdtsc();
	struct trace_entry *entry = *at_of(cpu);

	if (!entry)
		return;
	(void)trace_advance(at_of(cpu));
	*entry = (struct trace_entry){ (u32)now, TRACE_EVENT | what, datum, now, who_of(cpu) };
}

static bool is_event(const struct trace_entry *e)
{
	return (e->code & TRACE_EVENT_MASK) == TRACE_EVENT;
}

static bool is_unused(const struct trace_entry *e)
{
	return !e->tsc_low && !e->code && !e->rip;
}

/*
 * Back to the oldest entry: time stamps differ by less than half a second from one to the next, and
 * an event tells its own and who came before.
 */
static void walk_begin(struct trace_walk *walk, const struct held *h, u32 count)
{
	*walk = (struct trace_walk){
		.ring = h->ring, .index = h->next, .tsc = h->tsc, .who = h->who
	};
	for (; walk->left < MIN(count, h->count); walk->left++) {
		const struct trace_entry *e = &h->ring[(walk->index - 1) % TRACE_ENTRIES];

		if (is_unused(e))
			break;
		walk->index = (walk->index - 1) % TRACE_ENTRIES;
		walk->tsc = is_event(e) ? e->info : walk->tsc - ((u32)walk->tsc - e->tsc_low);
		walk->who = is_event(e) ? (u32)e->who : walk->who;
	}
}

bool trace_walk_next(struct trace_walk *walk, struct trace_line *line)
{
	u64 before = walk->tsc;

	if (!walk->left)
		return false;
	line->entry = walk->ring[walk->index];
	walk->index = (walk->index + 1) % TRACE_ENTRIES;
	walk->left--;
	line->who = walk->who;
	if (is_event(&line->entry))
		walk->tsc = line->entry.info;
	else
		walk->tsc += (u32)(line->entry.tsc_low - (u32)walk->tsc);
	if (line->entry.code == (TRACE_EVENT | TRACE_VCPU))
		walk->who = (u32)line->entry.rip;
	line->tsc = walk->tsc;
	line->gap = walk->is_begun ? walk->tsc - before : 0;
	walk->is_begun = true;
	return true;
}

static struct held position(u32 cpu)
{
	struct trace_entry *at = *at_of(percpu_of(cpu));
	u64 base = (u64)at & ~(u64)(TRACE_BYTES - 1);

	return (struct held){ (struct trace_entry *)base, (u32)(at - (struct trace_entry *)base),
			      who_of(percpu_of(cpu)), rdtsc(), TRACE_ENTRIES - TORN_ENTRIES };
}

void trace_walk_cpu(struct trace_walk *walk, u32 cpu, u32 count)
{
	struct held h = held[cpu].ring ? held[cpu] : position(cpu);

	walk_begin(walk, &h, count);
}

void trace_format(char *text, u32 size_bytes, u32 cpu, const struct trace_line *line)
{
	static const char *const events[] = {
#define X(name, text_) text_,
		TRACE_EVENTS(X)
#undef X
	};
	const struct trace_entry *e = &line->entry;
	u32 number = e->code & ~TRACE_EVENT_MASK;
	const char *name = is_event(e) ? events[number % NR_TRACE_EVENTS] : hv_exit_name(e->code);
	const struct vm *vm = vm_of(line->who >> 16);
	char who[48] = "-", code[16];

	if (vm)
		snprintf(who, sizeof(who), "%s/%u", vm->config->name, line->who & 0xffff);
	snprintf(code, sizeof(code), "0x%x", e->code);
	snprintf(text, size_bytes, "trace cpu%u %llu +%llu %s %s %s %s 0x%llx", cpu,
		 (ull)line->tsc, (ull)line->gap, who, is_event(e) ? "event" : "exit",
		 name ? name : code, is_event(e) ? "datum" : "rip", (ull)e->rip);
	if (!is_event(e))
		snprintf(text + strlen(text), size_bytes - strlen(text), " info 0x%llx",
			 (ull)e->info);
}

void trace_dump(u32 cpu)
{
	struct held h = position(cpu); /* it is the present that matters */
	struct trace_walk walk = { 0 };
	struct trace_line line;
	char text[LINE_BYTES];

	walk_begin(&walk, &h, h.ring ? DUMP_LINES : 0);
	while (trace_walk_next(&walk, &line)) {
		trace_format(text, sizeof(text), cpu, &line);
		log_err("%s", text);
	}
}

/* What is written while the copy is made goes over the oldest entries. */
static enum err hold_one(u32 cpu)
{
	struct trace_entry *copy = page_alloc_contig(TRACE_BYTES, PAGE_SIZE, false);
	struct held *h = &held[cpu];

	if (!copy)
		return ERR_NOMEM;
	*h = position(cpu);
	memcpy(copy, h->ring, TRACE_BYTES);
	h->count -= MIN((position(cpu).next - h->next) % TRACE_ENTRIES, h->count);
	h->ring = copy;
	return ERR_NONE;
}

enum err trace_hold(void)
{
	enum err e = ERR_NONE;

	trace_release();
	for (u32 i = 0; i < cpus_known() && !e; i++)
		e = hold_one(i);
	if (e)
		trace_release();
	return e;
}

void trace_release(void)
{
	for (u32 i = 0; i < cpus_known(); i++) {
		if (held[i].ring)
			page_free_contig(held[i].ring, TRACE_BYTES);
		held[i].ring = NULL;
	}
}

bool trace_is_held(void)
{
	return held[0].ring;
}
