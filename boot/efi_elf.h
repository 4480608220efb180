/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads the core's ELF64 file, which is part of the loader, into memory of its own.
 */
#ifndef BOOT_EFI_ELF_H
#define BOOT_EFI_ELF_H

#include <efi.h>
#include <elf.h>

#include "boot/bootinfo.h"

/*
 * Load all segments, contiguous from CORE_VIRT_BASE on, and copy the symbol table. Fills
 * info->image and symbols; `entry_virt` is where to jump to. Prints E-NOMEM on failure.
 */
BOOLEAN elf_load_core(struct bootinfo *info, UINT64 *entry_virt);

/* Loaded segment `i` of the core, NULL behind the last. */
const Elf64_Phdr *elf_segment(UINTN i);

#endif
