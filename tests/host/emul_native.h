/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor that runs the tests as an oracle: one instruction with given registers and flags.
 * A stub in low memory loads all registers, runs the instruction and stores them. Signals that the
 * instruction raises end it like a fault.
 */
#ifndef TESTS_HOST_EMUL_NATIVE_H
#define TESTS_HOST_EMUL_NATIVE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "core/emul/emul.h"

#define NATIVE_BYTES 8192u /* of memory for operands */

struct native_state {
	u64 regs[16];
	u64 rflags;
};

/* One page of state and code, reachable by 32-bit addresses, then memory for operands. */
struct native {
	struct native_state in, out;
	u64 saved_rsp;
	u64 code_len;
	u8 code[4096 - 2 * sizeof(struct native_state) - 16];
	u8 mem[NATIVE_BYTES];
};
_Static_assert(sizeof(struct native) == 4096 + NATIVE_BYTES, "a page of code and state");

static struct native *native;
static u8 *native_insn; /* where the instruction stands */
static u8 *native_resume; /* the code behind it */
static volatile int native_signal;

static inline u32 native_address(const void *p)
{
	return (u32)(uintptr_t)p;
}

static inline u8 *emit(u8 *code, const void *bytes, size_t len_bytes)
{
	memcpy(code, bytes, len_bytes);
	return code + len_bytes;
}

#define EMIT(code, ...) emit(code, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* mov between register `reg` and memory; opcode 8b loads, 89 stores. */
static inline u8 *emit_mov(u8 *code, u8 opcode, unsigned reg, const void *where)
{
	u32 address = native_address(where);

	code = EMIT(code, (u8)(0x48 | (reg & 8) >> 1), opcode, (u8)(4 | (reg & 7) << 3), 0x25);
	return emit(code, &address, sizeof(address));
}

static inline u8 *emit_prologue(u8 *c)
{
	u32 flags = native_address(&native->in.rflags);

	c = EMIT(c, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x9c);
	c = emit_mov(c, 0x89, 4, &native->saved_rsp);
	c = EMIT(c, 0xff, 0x34, 0x25); /* push [in.rflags] */
	c = emit(c, &flags, sizeof(flags));
	c = EMIT(c, 0x9d);
	for (unsigned i = 0; i < 16; i++)
		c = emit_mov(c, 0x8b, i, &native->in.regs[i]);
	return c;
}

static inline u8 *emit_epilogue(u8 *c)
{
	for (unsigned i = 0; i < 16; i++)
		c = emit_mov(c, 0x89, i, &native->out.regs[i]);
	c = emit_mov(c, 0x8b, 4, &native->saved_rsp);
	c = EMIT(c, 0x9c, 0x58); /* pushf; pop rax */
	c = emit_mov(c, 0x89, 0, &native->out.rflags);
	return EMIT(c, 0x9d, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
}

/* Leave the instruction. DF and the like are the handler's own; the result is not looked at. */
static inline void native_handler(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)info;
	if ((u8 *)u->uc_mcontext.gregs[REG_RIP] != native_insn)
		abort();
	native_signal = signal;
	u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)native_resume;
}

static inline void native_init(void)
{
	static const int signals[] = { SIGFPE, SIGSEGV, SIGILL, SIGBUS };
	static u8 stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	native = mmap(NULL, sizeof(*native), PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (native == MAP_FAILED)
		abort();
	action.sa_sigaction = native_handler;
	sigaltstack(&alt, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	native_insn = emit_prologue(native->code);
}

/* Run `bytes` on native->in; true if it raised no signal. */
static inline bool native_run(const u8 *bytes, unsigned len_bytes)
{
	void (*stub)(void) = (void (*)(void))(uintptr_t)native->code;

	native_resume = emit(native_insn, bytes, len_bytes);
	emit_epilogue(native_resume);
	native_signal = 0;
	stub();
	return native_signal == 0;
}

#endif
