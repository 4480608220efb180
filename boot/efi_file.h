/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files from where the loader came: embedded in its image, else from the volume or the TFTP server
 * that it was started from. Paths are UTF-8 with / or \; on volume and server those that begin with
 * neither are relative to the folder of the configuration. What comes from outside the image is
 * held against the image's list of hashes, where it has one; with Secure Boot on it must have one.
 */
#ifndef BOOT_EFI_FILE_H
#define BOOT_EFI_FILE_H

#include <efi.h>

#include "boot/archive.h"
#include "boot/bootinfo.h"

#define FILE_MAX_PATH 512 /* bytes of a whole path, with the NUL */
#define FILE_MISSING UINT64_MAX

/* Find out where `image` came from and make its own folder the current one. */
BOOLEAN file_open_source(EFI_HANDLE image);

/* File `path` as embedded in the image; no data where there is none. */
struct blob file_embedded(const char *path);

/* Make the folder of `path` the one that relative paths begin at, unless `path` is embedded. */
void file_enter_folder_of(const char *path);

/*
 * Read a whole file into memory for the hand-over, its last page filled with zeros. Shows progress.
 * `who` begins the message when there is an error; where it is NULL, a file that does not exist is
 * no error but has FILE_MISSING as its size. An empty file has hpa 0.
 */
BOOLEAN file_load(const char *path, const CHAR16 *who, UINT64 *hpa, UINT64 *size_bytes);

/* For messages, behind a file's name: " on TFTP server 192.0.2.1", or nothing for a volume. */
const CHAR16 *file_source(void);

/* Whether the firmware starts only signed programs; whether the image has a list of hashes. */
BOOLEAN file_secure_boot(void);
BOOLEAN file_has_hashes(void);

/* Give the source back to the firmware. */
void file_close_source(void);

#endif
