/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GDB's remote serial protocol: packets, checksums, acknowledgements, and what each packet asks of
 * the target. Pure but for the functions of target and line: what comes over the line is hostile.
 * One conversation, on one CPU at a time.
 */
#ifndef CORE_MON_GDB_H
#define CORE_MON_GDB_H

#include "core/lib/err.h"
#include "core/lib/types.h"

#define GDB_PACKET_BYTES 1024
#define GDB_MAX_THREADS 64

#define GDB_SIGINT 2
#define GDB_SIGTRAP 5

/* Registers by GDB's number. The floating-point unit's are never known. */
enum gdb_reg {
	GDB_RAX, GDB_RBX, GDB_RCX, GDB_RDX, GDB_RSI, GDB_RDI, GDB_RBP, GDB_RSP,
	GDB_R8, GDB_RIP = 16, GDB_EFLAGS,
	GDB_CS, GDB_SS, GDB_DS, GDB_ES, GDB_FS, GDB_GS,
	GDB_FPU,
	GDB_FS_BASE = 40, GDB_GS_BASE, GDB_KERNEL_GS_BASE,
	GDB_CR0, GDB_CR2, GDB_CR3, GDB_CR4, GDB_CR8, GDB_EFER,
	GDB_NR_REGS
};

enum gdb_op { GDB_REGS, GDB_MEMORY, GDB_POINT };
enum gdb_point { GDB_SOFT, GDB_HARD, GDB_WRITE, GDB_READ, GDB_ACCESS }; /* as in Z0 to Z4 */
enum gdb_action { GDB_STAY, GDB_GO, GDB_STEP };

struct gdb_request {
	enum gdb_op op;
	u32 thread;
	bool is_write; /* a point: set, not taken away */
	u8 kind; /* enum gdb_point */
	u64 address, len_bytes;
	u8 *buf; /* memory's len_bytes */
	u64 regs[GDB_NR_REGS];
};

/* Threads are numbered 1 .. nr_threads(). */
struct gdb_target {
	u32 (*nr_threads)(void);
	/* ERR_FAULT: no such memory, ERR_UNSUPPORTED: no such points. Only while it stands. */
	enum err (*serve)(struct gdb_request *r);
	/* Answer to `monitor command`, or with NULL what is to be said about the thread. */
	void (*text)(u32 thread, const char *command, char *out, u32 size_bytes);
	enum err (*attach)(u32 process);
	/* Go on, or stop; gdb_stopped() follows, at once or some day. */
	void (*go)(const u8 *actions); /* enum gdb_action by thread */
	void (*halt)(u8 signal);
	/* The debugger goes: everything runs as if it had never been there, or is killed. */
	void (*leave)(bool is_kill);
};

/* Start over with `to`, which runs. What comes in goes through gdb_input(). */
void gdb_start(const struct gdb_target *to, void (*put_byte)(u8 byte));
void gdb_input(u8 byte);

/* The target stands: by `signal`, for `thread`; `why` is empty or such as "swbreak:;". */
void gdb_stopped(u32 thread, u8 signal, const char *why);

/* The target is no more. */
void gdb_exited(void);

/* Is a debugger there? From its first packet until it leaves. */
bool gdb_is_attached(void);

#endif
