/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One 16550 serial line of the host: 115200 8N1, FIFO. Polled, with an interrupt if wanted; every
 * wait is bounded, so that a dead line costs time but hangs nothing. Callers serialize (the log's
 * lock or the console's); output in a panic may interleave.
 */
#ifndef DRIVERS_SERIAL_H
#define DRIVERS_SERIAL_H

#include "arch/x86/types.h"
#include "core/lib/err.h"

/* Where the registers are: ports, or memory with `stride_bytes` between registers. */
struct serial {
	u16 port; /* 0: memory */
	hpa_t hpa; /* of the registers in memory */
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

/* The same for registers in memory, which are mapped. ERR_NOMEM. */
enum err serial_probe_mmio(struct serial *line, hpa_t regs, u32 stride_bytes) __must_check;

/* The same for the n-th PCI function of that class, by its first BAR. ERR_RANGE behind the last. */
enum err serial_probe_pci(struct serial *line, u32 n) __must_check;

/* Send one byte as it is. */
void serial_put(struct serial *line, u8 byte);

/* One received byte, or -1. */
int serial_get(struct serial *line);

/* From now on the line's interrupt is raised when something is received, and once for a start. */
void serial_irq_on(const struct serial *line);

#endif
