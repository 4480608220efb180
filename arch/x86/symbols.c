/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/symbols.h"

/* Elf64_Sym, from the ELF-64 object file format. */
struct elf_symbol {
	u32 name;
	u8 info; /* type in 3:0 */
	u8 other;
	u16 section;
	u64 value;
	u64 size_bytes;
};
_Static_assert(sizeof(struct elf_symbol) == 24, "ELF symbol layout");

#define TYPE_MASK 15
#define TYPE_NONE 0
#define TYPE_FUNCTION 2

static struct symbols {
	const struct elf_symbol *list;
	u64 count;
	const char *names;
	u64 names_bytes;
} symbols; /* [c] */

void symbols_init(const void *symtab, u64 nr_symbols, const char *strtab, u64 strtab_bytes)
{
	/* The last byte has to end the last name. */
	if (!nr_symbols || !strtab_bytes || strtab[strtab_bytes - 1])
		return;
	symbols = (struct symbols){ symtab, nr_symbols, strtab, strtab_bytes };
}

static bool is_code(const struct elf_symbol *s)
{
	u8 type = s->info & TYPE_MASK;

	return s->section && (type == TYPE_FUNCTION || type == TYPE_NONE) &&
	       s->name < symbols.names_bytes;
}

/* At the same address a function's name says more than a label's. */
static bool is_better(const struct elf_symbol *s, const struct elf_symbol *best)
{
	if (!best || s->value != best->value)
		return !best || s->value > best->value;
	return (s->info & TYPE_MASK) == TYPE_FUNCTION;
}

/* The nearest symbol at or below: assembly has symbols without size. */
const char *symbol_find(u64 address, u64 *offset)
{
	const struct elf_symbol *best = NULL;

	for (const struct elf_symbol *s = symbols.list; s < symbols.list + symbols.count; s++) {
		bool is_inside = s->value <= address &&
				 (!s->size_bytes || address - s->value < s->size_bytes);

		if (is_inside && is_code(s) && is_better(s, best))
			best = s;
	}
	if (!best)
		return NULL;
	*offset = address - best->value;
	return symbols.names + best->name;
}
