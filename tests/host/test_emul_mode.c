/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/emul/decode.c core/emul/operand.c core/emul/alu.c */
/* LINK: core/emul/string.c core/emul/exec.c */
/* Segmentation, operand and address sizes, stacks and branches in every mode. */
#include "tests/host/emul_fixture.h"

enum { UD = 6, SS = 12, GP = 13 };

static struct guest g;

static void test_limits(void **state)
{
	(void)state;
	guest_init(&g, PROT32);
	g.regs[BX] = GUEST_BASE;
	g.ctx.seg[SEG_DS].limit = GUEST_BASE + 3;
	STEP_OK(&g, 0x8b, 0x03);
	g.regs[BX]++;
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP); /* the last byte is outside */
	STEP_OK(&g, 0x8a, 0x43, 0x02);
	STEP_OK(&g, 0x26, 0x8b, 0x03); /* es: */
	g.ctx.seg[SEG_SS].limit = GUEST_BASE + 3;
	g.regs[BP] = GUEST_BASE;
	assert_fault(&g, STEP(&g, 0x8b, 0x45, 0x01), SS);
	STEP_OK(&g, 0x3e, 0x8b, 0x45, 0x00); /* ds: */
	g.regs[BX] = 0xffffffff;
	g.ctx.seg[SEG_DS].limit = 0xffffffff;
	assert_fault(&g, STEP(&g, 0x66, 0x8b, 0x03), GP); /* wraps */
	assert_int_equal(g.nr_calls, 0);
}

static void test_expand_down(void **state)
{
	struct segment *ds = &g.ctx.seg[SEG_DS];

	(void)state;
	guest_init(&g, PROT32);
	ds->ar = 0x97 | AR_DB;
	ds->limit = GUEST_BASE + 0xff;
	g.regs[BX] = GUEST_BASE + 0x100;
	STEP_OK(&g, 0x8b, 0x03);
	g.regs[BX]--;
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP);
	ds->ar = 0x97;
	ds->limit = 0xfff;
	ds->base = GUEST_BASE - 0xf000;
	g.regs[BX] = 0xfffc;
	STEP_OK(&g, 0x8b, 0x03);
	g.regs[BX]++;
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP); /* without the B bit it ends at 64 KiB */
	ds->ar |= AR_DB;
	STEP_OK(&g, 0x8b, 0x03);
	guest_init(&g, REAL16);
	ds->ar = 0x97; /* real mode does not look */
	g.regs[BX] = 0;
	STEP_OK(&g, 0x8b, 0x07);
}

static void test_types(void **state)
{
	struct segment *ds = &g.ctx.seg[SEG_DS];

	(void)state;
	guest_init(&g, PROT32);
	g.regs[BX] = GUEST_BASE;
	ds->ar = 0x91; /* read-only data */
	STEP_OK(&g, 0x8b, 0x03);
	STEP_OK(&g, 0x39, 0x03);
	assert_fault(&g, STEP(&g, 0x89, 0x03), GP);
	assert_fault(&g, STEP(&g, 0x01, 0x03), GP);
	assert_int_equal(g.nr_calls, 0); /* before it was even read */
	ds->ar = 0x9b; /* readable code */
	STEP_OK(&g, 0x8b, 0x03);
	assert_fault(&g, STEP(&g, 0x89, 0x03), GP);
	ds->ar = 0x99; /* execute-only code */
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP);
	ds->ar = 0x93 | AR_UNUSABLE;
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP);
	guest_init(&g, LONG64);
	ds->ar = AR_UNUSABLE; /* as usual in 64-bit mode */
	g.regs[BX] = GUEST_BASE;
	STEP_OK(&g, 0x89, 0x03);
	guest_init(&g, VM86);
	ds->ar = 0x91;
	g.regs[BX] = 0;
	STEP_OK(&g, 0x89, 0x07);
}

static void test_compatibility_mode(void **state)
{
	(void)state;
	guest_init(&g, PROT32);
	g.ctx.efer = BIT(10);
	g.regs[BX] = GUEST_BASE | BIT(35); /* the upper half does not count */
	STEP_OK(&g, 0x40); /* inc eax, no REX */
	STEP_OK(&g, 0x8b, 0x03);
	assert_call(&g, 0, CALL_READ, GUEST_BASE, 4);
	g.ctx.seg[SEG_DS].base = 0xffff0000;
	g.regs[BX] = GUEST_BASE + 0x10000;
	STEP_OK(&g, 0x8b, 0x03); /* linear addresses wrap at 4 GiB */
	assert_call(&g, 0, CALL_READ, GUEST_BASE, 4);
}

static void test_real_mode(void **state)
{
	(void)state;
	guest_init(&g, REAL16);
	g.regs[BX] = 0x5678ff00;
	g.regs[SI] = 0x200;
	STEP_OK(&g, 0x8b, 0x00); /* [bx + si] wraps at 64 KiB */
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x100, 2);
	STEP_OK(&g, 0x66, 0x8b, 0x04);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x200, 4);
	g.regs[SI] = 0xffff;
	assert_fault(&g, STEP(&g, 0x8b, 0x04), GP); /* but not within an operand */
	g.regs[BP] = 0xffff;
	assert_fault(&g, STEP(&g, 0x8b, 0x46, 0x00), SS);
	g.regs[BX] = 0x20000;
	assert_fault(&g, STEP(&g, 0x67, 0x8b, 0x03), GP);
	g.ctx.seg[SEG_DS].limit = 0xffffffff; /* unreal mode */
	g.regs[BX] = 0x1000;
	STEP_OK(&g, 0x67, 0x8b, 0x03);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x1000, 2);
	assert_fault(&g, STEP(&g, 0x0f, 0x00, 0xc0), UD); /* sldt */
}

static void test_canonical(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[BX] = BIT(47);
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP);
	g.regs[BP] = BIT(47);
	assert_fault(&g, STEP(&g, 0x8b, 0x45, 0x00), SS);
	g.regs[SP] = BIT(47);
	assert_fault(&g, STEP(&g, 0x58), SS);
	g.regs[BX] = BIT(47) - 2; /* its end is not */
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP);
	assert_int_equal(g.nr_calls, 0);
	g.ctx.cr4 = BIT(12); /* LA57 */
	guest_end(&g, CALL_READ, 1, EMUL_RETRY);
	assert_int_equal(STEP(&g, 0x8b, 0x03), EMUL_RETRY);
	g.regs[BX] = BIT(56);
	assert_fault(&g, STEP(&g, 0x8b, 0x03), GP);
}

static void test_bases_in_64_bit_mode(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
		g.ctx.seg[i].base = 0x100 * i + 0x100;
	g.regs[BX] = GUEST_BASE;
	STEP_OK(&g, 0x26, 0x8b, 0x03);
	assert_call(&g, 0, CALL_READ, GUEST_BASE, 4);
	STEP_OK(&g, 0x65, 0x26, 0x8b, 0x03); /* es: does not undo gs: */
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x600, 4);
	g.regs[BX] |= BIT(32);
	STEP_OK(&g, 0x64, 0x67, 0x8b, 0x03);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x500, 4);
	STEP_OK(&g, 0x48, 0x8d, 0x43, 0x01); /* lea knows no segment */
	assert_int_equal(g.regs[AX], g.regs[BX] + 1);
	assert_int_equal(g.nr_calls, 0);
}

static void test_rip_relative(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.ctx.rip = GUEST_BASE;
	STEP_OK(&g, 0x8b, 0x05, 0x10, 0, 0, 0);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x16, 4);
	g.ctx.rip = GUEST_BASE;
	STEP_OK(&g, 0xc7, 0x05, 0x10, 0, 0, 0, 1, 2, 3, 4); /* from behind the immediate */
	assert_call(&g, 0, CALL_WRITE, GUEST_BASE + 0x1a, 4);
	guest_init(&g, PROT32);
	STEP_OK(&g, 0x8b, 0x05, 0x10, 0, 1, 0); /* an absolute address */
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x10, 4);
}

static void test_code_segment(void **state)
{
	(void)state;
	guest_init(&g, PROT32);
	g.ctx.seg[SEG_CS].limit = GUEST_CODE + 1;
	STEP_OK(&g, 0x8b, 0xc3);
	g.ctx.rip = GUEST_CODE;
	assert_fault(&g, STEP(&g, 0x83, 0xc0, 0x01), GP); /* the immediate is outside */
	guest_init(&g, LONG64);
	g.ctx.rip = BIT(47);
	assert_fault(&g, STEP(&g, 0x90), GP);
}

/* Stack bytes of PUSH and the width of SP, by mode. */
static void test_stack_sizes(void **state)
{
	(void)state;
	guest_init(&g, PROT16);
	g.regs[SP] = 0xffff0002;
	STEP_OK(&g, 0x50);
	assert_call(&g, 0, CALL_WRITE, GUEST_BASE, 2);
	assert_int_equal(g.regs[SP], 0xffff0000);
	g.regs[SP] = 1;
	assert_fault(&g, STEP(&g, 0x50), SS); /* wraps to 0xffff: a word crosses the limit */
	g.regs[SP] = 0x100;
	STEP_OK(&g, 0x66, 0x50);
	assert_call(&g, 0, CALL_WRITE, GUEST_BASE + 0xfc, 4);
	g.ctx.seg[SEG_SS].ar |= AR_DB;
	g.ctx.seg[SEG_SS].limit = 0xffffffff;
	g.regs[SP] = 0x10000;
	guest_end(&g, CALL_WRITE, 1, EMUL_RETRY);
	assert_int_equal(STEP(&g, 0x50), EMUL_RETRY);
	assert_call(&g, 0, CALL_WRITE, GUEST_BASE + 0xfffe, 2);
	guest_init(&g, LONG64);
	g.regs[SP] = GUEST_BASE + 0x100;
	STEP_OK(&g, 0x6a, 0xff); /* a byte, sign-extended */
	assert_int_equal(guest_get(&g, GUEST_BASE + 0xf8, 8), ~0ull);
	STEP_OK(&g, 0x66, 0x50);
	assert_int_equal(g.regs[SP], GUEST_BASE + 0xf6);
	assert_fault(&g, STEP(&g, 0x06), UD); /* push es */
}

static void test_pop(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[SP] = GUEST_BASE + 0x100;
	guest_put(&g, GUEST_BASE + 0x100, 8, 0xabcdef);
	STEP_OK(&g, 0x8f, 0x04, 0x24); /* pop [rsp]: the address is that after the pop */
	assert_int_equal(guest_get(&g, GUEST_BASE + 0x108, 8), 0xabcdef);
	STEP_OK(&g, 0x5c); /* pop rsp */
	assert_int_equal(g.regs[SP], 0xabcdef);
	guest_init(&g, PROT32);
	g.regs[SP] = GUEST_BASE;
	STEP_OK(&g, 0x66, 0x58);
	assert_int_equal(g.regs[SP], GUEST_BASE + 2);
	g.ctx.seg[SEG_SS].limit = GUEST_BASE;
	g.regs[SP] = GUEST_BASE;
	assert_fault(&g, STEP(&g, 0x58), SS);
}

static void test_branches(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[SP] = GUEST_BASE + 0x100;
	g.regs[BX] = 0x123456789a;
	assert_int_equal(STEP(&g, 0xff, 0xd3), EMUL_OK); /* call rbx */
	assert_int_equal(g.ctx.rip, 0x123456789a);
	assert_int_equal(guest_get(&g, GUEST_BASE + 0xf8, 8), GUEST_CODE + 2);
	g.ctx.rip = GUEST_CODE;
	assert_int_equal(STEP(&g, 0x66, 0xff, 0xe3), EMUL_OK); /* Intel ignores 66 */
	assert_int_equal(g.ctx.rip, 0x123456789a);
	g.ctx.is_amd = true;
	assert_int_equal(STEP(&g, 0x66, 0xff, 0xe3), EMUL_OK);
	assert_int_equal(g.ctx.rip, 0x789a);
	g.regs[BX] = BIT(47);
	assert_fault(&g, STEP(&g, 0xff, 0xd3), GP);
	assert_int_equal(g.nr_calls, 0);
	guest_init(&g, PROT32);
	g.regs[BX] = 0x2000;
	g.ctx.seg[SEG_CS].limit = 0x1fff;
	assert_fault(&g, STEP(&g, 0xff, 0xe3), GP);
}

static void test_operand_sizes(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[AX] = ~0ull;
	STEP_OK(&g, 0x66, 0xb8, 0x34, 0x12);
	assert_int_equal(g.regs[AX], 0xffffffffffff1234);
	STEP_OK(&g, 0xb4, 0x56); /* mov ah */
	assert_int_equal(g.regs[AX], 0xffffffffffff5634);
	STEP_OK(&g, 0x40, 0xb4, 0x99); /* with REX: spl */
	assert_int_equal(g.regs[AX], 0xffffffffffff5634);
	assert_int_equal((u8)g.regs[SP], 0x99);
	STEP_OK(&g, 0xb8, 1, 0, 0, 0x80);
	assert_int_equal(g.regs[AX], 0x80000001);
	STEP_OK(&g, 0x48, 0xc7, 0xc0, 1, 0, 0, 0x80);
	assert_int_equal(g.regs[AX], 0xffffffff80000001);
	STEP_OK(&g, 0x48, 0x66, 0xb8, 0x78, 0x56); /* REX not before the opcode: ignored */
	assert_int_equal(g.regs[AX], 0xffffffff80005678);
	guest_init(&g, PROT16);
	g.regs[AX] = 0x11112222;
	STEP_OK(&g, 0xb8, 0x34, 0x12);
	assert_int_equal(g.regs[AX], 0x11111234);
	STEP_OK(&g, 0x66, 0xb8, 1, 2, 3, 4);
	assert_int_equal(g.regs[AX], 0x04030201);
	STEP_OK(&g, 0x48); /* dec ax */
	assert_int_equal(g.regs[AX], 0x04030200);
}

static void test_address_sizes(void **state)
{
	(void)state;
	guest_init(&g, PROT32);
	g.regs[BX] = 0x12340010;
	g.regs[DI] = 0xfffffff8;
	g.ctx.seg[SEG_DS].base = GUEST_BASE;
	STEP_OK(&g, 0x67, 0x8b, 0x41, 0x04); /* [bx + di + 4] */
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0xc, 4);
	STEP_OK(&g, 0x67, 0x8b, 0x06, 0x20, 0x00); /* [0x20] */
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x20, 4);
	STEP_OK(&g, 0x67, 0xa1, 0x30, 0x00);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x30, 4);
	g.regs[DI] = 3;
	STEP_OK(&g, 0x8b, 0x04, 0xfd, 1, 0, 0, 0); /* [edi * 8 + 1] */
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x19, 4);
	guest_init(&g, LONG64);
	STEP_OK(&g, 0xa0, 0x08, 0x00, 0x01, 0, 0, 0, 0, 0);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 8, 1);
	g.regs[BX] = GUEST_BASE + 8;
	g.regs[R9] = (u64)-8;
	STEP_OK(&g, 0x42, 0x8a, 0x04, 0x0b); /* [rbx + r9] */
	assert_call(&g, 0, CALL_READ, GUEST_BASE, 1);
}

/* A bit's index in a register reaches beyond the operand, an immediate does not. */
static void test_bit_strings(void **state)
{
	(void)state;
	guest_init(&g, LONG64);
	g.regs[BX] = GUEST_BASE + 0x100;
	g.regs[CX] = (u64)-1;
	STEP_OK(&g, 0x48, 0x0f, 0xa3, 0x0b);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0xf8, 8);
	g.regs[CX] = 0xffff0021; /* as 16 bits: 33 */
	STEP_OK(&g, 0x66, 0x0f, 0xab, 0x0b);
	assert_call(&g, 1, CALL_WRITE, GUEST_BASE + 0x104, 2);
	STEP_OK(&g, 0x0f, 0xba, 0x23, 0xff);
	assert_call(&g, 0, CALL_READ, GUEST_BASE + 0x100, 4);
	STEP_OK(&g, 0x0f, 0xab, 0xc8); /* a register: modulo its size */
	assert_int_equal(g.nr_calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_expand_down),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_compatibility_mode),
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_bases_in_64_bit_mode),
		cmocka_unit_test(test_rip_relative),
		cmocka_unit_test(test_code_segment),
		cmocka_unit_test(test_stack_sizes),
		cmocka_unit_test(test_pop),
		cmocka_unit_test(test_branches),
		cmocka_unit_test(test_operand_sizes),
		cmocka_unit_test(test_address_sizes),
		cmocka_unit_test(test_bit_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
