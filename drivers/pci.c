/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/pci.h"

#include "arch/x86/insn.h"
#include "arch/x86/lock.h"

#define ADDRESS_PORT 0xcf8
#define DATA_PORT 0xcfc
#define ADDRESS_ENABLE 0x80000000u
#define BUSES 256u
#define DEVICES 32u
#define FUNCTIONS 8u
#define MULTIFUNCTION 0x80u /* in PCI_HEADER_TYPE */

static struct lock lock; /* of the two ports */

/* Take the lock and choose a register; returns what lock_release_irqrestore() needs. */
static u64 register_choose(struct pci_addr a, u8 reg)
{
	u64 flags = lock_acquire_irqsave(&lock);

	out32(ADDRESS_PORT, ADDRESS_ENABLE | (u32)a.bus << 16 | (u32)(a.device & 31) << 11 |
				    (u32)(a.function & 7) << 8 | (reg & 0xfcu));
	return flags;
}

u32 pci_read32(struct pci_addr addr, u8 reg)
{
	u64 flags = register_choose(addr, reg);
	u32 value = in32(DATA_PORT);

	lock_release_irqrestore(&lock, flags);
	return value;
}

u16 pci_read16(struct pci_addr addr, u8 reg)
{
	return (u16)(pci_read32(addr, reg) >> (8 * (reg & 2)));
}

/* A write of its own width: writing a neighbour back could clear status bits. */
void pci_write16(struct pci_addr addr, u8 reg, u16 value)
{
	u64 flags = register_choose(addr, reg);

	out16((u16)(DATA_PORT + (reg & 2)), value);
	lock_release_irqrestore(&lock, flags);
}

bool pci_find_class(u32 class_code, u32 mask, u32 n, struct pci_addr *out)
{
	for (u32 bdf = 0; bdf < BUSES * DEVICES * FUNCTIONS; bdf++) {
		struct pci_addr a = { (u8)(bdf >> 8), bdf >> 3 & 31, bdf & 7 };
		bool is_found = pci_read16(a, PCI_VENDOR_ID) != 0xffff;

		if (is_found && !(((pci_read32(a, PCI_CLASS_REVISION) >> 8) ^ class_code) & mask) &&
		    !n--) {
			*out = a;
			return true;
		}
		/* Only what has a function 0 that says so has others. */
		if (!a.function && !(is_found && pci_read16(a, PCI_HEADER_TYPE) & MULTIFUNCTION))
			bdf += FUNCTIONS - 1;
	}
	return false;
}
