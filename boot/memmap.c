/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/memmap.h"

#define PAGE_MASK UINT64_C(0xfff)

static uint64_t mem_end(const struct boot_mem *m)
{
	return m->base + m->size_bytes;
}

/* Whether b follows a without a gap and has its type. */
static bool can_join(const struct boot_mem *a, const struct boot_mem *b)
{
	return a->type == b->type && mem_end(a) == b->base;
}

/* Make room for a record at `at`. */
static void open_gap(struct boot_mem *mem, uint32_t *nr_mem, uint32_t at)
{
	for (uint32_t i = (*nr_mem)++; i > at; i--)
		mem[i] = mem[i - 1];
}

static void remove_at(struct boot_mem *mem, uint32_t *nr_mem, uint32_t at)
{
	for ((*nr_mem)--; at < *nr_mem; at++)
		mem[at] = mem[at + 1];
}

enum memmap_result memmap_add(struct boot_mem *mem, uint32_t *nr_mem, uint64_t base,
			      uint64_t size_bytes, enum boot_mem_type type)
{
	struct boot_mem m = { base, size_bytes, (uint32_t)type, 0 };
	uint32_t at = *nr_mem;
	bool before, after;

	if (!size_bytes || ((base | size_bytes) & PAGE_MASK) || base + size_bytes <= base)
		return MEMMAP_BAD;
	while (at > 0 && mem[at - 1].base >= base)
		at--;
	if ((at > 0 && mem_end(&mem[at - 1]) > base) ||
	    (at < *nr_mem && mem[at].base < base + size_bytes))
		return MEMMAP_OVERLAP;
	before = at > 0 && can_join(&mem[at - 1], &m);
	after = at < *nr_mem && can_join(&m, &mem[at]);
	if (!before && !after && *nr_mem == BOOT_MAX_MEM)
		return MEMMAP_FULL;
	if (after)
		m.size_bytes += mem[at].size_bytes;
	if (before)
		mem[at - 1].size_bytes += m.size_bytes;
	if (before && after)
		remove_at(mem, nr_mem, at);
	else if (!before && !after)
		open_gap(mem, nr_mem, at);
	if (!before)
		mem[at] = m;
	return MEMMAP_OK;
}

/* The direct map covers RAM. */
static bool is_ram(uint32_t type)
{
	return type != BOOT_MEM_MMIO && type != BOOT_MEM_RESERVED;
}

bool memmap_next_ram(const struct boot_mem *mem, uint32_t nr_mem, uint32_t *i, uint64_t *start,
		     uint64_t *end)
{
	while (*i < nr_mem && !is_ram(mem[*i].type))
		(*i)++;
	if (*i == nr_mem)
		return false;
	*start = mem[*i].base;
	do {
		*end = mem_end(&mem[(*i)++]);
	} while (*i < nr_mem && is_ram(mem[*i].type) && mem[*i].base == *end);
	return true;
}
