/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for code addresses, from the core's ELF symbol table. Set once at boot, asked from any
 * context; without a table there are no names.
 */
#ifndef ARCH_X86_SYMBOLS_H
#define ARCH_X86_SYMBOLS_H

#include "core/lib/types.h"

/* `nr_symbols` Elf64_Sym and their strings, which stay where they are. Boot CPU, once. */
void symbols_init(const void *symtab, u64 nr_symbols, const char *strtab, u64 strtab_bytes);

/* The function that holds `address`: its name, and the offset in *offset; NULL if unknown. */
const char *symbol_find(u64 address, u64 *offset);

#endif
