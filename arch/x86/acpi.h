/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Lamina needs from the host's ACPI tables, if there are any. Tables are read-only and
 * checked (lengths, checksums) before use; a machine without them works with less.
 * acpi_init() on the boot CPU after the host tables; the rest from any context.
 */
#ifndef ARCH_X86_ACPI_H
#define ARCH_X86_ACPI_H

#include "arch/x86/types.h"
#include "core/lib/err.h"

/* Start of every table. */
struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	u32 oem_revision;
	u32 creator_id;
	u32 creator_revision;
} __packed;
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI header layout");

/* Generic address: where a register is. */
struct acpi_gas {
	u8 space; /* ACPI_SPACE_* */
	u8 width_bits;
	u8 offset_bits;
	u8 access;
	u64 address;
} __packed;
_Static_assert(sizeof(struct acpi_gas) == 12, "generic address layout");

#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO 1
#define ACPI_SPACE_PCI 2

/*
 * Read the tables behind physical `rsdp` (0: there is none). Damaged or missing tables are logged
 * and left out.
 */
void acpi_init(u64 rsdp);

/* A checked table by its signature, or NULL; valid for ever. */
const struct acpi_header *acpi_find(const char signature[4]);

/* I/O port of the ACPI timer, 0 if unknown. */
u16 acpi_pm_timer_port(void);

/* A 16550 named by the SPCR table. ERR_NOENT without one. */
enum err acpi_serial(struct acpi_gas *out) __must_check;

/*
 * Look for Name (\_S5, Package ...) in `len_bytes` of AML and take the two sleep types from it. It
 * is a constant package everywhere, so nothing has to interpret AML. Pure. ERR_NOENT.
 */
enum err acpi_s5_find(const void *aml, size_t len_bytes, u8 *typ_a, u8 *typ_b) __must_check;

/* Enter S5. Returns only if that did not work. ERR_NOENT: the tables do not say how. */
enum err acpi_poweroff(void);

/* Use the FADT's reset register. Returns only if that did not work. */
enum err acpi_reset(void);

#endif
