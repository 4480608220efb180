/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The little of ACPI that the loader needs: the root pointer, and one table by its signature.
 * Tables are firmware's data: lengths are checked before they are used.
 */
#ifndef BOOT_EFI_ACPI_H
#define BOOT_EFI_ACPI_H

#include <efi.h>

#include "boot/archive.h"

/* Physical address of the RSDP, that of ACPI 2.0 first; 0 where firmware names none. */
UINT64 acpi_rsdp(void);

/* The first table with this signature, its checksum right; no data where there is none. */
struct blob acpi_table(UINT64 rsdp, const char *signature);

#endif
