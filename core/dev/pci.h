/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PCI bus 0, by configuration mechanism 1 (ports 0xcf8, 0xcfc to 0xcff) and by the
 * memory-mapped window (ECAM) that the MCFG table announces. It holds one function, a host bridge
 * at 00:00.0; every other reads as all ones. Port 0xcf9 is not PCI's but the reset control of
 * core/dev/pm.h. Under vm->dev_lock.
 */
#ifndef CORE_DEV_PCI_H
#define CORE_DEV_PCI_H

#include "core/lib/types.h"

struct vm;

#define PCI_CONFIG_BYTES 256

struct pci {
	u32 address; /* CONFIG_ADDRESS */
	u8 config[PCI_CONFIG_BYTES]; /* of the host bridge */
};

/* Power-on state. */
void pci_reset(struct vm *vm);

/* Ports 0xcf8 and 0xcfc to 0xcff, widths 1, 2 and 4. CONFIG_ADDRESS takes only 4 bytes. */
u32 pci_read(struct vm *vm, u16 port, unsigned width_bytes);
void pci_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/* Access at byte `offset` of the ECAM window, widths 1 to 8. */
u64 pci_ecam_read(struct vm *vm, u32 offset, unsigned width_bytes);
void pci_ecam_write(struct vm *vm, u32 offset, unsigned width_bytes, u64 value);

#endif
