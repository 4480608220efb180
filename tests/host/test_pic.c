/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/pic.c core/irq.c */
/* The 8259A pair and the fan-out of interrupt lines. */
#define FIX_REAL_IRQ
#include "tests/host/dev_fixture.h"

static bool accepts_extint;
static unsigned nr_requests;
static unsigned nr_lints;
static u32 ioapic_pin;
static unsigned nr_ioapic;

bool ioapic_extint(const struct vm *vm, const struct vcpu *v)
{
	(void)vm;
	(void)v;
	return false;
}

bool lapic_accepts_extint(struct vcpu *v)
{
	assert_ptr_equal(v, &fix_vcpu);
	return accepts_extint;
}

void lapic_lint(struct vcpu *v, unsigned pin)
{
	assert_ptr_equal(v, &fix_vcpu);
	assert_int_equal(pin, 0);
	nr_lints++;
}

void vcpu_request(struct vcpu *v, u32 bits)
{
	assert_ptr_equal(v, &fix_vcpu);
	assert_int_equal(bits, REQ_EVENT);
	nr_requests++;
}

void ioapic_line_set(struct vm *vm __unused_arg, u32 pin, bool level __unused_arg)
{
	ioapic_pin = pin;
	nr_ioapic++;
}

static void out(u16 port, u8 value)
{
	pic_write(&fix_vm, port, 1, value);
}

static u8 in(u16 port)
{
	return (u8)pic_read(&fix_vm, port, 1);
}

static void line(u32 n, bool level)
{
	pic_line_set(&fix_vm, n, level);
}

/* As operating systems do: vectors 0x30 and 0x38, nothing masked. */
static void program(u8 icw4)
{
	out(0x20, 0x11);
	out(0x21, 0x30);
	out(0x21, 0x04);
	out(0x21, icw4);
	out(0xa0, 0x11);
	out(0xa1, 0x38);
	out(0xa1, 0x02);
	out(0xa1, icw4);
	out(0x21, 0);
	out(0xa1, 0);
}

static int setup(void **state __unused_arg)
{
	fix_init();
	accepts_extint = true;
	nr_requests = nr_lints = nr_ioapic = 0;
	pic_reset(&fix_vm);
	return 0;
}

static int setup_programmed(void **state)
{
	setup(state);
	program(0x01);
	return 0;
}

static void test_power_on_is_masked_with_bios_vectors(void **state __unused_arg)
{
	for (u32 n = 0; n < 16; n++)
		line(n, true);
	assert_false(pic_output(&fix_vm));
	assert_int_equal(nr_requests, 0);
	out(0x21, 0xfe);
	assert_true(pic_output(&fix_vm));
	assert_int_equal(pic_ack(&fix_vm), 0x08);
	out(0x20, 0x20);
	out(0x21, 0xfb);
	out(0xa1, 0xfe);
	assert_int_equal(pic_ack(&fix_vm), 0x70);
}

static void test_edge_is_one_interrupt(void **state __unused_arg)
{
	line(4, true);
	assert_int_equal(nr_requests, 1);
	line(4, true);
	assert_int_equal(nr_requests, 1);
	assert_int_equal(in(0x20), 0x10);
	assert_int_equal(pic_ack(&fix_vm), 0x34);
	assert_false(pic_output(&fix_vm));
	assert_int_equal(in(0x20), 0);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x10);
	/* The line stays high: no second interrupt after the EOI. */
	out(0x20, 0x20);
	out(0x20, 0x0a);
	line(7, true);
	line(7, false);
	out(0x20, 0x08); /* reads stay with IRR */
	assert_int_equal(in(0x20), 0);
	assert_false(pic_output(&fix_vm));
	line(4, false);
	line(4, true);
	assert_true(pic_output(&fix_vm));
}

static void test_withdrawn_edge_is_spurious(void **state __unused_arg)
{
	line(4, true);
	line(4, false);
	assert_false(pic_output(&fix_vm));
	assert_int_equal(pic_ack(&fix_vm), 0x37);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0);
}

static void test_priorities_nest(void **state __unused_arg)
{
	line(5, true);
	assert_int_equal(pic_ack(&fix_vm), 0x35);
	line(6, true);
	assert_false(pic_output(&fix_vm));
	line(1, true);
	assert_true(pic_output(&fix_vm));
	assert_int_equal(pic_ack(&fix_vm), 0x31);
	/* A non-specific EOI ends the innermost. */
	out(0x20, 0x20);
	assert_false(pic_output(&fix_vm));
	out(0x20, 0x20);
	assert_int_equal(pic_ack(&fix_vm), 0x36);
}

static void test_specific_eoi(void **state __unused_arg)
{
	line(5, true);
	pic_ack(&fix_vm);
	line(1, true);
	pic_ack(&fix_vm);
	out(0x20, 0x65);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x02);
	/* Of an interrupt that is not in service: nothing. */
	out(0x20, 0x67);
	assert_int_equal(in(0x20), 0x02);
}

static void test_cascade(void **state __unused_arg)
{
	line(12, true);
	assert_int_equal(in(0x20), 0x04);
	assert_int_equal(pic_ack(&fix_vm), 0x3c);
	/* A higher one of the slave waits: the master has its own input in service. */
	line(8, true);
	assert_false(pic_output(&fix_vm));
	out(0xa0, 0x20);
	assert_false(pic_output(&fix_vm));
	out(0x20, 0x20);
	assert_int_equal(pic_ack(&fix_vm), 0x38);
}

static void test_special_fully_nested(void **state __unused_arg)
{
	program(0x11);
	line(12, true);
	assert_int_equal(pic_ack(&fix_vm), 0x3c);
	line(3, true);
	assert_false(pic_output(&fix_vm));
	line(8, true);
	assert_int_equal(pic_ack(&fix_vm), 0x38);
}

static void test_masked_slave_output_goes(void **state __unused_arg)
{
	line(9, true);
	assert_true(pic_output(&fix_vm));
	out(0xa1, 0x02);
	assert_false(pic_output(&fix_vm));
	assert_int_equal(in(0x20), 0);
	out(0xa1, 0);
	assert_true(pic_output(&fix_vm));
	assert_int_equal(nr_requests, 2);
}

static void test_level_triggered(void **state __unused_arg)
{
	pic_elcr_write(&fix_vm, 0x4d1, 1, 0xff);
	assert_int_equal(pic_elcr_read(&fix_vm, 0x4d1, 1), 0xde);
	pic_elcr_write(&fix_vm, 0x4d0, 1, 0xff);
	assert_int_equal(pic_elcr_read(&fix_vm, 0x4d0, 1), 0xf8);
	line(10, true);
	assert_int_equal(pic_ack(&fix_vm), 0x3a);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	/* Still high: again. */
	assert_int_equal(pic_ack(&fix_vm), 0x3a);
	line(10, false);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	assert_false(pic_output(&fix_vm));
}

static void test_level_from_edge_while_high(void **state __unused_arg)
{
	line(11, true);
	pic_ack(&fix_vm);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	assert_false(pic_output(&fix_vm));
	pic_elcr_write(&fix_vm, 0x4d1, 1, 0x08);
	assert_int_equal(pic_ack(&fix_vm), 0x3b);
}

static void test_auto_eoi_and_rotation(void **state __unused_arg)
{
	program(0x03);
	line(3, true);
	assert_int_equal(pic_ack(&fix_vm), 0x33);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0);
	/* Rotation: 3 has the lowest priority after its service, so 4 goes before 1. */
	out(0x20, 0x80);
	line(3, false);
	line(3, true);
	pic_ack(&fix_vm);
	line(1, true);
	line(4, true);
	assert_int_equal(pic_ack(&fix_vm), 0x34);
	assert_int_equal(pic_ack(&fix_vm), 0x31);
	out(0x20, 0x00);
}

static void test_rotating_eoi_and_set_priority(void **state __unused_arg)
{
	line(5, true);
	pic_ack(&fix_vm);
	out(0x20, 0xa0);
	line(4, true);
	line(6, true);
	assert_int_equal(pic_ack(&fix_vm), 0x36);
	out(0x20, 0xe6); /* ends 6 and makes it the lowest */
	out(0x20, 0xc3); /* 3 is the lowest: 4 is the highest */
	line(0, true);
	assert_int_equal(pic_ack(&fix_vm), 0x34);
	/* The no-operation command does nothing. */
	out(0x20, 0x40);
	assert_false(pic_output(&fix_vm));
}

static void test_special_mask(void **state __unused_arg)
{
	line(1, true);
	pic_ack(&fix_vm);
	line(6, true);
	assert_false(pic_output(&fix_vm));
	out(0x21, 0x02);
	assert_false(pic_output(&fix_vm));
	out(0x20, 0x68);
	assert_int_equal(pic_ack(&fix_vm), 0x36);
	/* A non-specific EOI leaves the masked one in service. */
	out(0x20, 0x20);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x02);
	/* Without its enable bit the mode bit means nothing. */
	out(0x20, 0x08);
	line(7, true);
	assert_true(pic_output(&fix_vm));
	out(0x20, 0x48);
	assert_false(pic_output(&fix_vm));
	out(0x20, 0x28);
	assert_false(pic_output(&fix_vm));
}

static void test_poll(void **state __unused_arg)
{
	out(0x20, 0x0c);
	assert_int_equal(in(0x20), 0);
	line(5, true);
	out(0x20, 0x0c);
	assert_int_equal(in(0x20), 0x85);
	assert_false(pic_output(&fix_vm));
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x20);
}

static void test_initialisation(void **state __unused_arg)
{
	line(5, true);
	out(0x21, 0xff);
	out(0x20, 0x12); /* single, no ICW4 */
	assert_false(pic_output(&fix_vm));
	assert_int_equal(in(0x21), 0);
	out(0x21, 0x57);
	out(0x21, 0xaa); /* the mask already */
	assert_int_equal(in(0x21), 0xaa);
	out(0x21, 0);
	/* The old edge is forgotten; the line is still high. */
	assert_false(pic_output(&fix_vm));
	line(0, true);
	assert_int_equal(pic_ack(&fix_vm), 0x50);
}

static void test_nothing_while_initialising(void **state __unused_arg)
{
	out(0x20, 0x11);
	line(0, true);
	assert_false(pic_output(&fix_vm));
	out(0x21, 0x40);
	out(0x21, 0x04);
	assert_false(pic_output(&fix_vm));
	out(0x21, 0x01);
	assert_int_equal(pic_ack(&fix_vm), 0x40);
}

static void test_lint0_without_extint(void **state __unused_arg)
{
	accepts_extint = false;
	line(1, true);
	assert_int_equal(nr_requests, 0);
	assert_int_equal(nr_lints, 1);
}

static void test_line_wiring(void **state __unused_arg)
{
	irq_line_set(&fix_vm, 0, true);
	assert_int_equal(ioapic_pin, 2);
	assert_int_equal(in(0x20), 0x01);
	irq_line_set(&fix_vm, 9, true);
	assert_int_equal(ioapic_pin, 9);
	assert_int_equal(in(0xa0), 0x02);
	irq_line_set(&fix_vm, 23, true);
	assert_int_equal(ioapic_pin, 23);
	nr_ioapic = 0;
	irq_line_set(&fix_vm, 2, true);
	irq_line_set(&fix_vm, 24, true);
	irq_line_set(&fix_vm, ~0u, true);
	assert_int_equal(nr_ioapic, 0);
	line(2, true);
	line(16, true);
	assert_int_equal(in(0x20), 0x05); /* timer and, through the slave, line 9 */
}

static void test_fuzz(void **state __unused_arg)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1 };

	for (unsigned i = 0; i < 400000; i++) {
		u64 r = fix_random();
		u16 port = ports[r & 3];

		switch (r >> 2 & 7) {
		case 0:
		case 1:
			pic_write(&fix_vm, port, 1, (u32)(r >> 8));
			break;
		case 2:
			assert_true(pic_read(&fix_vm, port, 1) <= 0xff);
			break;
		case 3:
			pic_elcr_write(&fix_vm, (u16)(0x4d0 + (r >> 8 & 1)), 1, (u32)(r >> 16));
			break;
		case 4:
		case 5:
			irq_line_set(&fix_vm, r >> 8 & 31, r >> 16 & 1);
			break;
		default:
			(void)pic_ack(&fix_vm);
		}
		/* What is promised to be pending can be taken. */
		if (pic_output(&fix_vm) && (r >> 40 & 1)) {
			const struct pic_chip m = fix_vm.pic.chip[0], s = fix_vm.pic.chip[1];
			u8 bit = (u8)BIT(pic_ack(&fix_vm) & 7);

			assert_true(((m.irr & ~m.imr) | (s.irr & ~s.imr)) & bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_power_on_is_masked_with_bios_vectors, setup),
		cmocka_unit_test_setup(test_edge_is_one_interrupt, setup_programmed),
		cmocka_unit_test_setup(test_withdrawn_edge_is_spurious, setup_programmed),
		cmocka_unit_test_setup(test_priorities_nest, setup_programmed),
		cmocka_unit_test_setup(test_specific_eoi, setup_programmed),
		cmocka_unit_test_setup(test_cascade, setup_programmed),
		cmocka_unit_test_setup(test_special_fully_nested, setup_programmed),
		cmocka_unit_test_setup(test_masked_slave_output_goes, setup_programmed),
		cmocka_unit_test_setup(test_level_triggered, setup_programmed),
		cmocka_unit_test_setup(test_level_from_edge_while_high, setup_programmed),
		cmocka_unit_test_setup(test_auto_eoi_and_rotation, setup_programmed),
		cmocka_unit_test_setup(test_rotating_eoi_and_set_priority, setup_programmed),
		cmocka_unit_test_setup(test_special_mask, setup_programmed),
		cmocka_unit_test_setup(test_poll, setup_programmed),
		cmocka_unit_test_setup(test_initialisation, setup_programmed),
		cmocka_unit_test_setup(test_nothing_while_initialising, setup_programmed),
		cmocka_unit_test_setup(test_lint0_without_extint, setup_programmed),
		cmocka_unit_test_setup(test_line_wiring, setup_programmed),
		cmocka_unit_test_setup(test_fuzz, setup_programmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
