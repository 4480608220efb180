/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables of a guest: RSDP, XSDT, FADT, FACS, MADT, MCFG, and the DSDT that iasl compiles
 * from dsdt.asl. They lie in the reserved RAM below 1 MiB (core/load/layout.h), the RSDP at
 * GPA_RSDP, where guests find it by scanning, too. Pure, through the memory writer; any context.
 */
#ifndef CORE_LOAD_GACPI_H
#define CORE_LOAD_GACPI_H

#include "core/load/guest_mem.h"

/*
 * Write the tables for `nr_cpus` CPUs, up to LOAD_MAX_CPUS, with the APIC ids 0 .. nr_cpus-1;
 * `*rsdp` becomes the RSDP's address. ERR_NOMEM: they do not fit; else what the writer says.
 */
enum err gacpi_write(const struct guest_mem *mem, u32 nr_cpus, u64 *rsdp) __must_check;

#endif
