/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state in which a PC's BIOS leaves the devices before it starts anything: PIC and timer tick,
 * the first CPU's local APIC passes them on. Kernels bring devices up themselves, so only VMs with
 * test devices get it: test kernels that are written for a PC take it for granted.
 */
#ifndef CORE_DEV_BIOS_H
#define CORE_DEV_BIOS_H

struct vm;
struct vcpu;

/* After the devices' reset; under vm->dev_lock. */
void bios_devices_start(struct vm *vm);

/* After the reset of the first vCPU, on its CPU. */
void bios_lapic_start(struct vcpu *v);

#endif
