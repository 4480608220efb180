/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transition page tables: what boot/bootinfo.h promises to the core, and nothing more.
 */
#ifndef BOOT_EFI_PAGING_H
#define BOOT_EFI_PAGING_H

#include <efi.h>

#include "boot/bootinfo.h"

/*
 * Build the tables from the core's segments, loaded to info->image, and the RAM of info->mem.
 * RAM that appears later in the firmware's map is not covered; types may still change.
 */
BOOLEAN paging_build(const struct bootinfo *info, UINT64 *root_table);

#endif
