/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files from the volume that the loader was started from. Paths have / or \; those that begin with
 * neither are relative to the folder of the configuration.
 */
#ifndef BOOT_EFI_FILE_H
#define BOOT_EFI_FILE_H

#include <efi.h>
#include <efilib.h>

#include "boot/bootinfo.h"

#define FILE_MAX_PATH 512 /* characters of a whole path, with the NUL */

/* Open the volume of `image` and make the loader's own folder the current one. */
EFI_STATUS file_open_volume(EFI_HANDLE image);

/* Whether the file exists and is no folder. `path` as above. */
BOOLEAN file_exists(const CHAR16 *path);

/* Make the folder of `path` the one that relative paths begin at. */
void file_enter_folder_of(const CHAR16 *path);

/* Turn UTF-8 into CHAR16; characters that CHAR16 cannot hold become '?'. Cut at `out_chars`. */
void file_path_from_utf8(const char *in, CHAR16 *out, UINTN out_chars);

/*
 * Read a whole file into memory for the hand-over, its last page filled with zeros. Shows progress.
 * `who` begins the message when there is an error. An empty file has hpa 0.
 */
EFI_STATUS file_load(const CHAR16 *path, const CHAR16 *who, UINT64 *hpa, UINT64 *size_bytes);

/* Give the volume back to the firmware. */
void file_close_volume(void);

#endif
