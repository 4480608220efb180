/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The little of ACPI that the loader needs: the root pointer, and one table by its signature.
 * Tables are firmware's data: lengths are checked before they are used.
 */
#ifndef BOOT_EFI_ACPI_H
#define BOOT_EFI_ACPI_H

#include <efi.h>
#include <efilib.h>

struct acpi_header {
	char signature[4];
	UINT32 length_bytes;
	UINT8 revision;
	UINT8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	UINT32 oem_revision;
	UINT32 creator_id;
	UINT32 creator_revision;
};
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI table header layout");

/* Physical address of the RSDP, that of ACPI 2.0 first; 0 where firmware names none. */
UINT64 acpi_rsdp(void);

/* The first table with this signature, its checksum right; NULL where there is none. */
const struct acpi_header *acpi_table(UINT64 rsdp, const char *signature);

#endif
