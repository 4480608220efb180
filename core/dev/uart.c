/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/uart.h"

#include "arch/x86/atomic.h"
#include "core/console.h"
#include "core/irq.h"
#include "core/lib/bits.h"
#include "core/vm.h"

/* Offsets; 0 and 1 are the divisor while LCR_DLAB is set. */
enum uart_reg {
	REG_DATA,
	REG_IER,
	REG_IIR,
	REG_FCR = REG_IIR, /* when written */
	REG_LCR,
	REG_MCR,
	REG_LSR,
	REG_MSR,
	REG_SCRATCH,
};
#define REG_OFFSET_MASK 7

#define IER_RX 0x01
#define IER_THRE 0x02
#define IER_LINE_STATUS 0x04
#define IER_MODEM 0x08
#define IER_MASK 0x0f

#define IIR_MODEM 0x00
#define IIR_NONE 0x01
#define IIR_THRE 0x02
#define IIR_RX 0x04
#define IIR_LINE_STATUS 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO 0xc0

#define FCR_ENABLE 0x01
#define FCR_CLEAR_RX 0x02
#define FCR_KEPT 0xc9
#define FCR_TRIGGER_SHIFT 6

#define LCR_DLAB 0x80

#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_DATA 0x01
#define LSR_OVERRUN 0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI 0x40
#define MSR_DCD 0x80
#define MSR_DELTA_SHIFT 4

static bool is_loopback(const struct uart *u)
{
	return u->reg[REG_MCR] & MCR_LOOP;
}

static bool is_fifo_enabled(const struct uart *u)
{
	return u->reg[REG_FCR] & FCR_ENABLE;
}

static u32 fifo_capacity(const struct uart *u)
{
	return is_fifo_enabled(u) ? UART_FIFO_BYTES : 1;
}

static u32 fifo_trigger(const struct uart *u)
{
	static const u8 levels[4] = { 1, 4, 8, 14 };

	return is_fifo_enabled(u) ? levels[u->reg[REG_FCR] >> FCR_TRIGGER_SHIFT] : 1;
}

/* Let waiting input in. In loopback the receiver is cut off from the line. */
static void fifo_fill(struct uart *u)
{
	u8 byte;

	if (is_loopback(u))
		return;
	while (ring_used(&u->fifo) < fifo_capacity(u) && ring_get(&u->queue, &byte))
		(void)ring_put(&u->fifo, byte);
}

/* The interrupt that has the highest priority, as IIR shows it. */
static u8 uart_cause(const struct uart *u)
{
	if ((u->reg[REG_IER] & IER_LINE_STATUS) && u->lsr_error)
		return IIR_LINE_STATUS;
	if ((u->reg[REG_IER] & IER_RX) && ring_used(&u->fifo))
		return ring_used(&u->fifo) >= fifo_trigger(u) ? IIR_RX : IIR_TIMEOUT;
	if ((u->reg[REG_IER] & IER_THRE) && u->is_thre_pending)
		return IIR_THRE;
	if ((u->reg[REG_IER] & IER_MODEM) && u->msr_delta)
		return IIR_MODEM;
	return IIR_NONE;
}

/* The bytes sent before anything else happens. Under vm->dev_lock. */
static void sent_print(struct vm *vm)
{
	int byte;

	while ((byte = uart_fast_take(&vm->iso->uart)) >= 0)
		console_guest_output(vm, (u8)byte);
}

void uart_flush(struct vm *vm)
{
	if (!uart_fast_is_waiting(&vm->iso->uart))
		return;
	lock_acquire(&vm->dev_lock);
	sent_print(vm);
	lock_release(&vm->dev_lock);
}

/* What core/dev/uart_fast.c may do by itself. */
static void fast_update(const struct uart *u, struct uart_fast *fast)
{
	bool is_plain = !(u->reg[REG_LCR] & LCR_DLAB) && !is_loopback(u) &&
			!(u->reg[REG_IER] & IER_THRE) && u->is_thre_pending;
	u32 lsr = LSR_THRE | LSR_TEMT | (ring_used(&u->fifo) ? LSR_DATA : 0);

	atomic_store_u32(&fast->is_plain, is_plain);
	atomic_store_u32(&fast->lsr, u->lsr_error ? 0 : lsr);
}

/* OUT2 gates the line on a PC; in loopback the pin is inactive. */
static void uart_update(struct vm *vm)
{
	struct uart *u = &vm->uart;
	bool level = uart_cause(u) != IIR_NONE && (u->reg[REG_MCR] & MCR_OUT2) && !is_loopback(u);

	fast_update(u, &vm->iso->uart);
	if (level == u->line)
		return;
	u->line = level;
	irq_line_set(vm, IRQ_LINE_UART, level);
}

/* Bits 7:4 of MSR: a terminal that is ready, or the port's own outputs. */
static u8 modem_lines(const struct uart *u)
{
	u8 mcr = u->reg[REG_MCR];

	if (!is_loopback(u))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
	       (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* Reading IIR acknowledges the transmitter's interrupt if it is the one shown. */
static u8 iir_read(struct uart *u)
{
	u8 cause = uart_cause(u);

	if (cause == IIR_THRE)
		u->is_thre_pending = false;
	return cause | (is_fifo_enabled(u) ? IIR_FIFO : 0);
}

static u8 reg_read(struct uart *u, enum uart_reg reg)
{
	u8 value = 0;

	if ((u->reg[REG_LCR] & LCR_DLAB) && reg <= REG_IER)
		return u->divisor[reg];
	switch (reg) {
	case REG_DATA:
		if (ring_get(&u->fifo, &value))
			fifo_fill(u);
		return value;
	case REG_IIR:
		return iir_read(u);
	case REG_LSR:
		value = LSR_THRE | LSR_TEMT | u->lsr_error | (ring_used(&u->fifo) ? LSR_DATA : 0);
		u->lsr_error = 0;
		return value;
	case REG_MSR:
		value = modem_lines(u) | u->msr_delta;
		u->msr_delta = 0;
		return value;
	default:
		return u->reg[reg];
	}
}

u32 uart_read(struct vm *vm, u16 port, unsigned width_bytes __unused_arg)
{
	u8 value;

	sent_print(vm);
	value = reg_read(&vm->uart, (enum uart_reg)(port & REG_OFFSET_MASK));
	uart_update(vm);
	return value;
}

static void data_write(struct vm *vm, u8 byte)
{
	struct uart *u = &vm->uart;

	/* The holding register is full for a moment: edge-triggered controllers need to see it. */
	u->is_thre_pending = false;
	uart_update(vm);
	if (!is_loopback(u))
		console_guest_output(vm, byte);
	else if (ring_used(&u->fifo) < fifo_capacity(u))
		(void)ring_put(&u->fifo, byte);
	else
		u->lsr_error |= LSR_OVERRUN;
	u->is_thre_pending = true;
}

static void ier_write(struct uart *u, u8 value)
{
	u8 risen = value & (u8)~u->reg[REG_IER];

	u->reg[REG_IER] = value & IER_MASK;
	/* The transmitter is empty already, so enabling its interrupt raises it. */
	if (risen & IER_THRE)
		u->is_thre_pending = true;
}

static void fcr_write(struct uart *u, u8 value)
{
	bool toggles = (value ^ u->reg[REG_FCR]) & FCR_ENABLE;

	if (toggles || (value & FCR_CLEAR_RX))
		ring_init(&u->fifo, u->fifo_bytes, UART_FIFO_BYTES);
	/* The other bits take only together with the enable bit. */
	u->reg[REG_FCR] = value & FCR_ENABLE ? value & FCR_KEPT : 0;
	fifo_fill(u);
}

static void mcr_write(struct uart *u, u8 value)
{
	u8 before = modem_lines(u);
	u8 changed;

	u->reg[REG_MCR] = value & MCR_MASK;
	changed = before ^ modem_lines(u);
	/* For the ring indicator only its end counts. */
	if (!(before & MSR_RI))
		changed &= (u8)~MSR_RI;
	u->msr_delta |= changed >> MSR_DELTA_SHIFT;
	fifo_fill(u);
}

void uart_write(struct vm *vm, u16 port, unsigned width_bytes __unused_arg, u32 value)
{
	struct uart *u = &vm->uart;
	unsigned reg = port & REG_OFFSET_MASK;
	u8 byte = (u8)value;

	sent_print(vm);
	if ((u->reg[REG_LCR] & LCR_DLAB) && reg <= REG_IER)
		u->divisor[reg] = byte;
	else if (reg == REG_DATA)
		data_write(vm, byte);
	else if (reg == REG_IER)
		ier_write(u, byte);
	else if (reg == REG_FCR)
		fcr_write(u, byte);
	else if (reg == REG_MCR)
		mcr_write(u, byte);
	else /* LSR and MSR are never read from there */
		u->reg[reg] = byte;
	uart_update(vm);
}

unsigned uart_input(struct vm *vm, const u8 *buf, unsigned n)
{
	struct uart *u = &vm->uart;
	unsigned taken = 0;

	while (taken < n && ring_put(&u->queue, buf[taken]))
		taken++;
	fifo_fill(u);
	uart_update(vm);
	return taken;
}

void uart_reset(struct vm *vm)
{
	struct uart *u = &vm->uart;

	*u = (struct uart){ .divisor = { 12 } };
	ring_init(&u->fifo, u->fifo_bytes, UART_FIFO_BYTES);
	ring_init(&u->queue, u->queue_bytes, UART_QUEUE_BYTES);
	fast_update(u, &vm->iso->uart);
	irq_line_set(vm, IRQ_LINE_UART, false);
}
