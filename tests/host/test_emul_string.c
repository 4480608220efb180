/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/* String and port instructions: repetition, direction, interruption, permission. */
#include "tests/host/emul_fixture.h"

#define DF BIT(10)
#define ZF BIT(6)

static struct guest g;

static void init_string(u64 count)
{
	guest_init(&g, LONG64);
	g.regs[SI] = GUEST_BASE + 0x100;
	g.regs[DI] = GUEST_BASE + 0x1000;
	g.regs[CX] = count;
	g.regs[DX] = 0x3f8;
}

static void test_movs(void **state)
{
	(void)state;
	init_string(3);
	STEP_OK(&g, 0xa5); /* one movsd; CX does not count */
	assert_int_equal(g.regs[CX], 3);
	assert_int_equal(g.regs[SI], GUEST_BASE + 0x104);
	assert_int_equal(g.regs[DI], GUEST_BASE + 0x1004);
	STEP_OK(&g, 0xf3, 0x48, 0xa5); /* rep movsq */
	assert_int_equal(g.regs[CX], 0);
	assert_int_equal(g.regs[SI], GUEST_BASE + 0x11c);
	assert_memory_equal(g.mem + 0x100, g.mem + 0x1000, 0x1c);
	assert_int_equal(g.nr[CALL_READ], 3);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x104, 8);
	assert_call(&g, 1, CALL_WRITE, GUEST_BASE + 0x1004, 8);
}

static void test_movs_down(void **state)
{
	(void)state;
	init_string(4);
	g.ctx.rflags |= DF;
	STEP_OK(&g, 0xf2, 0x66, 0xa5); /* f2 repeats too */
	assert_int_equal(g.regs[SI], GUEST_BASE + 0xf8);
	assert_int_equal(g.regs[DI], GUEST_BASE + 0xff8);
	assert_memory_equal(g.mem + 0xfa, g.mem + 0xffa, 8);
	assert_call(&g, 2, CALL_READ, GUEST_BASE + 0xfe, 2);
}

static void test_count_zero(void **state)
{
	(void)state;
	init_string(0);
	g.ctx.rflags |= ZF;
	STEP_OK(&g, 0xf3, 0xa6);
	STEP_OK(&g, 0xf3, 0x6c);
	assert_int_equal(g.nr_calls, 0);
	assert_int_equal(g.ctx.rflags, g.rflags_before);
}

/* With 67 only ECX, ESI and EDI count, and lose their upper halves; in 16 bits they wrap. */
static void test_address_size(void **state)
{
	(void)state;
	init_string(2);
	g.regs[CX] |= BIT(40);
	g.regs[SI] |= BIT(33);
	STEP_OK(&g, 0x67, 0xf3, 0xa4);
	assert_int_equal(g.regs[CX], 0);
	assert_int_equal(g.regs[SI], GUEST_BASE + 0x102);
	guest_init(&g, PROT16);
	g.regs[SI] = 0x12340000 | 0x3fff;
	g.regs[DI] = 0xffff;
	g.regs[CX] = 0x50001;
	g.ctx.seg[SEG_ES].base = GUEST_BASE - 0xff00;
	STEP_OK(&g, 0xf3, 0xa4);
	assert_int_equal(g.regs[SI], 0x12344000);
	assert_int_equal(g.regs[DI], 0);
	assert_int_equal(g.regs[CX], 0x50000);
	assert_call(&g, 1, CALL_WRITE, GUEST_BASE + 0xff, 1);
}

static void test_segment_override(void **state)
{
	(void)state;
	init_string(1);
	g.ctx.seg[SEG_FS].base = 0x800;
	g.ctx.seg[SEG_ES].base = 0x10; /* does not count in 64-bit mode */
	STEP_OK(&g, 0x64, 0xa4); /* the source is overridden, never the target */
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x900, 1);
	assert_call(&g, 1, CALL_WRITE, GUEST_BASE + 0x1000, 1);
}

static void test_stos_and_lods(void **state)
{
	(void)state;
	init_string(5);
	STEP_OK(&g, 0xf3, 0xaa);
	assert_int_equal(g.nr[CALL_WRITE], 5);
	assert_int_equal(g.regs[DI], GUEST_BASE + 0x1005);
	g.regs[AX] = ~0ull;
	STEP_OK(&g, 0xad); /* lodsd clears the upper half */
	assert_int_equal(g.regs[AX], guest_get(&g, GUEST_BASE + 0x100, 4));
	assert_int_equal(g.regs[SI], GUEST_BASE + 0x104);
}

static void test_scas(void **state)
{
	(void)state;
	init_string(100);
	memset(g.mem + 0x1000, 'x', 100);
	g.mem[0x1007] = 0;
	g.regs[AX] = 0;
	STEP_OK(&g, 0xf2, 0xae); /* repne: look for 0 */
	assert_int_equal(g.regs[DI], GUEST_BASE + 0x1008);
	assert_int_equal(g.regs[CX], 92);
	assert_true(g.ctx.rflags & ZF);
	STEP_OK(&g, 0xf3, 0xae); /* repe: the next byte differs at once */
	assert_int_equal(g.regs[CX], 91);
	assert_false(g.ctx.rflags & ZF);
	g.regs[AX] = 'y';
	STEP_OK(&g, 0xf2, 0xae); /* not found: the count ends it */
	assert_int_equal(g.regs[CX], 0);
	assert_false(g.ctx.rflags & ZF);
}

static void test_cmps(void **state)
{
	(void)state;
	init_string(50);
	memcpy(g.mem + 0x1000, g.mem + 0x100, 50);
	g.mem[0x1010] = 0xff;
	g.mem[0x110] = 1;
	STEP_OK(&g, 0xf3, 0xa6);
	assert_int_equal(g.regs[CX], 33);
	assert_true(g.ctx.rflags & BIT(0)); /* source minus target borrows */
	STEP_OK(&g, 0xf3, 0xa6);
	assert_int_equal(g.regs[CX], 0);
	assert_true(g.ctx.rflags & ZF);
}

/* Finished iterations stay; flags are those from before. SDM "REP/REPE/REPZ/REPNE/REPNZ". */
static void test_fault_in_the_middle(void **state)
{
	(void)state;
	init_string(10);
	guest_end(&g, CALL_WRITE, 4, EMUL_FAULT);
	assert_int_equal(STEP(&g, 0xf3, 0xa4), EMUL_FAULT);
	assert_int_equal(g.ctx.fault.cr2, guest_fault.cr2);
	assert_int_equal(g.regs[CX], 7);
	assert_int_equal(g.regs[SI], GUEST_BASE + 0x103);
	assert_int_equal(g.regs[DI], GUEST_BASE + 0x1003);
	assert_int_equal(g.ctx.rip, g.rip_before);
	guest_end(&g, CALL_WRITE, 0, EMUL_OK);
	STEP_OK(&g, 0xf3, 0xa4); /* goes on */
	assert_int_equal(g.nr[CALL_WRITE], 7);
	assert_memory_equal(g.mem + 0x100, g.mem + 0x1000, 10);
	init_string(10);
	memcpy(g.mem + 0x1000, g.mem + 0x100, 10);
	guest_end(&g, CALL_READ, 5, EMUL_FAULT);
	assert_int_equal(STEP(&g, 0xf3, 0xa6), EMUL_FAULT);
	assert_int_equal(g.regs[CX], 8);
	assert_int_equal(g.ctx.rflags, g.rflags_before);
}

/* Long repetitions end now and then, so that interrupts get in. */
static void test_long_repetition(void **state)
{
	(void)state;
	init_string(EMUL_REP_MAX + 5);
	assert_int_equal(STEP(&g, 0xf3, 0xaa), EMUL_RETRY);
	assert_int_equal(g.ctx.rip, g.rip_before);
	assert_int_equal(g.regs[CX], 5);
	assert_int_equal(g.regs[DI], GUEST_BASE + 0x1000 + EMUL_REP_MAX);
	STEP_OK(&g, 0xf3, 0xaa);
	assert_int_equal(g.nr[CALL_WRITE], 5);
	init_string(EMUL_REP_MAX);
	STEP_OK(&g, 0xf3, 0xaa); /* exactly as many as fit */
}

static void test_ins(void **state)
{
	(void)state;
	init_string(2);
	g.port_value = 0xaabbccdd;
	STEP_OK(&g, 0xf3, 0x6d);
	assert_int_equal(g.nr_calls, 6);
	assert_call(&g, 0, CALL_PROBE, GUEST_BASE + 0x1000, 4);
	assert_call(&g, 1, CALL_IN, 0x3f8, 4);
	assert_call(&g, 2, CALL_WRITE, GUEST_BASE + 0x1000, 4);
	assert_int_equal(guest_get(&g, GUEST_BASE + 0x1004, 4), 0xaabbccde);
	/* A device must not lose what memory cannot take. */
	init_string(2);
	guest_end(&g, CALL_PROBE, 2, EMUL_FAULT);
	assert_int_equal(STEP(&g, 0xf3, 0x6c), EMUL_FAULT);
	assert_int_equal(g.nr[CALL_IN], 1);
	assert_int_equal(g.regs[CX], 1);
}

static void test_outs(void **state)
{
	(void)state;
	init_string(3);
	STEP_OK(&g, 0xf3, 0x66, 0x6f);
	assert_int_equal(g.nr_calls, 6);
	assert_call(&g, 4, CALL_READ, GUEST_BASE + 0x104, 2);
	assert_call(&g, 5, CALL_OUT, 0x3f8, 2);
	assert_int_equal(g.out_value, guest_get(&g, GUEST_BASE + 0x104, 2));
	assert_int_equal(g.regs[SI], GUEST_BASE + 0x106);
	STEP_OK(&g, 0x48, 0x6f); /* REX.W widens no port */
	assert_call(&g, 1, CALL_OUT, 0x3f8, 4);
}

static void test_in_and_out(void **state)
{
	(void)state;
	init_string(0);
	g.port_value = 0x12345678;
	g.regs[AX] = ~0ull;
	STEP_OK(&g, 0xe4, 0xf0); /* in al, 0xf0: the port is not sign-extended */
	assert_call(&g, 0, CALL_IN, 0xf0, 1);
	assert_int_equal(g.regs[AX], 0xffffffffffffff78);
	STEP_OK(&g, 0x66, 0xed);
	assert_int_equal(g.regs[AX], 0xffffffffffff5679);
	STEP_OK(&g, 0x48, 0xed);
	assert_call(&g, 0, CALL_IN, 0x3f8, 4);
	assert_int_equal(g.regs[AX], 0x1234567a);
	STEP_OK(&g, 0xe6, 0x80);
	assert_call(&g, 0, CALL_OUT, 0x80, 1);
	assert_int_equal(g.out_value, 0x7a);
	STEP_OK(&g, 0xef);
	assert_int_equal(g.out_value, 0x1234567a);
}

static void check_port(enum guest_mode mode, u8 cpl, unsigned iopl, bool is_checked)
{
	static const u8 forms[] = { 0x6c, 0x6e, 0xec, 0xee };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		guest_init(&g, mode);
		g.regs[SI] = g.regs[DI] = mode == LONG64 || mode == PROT32 ? GUEST_BASE : 0;
		g.regs[DX] = 0x3f8;
		g.ctx.cpl = cpl;
		g.ctx.rflags |= (u64)iopl << 12;
		STEP_OK(&g, forms[i]);
		assert_int_equal(g.nr[CALL_CHECK], is_checked);
		if (!is_checked)
			continue;
		assert_call(&g, 0, CALL_CHECK, 0x3f8, 1);
		g.regs[SI] = g.regs[DI] = mode == LONG64 || mode == PROT32 ? GUEST_BASE : 0;
		guest_end(&g, CALL_CHECK, 1, EMUL_FAULT);
		assert_guest_fault(&g, STEP(&g, forms[i]));
		assert_int_equal(g.nr_calls, 1); /* neither memory nor the device */
	}
}

/* SDM "I/O Privilege Level" and "I/O Permission Bit Map". */
static void test_port_permission(void **state)
{
	(void)state;
	check_port(LONG64, 0, 0, false);
	check_port(LONG64, 3, 3, false);
	check_port(LONG64, 3, 2, true);
	check_port(PROT32, 1, 0, true);
	check_port(PROT16, 2, 2, false);
	check_port(VM86, 3, 3, true); /* IOPL does not help */
	check_port(REAL16, 0, 0, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_movs),
		cmocka_unit_test(test_movs_down),
		cmocka_unit_test(test_count_zero),
		cmocka_unit_test(test_address_size),
		cmocka_unit_test(test_segment_override),
		cmocka_unit_test(test_stos_and_lods),
		cmocka_unit_test(test_scas),
		cmocka_unit_test(test_cmps),
		cmocka_unit_test(test_fault_in_the_middle),
		cmocka_unit_test(test_long_repetition),
		cmocka_unit_test(test_ins),
		cmocka_unit_test(test_outs),
		cmocka_unit_test(test_in_and_out),
		cmocka_unit_test(test_port_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
