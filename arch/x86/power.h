/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of everything: power off, reset, leave the emulator. Each tries one way after the other
 * and says which in the log. Any CPU; the others should be stopped before.
 */
#ifndef ARCH_X86_POWER_H
#define ARCH_X86_POWER_H

#include "core/lib/types.h"

/* ACPI S5; without it the shutdown ports of emulators; without them halts for ever. */
__noreturn void machine_poweroff(void);

/* FADT reset register, port 0xcf9, keyboard controller, triple fault. */
__noreturn void machine_reset(void);

/* QEMU's isa-debug-exit: its exit status becomes 2 * code + 1. Returns without such a device. */
void debug_exit(u32 code);

/* Sleep for ever with interrupts off. */
__noreturn void machine_halt(void);

#endif
