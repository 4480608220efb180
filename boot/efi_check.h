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
BOOLEAN check_cpu(struct bootinfo *info);

/* Whether info->config fits the CPUs of `info`. */
BOOLEAN check_cpus(struct bootinfo *info);

/* Whether the machine has the memory that info->config asks for, files already loaded. */
BOOLEAN check_memory(struct bootinfo *info);

/* Print what the machine has of all that Lamina uses, one fact a line, `info` already filled. */
void check_report(const struct bootinfo *info);

#endif
