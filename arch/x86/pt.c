/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/pt.h"

#include "arch/x86/atomic.h"

#define VA_BITS 48
#define VA_MASK MASK(VA_BITS - 1, 0)

/* Bits of host and NPT entries */
#define H_P BIT(0)
#define H_W BIT(1)
#define H_U BIT(2)
#define H_PWT BIT(3)
#define H_PCD BIT(4)
#define H_A BIT(5)
#define H_D BIT(6)
#define H_NX BIT(63)

/* Bits of EPT entries */
#define E_R BIT(0)
#define E_W BIT(1)
#define E_X BIT(2)
#define E_WC (1ull << 3)
#define E_WB (6ull << 3)
#define E_IPAT BIT(6)
#define E_A BIT(8)
#define E_D BIT(9)
#define E_SUPPRESS_VE BIT(63)

void pt_store(u64 *entry, u64 value)
{
	atomic_store_u64(entry, value);
}

const struct pt_mem pt_mem_default = {
	.alloc = page_alloc,
	.free = page_free,
	.store = pt_store,
};

/* Rights are decided at the leaf, so tables grant all. Memory types by PAT_HOST's first four. */
#define HOST_FORMAT(leaf_bits)                                                                     \
	{                                                                                          \
		.present = H_P, .table = H_P | H_W | H_U | H_A, .leaf = (leaf_bits),               \
		.vary = H_A | H_D, .write = H_W | H_D, .no_execute = H_NX, .user = H_U,            \
		.wc = H_PWT, .uc = H_PCD | H_PWT,                                                  \
	}

static const struct pt_format formats[] = {
	[PT_HOST] = HOST_FORMAT(H_P | H_A),
	[PT_NPT] = HOST_FORMAT(H_P | H_U | H_A),
	[PT_EPT] = { .empty = E_SUPPRESS_VE, .present = E_R | E_W | E_X, .table = E_R | E_W | E_X,
		     .leaf = E_SUPPRESS_VE | E_R, .vary = E_A | E_D, .write = E_W, .execute = E_X,
		     .wb = E_WB, .wc = E_WC, .ignore_pat = E_IPAT },
};

u64 pt_leaf_bits(const struct pt *pt, u64 attr)
{
	const struct pt_format *f = pt->format;
	u64 type = attr & PT_UC ? f->uc : attr & PT_WC ? f->wc : f->wb;

	return f->leaf | type | (attr & PT_W ? f->write : 0) |
	       (attr & PT_X ? f->execute : f->no_execute) | (attr & PT_U ? f->user : 0) |
	       (attr & PT_IGNORE_PAT ? f->ignore_pat : 0);
}

static u64 large(unsigned level)
{
	return level > 1 ? PT_LARGE : 0;
}

static bool is_present(const struct pt *pt, u64 entry)
{
	return entry & pt->format->present;
}

/* A table that nobody sees yet, so the order of these stores does not matter. */
static u64 *table_make(struct pt *pt, u64 first, u64 step)
{
	u64 *table = pt->mem->alloc();

	if (!table)
		return NULL;
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		table[i] = first + i * step;
	atomic_add_u64(&pt->nr_tables, 1);
	return table;
}

/* One store makes a filled table visible; it is a release, so the contents are visible before. */
static enum err entry_extend(struct pt *pt, u64 *entry, u64 first, u64 step)
{
	u64 *table = table_make(pt, first, step);

	if (!table)
		return ERR_NOMEM;
	pt->mem->store(entry, va_to_pa(table).v | pt->format->table);
	return ERR_NONE;
}

/* Replace a large leaf by a table that maps the same: no translation changes. */
static enum err entry_split(struct pt *pt, u64 *entry, unsigned level)
{
	u64 first = (atomic_load_u64(entry) & ~PT_LARGE) | large(level - 1);

	return entry_extend(pt, entry, first, pt_level_bytes(level - 1));
}

static void entry_set(struct pt *pt, u64 *entry, u64 value, bool *stale)
{
	u64 old = atomic_load_u64(entry);

	if (is_present(pt, old) && ((old ^ value) & ~pt->format->vary))
		*stale = true;
	pt->mem->store(entry, value);
}

/* The entry that ends the walk for `va`: a leaf or an empty entry; its level in *level. */
static u64 *walk(const struct pt *pt, u64 va, unsigned *level)
{
	u64 present = pt->format->present;
	u64 *entry = &pt->root[pt_index(va, PT_LEVELS)];
	u64 value = atomic_load_u64(entry);
	unsigned at = PT_LEVELS;

	while ((value & present) && !(value & PT_LARGE) && at > 1) {
		entry = &pt_table(value)[pt_index(va, --at)];
		value = atomic_load_u64(entry);
	}
	*level = at;
	return entry;
}

static bool is_range_ok(u64 va, u64 size_bytes)
{
	return size_bytes && size_bytes - 1 <= VA_MASK - (va & VA_MASK);
}

static bool is_attr_ok(u64 attr)
{
	return (attr & PT_R) && (attr & PT_MEMTYPE) != PT_MEMTYPE &&
	       !(attr & ~(PT_RIGHTS | PT_MEMTYPE | PT_IGNORE_PAT));
}

enum err pt_init(struct pt *pt, enum pt_kind kind, const struct pt_mem *mem, unsigned max_leaf)
{
	if (max_leaf < 1 || max_leaf > 3)
		return ERR_INVAL;
	*pt = (struct pt){ .format = &formats[kind], .mem = mem, .max_leaf = max_leaf };
	pt->root = table_make(pt, pt->format->empty, 0);
	return pt->root ? ERR_NONE : ERR_NOMEM;
}

hpa_t pt_root(const struct pt *pt)
{
	return va_to_pa(pt->root);
}

/* The largest leaf that fits at the start of a range. */
static unsigned level_fitting(const struct pt *pt, u64 va, u64 pa, u64 size_bytes)
{
	unsigned level = pt->max_leaf;

	while (level > 1 && (!IS_ALIGNED(va | pa, pt_level_bytes(level)) ||
			     size_bytes < pt_level_bytes(level)))
		level--;
	return level;
}

/* Make the walk for `va` end at `target` or below, and store the leaf there. */
static enum err map_one(struct pt *pt, u64 va, u64 pa, u64 bits, unsigned *target, bool *stale)
{
	unsigned level;
	u64 *entry = walk(pt, va, &level);
	enum err err = ERR_NONE;

	while (!err && level > *target) {
		bool is_leaf = is_present(pt, atomic_load_u64(entry));

		err = is_leaf ? entry_split(pt, entry, level) :
				entry_extend(pt, entry, pt->format->empty, 0);
		entry = walk(pt, va, &level);
	}
	if (err)
		return err;
	*target = level;
	entry_set(pt, entry, pa | bits | large(level), stale);
	return ERR_NONE;
}

enum err pt_map(struct pt *pt, u64 va, hpa_t pa, u64 size_bytes, u64 attr, bool *stale)
{
	u64 bits = pt_leaf_bits(pt, attr), done = 0;

	if (!is_attr_ok(attr) || !IS_ALIGNED(va | pa.v | size_bytes, PAGE_SIZE))
		return ERR_INVAL;
	if (!is_range_ok(va, size_bytes) || pa.v >= BIT(52) || size_bytes > BIT(52) - pa.v)
		return ERR_RANGE;
	while (done < size_bytes) {
		unsigned level = level_fitting(pt, va + done, pa.v + done, size_bytes - done);
		enum err err = map_one(pt, va + done, pa.v + done, bits, &level, stale);

		if (err)
			return err;
		done += pt_level_bytes(level);
	}
	return ERR_NONE;
}

/* Put a new table where nothing is. Somebody else may be quicker, which is as good. */
static enum err entry_extend_shared(struct pt *pt, u64 *entry)
{
	u64 *table = table_make(pt, pt->format->empty, 0);

	if (!table)
		return ERR_NOMEM;
	if (!atomic_cas_u64(entry, pt->format->empty, va_to_pa(table).v | pt->format->table)) {
		pt->mem->free(table);
		atomic_sub_u64(&pt->nr_tables, 1);
	}
	return ERR_NONE;
}

/* Does a leaf of `bytes` bytes from `start` on lie in [first, first + size_bytes)? */
static bool is_inside(u64 start, u64 bytes, u64 first, u64 size_bytes)
{
	return start - first < size_bytes && size_bytes - (start - first) >= bytes;
}

enum err pt_fill(struct pt *pt, u64 va, u64 first, u64 size_bytes, hpa_t pa, u64 bits)
{
	u64 shift_bytes = pa.v - first;

	for (;;) {
		unsigned found;
		u64 *entry = walk(pt, va, &found);
		unsigned level = MIN(found, pt->max_leaf);
		u64 bytes = pt_level_bytes(level);

		if (is_present(pt, atomic_load_u64(entry)))
			return ERR_NONE;
		while (level > 1 && (!is_inside(ALIGN_DOWN(va, bytes), bytes, first, size_bytes) ||
				     !IS_ALIGNED(shift_bytes, bytes)))
			bytes = pt_level_bytes(--level);
		if (level < found) {
			if (entry_extend_shared(pt, entry))
				return ERR_NOMEM;
		} else if (atomic_cas_u64(entry, pt->format->empty,
					  (ALIGN_DOWN(va, bytes) + shift_bytes) | bits |
						  large(level))) {
			return ERR_NONE;
		}
	}
}

enum err pt_unmap(struct pt *pt, u64 va, u64 size_bytes, bool *stale)
{
	u64 done = 0;

	if (!IS_ALIGNED(va | size_bytes, PAGE_SIZE))
		return ERR_INVAL;
	if (!is_range_ok(va, size_bytes))
		return ERR_RANGE;
	while (done < size_bytes) {
		unsigned level;
		u64 *entry = walk(pt, va + done, &level);
		u64 span = pt_level_bytes(level);
		u64 inside = (va + done) & (span - 1);

		if (!is_present(pt, atomic_load_u64(entry))) {
			done += span - inside;
		} else if (inside || span > size_bytes - done) {
			if (entry_split(pt, entry, level))
				return ERR_NOMEM;
		} else {
			entry_set(pt, entry, pt->format->empty, stale);
			done += span;
		}
	}
	return ERR_NONE;
}

struct pt_leaf pt_lookup(const struct pt *pt, u64 va)
{
	struct pt_leaf leaf = { .level = 0 };

	/* Split between walk and load: walk again. */
	do {
		leaf.entry = atomic_load_u64(walk(pt, va, &leaf.level));
	} while (leaf.level > 1 && is_present(pt, leaf.entry) && !(leaf.entry & PT_LARGE));
	leaf.is_present = is_present(pt, leaf.entry);
	if (leaf.is_present)
		leaf.pa.v = (leaf.entry & PT_ADDRESS) | (va & (pt_level_bytes(leaf.level) - 1));
	return leaf;
}
