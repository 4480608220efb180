/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices for test kernels, present only in VMs whose configuration says `testdev = true`; without
 * it the ports read as all ones and ignore writes. They are those that kvm-unit-tests expects:
 *
 *   0xf4            any write ends the VM with the value as exit code
 *   0x8900          the bytes "Shutdown", one after the other, power the VM off
 *   0xe0 to 0xe3    a 32-bit scratch register, any width
 *   0xe4            a 32-bit guest-physical address: its page is dropped from the nested tables
 *   0x2000 + n      bit 0 to 7 not all 0: raise line n (0 to 23), all 0: lower it
 *   0x2020 + 4 * n  the low 32 bits of how often vCPU n (0 to 7) has left the guest, all ones for
 *                   one that is not there
 *   0x2040          not 0: no local APIC by hardware in this VM, until 0 is written; reads as that
 *   0xff000000      64 KiB of memory that is emulated access by access
 *
 * Kernels bring devices up themselves, but test kernels that are written for a PC take for
 * granted the state in which its BIOS leaves them: PIC and timer tick, and the first CPU's local
 * APIC passes them on. So these VMs get it.
 *
 * Under vm->dev_lock.
 */
#ifndef CORE_DEV_TESTDEV_H
#define CORE_DEV_TESTDEV_H

#include "core/lib/err.h"
#include "core/lib/types.h"

struct vcpu;
struct vm;

struct testdev {
	u8 nr_matched; /* bytes of "Shutdown" seen in a row */
	u8 scratch[4]; /* accesses are aligned */
	u8 *mem; /* [c] NULL: this VM has no test devices */
};

/* Once; takes memory only if the configuration wants the devices. ERR_NOMEM. */
enum err testdev_init(struct vm *vm) __must_check;

/* Power-on state, and the BIOS's work on PIC and timer, which have been reset. */
void testdev_reset(struct vm *vm);

/* The BIOS's work after the reset of the first vCPU, on its CPU. */
void testdev_lapic_start(struct vcpu *v);

/* All the ports above, widths 1, 2 and 4. */
u32 testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
void testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/*
 * The memory; what reaches past its end is dropped, and reads as ones, as do the bytes that a read
 * did not ask for. Widths 1 to 8.
 */
u64 testdev_mem_read(struct vm *vm, u32 offset, unsigned width_bytes);
void testdev_mem_write(struct vm *vm, u32 offset, unsigned width_bytes, u64 value);

#endif
