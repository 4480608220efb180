/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only the firmware can tell, gathered for the core: framebuffer, time, CPUs.
 * Nothing of it is vital: what is missing stays 0.
 */
#ifndef BOOT_EFI_PROBE_H
#define BOOT_EFI_PROBE_H

#include <efi.h>

#include "boot/bootinfo.h"

/* Fill info->framebuffer from the graphics output protocol. */
void probe_framebuffer(struct bootinfo *info);

/* Fill info->tsc_hz, epoch_seconds and epoch_tsc. Takes a few milliseconds. */
void probe_time(struct bootinfo *info);

/*
 * Fill info->cpus, boot CPU first, and nr_cpus: from the firmware's MP services, else
 * from the MADT of info->rsdp, else the boot CPU alone. Firmware without ACPI tables must still
 * boot.
 */
void probe_cpus(struct bootinfo *info);

#endif
