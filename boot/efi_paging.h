/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transition page tables: what boot/bootinfo.h promises to the core, and nothing more.
 */
#ifndef BOOT_EFI_PAGING_H
#define BOOT_EFI_PAGING_H

#include <efi.h>

#include "boot/bootinfo.h"

/*
 * Build the tables from info->segments and the RAM of info->mem. Fills info->tables and root_table.
 * RAM that appears later in the firmware's map is not covered; types may still change.
 */
BOOLEAN paging_build(struct bootinfo *info);

#endif
