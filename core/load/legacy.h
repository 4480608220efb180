/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The little that software for PCs takes for granted of a BIOS without calling it: a real-mode
 * interrupt table whose hardware interrupts are acknowledged, and code at the reset vector that
 * resets. There are no BIOS services. Pure, through the memory writer; any context.
 */
#ifndef CORE_LOAD_LEGACY_H
#define CORE_LOAD_LEGACY_H

#include "core/load/guest_mem.h"

/*
 * Write the interrupt table to 0 .. 0x3ff and its handlers to GPA_ROM_CODE. Before the image is
 * loaded, which may lie over the table. The PIC's vectors are expected as a BIOS leaves them,
 * PIC_VECTOR_MASTER and PIC_VECTOR_SLAVE.
 */
enum err legacy_write(const struct guest_mem *mem) __must_check;

#endif
