/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/*
 * The emulator's protocol with its callbacks: what is called, in which order and width, and that
 * any result but success leaves the guest as it was. Then segmentation, modes and privileges.
 */
#include "tests/host/emul_fixture.h"

enum { DE = 0, UD = 6, SS = 12, GP = 13 };

static struct guest g;

static void test_load_and_store(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[BX] = GUEST_BASE + 0x100;
	guest_put(&g, g.regs[BX], 8, 0x8877665544332211);
	STEP_OK(&g, 0x8b, 0x03); /* mov eax, [rbx] */
	assert_int_equal(g.regs[AX], 0x44332211);
	assert_int_equal(g.nr_calls, 1);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x100, 4);
	STEP_OK(&g, 0x48, 0x89, 0x43, 0x08); /* mov [rbx + 8], rax */
	assert_int_equal(g.nr_calls, 1);
	assert_call(&g, 0, CALL_WRITE, GUEST_BASE + 0x108, 8);
	assert_int_equal(guest_get(&g, GUEST_BASE + 0x108, 8), 0x44332211);
}

/* An access over a page boundary is one call: the callee checks both pages first. */
static void test_access_crosses_page(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[BX] = GUEST_BASE + 0xffd;
	STEP_OK(&g, 0x48, 0x01, 0x03); /* add [rbx], rax */
	assert_int_equal(g.nr_calls, 2);
	assert_call(&g, 0, CALL_RMW, GUEST_BASE + 0xffd, 8);
	assert_call(&g, 1, CALL_WRITE, GUEST_BASE + 0xffd, 8);
}

/* Instructions with memory, and the callback that ends each of them. */
static const struct {
	enum call_kind kind;
	u8 bytes[6];
} enders[] = {
	{ CALL_READ, { 0x8b, 0x03 } }, /* mov eax, [rbx] */
	{ CALL_WRITE, { 0x89, 0x03 } },
	{ CALL_READ, { 0x03, 0x03 } }, /* add eax, [rbx] */
	{ CALL_READ, { 0x39, 0x03 } }, /* cmp [rbx], eax */
	{ CALL_RMW, { 0x01, 0x03 } }, /* add [rbx], eax */
	{ CALL_WRITE, { 0x01, 0x03 } },
	{ CALL_CMPXCHG, { 0xf0, 0x01, 0x03 } },
	{ CALL_RMW, { 0xf0, 0x01, 0x03 } },
	{ CALL_WRITE, { 0xff, 0x03 } }, /* inc [rbx] */
	{ CALL_WRITE, { 0xc1, 0x23, 0x03 } }, /* shl [rbx], 3 */
	{ CALL_WRITE, { 0x0f, 0xa4, 0x03, 0x05 } }, /* shld [rbx], eax, 5 */
	{ CALL_RMW, { 0x0f, 0xab, 0x03 } }, /* bts [rbx], eax */
	{ CALL_WRITE, { 0x0f, 0xba, 0x2b, 0x03 } },
	{ CALL_READ, { 0x0f, 0xbc, 0x03 } }, /* bsf eax, [rbx] */
	{ CALL_READ, { 0xf7, 0x23 } }, /* mul [rbx] */
	{ CALL_READ, { 0xf7, 0x33 } }, /* div [rbx] */
	{ CALL_READ, { 0x0f, 0xaf, 0x03 } },
	{ CALL_CMPXCHG, { 0x87, 0x03 } }, /* xchg [rbx], eax */
	{ CALL_WRITE, { 0x0f, 0xc1, 0x0b } }, /* xadd [rbx], ecx */
	{ CALL_WRITE, { 0x0f, 0xb1, 0x0b } }, /* cmpxchg [rbx], ecx */
	{ CALL_CMPXCHG, { 0xf0, 0x0f, 0xb1, 0x0b } },
	{ CALL_WRITE, { 0x0f, 0xc7, 0x0b } }, /* cmpxchg8b [rbx] */
	{ CALL_CMPXCHG, { 0xf0, 0x48, 0x0f, 0xc7, 0x0b } },
	{ CALL_WRITE, { 0x0f, 0x94, 0x03 } }, /* sete [rbx] */
	{ CALL_READ, { 0x0f, 0x44, 0x03 } }, /* cmove eax, [rbx] */
	{ CALL_WRITE, { 0x50 } }, /* push rax */
	{ CALL_READ, { 0xff, 0x33 } }, /* push [rbx] */
	{ CALL_READ, { 0x58 } }, /* pop rax */
	{ CALL_WRITE, { 0x8f, 0x03 } }, /* pop [rbx] */
	{ CALL_READ, { 0xff, 0x13 } }, /* call [rbx] */
	{ CALL_WRITE, { 0xff, 0xd3 } }, /* call rbx */
	{ CALL_WRITE, { 0xaa } }, /* stosb */
	{ CALL_READ, { 0xa4 } }, /* movsb */
	{ CALL_WRITE, { 0xa4 } },
	{ CALL_PROBE, { 0x6c } }, /* insb */
	{ CALL_IN, { 0x6c } },
	{ CALL_READ, { 0x6e } }, /* outsb */
	{ CALL_OUT, { 0x6e } },
	{ CALL_IN, { 0xec } },
	{ CALL_OUT, { 0xee } },
};

static void end_one(const u8 *bytes, enum call_kind kind, enum emul_result how)
{
	static u8 before[GUEST_BYTES];
	enum emul_result r;

	guest_init(&g, LONG64);
	g.regs[BX] = g.regs[SI] = g.regs[DI] = GUEST_BASE + 0x200;
	g.regs[SP] = GUEST_BASE + 0x800;
	g.regs[DX] = 0;
	memset(guest_mem(&g, GUEST_BASE + 0x205, 3), 0, 3); /* a canonical address */
	guest_end(&g, kind, 1, how);
	memcpy(before, g.mem, sizeof(before));
	r = guest_step(&g, bytes, 6);
	assert_int_equal(r, how);
	if (how == EMUL_FAULT)
		assert_guest_fault(&g, r);
	assert_untouched(&g);
	assert_memory_equal(g.mem, before, sizeof(before));
	assert_int_equal(g.calls[g.nr_calls - 1].kind, kind); /* nothing was called after it */
}

static void test_callbacks_end_instructions(void **state)
{
	static const enum emul_result results[] = { EMUL_FAULT, EMUL_RETRY, EMUL_UNSUPPORTED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(enders); i++)
		for (size_t j = 0; j < ARRAY_SIZE(results); j++)
			end_one(enders[i].bytes, enders[i].kind, results[j]);
}

static void test_fetch_by_page(void **state)
{
	static const u8 mov[] = { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 };

	(void)state;
	guest_init(&g, LONG64);
	g.code_base = 0x7000;
	g.ctx.rip = 0x7ffd;
	memcpy(g.code + 0xffd, mov, sizeof(mov));
	guest_remember(&g);
	assert_int_equal(emul_step(&g.ctx), EMUL_OK);
	assert_int_equal(g.regs[AX], 0x0807060504030201);
	assert_int_equal(g.ctx.rip, 0x8007);
	assert_int_equal(g.nr_calls, 2);
	assert_call(&g, 0, CALL_FETCH, 0x7ffd, 3);
	assert_call(&g, 1, CALL_FETCH, 0x8000, 12);
}

/* The next page is not touched by an instruction that ends before it, and faults if needed. */
static void test_fetch_faults_only_if_needed(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.code_base = 0x7000;
	g.ctx.rip = 0x7fff;
	g.code[0xfff] = 0x90;
	guest_end(&g, CALL_FETCH, 2, EMUL_FAULT);
	guest_remember(&g);
	assert_int_equal(emul_step(&g.ctx), EMUL_OK);
	assert_int_equal(g.nr_calls, 1);
	g.ctx.rip = 0x7fff;
	g.ctx.nr_bytes = 0;
	g.code[0xfff] = 0x8b;
	guest_remember(&g);
	assert_guest_fault(&g, emul_step(&g.ctx));
	assert_int_equal(g.nr_calls, 2);
}

static enum emul_result read_none(struct emul_ctx *ctx, u64 linear, void *buf, unsigned len_bytes,
				  enum emul_access access)
{
	(void)ctx, (void)linear, (void)buf, (void)len_bytes, (void)access;
	return EMUL_UNSUPPORTED;
}

static void test_fetch_continues_known_bytes(void **state)
{
	static const struct emul_callbacks none = { .read = read_none };

	(void)state;
	guest_init(&g, LONG64);
	g.code_base = GUEST_CODE;
	g.code[1] = 0xc3;
	assert_int_equal(STEP(&g, 0x8b), EMUL_OK); /* mov eax, ebx */
	assert_int_equal(g.regs[AX], (u32)g.regs[BX]);
	assert_call(&g, 0, CALL_FETCH, GUEST_CODE + 1, 14);
	g.ctx.cb = &none;
	assert_int_equal(STEP(&g, 0x8b), EMUL_UNSUPPORTED);
	assert_untouched(&g);
	STEP_OK(&g, 0x8b, 0xc3);
}

static void test_too_long_is_gp(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	STEP_OK(&g, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
		0x66, 0x90);
	assert_fault(&g,
		     STEP(&g, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
			  0x66, 0x66, 0x66, 0x66),
		     GP);
}

static void test_unsupported(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	assert_int_equal(STEP(&g, 0x0f, 0xa2), EMUL_UNSUPPORTED); /* decoded, not executed */
	assert_int_equal(g.ctx.insn.op, EMUL_OP_CPUID);
	assert_int_equal(g.ctx.insn.len, 2);
	assert_untouched(&g);
	assert_int_equal(STEP(&g, 0xc5, 0xf8, 0x77), EMUL_UNSUPPORTED); /* VEX */
	assert_int_equal(STEP(&g, 0x62, 0xf1, 0x7c, 0x48, 0x10, 0xc0), EMUL_UNSUPPORTED);
	assert_int_equal(STEP(&g, 0x0f, 0x04), EMUL_UNSUPPORTED); /* unassigned */
	assert_int_equal(STEP(&g, 0x0f, 0xc7, 0xc0), EMUL_UNSUPPORTED);
	assert_untouched(&g);
	assert_int_equal(g.nr_calls, 0);
}

static void test_lock(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[BX] = GUEST_BASE;
	guest_put(&g, GUEST_BASE, 8, 5);
	STEP_OK(&g, 0xf0, 0x48, 0xff, 0x03); /* lock inc qword [rbx] */
	assert_int_equal(guest_get(&g, GUEST_BASE, 8), 6);
	assert_int_equal(g.nr_calls, 2);
	assert_call(&g, 0, CALL_RMW, GUEST_BASE, 8);
	assert_call(&g, 1, CALL_CMPXCHG, GUEST_BASE, 8);
	STEP_OK(&g, 0x86, 0x0b); /* xchg [rbx], cl: locked without the prefix */
	assert_call(&g, 1, CALL_CMPXCHG, GUEST_BASE, 1);
	assert_fault(&g, STEP(&g, 0xf0, 0xff, 0xc0), UD); /* a register */
	assert_fault(&g, STEP(&g, 0xf0, 0x8b, 0x03), UD); /* not lockable */
	assert_fault(&g, STEP(&g, 0xf0, 0x03, 0x03), UD); /* memory is the source */
	assert_fault(&g, STEP(&g, 0xf0, 0x39, 0x03), UD);
	assert_fault(&g, STEP(&g, 0xf0, 0x90), UD);
}

static void test_lock_cmpxchg(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[BX] = GUEST_BASE;
	g.regs[AX] = 7;
	guest_put(&g, GUEST_BASE, 8, 7);
	STEP_OK(&g, 0xf0, 0x0f, 0xb1, 0x0b); /* equal: store */
	assert_int_equal(guest_get(&g, GUEST_BASE, 4), (u32)g.regs[CX]);
	assert_true(g.ctx.rflags & BIT(6));
	STEP_OK(&g, 0xf0, 0x0f, 0xb1, 0x0b); /* not equal: load, and write the old value back */
	assert_int_equal(g.regs[AX], (u32)g.regs[CX]);
	assert_false(g.ctx.rflags & BIT(6));
	assert_int_equal(g.nr[CALL_CMPXCHG], 1);
}

static void test_cmpxchg_pairs(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[AX] = 1, g.regs[DX] = 2, g.regs[BX] = 3, g.regs[CX] = 4;
	g.regs[SI] = GUEST_BASE + 8;
	assert_fault(&g, STEP(&g, 0x48, 0x0f, 0xc7, 0x0e), GP); /* 16 bytes must be aligned */
	guest_put(&g, GUEST_BASE + 8, 8, 0x200000001);
	STEP_OK(&g, 0x0f, 0xc7, 0x0e); /* cmpxchg8b */
	assert_int_equal(guest_get(&g, GUEST_BASE + 8, 8), 0x400000003);
	assert_true(g.ctx.rflags & BIT(6));
	g.regs[SI] = GUEST_BASE;
	guest_put(&g, GUEST_BASE, 8, 1);
	guest_put(&g, GUEST_BASE + 8, 8, 9);
	STEP_OK(&g, 0xf0, 0x48, 0x0f, 0xc7, 0x0e); /* not equal */
	assert_int_equal(g.regs[DX], 9);
	assert_false(g.ctx.rflags & BIT(6));
	assert_call(&g, 1, CALL_CMPXCHG, GUEST_BASE, 16);
}

static void test_divide_error(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[CX] = 0;
	assert_fault(&g, STEP(&g, 0xf7, 0xf1), DE);
	g.regs[CX] = 2;
	g.regs[DX] = 2; /* the quotient needs 33 bits */
	assert_fault(&g, STEP(&g, 0xf7, 0xf1), DE);
	g.regs[DX] = 1;
	g.regs[AX] = 5;
	STEP_OK(&g, 0xf7, 0xf1);
	assert_int_equal(g.regs[AX], 0x80000002);
	assert_int_equal(g.regs[DX], 1);
}

static void test_segment_register(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[BX] = GUEST_BASE;
	STEP_OK(&g, 0x8c, 0x1b); /* mov [rbx], ds: two bytes */
	assert_call(&g, 0, CALL_WRITE, GUEST_BASE, 2);
	assert_int_equal(guest_get(&g, GUEST_BASE, 2), 8 * SEG_DS + 8);
	STEP_OK(&g, 0x48, 0x8c, 0xd8); /* mov rax, ds: zero-extended */
	assert_int_equal(g.regs[AX], 8 * SEG_DS + 8);
	assert_fault(&g, STEP(&g, 0x8c, 0xf0), UD); /* no sixth segment */
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(emul_op_name(EMUL_OP_MOV), "MOV");
	assert_string_equal(emul_op_name(EMUL_NR_OPS), "?");
	assert_true(emul_op_is_executed(EMUL_OP_MOV));
	assert_false(emul_op_is_executed(EMUL_OP_CPUID));
	assert_false(emul_op_is_executed(EMUL_NR_OPS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_and_store),
		cmocka_unit_test(test_access_crosses_page),
		cmocka_unit_test(test_callbacks_end_instructions),
		cmocka_unit_test(test_fetch_by_page),
		cmocka_unit_test(test_fetch_faults_only_if_needed),
		cmocka_unit_test(test_fetch_continues_known_bytes),
		cmocka_unit_test(test_too_long_is_gp),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_lock_cmpxchg),
		cmocka_unit_test(test_cmpxchg_pairs),
		cmocka_unit_test(test_divide_error),
		cmocka_unit_test(test_segment_register),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
