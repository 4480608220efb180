/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/pic.h"

#include "arch/x86/atomic.h"
#include "core/irq.h"
#include "core/lib/bits.h"
#include "core/load/layout.h"
#include "core/vm.h"

#define PIC_MASTER 0
#define PIC_SLAVE 1
#define PIC_CASCADE 2 /* the master's input that the slave drives */
#define PIC_SPURIOUS 7

#define PORT_SLAVE 0x80 /* set in the slave's ports */
#define PORT_DATA 0x01 /* A0 */

#define ICW1_SELECT 0x10
#define ICW1_SINGLE 0x02
#define ICW1_IC4 0x01
#define ICW4_AUTO_EOI 0x02
#define ICW4_FULLY_NESTED 0x10
#define ICW2_MASK 0xf8

#define OCW3_SELECT 0x08
#define OCW3_SMM_WRITE 0x40
#define OCW3_SMM 0x20
#define OCW3_POLL 0x04
#define OCW3_READ_WRITE 0x02
#define OCW3_READ_ISR 0x01

#define OCW2_ROTATE 0x80
#define OCW2_SPECIFIC 0x40
#define OCW2_EOI 0x20

#define POLL_PENDING 0x80

/* Inputs that a PC cannot make level-triggered: timer, keyboard, cascade; RTC, coprocessor. */
#define ELCR_MASTER_MASK 0xf8
#define ELCR_SLAVE_MASK 0xde

#define IMR_BIOS_MASTER 0xfb
#define IMR_BIOS_SLAVE 0xff

/* The input of `mask` that has the highest priority, or -1. */
static int chip_highest(const struct pic_chip *c, u8 mask)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned n = (c->lowest + i) & 7;

		if (mask & BIT(n))
			return (int)n;
	}
	return -1;
}

/* The inputs whose service keeps others waiting. */
static u8 chip_served(const struct pic_chip *c)
{
	return c->is_special_mask ? c->isr & (u8)~c->imr : c->isr;
}

/* The input that the chip asserts INT for, or -1. */
static int chip_pending(const struct pic_chip *c)
{
	u8 requests = c->irr & (u8)~c->imr, served = chip_served(c);
	int n = chip_highest(c, requests | served);

	if (n < 0 || c->next_icw)
		return -1;
	/* In special fully nested mode the slave may interrupt its own service. */
	if (n == PIC_CASCADE && c->is_fully_nested)
		served = 0;
	return requests & (u8)~served & BIT(n) ? n : -1;
}

static void chip_line_set(struct pic_chip *c, unsigned n, bool level)
{
	u8 bit = (u8)BIT(n);

	if (level && (!(c->lines & bit) || (c->elcr & bit)))
		c->irr |= bit;
	/* An edge counts only as long as the line stays high until it is acknowledged. */
	if (!level)
		c->irr &= (u8)~bit;
	c->lines = (u8)bits_put(c->lines, bit, level);
}

/* An acknowledge cycle: the input that goes into service, or -1. */
static int chip_ack(struct pic_chip *c)
{
	int n = chip_pending(c);
	u8 bit;

	if (n < 0)
		return n;
	bit = (u8)BIT(n);
	if (!(c->elcr & bit))
		c->irr &= (u8)~bit;
	if (!c->is_auto_eoi)
		c->isr |= bit;
	else if (c->rotates_on_aeoi)
		c->lowest = (u8)n;
	return n;
}

static u8 chip_vector(const struct pic_chip *c, int n)
{
	return c->vector_base + (u8)(n < 0 ? PIC_SPURIOUS : n);
}

static void pic_update(struct vm *vm)
{
	struct pic *p = &vm->pic;
	struct pic_chip *master = &p->chip[PIC_MASTER];
	bool was_asserted = atomic_load_u32(&p->is_asserted);
	bool is_asserted;

	/* The cascade follows the slave, so that it needs no edge of its own. */
	master->irr &= (u8)~BIT(PIC_CASCADE);
	if (chip_pending(&p->chip[PIC_SLAVE]) >= 0)
		master->irr |= BIT(PIC_CASCADE);
	is_asserted = chip_pending(master) >= 0;
	atomic_store_u32(&p->is_asserted, is_asserted);
	if (is_asserted && !was_asserted)
		irq_extint_raised(vm);
}

void pic_line_set(struct vm *vm, u32 line, bool level)
{
	if (line > 15 || line == PIC_CASCADE)
		return;
	chip_line_set(&vm->pic.chip[line / 8], line % 8, level);
	pic_update(vm);
}

bool pic_output(const struct vm *vm)
{
	return atomic_load_u32(&vm->pic.is_asserted);
}

u8 pic_ack(struct vm *vm)
{
	struct pic_chip *master = &vm->pic.chip[PIC_MASTER];
	struct pic_chip *slave = &vm->pic.chip[PIC_SLAVE];
	int n = chip_ack(master);
	u8 vector = chip_vector(master, n);

	if (n == PIC_CASCADE)
		vector = chip_vector(slave, chip_ack(slave));
	pic_update(vm);
	return vector;
}

static struct pic_chip *chip_of_port(struct vm *vm, u16 port)
{
	return &vm->pic.chip[port & PORT_SLAVE ? PIC_SLAVE : PIC_MASTER];
}

u32 pic_read(struct vm *vm, u16 port, unsigned width_bytes __unused_arg)
{
	struct pic_chip *c = chip_of_port(vm, port);

	if (c->is_polled) { /* an acknowledge cycle of this chip alone */
		int n = chip_ack(c);

		c->is_polled = false;
		pic_update(vm);
		return n < 0 ? 0 : POLL_PENDING | (u32)n;
	}
	if (port & PORT_DATA)
		return c->imr;
	return c->reads_isr ? c->isr : c->irr;
}

/* Everything that ICW1 resets; the inputs keep their levels and need a new edge. */
static void chip_write_icw1(struct pic_chip *c, u8 value)
{
	*c = (struct pic_chip){
		.lines = c->lines,
		.elcr = c->elcr,
		.irr = c->lines & c->elcr,
		.vector_base = c->vector_base,
		.lowest = 7,
		.next_icw = 2,
		.needs_icw4 = value & ICW1_IC4,
		.is_single = value & ICW1_SINGLE,
	};
}

/* End of interrupt for input `n`, or for the one of highest priority if `n` is -1. */
static void chip_eoi(struct pic_chip *c, int n, bool rotates)
{
	if (n < 0)
		n = chip_highest(c, chip_served(c));
	if (n < 0)
		return;
	c->isr &= (u8)~BIT((unsigned)n);
	if (rotates)
		c->lowest = (u8)n;
}

/* Neither EOI nor rotation, but a specific input: that command does nothing. */
static void chip_write_ocw2(struct pic_chip *c, u8 value)
{
	bool is_specific = value & OCW2_SPECIFIC;
	bool rotates = value & OCW2_ROTATE;
	u8 n = value & 7;

	if (value & OCW2_EOI)
		chip_eoi(c, is_specific ? n : -1, rotates);
	else if (!is_specific)
		c->rotates_on_aeoi = rotates;
	else if (rotates)
		c->lowest = n;
}

static void chip_write_ocw3(struct pic_chip *c, u8 value)
{
	if (value & OCW3_SMM_WRITE)
		c->is_special_mask = value & OCW3_SMM;
	if (value & OCW3_POLL)
		c->is_polled = true;
	else if (value & OCW3_READ_WRITE)
		c->reads_isr = value & OCW3_READ_ISR;
}

/* A0 = 1: the next initialisation word, or the mask. */
static void chip_write_data(struct pic_chip *c, u8 value)
{
	switch (c->next_icw) {
	case 0:
		c->imr = value;
		break;
	case 2:
		c->vector_base = value & ICW2_MASK;
		c->next_icw = !c->is_single ? 3 : c->needs_icw4 ? 4 : 0;
		break;
	case 3: /* the cascade's wiring is fixed */
		c->next_icw = c->needs_icw4 ? 4 : 0;
		break;
	default:
		c->is_auto_eoi = value & ICW4_AUTO_EOI;
		c->is_fully_nested = value & ICW4_FULLY_NESTED;
		c->next_icw = 0;
	}
}

void pic_write(struct vm *vm, u16 port, unsigned width_bytes __unused_arg, u32 value)
{
	struct pic_chip *c = chip_of_port(vm, port);
	u8 byte = (u8)value;

	if (port & PORT_DATA)
		chip_write_data(c, byte);
	else if (byte & ICW1_SELECT)
		chip_write_icw1(c, byte);
	else if (byte & OCW3_SELECT)
		chip_write_ocw3(c, byte);
	else
		chip_write_ocw2(c, byte);
	pic_update(vm);
}

u32 pic_elcr_read(struct vm *vm, u16 port, unsigned width_bytes __unused_arg)
{
	return vm->pic.chip[port & 1].elcr;
}

void pic_elcr_write(struct vm *vm, u16 port, unsigned width_bytes __unused_arg, u32 value)
{
	struct pic_chip *c = &vm->pic.chip[port & 1];
	u8 old = c->elcr;

	c->elcr = (u8)value & (port & 1 ? ELCR_SLAVE_MASK : ELCR_MASTER_MASK);
	/* A line that is high now requests, if it has just become level-triggered. */
	c->irr |= c->lines & c->elcr & (u8)~old;
	pic_update(vm);
}

void pic_reset(struct vm *vm)
{
	vm->pic = (struct pic){
		.chip = {
			{ .imr = IMR_BIOS_MASTER, .vector_base = PIC_VECTOR_MASTER, .lowest = 7 },
			{ .imr = IMR_BIOS_SLAVE, .vector_base = PIC_VECTOR_SLAVE, .lowest = 7,
			  /* The ACPI tables call the SCI level-triggered. */
			  .elcr = BIT(ACPI_SCI_IRQ - 8) },
		},
	};
}
