/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest for the emulator's tests: registers, one window of memory, ports, and a log of every
 * callback. Each callback can be told to end with another result at its n-th call.
 */
#ifndef TESTS_HOST_EMUL_FIXTURE_H
#define TESTS_HOST_EMUL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emul/emul.h"
#include "core/lib/bits.h"
#include "tests/host/emul_executed.h"

#define GUEST_BASE 0x10000ull /* linear address of the first byte of memory */
#define GUEST_BYTES 0x4000u
#define GUEST_CODE 0x1000ull /* offset of the instruction in CS, not in the window */
#define MAX_CALLS 4096

enum { AX, CX, DX, BX, SP, BP, SI, DI, R8, R9 };

enum call_kind { CALL_FETCH, CALL_READ, CALL_RMW, CALL_WRITE, CALL_PROBE, CALL_CMPXCHG,
		 CALL_CHECK, CALL_IN, CALL_OUT, NR_CALL_KINDS };

struct call {
	enum call_kind kind;
	u64 where; /* linear address or port */
	unsigned len_bytes;
};

struct guest {
	struct emul_ctx ctx;
	u64 regs[16];
	u8 mem[GUEST_BYTES];
	u8 code[8192]; /* what `fetch` sees from linear address code_base */
	u64 code_base;
	u32 port_value; /* what the next IN gives; counts up */
	u32 out_value; /* what the last OUT wrote */
	struct call calls[MAX_CALLS];
	unsigned nr_calls;
	unsigned nr[NR_CALL_KINDS];
	enum emul_result end_with[NR_CALL_KINDS];
	unsigned end_at[NR_CALL_KINDS]; /* 0: never; 1: the first call */
	/* As it was before the instruction. */
	u64 regs_before[16];
	u64 rflags_before;
	u64 rip_before;
};

static const struct emul_fault guest_fault = {
	.vector = 14, .err = 2, .cr2 = 0x12345
};

static inline enum emul_result guest_call(struct emul_ctx *ctx, enum call_kind kind, u64 where,
					  unsigned len_bytes)
{
	struct guest *g = ctx->env;

	assert_true(g->nr_calls < MAX_CALLS);
	g->calls[g->nr_calls++] = (struct call){ kind, where, len_bytes };
	if (++g->nr[kind] != g->end_at[kind])
		return EMUL_OK;
	ctx->fault = guest_fault;
	return g->end_with[kind];
}

static inline u8 *guest_mem(struct guest *g, u64 linear, unsigned len_bytes)
{
	assert_true(linear >= GUEST_BASE && linear + len_bytes <= GUEST_BASE + GUEST_BYTES);
	return g->mem + (linear - GUEST_BASE);
}

static inline enum emul_result guest_fetch(struct emul_ctx *ctx, u64 linear, void *buf,
					   unsigned len_bytes)
{
	struct guest *g = ctx->env;
	enum emul_result r = guest_call(ctx, CALL_FETCH, linear, len_bytes);

	assert_true(len_bytes >= 1 && len_bytes <= EMUL_INSN_MAX);
	assert_true((linear & 4095) + len_bytes <= 4096);
	assert_true(linear >= g->code_base &&
		    linear + len_bytes <= g->code_base + sizeof(g->code));
	memcpy(buf, g->code + (linear - g->code_base), len_bytes);
	return r;
}

static inline enum emul_result guest_read(struct emul_ctx *ctx, u64 linear, void *buf,
					  unsigned len_bytes, enum emul_access access)
{
	enum call_kind kind = access == EMUL_RMW ? CALL_RMW : CALL_READ;
	enum emul_result r;

	if (access == EMUL_FETCH)
		return guest_fetch(ctx, linear, buf, len_bytes);
	r = guest_call(ctx, kind, linear, len_bytes);
	if (r == EMUL_OK)
		memcpy(buf, guest_mem(ctx->env, linear, len_bytes), len_bytes);
	return r;
}

static inline enum emul_result guest_write(struct emul_ctx *ctx, u64 linear, const void *buf,
					   unsigned len_bytes)
{
	enum emul_result r = guest_call(ctx, buf ? CALL_WRITE : CALL_PROBE, linear, len_bytes);

	if (r == EMUL_OK && buf)
		memcpy(guest_mem(ctx->env, linear, len_bytes), buf, len_bytes);
	return r;
}

static inline enum emul_result guest_cmpxchg(struct emul_ctx *ctx, u64 linear, const void *expect,
					     const void *desired, unsigned len_bytes)
{
	enum emul_result r = guest_call(ctx, CALL_CMPXCHG, linear, len_bytes);
	u8 *mem = guest_mem(ctx->env, linear, len_bytes);

	if (r != EMUL_OK)
		return r;
	if (memcmp(mem, expect, len_bytes) != 0)
		return EMUL_RETRY;
	memcpy(mem, desired, len_bytes);
	return EMUL_OK;
}

static inline enum emul_result guest_check(struct emul_ctx *ctx, u16 port, unsigned width_bytes)
{
	return guest_call(ctx, CALL_CHECK, port, width_bytes);
}

static inline enum emul_result guest_in(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
					u32 *value)
{
	struct guest *g = ctx->env;

	*value = g->port_value++;
	return guest_call(ctx, CALL_IN, port, width_bytes);
}

static inline enum emul_result guest_out(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
					 u32 value)
{
	struct guest *g = ctx->env;

	g->out_value = value;
	return guest_call(ctx, CALL_OUT, port, width_bytes);
}

static const struct emul_callbacks guest_callbacks = {
	.read = guest_read, .write = guest_write,
	.cmpxchg = guest_cmpxchg, .port_check = guest_check, .port_in = guest_in,
	.port_out = guest_out,
};

enum guest_mode { REAL16, VM86, PROT16, PROT32, LONG64 };

/* Flat segments (64 KiB ones where the mode says so), CPL 0, recognizable registers. */
static inline void guest_init(struct guest *g, enum guest_mode mode)
{
	bool is_big = mode == PROT32 || mode == LONG64;

	memset(g, 0, sizeof(*g));
	for (unsigned i = 0; i < 16; i++)
		g->regs[i] = 0x1111111111111111ull * i;
	g->ctx.cb = &guest_callbacks;
	g->ctx.env = g;
	g->ctx.regs = g->regs;
	g->ctx.rip = GUEST_CODE;
	g->ctx.rflags = 2 | (mode == VM86 ? BIT(17) : 0);
	g->ctx.cr0 = mode == REAL16 ? 0 : 1;
	g->ctx.efer = mode == LONG64 ? BIT(10) : 0;
	for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
		g->ctx.seg[i] = (struct segment){
			.limit = is_big ? 0xffffffff : 0xffff,
			.ar = 0x93 | (is_big ? AR_DB : 0),
			.base = is_big ? 0 : GUEST_BASE,
			.sel = (u16)(8 * i + 8),
		};
	g->ctx.seg[SEG_CS].ar = 0x9b;
	if (mode == PROT32)
		g->ctx.seg[SEG_CS].ar |= AR_DB;
	if (mode == LONG64)
		g->ctx.seg[SEG_CS].ar |= AR_L;
	for (unsigned i = 0; i < GUEST_BYTES; i++)
		g->mem[i] = (u8)(i ^ i >> 8);
}

/* Let the n-th call of a kind end with `r`. */
static inline void guest_end(struct guest *g, enum call_kind kind, unsigned n, enum emul_result r)
{
	g->end_at[kind] = n;
	g->end_with[kind] = r;
}

static inline void guest_remember(struct guest *g)
{
	memcpy(g->regs_before, g->regs, sizeof(g->regs));
	g->rflags_before = g->ctx.rflags;
	g->rip_before = g->ctx.rip;
	g->nr_calls = 0;
	memset(g->nr, 0, sizeof(g->nr));
}

static inline enum emul_result guest_step(struct guest *g, const u8 *bytes, unsigned len_bytes)
{
	guest_remember(g);
	memset(g->ctx.bytes, 0, sizeof(g->ctx.bytes));
	memcpy(g->ctx.bytes, bytes, len_bytes);
	g->ctx.nr_bytes = (u8)len_bytes;
	return emul_step(&g->ctx);
}

#define STEP(g, ...)                                                                               \
	guest_step(g, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* The instruction must succeed, with RIP behind all its bytes. */
#define STEP_OK(g, ...)                                                                            \
	do {                                                                                       \
		assert_int_equal(STEP(g, __VA_ARGS__), EMUL_OK);                                   \
		assert_int_equal((g)->ctx.rip,                                                     \
				 (g)->rip_before + sizeof((const u8[]){ __VA_ARGS__ }));           \
	} while (0)

static inline void assert_untouched(const struct guest *g)
{
	assert_memory_equal(g->regs, g->regs_before, sizeof(g->regs));
	assert_int_equal(g->ctx.rflags, g->rflags_before);
	assert_int_equal(g->ctx.rip, g->rip_before);
}

/* The fault that the callbacks raise, and nothing else happened. */
static inline void assert_guest_fault(const struct guest *g, enum emul_result r)
{
	assert_int_equal(r, EMUL_FAULT);
	assert_int_equal(g->ctx.fault.vector, guest_fault.vector);
	assert_int_equal(g->ctx.fault.err, guest_fault.err);
	assert_int_equal(g->ctx.fault.cr2, guest_fault.cr2);
	assert_untouched(g);
}

/* A fault that the emulator raises itself. */
static inline void assert_fault(const struct guest *g, enum emul_result r, unsigned vector)
{
	assert_int_equal(r, EMUL_FAULT);
	assert_int_equal(g->ctx.fault.vector, vector);
	assert_int_equal(g->ctx.fault.err, 0);
	assert_untouched(g);
}

static inline void assert_call(const struct guest *g, unsigned index, enum call_kind kind,
			       u64 where, unsigned len_bytes)
{
	assert_true(index < g->nr_calls);
	assert_int_equal(g->calls[index].kind, kind);
	assert_int_equal(g->calls[index].where, where);
	assert_int_equal(g->calls[index].len_bytes, len_bytes);
}

static inline u64 guest_get(struct guest *g, u64 linear, unsigned len_bytes)
{
	u64 value = 0;

	memcpy(&value, guest_mem(g, linear, len_bytes), len_bytes);
	return value;
}

static inline void guest_put(struct guest *g, u64 linear, unsigned len_bytes, u64 value)
{
	memcpy(guest_mem(g, linear, len_bytes), &value, len_bytes);
}

#endif
