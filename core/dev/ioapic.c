/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/ioapic.h"

#include "arch/x86/atomic.h"
#include "core/lib/bits.h"
#include "core/load/layout.h"
#include "core/vm.h"

/* Offsets in the page. */
#define IOREGSEL 0x00
#define IOWIN 0x10
#define IOEOI 0x40
#define REG_STRIDE 0x10

/* What IOREGSEL selects. */
#define REG_ID 0x00
#define REG_VERSION 0x01
#define REG_ARBITRATION 0x02
#define REG_REDIR 0x10

/* The output of the 8259 pair comes in here, as on every PC. */
#define PIN_PIC 0

#define ID_SHIFT 24
#define ID_MASK MASK(27, 24)
#define VERSION 0x20u
#define VERSION_LAST_PIN_SHIFT 16

/*
 * Redirection table entry. The polarity is kept but means nothing: devices raise lines to their
 * active level, whichever that is.
 */
#define REDIR_VECTOR MASK(7, 0)
#define REDIR_MODE_HI 10
#define REDIR_MODE_LO 8
#define REDIR_LOGICAL BIT(11)
#define REDIR_REMOTE_IRR BIT(14)
#define REDIR_LEVEL BIT(15)
#define REDIR_MASKED BIT(16)
#define REDIR_DEST_HI 63
#define REDIR_DEST_LO 56
#define REDIR_WRITABLE_LOW 0x1afffu /* all but delivery status and Remote IRR */
#define REDIR_WRITABLE_HIGH 0xff000000u

static u8 redir_mode(u64 entry)
{
	return (u8)bits_get(entry, REDIR_MODE_HI, REDIR_MODE_LO);
}

/* Level counts only for the modes that a local APIC ends with an EOI; the others are edges. */
static bool redir_is_level(u64 entry)
{
	return (entry & REDIR_LEVEL) &&
	       (redir_mode(entry) == LAPIC_FIXED || redir_mode(entry) == LAPIC_LOWEST);
}

static struct lapic_msg redir_msg(u64 entry)
{
	return (struct lapic_msg){
		.dest = (u32)bits_get(entry, REDIR_DEST_HI, REDIR_DEST_LO),
		.is_logical = entry & REDIR_LOGICAL,
		.delivery_mode = redir_mode(entry),
		.vector = (u8)(entry & REDIR_VECTOR),
		.is_level = redir_is_level(entry),
	};
}

/*
 * Send the message of `pin`; true if a local APIC took it. SMI and the reserved modes go nowhere;
 * ExtINT is asked for: see ioapic_extint().
 */
static bool pin_send(struct vm *vm, u32 pin)
{
	const struct lapic_msg msg = redir_msg(vm->ioapic.redir[pin]);

	return msg.delivery_mode != LAPIC_SIPI && lapic_deliver(vm, &msg);
}

bool ioapic_extint(const struct vm *vm, const struct vcpu *v)
{
	u64 entry = atomic_load_u64(&vm->ioapic.redir[PIN_PIC]);
	const struct lapic_msg msg = redir_msg(entry);

	return !(entry & REDIR_MASKED) && msg.delivery_mode == LAPIC_EXTINT &&
	       lapic_is_addressed(v, &msg);
}

/* An active level-triggered pin sends once, then not again until its EOI. */
static void pin_level_update(struct vm *vm, u32 pin)
{
	struct ioapic *io = &vm->ioapic;
	u64 entry = io->redir[pin];

	if (!redir_is_level(entry) || (entry & (REDIR_MASKED | REDIR_REMOTE_IRR)) ||
	    !(io->lines & BIT(pin)))
		return;
	if (pin_send(vm, pin))
		io->redir[pin] |= REDIR_REMOTE_IRR;
}

void ioapic_line_set(struct vm *vm, u32 pin, bool level)
{
	struct ioapic *io = &vm->ioapic;
	bool rises;

	if (pin >= IOAPIC_NR_PINS)
		return;
	rises = level && !(io->lines & BIT(pin));
	io->lines = (u32)bits_put(io->lines, BIT(pin), level);
	if (redir_is_level(io->redir[pin]))
		pin_level_update(vm, pin);
	else if (rises && !(io->redir[pin] & REDIR_MASKED))
		/* An edge that nobody takes is lost, as one on a masked pin. */
		(void)pin_send(vm, pin);
}

void ioapic_eoi(struct vm *vm, u8 vector)
{
	struct ioapic *io = &vm->ioapic;

	for (u32 pin = 0; pin < IOAPIC_NR_PINS; pin++) {
		if (!(io->redir[pin] & REDIR_REMOTE_IRR) ||
		    (io->redir[pin] & REDIR_VECTOR) != vector)
			continue;
		io->redir[pin] &= ~REDIR_REMOTE_IRR;
		pin_level_update(vm, pin);
	}
}

/* Which pin's entry in the redirection table register `reg` is; if none, IOAPIC_NR_PINS or more. */
#define REDIR_PIN(reg) (((reg)-REG_REDIR) / 2)

static u32 reg_read(const struct ioapic *io, u32 reg)
{
	u32 pin = REDIR_PIN(reg);

	if (reg == REG_ID || reg == REG_ARBITRATION)
		return io->id;
	if (reg == REG_VERSION)
		return VERSION | (IOAPIC_NR_PINS - 1) << VERSION_LAST_PIN_SHIFT;
	if (pin >= IOAPIC_NR_PINS)
		return 0;
	return (u32)(reg & 1 ? io->redir[pin] >> 32 : io->redir[pin]);
}

static void redir_write(struct vm *vm, u32 pin, bool is_high, u32 value)
{
	u64 *entry = &vm->ioapic.redir[pin];

	if (is_high)
		*entry = (u32)*entry | (u64)(value & REDIR_WRITABLE_HIGH) << 32;
	else
		*entry = (*entry & ~(u64)REDIR_WRITABLE_LOW) | (value & REDIR_WRITABLE_LOW);
	/* Software without the EOI register makes a pin edge-triggered for a moment instead. */
	if (!redir_is_level(*entry))
		*entry &= ~REDIR_REMOTE_IRR;
	pin_level_update(vm, pin);
	/* What the PIC has to say may go another way now. */
	for (u32 i = 0; pin == PIN_PIC && i < vm->nr_vcpus; i++)
		vcpu_request(vm->vcpu[i], REQ_EVENT);
}

static void reg_write(struct vm *vm, u32 reg, u32 value)
{
	u32 pin = REDIR_PIN(reg);

	if (reg == REG_ID)
		vm->ioapic.id = value & ID_MASK;
	else if (pin < IOAPIC_NR_PINS)
		redir_write(vm, pin, reg & 1, value);
}

u64 ioapic_read(struct vm *vm, u32 offset, unsigned width_bytes __unused_arg)
{
	const struct ioapic *io = &vm->ioapic;
	u32 lane = offset % REG_STRIDE;
	u64 value = 0;

	if (lane >= sizeof(u32))
		return 0;
	if (offset - lane == IOREGSEL)
		value = io->select;
	else if (offset - lane == IOWIN)
		value = reg_read(io, io->select);
	return value >> (8 * lane);
}

void ioapic_write(struct vm *vm, u32 offset, unsigned width_bytes __unused_arg, u64 value)
{
	if (offset == IOREGSEL)
		vm->ioapic.select = value & 0xff;
	else if (offset == IOWIN)
		reg_write(vm, vm->ioapic.select, (u32)value);
	else if (offset == IOEOI)
		ioapic_eoi(vm, (u8)value);
}

void ioapic_reset(struct vm *vm)
{
	vm->ioapic = (struct ioapic){ .id = IOAPIC_ID << ID_SHIFT };
	for (u32 pin = 0; pin < IOAPIC_NR_PINS; pin++)
		vm->ioapic.redir[pin] = REDIR_MASKED;
}
