/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One 16550 serial line of the host: 115200 8N1, FIFO, no interrupts. Polled; every wait is
 * bounded, so that a dead line costs time but hangs nothing. Callers serialize (the log's lock or
 * the console's); output in a panic may interleave.
 */
#ifndef DRIVERS_SERIAL_H
#define DRIVERS_SERIAL_H

#include "core/lib/err.h"
#include "core/lib/types.h"

/* Where the registers are: ports, or memory with `stride_bytes` between registers. */
struct serial {
	u16 port; /* 0: memory */
	volatile u8 *mmio;
	u32 stride_bytes;
	bool is_present;
	bool is_stuck; /* a wait ran out; characters are dropped until it drains */
};

/*
 * Look for a 16550 behind `port` by its scratch register and set it up.
 * ERR_NOENT if nothing answers.
 */
enum err serial_probe_port(struct serial *line, u16 port) __must_check;

/* The same for registers in memory. */
enum err serial_probe_mmio(struct serial *line, volatile void *regs, u32 stride_bytes) __must_check;

/* The legacy port 0x3f8, else the first PCI 16550 function. ERR_NOENT. */
enum err serial_find(struct serial *line) __must_check;

/* Send bytes; a newline becomes CR LF. */
void serial_write(struct serial *line, const char *text, u32 len_bytes);

/* Send one byte as it is. */
void serial_put(struct serial *line, u8 byte);

/* One received byte, or -1. */
int serial_get(struct serial *line);

#endif
