/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recognises a guest's kernel by its magic, so that a wrong file is refused while the firmware can
 * still say so. Pure; every byte of the file is untrusted. The core's own loaders check all else.
 */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/*
 * What is wrong with a kernel, behind its name; NULL for a bzImage with a 64-bit entry (boot
 * protocol 2.12), and an ELF file with a PVH note or a multiboot 1 header.
 */
const char *kernel_complaint(const uint8_t *file, size_t size_bytes);

#endif
