/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address map of a guest's machine: where RAM, tables and devices lie, in memory and in I/O
 * space. Owns the numbers and nothing else; the image loaders, the memory slots, the device models
 * and the ACPI tables all take them from here, so that they cannot disagree. core/load/dsdt.asl
 * repeats some of them in its own language; tests/host/test_load_acpi.c compares the two.
 *
 *   0          .. 0x9fc00     RAM
 *   0x9fc00    .. 0xa0000     RAM, reserved (where a PC has its extended BIOS data area)
 *   0xa0000    .. 0xc0000     nothing
 *   0xc0000    .. 0xe0000     RAM, all ones: where a PC has option ROMs
 *   0xe0000    .. 0x100000    RAM, reserved: ACPI tables from 0xf0000 (the RSDP) on
 *   0x100000   .. below_4g    RAM, at most up to 3 GiB
 *   0xd0000000 .. 0xd0100000  PCI configuration space of bus 0, memory-mapped (ECAM)
 *   0xe0000000 .. 0xfec00000  PCI memory window
 *   0xfec00000                I/O APIC;  0xfee00000 local APICs;  0xff000000 test device
 *   4 GiB      .. +above_4g   RAM
 */
#ifndef CORE_LOAD_LAYOUT_H
#define CORE_LOAD_LAYOUT_H

#include "core/lib/bits.h"

#define GPA_LOW_RAM_END 0x9fc00ull
#define GPA_EBDA_END 0xa0000ull
#define GPA_OPTION_ROMS 0xc0000ull /* RAM that no memory map tells of */
#define GPA_ROM_BASE 0xe0000ull /* RAM that the memory map calls reserved */
#define GPA_RSDP 0xf0000ull
#define GPA_ROM_CODE 0xfff00ull /* real-mode handlers, see core/load/legacy.c */
#define GPA_ROM_END 0x100000ull
#define GPA_HIGH_RAM 0x100000ull
#define GPA_BELOW_4G_MAX GiB(3)
#define GPA_PCI_ECAM 0xd0000000ull /* device << 15 | function << 12 | register */
#define GPA_PCI_ECAM_BYTES MiB(1) /* bus 0, the only one */
#define GPA_PCI_WINDOW_BASE 0xe0000000ull
#define GPA_PCI_WINDOW_END 0xfec00000ull
#define GPA_IOAPIC 0xfec00000ull
#define GPA_LAPIC 0xfee00000ull
#define GPA_TESTDEV_MEM 0xff000000ull
#define GPA_TESTDEV_MEM_BYTES 0x10000ull
#define GPA_ABOVE_4G GiB(4)
/* Between RAM below and above 4 GiB: devices, and no slot. */
static inline __attribute__((always_inline)) bool gpa_is_device(u64 gpa)
{
	return gpa - GPA_BELOW_4G_MAX < GPA_ABOVE_4G - GPA_BELOW_4G_MAX;
}

#define GPA_ABOVE_4G_MAX_BYTES GiB(1024)

#define IO_PM1A_EVT 0x600 /* 4 bytes: status, enable */
#define IO_PM1A_CNT 0x604 /* 2 bytes; SCI_EN always reads 1 */
#define IO_PM_TMR 0x608 /* 4 bytes, 32-bit counter */
#define IO_PM_BASE 0x600
#define IO_PM_BYTES 0x10
#define IO_RESET 0xcf9
#define RESET_VALUE 6 /* written to IO_RESET by ACPI's reset */

/* Vectors of the PICs at power-on, as a PC's BIOS sets them before it starts anything. */
#define PIC_VECTOR_MASTER 0x08
#define PIC_VECTOR_SLAVE 0x70

#define ACPI_SCI_IRQ 9 /* level, active high */
#define ACPI_S5_SLP_TYP 5 /* the only SLP_TYP with an effect */
#define RTC_CENTURY_INDEX 0x32 /* CMOS index of the century, in BCD */

#define IOAPIC_ID 0
#define IOAPIC_GSI_BASE 0
#define GSI_PIT 2 /* ISA IRQ 0 arrives here */

#endif
