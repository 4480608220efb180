/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/uart.c core/dev/uart_fast.c */
/* The 16550A, among others by the questions that Linux's 8250 driver asks it. */
#include "tests/host/dev_fixture.h"

#include "core/console.h"

#define IRQ 4

static u8 sent[4096];
static unsigned nr_sent;

void console_guest_output(struct vm *vm, u8 byte)
{
	assert_ptr_equal(vm, &fix_vm);
	sent[nr_sent++ % sizeof(sent)] = byte;
}

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

static void out(u16 reg, u8 value)
{
	uart_write(&fix_vm, (u16)(0x3f8 + reg), 1, value);
}

static u8 in(u16 reg)
{
	return (u8)uart_read(&fix_vm, (u16)(0x3f8 + reg), 1);
}

static unsigned type(const char *text)
{
	return uart_input(&fix_vm, (const u8 *)text, (unsigned)strlen(text));
}

static int setup(void **state __unused_arg)
{
	fix_init();
	nr_sent = 0;
	uart_reset(&fix_vm);
	return 0;
}

static void test_output(void **state __unused_arg)
{
	assert_int_equal(in(LSR), 0x60);
	out(DATA, 'h');
	out(DATA, 'i');
	assert_int_equal(nr_sent, 2);
	assert_memory_equal(sent, "hi", 2);
	assert_int_equal(in(LSR), 0x60);
}

static void test_divisor_latch(void **state __unused_arg)
{
	out(IER, 0x05);
	out(LCR, 0x83);
	out(DATA, 0x34);
	out(IER, 0x12);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(IER), 0x12);
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0x05);
	assert_int_equal(in(LCR), 0x03);
	assert_int_equal(nr_sent, 0);
}

static void test_scratch_and_read_only(void **state __unused_arg)
{
	out(SCR, 0xa5);
	assert_int_equal(in(SCR), 0xa5);
	out(LSR, 0xff);
	out(MSR, 0xff);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(MSR), 0xb0);
}

static void test_linux_detects_16550a(void **state __unused_arg)
{
	/* The IER has four bits. */
	out(IER, 0x00);
	assert_int_equal(in(IER), 0x00);
	out(IER, 0x0f);
	assert_int_equal(in(IER), 0x0f);
	out(IER, 0xf0);
	assert_int_equal(in(IER), 0x00);
	/* Loopback carries RTS and OUT2 to CTS and DCD. */
	out(MCR, 0x1a);
	assert_int_equal(in(MSR) & 0xf0, 0x90);
	out(MCR, 0);
	/* No enhanced feature register of later chips: IIR is seen in its place. */
	out(LCR, 0xbf);
	out(FCR, 0);
	out(LCR, 0);
	out(FCR, 0x01);
	assert_int_equal(in(IIR) >> 6, 3);
	out(LCR, 0x80);
	assert_int_not_equal(in(IIR), 0);
	out(LCR, 0xbf);
	assert_int_not_equal(in(IIR), 0);
	out(LCR, 0);
	out(FCR, 0);
	assert_int_equal(in(IIR) >> 6, 0);
}

static void test_linux_finds_working_thre(void **state __unused_arg)
{
	/* serial8250 startup: THRE must be raised again by enabling it again. */
	out(MCR, 0x0b);
	out(IER, 0x02);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR), 0x01);
	out(IER, 0);
	out(IER, 0x02);
	assert_int_equal(in(IIR), 0x02);
	out(IER, 0);
	assert_int_equal(in(IIR), 0x01);
}

static void test_thre_interrupt_has_edges(void **state __unused_arg)
{
	out(MCR, 0x08);
	out(IER, 0x02);
	assert_int_equal(fix_rises[IRQ], 1);
	assert_int_equal(in(IIR), 0x02);
	assert_false(fix_line[IRQ]);
	for (unsigned i = 0; i < 5; i++) {
		out(DATA, 'x');
		assert_true(fix_line[IRQ]);
	}
	assert_int_equal(fix_rises[IRQ], 6);
	assert_int_equal(in(IIR), 0x02);
	assert_false(fix_line[IRQ]);
	/* Writing IER without a change raises nothing. */
	out(IER, 0x02);
	assert_false(fix_line[IRQ]);
}

static void test_out2_gates_the_line(void **state __unused_arg)
{
	out(IER, 0x01);
	type("a");
	assert_int_equal(in(IIR), 0x04);
	assert_false(fix_line[IRQ]);
	out(MCR, 0x08);
	assert_true(fix_line[IRQ]);
	out(MCR, 0x18);
	assert_false(fix_line[IRQ]);
}

static void test_receive_without_fifo(void **state __unused_arg)
{
	assert_int_equal(type("abc"), 3);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(LSR), 0x61); /* the rest waits, no overrun */
	assert_int_equal(in(DATA), 'b');
	assert_int_equal(in(DATA), 'c');
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
}

static void test_receive_trigger_and_timeout(void **state __unused_arg)
{
	out(FCR, 0x81); /* trigger at 8 */
	out(MCR, 0x08);
	out(IER, 0x01);
	type("abc");
	assert_true(fix_line[IRQ]);
	assert_int_equal(in(IIR), 0xcc);
	type("defgh");
	assert_int_equal(in(IIR), 0xc4);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(IIR), 0xcc);
	for (unsigned i = 1; i < 8; i++)
		assert_int_equal(in(DATA), 'a' + i);
	assert_int_equal(in(IIR), 0xc1);
	assert_false(fix_line[IRQ]);
}

static void test_paste_longer_than_fifo(void **state __unused_arg)
{
	u8 text[400];
	unsigned taken, got = 0;

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (u8)(i * 7);
	out(FCR, 0x01);
	taken = uart_input(&fix_vm, text, sizeof(text));
	/* Queue only: the FIFO drains it afterwards. */
	assert_int_equal(taken, UART_QUEUE_BYTES);
	taken += uart_input(&fix_vm, text + taken, (unsigned)sizeof(text) - taken);
	assert_int_equal(taken, UART_QUEUE_BYTES + UART_FIFO_BYTES);
	assert_int_equal(uart_input(&fix_vm, text, 1), 0);
	while (in(LSR) & 1)
		assert_int_equal(in(DATA), text[got++]);
	assert_int_equal(got, taken);
}

static void test_fifo_clear(void **state __unused_arg)
{
	out(FCR, 0x01);
	type("abc");
	out(FCR, 0x03);
	assert_int_equal(in(LSR), 0x60);
	type("abc");
	out(FCR, 0x00); /* a change of the enable bit clears, too */
	assert_int_equal(in(LSR), 0x60);
	type("x");
	out(FCR, 0x80); /* nothing is set without the enable bit */
	assert_int_equal(in(IIR), 0x01);
	assert_int_equal(in(DATA), 'x');
}

static void test_loopback(void **state __unused_arg)
{
	out(FCR, 0x01);
	out(MCR, 0x10);
	for (unsigned i = 0; i < 17; i++)
		out(DATA, (u8)(0x40 + i));
	assert_int_equal(nr_sent, 0);
	assert_int_equal(in(LSR), 0x63); /* the last was one too many */
	assert_int_equal(in(LSR), 0x61); /* the error is read once */
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(DATA), 0x40 + i);
	assert_int_equal(in(LSR), 0x60);
	/* Input from outside waits until loopback ends. */
	type("z");
	assert_int_equal(in(LSR), 0x60);
	out(MCR, 0);
	assert_int_equal(in(DATA), 'z');
}

static void test_priorities(void **state __unused_arg)
{
	out(MCR, 0x10);
	out(IER, 0x0f);
	in(MSR);
	in(IIR);
	out(DATA, 'a');
	out(DATA, 'b'); /* overrun */
	out(MCR, 0x13); /* modem lines change */
	assert_int_equal(in(IIR), 0x06);
	in(LSR);
	assert_int_equal(in(IIR), 0x04);
	in(DATA);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR), 0x00);
	assert_int_equal(in(MSR), 0x33);
	assert_int_equal(in(MSR), 0x30);
	assert_int_equal(in(IIR), 0x01);
}

static void test_disabled_causes_are_silent(void **state __unused_arg)
{
	out(IER, 0x02);
	in(IIR);
	out(IER, 0);
	out(MCR, 0x10); /* modem lines change */
	out(DATA, 'a'); /* received, transmitter empty */
	out(DATA, 'b'); /* overrun */
	for (u8 ier = 0; ier < 16; ier++) {
		static const u8 causes[4] = { 0x04, 0x02, 0x06, 0x00 };
		bool is_one = ier && !(ier & (ier - 1));

		out(IER, 0);
		assert_int_equal(in(IIR), 0x01);
		out(IER, ier);
		if (is_one)
			assert_int_equal(in(IIR), causes[bit_first(ier)]);
	}
	assert_int_equal(fix_rises[IRQ], 0);
}

static void test_modem_deltas(void **state __unused_arg)
{
	out(MCR, 0x10);
	assert_int_equal(in(MSR), 0x0b); /* CTS, DSR, DCD went */
	out(MCR, 0x14);
	assert_int_equal(in(MSR), 0x40); /* ring begins: no delta */
	out(MCR, 0x10);
	assert_int_equal(in(MSR), 0x04); /* ring ends */
	out(MCR, 0xff);
	assert_int_equal(in(MCR), 0x1f);
}

static void test_reset_drops_all(void **state __unused_arg)
{
	out(MCR, 0x08);
	out(IER, 0x03);
	type("abc");
	assert_true(fix_line[IRQ]);
	uart_reset(&fix_vm);
	assert_false(fix_line[IRQ]);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IIR), 0x01);
}

static void test_fuzz(void **state __unused_arg)
{
	u8 text[64] = { 0 };

	for (unsigned i = 0; i < 500000; i++) {
		u64 r = fix_random();
		u16 reg = r & 7;

		switch (r >> 3 & 3) {
		case 0:
			out(reg, (u8)(r >> 8));
			break;
		case 1:
		case 2:
			(void)in(reg);
			break;
		default:
			assert_true(uart_input(&fix_vm, text, r >> 8 & 63) <= 63);
		}
		assert_true(ring_used(&fix_vm.uart.fifo) <= UART_FIFO_BYTES);
		assert_true(ring_used(&fix_vm.uart.queue) <= UART_QUEUE_BYTES);
		assert_int_equal(fix_line[IRQ], fix_vm.uart.line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_output, setup),
		cmocka_unit_test_setup(test_divisor_latch, setup),
		cmocka_unit_test_setup(test_scratch_and_read_only, setup),
		cmocka_unit_test_setup(test_linux_detects_16550a, setup),
		cmocka_unit_test_setup(test_linux_finds_working_thre, setup),
		cmocka_unit_test_setup(test_thre_interrupt_has_edges, setup),
		cmocka_unit_test_setup(test_out2_gates_the_line, setup),
		cmocka_unit_test_setup(test_receive_without_fifo, setup),
		cmocka_unit_test_setup(test_receive_trigger_and_timeout, setup),
		cmocka_unit_test_setup(test_paste_longer_than_fifo, setup),
		cmocka_unit_test_setup(test_fifo_clear, setup),
		cmocka_unit_test_setup(test_loopback, setup),
		cmocka_unit_test_setup(test_priorities, setup),
		cmocka_unit_test_setup(test_disabled_causes_are_silent, setup),
		cmocka_unit_test_setup(test_modem_deltas, setup),
		cmocka_unit_test_setup(test_reset_drops_all, setup),
		cmocka_unit_test_setup(test_fuzz, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
