/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds lamina.toml, reads it into info->config, and loads the files that it names.
 */
#ifndef BOOT_EFI_CONFIG_H
#define BOOT_EFI_CONFIG_H

#include <efi.h>

#include "boot/bootinfo.h"

/* Take the command line of `image`, else the embedded file "options"; refuse unknown words. */
BOOLEAN config_read_options(EFI_HANDLE image);

/*
 * Read the configuration: config=PATH of the options, else lamina.toml in the image, beside the
 * loader, or in the root of the volume. Without success it has no VMs.
 */
BOOLEAN config_read(struct bootinfo *info);

/* Load each VM's kernel and modules, and check that the kernels are kernels. */
BOOLEAN config_load_files(struct bootinfo *info);

/* The path of the configuration that was read, for messages. */
const char *config_path(void);

/* Whether the options ask for a report of the machine instead of a start. */
BOOLEAN config_wants_check(void);

#endif
