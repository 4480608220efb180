/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power management of the guest's platform: ACPI's PM1a event and control blocks and PM timer
 * (ports 0x600 to 0x60b), and the ways to reset a PC: 0xcf9, bit 0 of 0x92, and the keyboard
 * controller's pulse command at 0x64 (there is no keyboard controller otherwise). The SCI is line
 * 9. Numbers are in core/load/layout.h. Under vm->dev_lock; the timer callback takes it.
 */
#ifndef CORE_DEV_PM_H
#define CORE_DEV_PM_H

#include "core/lib/types.h"
#include "core/timer.h"

struct vm;

#define PM_TIMER_HZ 3579545u

struct pm {
	u16 reg[3]; /* PM1_STS; PM1_EN; PM1_CNT without SLP_EN */
	u8 port92;
	u8 reset_control; /* 0xcf9 as last written */
	u64 start_tsc; /* PM timer 0 */
	u64 seen_toggles; /* changes of the counter's top bit that TMR_STS knows of */
	struct timer timer; /* the next such change, armed while TMR_EN is set */
};

/* What pm.timer of a VM calls. */
void pm_fire(struct timer *t);

/* Power-on state. */
void pm_reset(struct vm *vm);

/* Ports 0x600 to 0x60f, the timer by 1, 2 or 4 bytes, others by 1 or 2. S5 ends in vm_stop(). */
u32 pm_read(struct vm *vm, u16 port, unsigned width_bytes);
void pm_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/* Ports 0x60, 0x64, 0x92 and 0xcf9; `width_bytes` is 1. A reset ends in vm_stop(). */
u32 pm_reset_read(struct vm *vm, u16 port, unsigned width_bytes);
void pm_reset_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

#endif
