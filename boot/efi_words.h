/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the record of last words lies, and what it says of the run before in short.
 */
#ifndef BOOT_EFI_WORDS_H
#define BOOT_EFI_WORDS_H

#include "boot/bootinfo.h"

/*
 * Take the memory of the record, as an earlier boot has left it. After a panic its first lines go
 * into the variable LaminaLastWords, which stays when the power goes. Without the memory there are
 * no last words; that is no error. Last of all: nobody gives the memory back.
 */
void words_find(struct bootinfo *info);

#endif
