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

#define CONFIG_VENDOR 0x00
#define CONFIG_DEVICE 0x02
#define CONFIG_COMMAND 0x04
#define CONFIG_CLASS 0x0a
#define CONFIG_SUBSYSTEM_VENDOR 0x2c
#define CONFIG_SUBSYSTEM 0x2e
#define CONFIG_INTERRUPT_LINE 0x3c

/* The generic host bridge of virtual machines: no driver binds to it and no quirk knows it. */
#define HOST_BRIDGE_VENDOR 0x1b36
#define HOST_BRIDGE_DEVICE 0x0008
#define CLASS_HOST_BRIDGE 0x0600
#define COMMAND_MEMORY_AND_MASTER 0x0006
#define COMMAND_WRITABLE 0x0107 /* I/O, memory, bus master, SERR# */

/* The function with number bus << 8 | device << 3 | function, or NULL. */
static struct pci_function *function_find(struct vm *vm, u32 number)
{
	return number == 0 ? &vm->pci.host_bridge : NULL;
}

static u64 config_read(struct vm *vm, u32 number, u32 reg, unsigned width_bytes)
{
	const struct pci_function *f = function_find(vm, number);
	u64 value = ~0ull;

	if (f && reg < PCI_CONFIG_BYTES)
		memcpy(&value, f->config + reg, MIN(width_bytes, PCI_CONFIG_BYTES - reg));
	return value;
}

static void config_write(struct vm *vm, u32 number, u32 reg, unsigned width_bytes, u64 value)
{
	struct pci_function *f = function_find(vm, number);

	if (!f)
		return;
	for (unsigned i = 0; i < width_bytes && i < sizeof(value); i++) {
		u8 mask;

		if (reg + i >= PCI_CONFIG_BYTES)
			return;
		mask = f->writable[reg + i];
		f->config[reg + i] = (f->config[reg + i] & (u8)~mask) |
				     ((u8)(value >> (8 * i)) & mask);
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

static void put16(u8 *p, u16 value)
{
	p[0] = (u8)value;
	p[1] = (u8)(value >> 8);
}

void pci_reset(struct vm *vm)
{
	struct pci_function *f = &vm->pci.host_bridge;

	vm->pci = (struct pci){ 0 };
	put16(&f->config[CONFIG_VENDOR], HOST_BRIDGE_VENDOR);
	put16(&f->config[CONFIG_DEVICE], HOST_BRIDGE_DEVICE);
	put16(&f->config[CONFIG_COMMAND], COMMAND_MEMORY_AND_MASTER);
	put16(&f->config[CONFIG_CLASS], CLASS_HOST_BRIDGE);
	put16(&f->config[CONFIG_SUBSYSTEM_VENDOR], HOST_BRIDGE_VENDOR);
	put16(&f->config[CONFIG_SUBSYSTEM], HOST_BRIDGE_DEVICE);
	put16(&f->writable[CONFIG_COMMAND], COMMAND_WRITABLE);
	f->writable[CONFIG_INTERRUPT_LINE] = 0xff;
}
