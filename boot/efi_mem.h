/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for what the core keeps, the memory map, and the end of boot services. Every page from
 * here is of type EfiLoaderData, which the map hands over as BOOT_MEM_CORE; an error gives all of
 * them back. Identity-mapped: addresses are physical.
 */
#ifndef BOOT_EFI_MEM_H
#define BOOT_EFI_MEM_H

#include <efi.h>

#include "boot/bootinfo.h"

#define PAGE_BYTES UINT64_C(4096)

/* Bytes rounded up to whole pages. */
UINT64 page_round(UINT64 bytes);

/* A pointer to physical memory, as firmware maps it. */
void *phys_ptr(UINT64 hpa);

/*
 * Zeroed pages for `bytes`, below `limit` (0 = anywhere), for the hand-over. Prints E-NOMEM, naming
 * `what`, and returns its status when there are none.
 */
BOOLEAN mem_alloc(UINT64 bytes, UINT64 limit, const CHAR16 *what, UINT64 *hpa);

/* Give back everything that mem_alloc() gave out. */
void mem_free_all(void);

/* Fill info->mem from the firmware's map of this moment. */
BOOLEAN mem_read_map(struct bootinfo *info);

/*
 * Fill info->mem and end boot services, in one step as the firmware demands. After success there is
 * no firmware any more: no printing, no allocation.
 */
BOOLEAN mem_exit_boot_services(EFI_HANDLE image, struct bootinfo *info);

#endif
