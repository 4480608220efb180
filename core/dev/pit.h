/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254 interval timer of the guest's PC and port 0x61 (gate and output of channel 2). Owns
 * ports 0x40 to 0x43 and 0x61. Nothing ticks: counts are computed from the TSC when asked for, and
 * a timer is armed only for the next rising edge of channel 0, which goes to interrupt line 0.
 *
 * Edges keep their ideal times, so none is lost over time while the guest keeps up. No two edges
 * come closer than PIT_EDGE_MIN_NS; a guest that falls PIT_BEHIND_MAX edges behind loses them.
 * Under vm->dev_lock; the timer callback takes it.
 */
#ifndef CORE_DEV_PIT_H
#define CORE_DEV_PIT_H

#include "core/lib/types.h"
#include "core/timer.h"

struct vm;

#define PIT_HZ 1193182u
#define PIT_NR_CHANNELS 3
#define PIT_EDGE_MIN_NS 100000u
#define PIT_BEHIND_MAX 64u

struct pit_channel {
	u64 start_tsc; /* when the present count was loaded */
	u32 initial; /* count, 1 to 65536 (10000 in BCD) */
	u16 latched_count; /* as the guest reads it */
	u8 latched_bytes; /* how many of them are still to read */
	u8 latched_status;
	u8 mode; /* 0 to 5 */
	u8 access; /* 1 low, 2 high, 3 low then high byte */
	u8 low_byte; /* first half of a count being written */
	bool is_bcd;
	bool has_status; /* latched_status is to be read first */
	bool writes_high; /* the high byte comes next */
	bool reads_high;
	bool is_loaded; /* a count has come since the mode was set */
	bool is_started; /* counting, or counted: modes 1 and 5 wait for the gate */
	bool gate;
	u64 paused_ticks; /* ticks counted when the gate stopped a mode 0 or 4 count */
};

struct pit {
	struct pit_channel channel[PIT_NR_CHANNELS];
	struct timer timer; /* next rising edge of channel 0 */
	u64 next_edge_ticks; /* since channel[0].start_tsc; 0: none to come */
	u8 port61; /* bits 0 and 1 as written */
};

/* What pit.timer of a VM calls. */
void pit_fire(struct timer *t);

/* Power-on state: all channels stand still; no BIOS has started channel 0. */
void pit_reset(struct vm *vm);

/* Ports 0x40 to 0x43; `width_bytes` is 1. */
u32 pit_read(struct vm *vm, u16 port, unsigned width_bytes);
void pit_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/* Port 0x61: gate of channel 2, speaker enable, refresh toggle, output of channel 2. */
u32 pit_port61_read(struct vm *vm, u16 port, unsigned width_bytes);
void pit_port61_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

#endif
