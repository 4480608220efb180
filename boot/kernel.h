/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recognises a guest's kernel by its magic, so that a wrong file is refused while the firmware can
 * still say so. Pure; every byte of the file is untrusted. The core's own loaders check all else.
 */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_kind {
	KERNEL_UNKNOWN,
	KERNEL_BZIMAGE, /* Linux boot protocol 2.12 or later with a 64-bit entry */
	KERNEL_BZIMAGE_OLD, /* a bzImage without that entry */
	KERNEL_PVH, /* ELF with the note XEN_ELFNOTE_PHYS32_ENTRY */
	KERNEL_MULTIBOOT, /* ELF with a multiboot 1 header */
	KERNEL_ELF, /* ELF with neither */
};

/* What kind of kernel the file is. */
enum kernel_kind kernel_recognise(const uint8_t *file, size_t size_bytes);

/* What is wrong with such a kernel, behind its name; NULL where Lamina can start it. */
const char *kernel_complaint(enum kernel_kind kind);

#endif
