/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of CPUs, boot CPU first: from the firmware's MP services, else from the MADT, else the
 * boot CPU alone. Firmware without ACPI tables must still boot.
 */
#ifndef BOOT_EFI_CPU_H
#define BOOT_EFI_CPU_H

#include <efi.h>
#include <efilib.h>

#include "boot/bootinfo.h"

/* Fill info->cpus, nr_cpus and cpu_source; uses info->rsdp. */
void cpu_list(struct bootinfo *info);

#endif
