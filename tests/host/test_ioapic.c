/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/ioapic.c */
/* The I/O APIC: its registers, edges, levels and end of interrupt. */
#include "tests/host/dev_fixture.h"

#define MASKED 0x10000u
#define LEVEL 0x8000u
#define REMOTE_IRR 0x4000u

static struct lapic_msg last;
static unsigned nr_msgs;
static bool deliver_result;

bool lapic_deliver(struct vm *vm, const struct lapic_msg *msg)
{
	const u64 to_nobody = BIT(LAPIC_SMI) | BIT(3) | BIT(LAPIC_EXTINT);

	assert_ptr_equal(vm, &fix_vm);
	if (to_nobody & BIT(msg->delivery_mode))
		return false;
	last = *msg;
	nr_msgs++;
	return deliver_result;
}

void vcpu_request(struct vcpu *v, u32 bits)
{
	(void)v;
	assert_int_equal(bits, REQ_EVENT);
}

bool lapic_is_addressed(const struct vcpu *v, const struct lapic_msg *msg)
{
	(void)v;
	return msg->dest == 1 && !msg->is_logical;
}

static u32 reg_get(u32 reg)
{
	ioapic_write(&fix_vm, 0x00, 4, reg);
	return (u32)ioapic_read(&fix_vm, 0x10, 4);
}

static void reg_put(u32 reg, u32 value)
{
	ioapic_write(&fix_vm, 0x00, 4, reg);
	ioapic_write(&fix_vm, 0x10, 4, value);
}

static void redir(u32 pin, u32 high, u32 low)
{
	reg_put(0x11 + 2 * pin, high);
	reg_put(0x10 + 2 * pin, low);
}

static void line(u32 pin, bool level)
{
	ioapic_line_set(&fix_vm, pin, level);
}

static int setup(void **state __unused_arg)
{
	fix_init();
	nr_msgs = 0;
	deliver_result = true;
	ioapic_reset(&fix_vm);
	return 0;
}

/* Pin 0 hands the 8259 pair's interrupts on, when it is programmed to. */
static void test_extint(void **state __unused_arg)
{
	struct vcpu v = { 0 };

	assert_false(ioapic_extint(&fix_vm, &v));
	redir(0, 1u << 24, 0x700);
	assert_true(ioapic_extint(&fix_vm, &v));
	assert_int_equal(nr_msgs, 0);
	redir(0, 1u << 24, 0x700 | MASKED);
	assert_false(ioapic_extint(&fix_vm, &v));
	redir(0, 2u << 24, 0x700);
	assert_false(ioapic_extint(&fix_vm, &v));
	redir(0, 1u << 24, 0x000);
	assert_false(ioapic_extint(&fix_vm, &v));
}

static void test_identity(void **state __unused_arg)
{
	assert_int_equal(reg_get(1), 0x00170020);
	reg_put(1, 0);
	assert_int_equal(reg_get(1), 0x00170020);
	reg_put(0, 0xffffffff);
	assert_int_equal(reg_get(0), 0x0f000000);
	assert_int_equal(reg_get(2), 0x0f000000);
	reg_put(2, 0);
	assert_int_equal(reg_get(2), 0x0f000000);
}

static void test_redirection_bits(void **state __unused_arg)
{
	for (u32 pin = 0; pin < 24; pin++) {
		assert_int_equal(reg_get(0x10 + 2 * pin), MASKED);
		redir(pin, 0xffffffff, 0xffffffff);
		assert_int_equal(reg_get(0x10 + 2 * pin), 0x1afff);
		assert_int_equal(reg_get(0x11 + 2 * pin), 0xff000000);
	}
	reg_put(0x40, 0xffffffff);
	assert_int_equal(reg_get(0x40), 0);
	assert_int_equal(reg_get(0xff), 0);
	assert_int_equal(reg_get(3), 0);
}

static void test_widths_and_holes(void **state __unused_arg)
{
	ioapic_write(&fix_vm, 0x00, 1, 0x101); /* one byte reaches the register */
	assert_int_equal(ioapic_read(&fix_vm, 0x00, 4), 1);
	assert_int_equal(ioapic_read(&fix_vm, 0x10, 8), 0x00170020);
	assert_int_equal((u8)ioapic_read(&fix_vm, 0x10, 1), 0x20);
	assert_int_equal(ioapic_read(&fix_vm, 0x12, 2), 0x0017);
	assert_int_equal(ioapic_read(&fix_vm, 0x14, 4), 0);
	assert_int_equal(ioapic_read(&fix_vm, 0x20, 4), 0);
	assert_int_equal(ioapic_read(&fix_vm, 0xffc, 8), 0);
	ioapic_write(&fix_vm, 0x04, 4, 7);
	ioapic_write(&fix_vm, 0x01, 4, 7);
	ioapic_write(&fix_vm, 0xff8, 8, ~0ull);
	assert_int_equal(ioapic_read(&fix_vm, 0x00, 4), 1);
	assert_int_equal(nr_msgs, 0);
}

static void test_edge(void **state __unused_arg)
{
	redir(4, 0x03000000, 0x0844);
	assert_int_equal(nr_msgs, 0);
	line(4, true);
	assert_int_equal(nr_msgs, 1);
	assert_int_equal(last.vector, 0x44);
	assert_int_equal(last.dest, 3);
	assert_int_equal(last.delivery_mode, LAPIC_FIXED);
	assert_true(last.is_logical);
	assert_false(last.is_level);
	line(4, true);
	assert_int_equal(nr_msgs, 1);
	line(4, false);
	line(4, true);
	assert_int_equal(nr_msgs, 2);
	assert_int_equal(reg_get(0x18), 0x0844);
}

static void test_masked_edge_is_lost(void **state __unused_arg)
{
	redir(4, 0, MASKED | 0x44);
	line(4, true);
	redir(4, 0, 0x44);
	assert_int_equal(nr_msgs, 0);
	line(4, false);
	line(4, true);
	assert_int_equal(nr_msgs, 1);
}

static void test_level(void **state __unused_arg)
{
	redir(9, 0, LEVEL | 0x59);
	line(9, true);
	assert_int_equal(nr_msgs, 1);
	assert_true(last.is_level);
	assert_int_equal(reg_get(0x10 + 18), LEVEL | REMOTE_IRR | 0x59);
	/* Neither more assertions nor writes send again before the EOI. */
	line(9, false);
	line(9, true);
	redir(9, 0, LEVEL | 0x59);
	assert_int_equal(nr_msgs, 1);
	assert_int_equal(reg_get(0x10 + 18), LEVEL | REMOTE_IRR | 0x59);
	ioapic_eoi(&fix_vm, 0x58);
	assert_int_equal(nr_msgs, 1);
	ioapic_eoi(&fix_vm, 0x59);
	assert_int_equal(nr_msgs, 2);
	line(9, false);
	ioapic_eoi(&fix_vm, 0x59);
	assert_int_equal(nr_msgs, 2);
	assert_int_equal(reg_get(0x10 + 18), LEVEL | 0x59);
}

static void test_masked_level_waits(void **state __unused_arg)
{
	redir(9, 0, MASKED | LEVEL | 0x59);
	line(9, true);
	assert_int_equal(nr_msgs, 0);
	redir(9, 0, LEVEL | 0x59);
	assert_int_equal(nr_msgs, 1);
	/* EOI while masked: again only when unmasked. */
	redir(9, 0, MASKED | LEVEL | 0x59);
	ioapic_eoi(&fix_vm, 0x59);
	assert_int_equal(nr_msgs, 1);
	redir(9, 0, LEVEL | 0x59);
	assert_int_equal(nr_msgs, 2);
}

static void test_eoi_register(void **state __unused_arg)
{
	redir(9, 0, LEVEL | 0x59);
	redir(10, 0, LEVEL | 0x59);
	line(9, true);
	line(10, true);
	line(10, false);
	assert_int_equal(nr_msgs, 2);
	ioapic_write(&fix_vm, 0x40, 4, 0xffffff59);
	assert_int_equal(nr_msgs, 3); /* both ended, one is still high */
	assert_int_equal(reg_get(0x10 + 20), LEVEL | 0x59);
	assert_int_equal(ioapic_read(&fix_vm, 0x40, 4), 0);
}

static void test_edge_mode_clears_remote_irr(void **state __unused_arg)
{
	redir(9, 0, LEVEL | 0x59);
	line(9, true);
	redir(9, 0, MASKED | 0x59);
	assert_int_equal(reg_get(0x10 + 18), MASKED | 0x59);
	redir(9, 0, LEVEL | 0x59);
	assert_int_equal(nr_msgs, 2);
}

static void test_nobody_takes_a_level(void **state __unused_arg)
{
	deliver_result = false;
	redir(9, 0x7f000000, LEVEL | 0x59);
	line(9, true);
	assert_int_equal(reg_get(0x10 + 18), LEVEL | 0x59);
	deliver_result = true;
	reg_put(0x11 + 18, 0x01000000);
	assert_int_equal(last.dest, 1);
	assert_int_equal(reg_get(0x10 + 18), LEVEL | REMOTE_IRR | 0x59);
}

static void test_delivery_modes(void **state __unused_arg)
{
	static const struct {
		u32 mode;
		unsigned messages;
	} cases[] = { { 0, 1 }, { 1, 1 }, { 2, 0 }, { 3, 0 },
		      { 4, 1 }, { 5, 1 }, { 6, 0 }, { 7, 0 } };

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		nr_msgs = 0;
		line(5, false);
		redir(5, 0, cases[i].mode << 8 | 0x55);
		line(5, true);
		assert_int_equal(nr_msgs, cases[i].messages);
		if (nr_msgs)
			assert_int_equal(last.delivery_mode, cases[i].mode);
	}
}

static void test_nmi_is_an_edge(void **state __unused_arg)
{
	redir(5, 0, LEVEL | 4 << 8);
	line(5, true);
	assert_int_equal(nr_msgs, 1);
	assert_false(last.is_level);
	assert_int_equal(reg_get(0x10 + 10), LEVEL | 4 << 8);
}

static void test_no_such_pin(void **state __unused_arg)
{
	line(24, true);
	line(~0u, true);
	assert_int_equal(fix_vm.ioapic.lines, 0);
}

static void test_fuzz(void **state __unused_arg)
{
	for (unsigned i = 0; i < 500000; i++) {
		u64 r = fix_random();
		u32 offset = r >> 3 & 1 ? r >> 8 & 0xfff : (u32)(r >> 8 & 7) << 4;
		unsigned width = 1u << (r >> 4 & 3), before = nr_msgs;

		deliver_result = r >> 60;
		switch (r & 7) {
		case 0:
		case 1:
		case 2:
			ioapic_write(&fix_vm, offset, width, fix_random() >> (r >> 50 & 31));
			break;
		case 3:
			(void)ioapic_read(&fix_vm, offset, width);
			break;
		case 4:
			ioapic_eoi(&fix_vm, (u8)(r >> 8));
			break;
		default:
			ioapic_line_set(&fix_vm, r >> 8 & 31, r >> 16 & 1);
		}
		assert_true(nr_msgs - before <= IOAPIC_NR_PINS);
		/* Remote IRR only with an EOI to come. */
		for (u32 pin = 0; pin < IOAPIC_NR_PINS; pin++) {
			u32 entry = (u32)fix_vm.ioapic.redir[pin];

			assert_true(!(entry & REMOTE_IRR) || (entry & LEVEL));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identity, setup),
		cmocka_unit_test_setup(test_extint, setup),
		cmocka_unit_test_setup(test_redirection_bits, setup),
		cmocka_unit_test_setup(test_widths_and_holes, setup),
		cmocka_unit_test_setup(test_edge, setup),
		cmocka_unit_test_setup(test_masked_edge_is_lost, setup),
		cmocka_unit_test_setup(test_level, setup),
		cmocka_unit_test_setup(test_masked_level_waits, setup),
		cmocka_unit_test_setup(test_eoi_register, setup),
		cmocka_unit_test_setup(test_edge_mode_clears_remote_irr, setup),
		cmocka_unit_test_setup(test_nobody_takes_a_level, setup),
		cmocka_unit_test_setup(test_delivery_modes, setup),
		cmocka_unit_test_setup(test_nmi_is_an_edge, setup),
		cmocka_unit_test_setup(test_no_such_pin, setup),
		cmocka_unit_test_setup(test_fuzz, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
