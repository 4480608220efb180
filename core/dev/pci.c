/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/pci.h"

#include <string.h>

#include "core/lib/bits.h"
#include "core/vm.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc

/* PCI "Configuration Mechanism #1". */
#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_WRITABLE (ADDRESS_ENABLE | MASK(23, 2))
#define ADDRESS_FUNCTION_HI 23 /* bus, device, function */
#define ADDRESS_FUNCTION_LO 8
#define ADDRESS_REGISTER MASK(7, 2)

/* PCI Express "Enhanced Configuration Access Mechanism", bus 0. */
#define ECAM_FUNCTION_SHIFT 12
#define ECAM_REGISTER MASK(11, 0)

/* The generic host bridge of virtual machines: no driver binds to it and no quirk knows it. */
#define HOST_BRIDGE_ID 0x00081b36u /* device, vendor */
#define CLASS_HOST_BRIDGE (0x0600u << 16)
#define COMMAND_MEMORY_AND_MASTER 0x0006u
#define COMMAND_WRITABLE 0x0107u /* I/O, memory, bus master, SERR# */

static const u32 host_bridge[PCI_CONFIG_BYTES / 4] = {
	[0x00 / 4] = HOST_BRIDGE_ID,
	[0x04 / 4] = COMMAND_MEMORY_AND_MASTER,
	[0x08 / 4] = CLASS_HOST_BRIDGE,
	[0x2c / 4] = HOST_BRIDGE_ID, /* of the subsystem */
};

/* Bits that the guest may change. */
static const u32 host_bridge_writable[PCI_CONFIG_BYTES / 4] = {
	[0x04 / 4] = COMMAND_WRITABLE,
	[0x3c / 4] = 0xff, /* interrupt line */
};

/* `number` of a function: bus << 8 | device << 3 | function; there is only number 0. */
static u64 config_read(struct vm *vm, u32 number, u32 reg, unsigned width_bytes)
{
	u64 value = ~0ull;

	if (number == 0 && reg < PCI_CONFIG_BYTES)
		memcpy(&value, vm->pci.config + reg, MIN(width_bytes, PCI_CONFIG_BYTES - reg));
	return value;
}

static void config_write(struct vm *vm, u32 number, u32 reg, unsigned width_bytes, u64 value)
{
	const u8 *writable = (const u8 *)host_bridge_writable;

	for (; number == 0 && width_bytes && reg < PCI_CONFIG_BYTES; reg++, width_bytes--) {
		u8 kept = vm->pci.config[reg] & (u8)~writable[reg];

		vm->pci.config[reg] = kept | ((u8)value & writable[reg]);
		value >>= 8;
	}
}

/* The register that an access to data port `port` names. */
static u32 address_register(const struct pci *p, u16 port)
{
	return (u32)(p->address & ADDRESS_REGISTER) + (port & 3);
}

static u32 address_function(const struct pci *p)
{
	return (u32)bits_get(p->address, ADDRESS_FUNCTION_HI, ADDRESS_FUNCTION_LO);
}

u32 pci_read(struct vm *vm, u16 port, unsigned width_bytes)
{
	const struct pci *p = &vm->pci;

	if (port < PORT_DATA)
		return port == PORT_ADDRESS && width_bytes == 4 ? p->address : ~0u;
	if (!(p->address & ADDRESS_ENABLE))
		return ~0u;
	return (u32)config_read(vm, address_function(p), address_register(p, port), width_bytes);
}

void pci_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value)
{
	struct pci *p = &vm->pci;

	if (port >= PORT_DATA && (p->address & ADDRESS_ENABLE))
		config_write(vm, address_function(p), address_register(p, port), width_bytes,
			     value);
	else if (port == PORT_ADDRESS && width_bytes == 4)
		p->address = value & (u32)ADDRESS_WRITABLE;
}

u64 pci_ecam_read(struct vm *vm, u32 offset, unsigned width_bytes)
{
	return config_read(vm, offset >> ECAM_FUNCTION_SHIFT, offset & ECAM_REGISTER, width_bytes);
}

void pci_ecam_write(struct vm *vm, u32 offset, unsigned width_bytes, u64 value)
{
	config_write(vm, offset >> ECAM_FUNCTION_SHIFT, offset & ECAM_REGISTER, width_bytes, value);
}

void pci_reset(struct vm *vm)
{
	vm->pci.address = 0;
	memcpy(vm->pci.config, host_bridge, sizeof(host_bridge));
}
