/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the user sees of the loader: checkpoints, progress, errors. Everything goes to the UEFI text
 * output, and to a 16550 at the legacy port where there is one and the firmware does not echo its
 * text output there already. Only before ExitBootServices.
 */
#ifndef BOOT_EFI_CONSOLE_H
#define BOOT_EFI_CONSOLE_H

#include <efi.h>
#include <efilib.h>

#include "boot/checkpoints.h"
#include "boot/errors.h"

/* Find the consoles. First of all calls. */
void console_open(void);

/* Print by gnu-efi's format (%a is a char string, %s a CHAR16 string, %ld 64 bits). */
void console_print(const CHAR16 *fmt, ...);

/* Print the line of checkpoint `code`, send it to the POST port, and keep it for errors. */
void console_checkpoint(enum checkpoint code);

/*
 * Print a named error, its details by gnu-efi's format, and its hint. Returns FALSE, as everything
 * in the loader does after an error that has been printed.
 */
BOOLEAN console_error(enum loader_error e, const CHAR16 *fmt, ...);

/*
 * Name the last checkpoint and give time to read: until a key is pressed, at most `seconds`.
 * Returns the status of the first error for the firmware.
 */
EFI_STATUS console_stop(UINTN seconds);

/* Whether text goes to a serial line, by the firmware or by the loader itself. */
BOOLEAN console_has_serial(void);

#endif
