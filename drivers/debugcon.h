/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The debug port 0xe9 of QEMU and Bochs: bytes written appear in a file of the emulator. Output
 * only, needs no set-up, from any context.
 */
#ifndef DRIVERS_DEBUGCON_H
#define DRIVERS_DEBUGCON_H

#include "core/lib/types.h"

/* Is it there? The port then reads as 0xe9. */
bool debugcon_is_present(void);

void debugcon_write(const char *text, u32 len_bytes);

#endif
