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

static void remove_at(struct boot_mem *mem, uint32_t *nr_mem, uint32_t at)
{
	(*nr_mem)--;
	for (uint32_t i = at; i < *nr_mem; i++)
		mem[i] = mem[i + 1];
}

static enum memmap_result insert_at(struct boot_mem *mem, uint32_t *nr_mem, uint32_t at,
				    const struct boot_mem *m)
{
	if (*nr_mem == BOOT_MAX_MEM)
		return MEMMAP_FULL;
	for (uint32_t i = *nr_mem; i > at; i--)
		mem[i] = mem[i - 1];
	mem[at] = *m;
	(*nr_mem)++;
	return MEMMAP_OK;
}

/* Try to grow a neighbour instead of using a record of its own. */
static bool join_at(struct boot_mem *mem, uint32_t *nr_mem, uint32_t at, const struct boot_mem *m)
{
	bool after = at > 0 && can_join(&mem[at - 1], m);
	bool before = at < *nr_mem && can_join(m, &mem[at]);

	if (after)
		mem[at - 1].size_bytes += m->size_bytes;
	else if (before)
		mem[at].base = m->base;
	if (after && before) {
		mem[at - 1].size_bytes += mem[at].size_bytes;
		remove_at(mem, nr_mem, at);
	} else if (before) {
		mem[at].size_bytes += m->size_bytes;
	}
	return after || before;
}

enum memmap_result memmap_add(struct boot_mem *mem, uint32_t *nr_mem, uint64_t base,
			      uint64_t size_bytes, enum boot_mem_type type)
{
	struct boot_mem m = { base, size_bytes, (uint32_t)type, 0 };
	uint32_t at = *nr_mem;

	if (!size_bytes || ((base | size_bytes) & PAGE_MASK) || base + size_bytes <= base)
		return MEMMAP_BAD;
	while (at > 0 && mem[at - 1].base >= base)
		at--;
	if ((at > 0 && mem_end(&mem[at - 1]) > base) ||
	    (at < *nr_mem && mem[at].base < base + size_bytes))
		return MEMMAP_OVERLAP;
	if (join_at(mem, nr_mem, at, &m))
		return MEMMAP_OK;
	return insert_at(mem, nr_mem, at, &m);
}

bool memmap_is_ram(uint32_t type)
{
	return type != BOOT_MEM_MMIO && type != BOOT_MEM_RESERVED;
}

bool memmap_next_ram(const struct boot_mem *mem, uint32_t nr_mem, uint32_t *i, uint64_t *start,
		     uint64_t *end)
{
	while (*i < nr_mem && !memmap_is_ram(mem[*i].type))
		(*i)++;
	if (*i == nr_mem)
		return false;
	*start = mem[*i].base;
	do {
		*end = mem_end(&mem[(*i)++]);
	} while (*i < nr_mem && memmap_is_ram(mem[*i].type) && mem[*i].base == *end);
	return true;
}
