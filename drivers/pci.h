/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's PCI configuration space by ports 0xcf8 and 0xcfc. Accesses take a lock; any CPU, not
 * from NMI. A missing device reads as all ones.
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "core/lib/types.h"

/* One function. */
struct pci_addr {
	u8 bus, device, function;
};

#define PCI_VENDOR_ID 0x00
#define PCI_COMMAND 0x04
#define PCI_CLASS_REVISION 0x08
#define PCI_HEADER_TYPE 0x0e
#define PCI_BAR0 0x10

#define PCI_COMMAND_IO 0x1u
#define PCI_COMMAND_MEMORY 0x2u

/* Naturally aligned registers; width by name. */
u32 pci_read32(struct pci_addr addr, u8 reg);
u16 pci_read16(struct pci_addr addr, u8 reg);
void pci_write16(struct pci_addr addr, u8 reg, u16 value);

/*
 * Find the n-th function whose class code (base, sub, interface: 24 bits) equals `class_code` under
 * `mask`; false if there are fewer. Scans all buses.
 */
bool pci_find_class(u32 class_code, u32 mask, u32 n, struct pci_addr *out);

#endif
