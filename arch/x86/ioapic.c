/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/ioapic.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/pt_host.h"

/* 82093AA "Register Description": an index and a window to the registers. */
#define INDEX 0x00
#define WINDOW 0x10
#define REG_VERSION 1
#define REG_ENTRY(n) (0x10 + 2 * (n))
#define VERSION_LAST(version) ((version) >> 16 & 0xff)
#define ENTRY_ACTIVE_LOW (1u << 13)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_MASKED (1u << 16)
#define DESTINATION_SHIFT 24
#define DESTINATION_MAX 0xff

/* MultiProcessor Specification 1.4, "System Memory Configuration" */
#define DEFAULT_IOAPIC ((hpa_t){ 0xfec00000 })

/* "MPS INTI Flags": two bits each */
#define MPS_POLARITY 3u
#define MPS_ACTIVE_LOW 3u
#define MPS_TRIGGER (3u << 2)

/* The MADT's next entry of `type` with `size_bytes` behind `last` (NULL: the first), or NULL. */
static const void *madt_next(const void *last, u8 type, u32 size_bytes)
{
	const struct acpi_header *madt = acpi_find("APIC");
	const u8 *end = (const u8 *)madt + (madt ? madt->length : 0);
	const u8 *at = last;

	if (madt)
		at = last ? at + at[1] : (const u8 *)madt + MADT_ENTRIES;
	for (; madt && at + 2 <= end && at[1] >= 2 && at + at[1] <= end; at += at[1])
		if (at[0] == type && at[1] >= size_bytes)
			return at;
	return NULL;
}

static u32 reg_read(volatile u8 *regs, u32 reg)
{
	mmio_write32(regs + INDEX, reg);
	return mmio_read32(regs + WINDOW);
}

static void reg_write(volatile u8 *regs, u32 reg, u32 value)
{
	mmio_write32(regs + INDEX, reg);
	mmio_write32(regs + WINDOW, value);
}

/* The entry is masked while its halves disagree. ERR_NOENT: no such pin, or nothing there. */
static enum err pin_route(hpa_t ioapic, u32 pin, u32 low)
{
	volatile u8 *regs = mmio_map(ioapic, WINDOW + sizeof(u32), PT_UC);
	u32 version = regs ? reg_read(regs, REG_VERSION) : ~0u;

	if (version == ~0u || pin > VERSION_LAST(version))
		return ERR_NOENT;
	reg_write(regs, REG_ENTRY(pin), ENTRY_MASKED);
	reg_write(regs, REG_ENTRY(pin) + 1, apic_id() << DESTINATION_SHIFT);
	reg_write(regs, REG_ENTRY(pin), low);
	return ERR_NONE;
}

enum err ioapic_isa_route(u8 irq, u8 vector)
{
	const struct madt_override *o = NULL;
	const struct madt_ioapic *io = NULL;
	u32 gsi = irq, low = vector;

	if (apic_id() > DESTINATION_MAX)
		return ERR_RANGE;
	while ((o = madt_next(o, MADT_OVERRIDE, sizeof(*o))))
		if (o->irq == irq) {
			gsi = o->gsi;
			low |= (o->flags & MPS_POLARITY) == MPS_ACTIVE_LOW ? ENTRY_ACTIVE_LOW : 0;
			low |= (o->flags & MPS_TRIGGER) == MPS_LEVEL ? ENTRY_LEVEL : 0;
		}
	while ((io = madt_next(io, MADT_IOAPIC, sizeof(*io))))
		if (gsi >= io->gsi_base &&
		    !pin_route((hpa_t){ io->address }, gsi - io->gsi_base, low))
			return ERR_NONE;
	/* Without a MADT, there may be one where it was before there were MADTs. */
	return acpi_find("APIC") ? ERR_NOENT : pin_route(DEFAULT_IOAPIC, irq, low);
}
