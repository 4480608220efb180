/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check of the machine before anything is taken over: what is missing for running VMs at all,
 * and for running the VMs of the configuration. It changes nothing. It runs on the boot CPU; the
 * core checks each further CPU when it starts it.
 */
#ifndef BOOT_EFI_CHECK_H
#define BOOT_EFI_CHECK_H

#include "boot/bootinfo.h"
#include "boot/efi_console.h"

/* Whether this CPU can run VMs; prints the error where it cannot. */
EFI_STATUS check_cpu(void);

/* Whether info->config fits the CPUs of `info`; `path` names the configuration in messages. */
EFI_STATUS check_cpus(const struct bootinfo *info, const CHAR16 *path);

/* Whether the machine has the memory that info->config asks for, files already loaded. */
EFI_STATUS check_memory(const struct bootinfo *info, const CHAR16 *path);

#endif
