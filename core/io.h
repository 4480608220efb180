/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch of port and memory-mapped accesses to the guest's devices. Ports come from the table
 * core/dev/ports.def, memory ranges from core/dev/mmio.def; what no row claims reads as all ones
 * and ignores writes, as on a PC. On the full tables, on the vCPU's CPU; takes vm->dev_lock.
 */
#ifndef CORE_IO_H
#define CORE_IO_H

#include "core/types.h"

struct vcpu;

u32 io_read(struct vcpu *v, u16 port, unsigned width_bytes);
void io_write(struct vcpu *v, u16 port, unsigned width_bytes, u32 value);

/* width_bytes: 1 to 8; an access that crosses its register is the device's business. */
u64 mmio_read(struct vcpu *v, gpa_t gpa, unsigned width_bytes);
void mmio_write(struct vcpu *v, gpa_t gpa, unsigned width_bytes, u64 value);

#endif
