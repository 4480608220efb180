/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two cascaded 8259A interrupt controllers of the guest's PC, with their edge/level registers.
 * Owns ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0 and 0x4d1. Everything here runs under vm->dev_lock,
 * but pic_output(), which any CPU may ask at any time. Rules are those of the 8259A data sheet.
 *
 * At power-on the pair is as a PC's BIOS leaves it: initialised with the BIOS's vectors and with
 * every line but the cascade masked.
 */
#ifndef CORE_DEV_PIC_H
#define CORE_DEV_PIC_H

#include "core/lib/types.h"

struct vm;

/* One 8259A. Bit n of a mask is input n. */
struct pic_chip {
	u8 irr;
	u8 isr;
	u8 imr;
	u8 lines; /* levels of the inputs */
	u8 elcr; /* 1: level-triggered */
	u8 vector_base; /* multiple of 8 */
	u8 lowest; /* the input that has the lowest priority now */
	u8 next_icw; /* 2 to 4: the initialisation word awaited; 0: initialised */
	bool needs_icw4;
	bool is_single; /* ICW1 says that there is no cascade: ICW3 is left out */
	bool is_auto_eoi;
	bool rotates_on_aeoi;
	bool is_special_mask;
	bool is_fully_nested; /* special fully nested mode */
	bool reads_isr; /* OCW3: port 0 reads ISR instead of IRR */
	bool is_polled; /* the next read is a poll */
};

struct pic {
	struct pic_chip chip[2]; /* master, slave */
	u32 is_asserted; /* [a] INTR of the pair; written under dev_lock */
};

/* Power-on state. */
void pic_reset(struct vm *vm);

/* Ports 0x20, 0x21, 0xa0 and 0xa1; `width_bytes` is 1. */
u32 pic_read(struct vm *vm, u16 port, unsigned width_bytes);
void pic_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/* Ports 0x4d0 and 0x4d1: edge/level of each input; 0, 1, 2, 8 and 13 are always edges. */
u32 pic_elcr_read(struct vm *vm, u16 port, unsigned width_bytes);
void pic_elcr_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/* Set input `line` (0 to 15; 2 is the cascade and ignored) to `level`. */
void pic_line_set(struct vm *vm, u32 line, bool level);

/* Is INTR asserted? Any CPU, no lock; what is true may be over when dev_lock is taken. */
bool pic_output(const struct vm *vm);

/*
 * The processor's acknowledge cycle: returns the vector, of the spurious IRQ 7 or 15 if there is
 * nothing left to deliver.
 */
u8 pic_ack(struct vm *vm);

#endif
