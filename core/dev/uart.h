/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's first serial port: a 16550A at ports 0x3f8 to 0x3ff, line 4. What the guest sends
 * goes to console_guest_output() at once, so the transmitter is always empty; what it receives
 * waits in a queue behind the 16-byte FIFO, so that pasted text is not lost. A character in the
 * FIFO below the trigger level counts as timed out at once. Under vm->dev_lock.
 */
#ifndef CORE_DEV_UART_H
#define CORE_DEV_UART_H

#include "core/lib/ring.h"
#include "core/next.h"

struct vm;
struct vcpu_hot;
struct uart_fast;

#define UART_FIFO_BYTES 16
#define UART_QUEUE_BYTES 256 /* a power of two */

struct uart {
	u8 reg[8]; /* what the guest has written: IER, FCR, LCR, MCR, scratch */
	u8 msr_delta; /* bits 3:0 of MSR */
	u8 lsr_error; /* overrun, parity, framing, break: bits 4:1 of LSR */
	u8 divisor[2]; /* low byte first */
	bool is_thre_pending; /* transmitter-empty interrupt not yet acknowledged */
	bool line; /* level of the interrupt line */
	struct ring fifo;
	struct ring queue; /* input that has not reached the FIFO */
	u8 fifo_bytes[UART_FIFO_BYTES];
	u8 queue_bytes[UART_QUEUE_BYTES];
};

/* Power-on state. Input that waits is dropped. */
void uart_reset(struct vm *vm);

/* Ports 0x3f8 to 0x3ff; `width_bytes` is 1. */
u32 uart_read(struct vm *vm, u16 port, unsigned width_bytes);
void uart_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/*
 * One byte from or to `port` on the isolated tables, if the device need not hear of it: NEXT_SKIP,
 * with RAX changed; else NEXT_SLOW. The vCPU's CPU.
 */
enum next uart_fast_io(struct vcpu_hot *hot, u16 port, bool is_in);

/* The oldest byte that was sent so and not printed yet, or -1. Under vm->dev_lock. */
int uart_fast_take(struct uart_fast *u);

/* Is there a byte to be printed? Any CPU. */
bool uart_fast_is_waiting(const struct uart_fast *u);

/* Print what was sent so. Any CPU. */
void uart_flush(struct vm *vm);

/* The guest receives `n` bytes; returns how many there was room for. */
unsigned uart_input(struct vm *vm, const u8 *buf, unsigned n);

#endif
