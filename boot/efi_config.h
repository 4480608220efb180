/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds lamina.toml, reads it into info->config, and loads the files that it names.
 */
#ifndef BOOT_EFI_CONFIG_H
#define BOOT_EFI_CONFIG_H

#include <efi.h>
#include <efilib.h>

#include "boot/bootinfo.h"

/* Take the loader's command line of `image` into info->options; refuse unknown words. */
EFI_STATUS config_read_options(EFI_HANDLE image, struct bootinfo *info);

/*
 * Read the configuration: config=PATH of the options, else lamina.toml beside the loader, else in
 * the root of the volume.
 */
EFI_STATUS config_read(struct bootinfo *info);

/* Load each VM's kernel and modules, and check that the kernels are kernels. */
EFI_STATUS config_load_files(struct bootinfo *info);

/* The path of the configuration that was read, for messages. */
const CHAR16 *config_path(void);

#endif
