/* SPDX-License-Identifier: BSD-2-Clause */
/* A target of one page of memory and two threads for the protocol, and the line. */
#ifndef TESTS_HOST_GDB_FIXTURE_H
#define TESTS_HOST_GDB_FIXTURE_H

#include <string.h>

#include "core/lib/bits.h"
#include "core/mon/gdb.h"

#define FIX_BASE 0x1000u
#define FIX_BYTES 4096u
#define FIX_THREADS 2u

static u8 fix_memory[FIX_BYTES];
static u64 fix_regs[FIX_THREADS + 1][GDB_NR_REGS];
static u8 fix_actions[GDB_MAX_THREADS + 1];
static u32 fix_going, fix_halts, fix_left, fix_kills, fix_process, fix_points;
static u64 fix_point_address;
static char fix_command[400];
static char fix_sent[1u << 16];
static u32 fix_nr_sent;
static bool fix_stops_at_once;

static u32 fix_nr_threads(void)
{
	return FIX_THREADS;
}

static enum err fix_serve(struct gdb_request *r)
{
	u64 at = r->address - FIX_BASE;

	if (r->thread < 1 || r->thread > FIX_THREADS)
		__builtin_trap();
	if (r->op == GDB_REGS) {
		if (r->is_write)
			memcpy(fix_regs[r->thread], r->regs, sizeof(r->regs));
		else
			memcpy(r->regs, fix_regs[r->thread], sizeof(r->regs));
		return ERR_NONE;
	}
	if (r->op == GDB_POINT) {
		if (r->kind > GDB_ACCESS)
			__builtin_trap();
		fix_point_address = r->address;
		fix_points += r->is_write ? 1 : -1u;
		return r->kind == GDB_READ ? ERR_UNSUPPORTED : ERR_NONE;
	}
	if (at >= FIX_BYTES || r->len_bytes > FIX_BYTES - at)
		return ERR_FAULT;
	memcpy(r->is_write ? fix_memory + at : r->buf, r->is_write ? r->buf : fix_memory + at,
	       r->len_bytes);
	return ERR_NONE;
}

static void fix_text(u32 thread, const char *command, char *out, u32 size_bytes)
{
	(void)thread;
	strncpy(fix_command, command ? command : "", sizeof(fix_command) - 1);
	strncpy(out, command && *command ? "" : "a thread", size_bytes);
}

static enum err fix_attach(u32 process)
{
	fix_process = process;
	return process == 7 ? ERR_NONE : ERR_INVAL;
}

static void fix_go(const u8 *actions)
{
	fix_going++;
	memcpy(fix_actions, actions, sizeof(fix_actions));
}

static void fix_halt(u8 signal)
{
	fix_halts++;
	if (fix_stops_at_once)
		gdb_stopped(1, signal, "");
}

static void fix_leave(bool is_kill)
{
	fix_left++;
	fix_kills += is_kill;
}

static void fix_put(u8 byte)
{
	fix_sent[fix_nr_sent++ % (sizeof(fix_sent) - 1)] = (char)byte;
}

static void fix_start(void)
{
	static const struct gdb_target target = { fix_nr_threads, fix_serve, fix_text, fix_attach,
						  fix_go,	  fix_halt,  fix_leave };

	fix_going = fix_halts = fix_left = fix_kills = fix_points = fix_nr_sent = 0;
	memset(fix_sent, 0, sizeof(fix_sent));
	gdb_start(&target, fix_put);
}

#endif
