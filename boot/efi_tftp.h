/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files from the TFTP server that the firmware has loaded this program from, by the firmware's own
 * PXE code: its waits are bounded, and so is the number of tries here. IPv4.
 */
#ifndef BOOT_EFI_TFTP_H
#define BOOT_EFI_TFTP_H

#include <efi.h>
#include <efilib.h>

/*
 * Whether `device` is a network card that this program was loaded through. Then `boot_file` (of
 * `chars` with its NUL) is this program's own path on the server.
 */
BOOLEAN tftp_open(EFI_HANDLE device, CHAR16 *boot_file, UINTN chars);

/* The server for messages, as in " on TFTP server 192.0.2.1"; empty where there is none. */
const CHAR16 *tftp_server(void);

/*
 * Ask for the size of file `path`, whose characters are bytes. EFI_NOT_FOUND where the server has
 * no such file.
 */
EFI_STATUS tftp_size(const CHAR16 *path, UINT64 *size_bytes);

/* Read the whole file to `to`; `progress` is told of each part as it comes. */
EFI_STATUS tftp_read(const CHAR16 *path, void *to, UINT64 size_bytes,
		     void (*progress)(UINT64 part_bytes));

/* Why the last request failed with `status`: what the server said, or the firmware. */
const CHAR16 *tftp_complaint(EFI_STATUS status);

/* Give the network card back to the firmware. */
void tftp_close(void);

#endif
