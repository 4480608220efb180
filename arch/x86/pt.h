/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one page-table engine: 4-level tables in one of three formats (host, EPT, NPT).
 *
 * Promises, at every moment, also to a hardware walker that looks in between:
 * - An entry is written by one 64-bit store, from one valid state to another.
 * - A table is filled completely before the entry that points to it is stored.
 * - Not present is the format's `empty` value, which in EPT has suppress-#VE set; so has every
 *   present EPT leaf. NPT and host entries never get bit 63 from that rule: it is NX there.
 * - A linked table stays linked, so no walker ever reads a freed page.
 *
 * Pure: it touches nothing but the tables, through struct pt_mem, so the same code runs in tests.
 * Not locked: the owner of a struct pt serializes changes, but for those of pt_fill(); lookups may
 * run beside a change.
 * Caches of translations are the caller's business: functions that can leave a stale one say so
 * through *stale, which they set but never clear.
 */
#ifndef ARCH_X86_PT_H
#define ARCH_X86_PT_H

#include "arch/x86/page.h"

/* Rights and memory type of a mapping. PT_R is needed with any other right. */
#define PT_R BIT(0)
#define PT_W BIT(1)
#define PT_X BIT(2)
#define PT_U BIT(3) /* host: user page; NPT entries are always user pages; EPT has no such thing */
#define PT_RIGHTS (PT_R | PT_W | PT_X | PT_U)
#define PT_WB 0u
#define PT_WC BIT(4)
#define PT_UC BIT(5)
#define PT_MEMTYPE (PT_WC | PT_UC)
#define PT_IGNORE_PAT BIT(6) /* EPT: the guest's PAT has no say */

/* Levels as the manuals count them: 1 holds 4 KiB leaves, 2 may hold 2 MiB, 3 may hold 1 GiB. */
#define PT_LEVELS 4
#define PT_ENTRIES 512
#define PT_ADDRESS MASK(51, 12)
#define PT_LARGE BIT(7) /* leaf above level 1, in all formats */

enum pt_kind { PT_HOST, PT_EPT, PT_NPT };

/* What differs between the formats; one constant of each kind exists. */
struct pt_format {
	u64 empty; /* a not-present entry */
	u64 present; /* present if any of these is set */
	u64 table; /* bits of an entry that points to a table */
	u64 leaf; /* bits that every leaf has */
	u64 vary; /* bits that hardware may set by itself (accessed, dirty) */
	u64 write, execute, no_execute, user; /* bits of a leaf with such rights */
	u64 wb, wc, uc, ignore_pat; /* and memory types */
};

/* Where tables come from. `alloc` returns a page of any content, or NULL. */
struct pt_mem {
	void *(*alloc)(void);
	void (*free)(void *page);
	void (*store)(u64 *entry, u64 value); /* one 64-bit store */
};

/* The page allocator and plain stores. */
void pt_store(u64 *entry, u64 value);
extern const struct pt_mem pt_mem_default;

struct pt {
	const struct pt_format *format; /* [c] */
	const struct pt_mem *mem; /* [c] */
	u64 *root; /* [c] */
	unsigned max_leaf; /* [c] highest level at which leaves may be: 1, 2 or 3 */
	u64 nr_tables; /* [a] with the root */
};

/* What a lookup found. */
struct pt_leaf {
	hpa_t pa; /* of the byte asked for; 0 if not present */
	u64 entry; /* as it is in the table */
	unsigned level; /* of that entry: 1, 2, 3, or 4 if even the third table is missing */
	bool is_present;
};

/* Bytes that one entry of `level` covers. */
static inline u64 pt_level_bytes(unsigned level)
{
	return PAGE_SIZE << (9 * (level - 1));
}

/* The number of the entry for `va` in its table of `level`. */
static inline unsigned pt_index(u64 va, unsigned level)
{
	return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) % PT_ENTRIES;
}

/* The table that `entry` points to. */
static inline u64 *pt_table(u64 entry)
{
	return pa_to_va((hpa_t){ entry & PT_ADDRESS });
}

/* An empty tree. `max_leaf`: 1, 2 (2 MiB pages), 3 (and 1 GiB). ERR_NOMEM, ERR_INVAL. */
enum err pt_init(struct pt *pt, enum pt_kind kind, const struct pt_mem *mem,
		 unsigned max_leaf) __must_check;

/* Physical address of the root, for CR3, EPTP or N_CR3. */
hpa_t pt_root(const struct pt *pt);

/*
 * Map [va, va + size_bytes) to `pa` onwards with the largest pages that alignment and the format
 * allow; replaces what was there. All three page aligned. `attr`: PT_*. *stale becomes true if
 * something present changed. ERR_INVAL for bad alignment or rights, ERR_RANGE beyond what the
 * format can address, ERR_NOMEM with a prefix of the range mapped.
 */
enum err pt_map(struct pt *pt, u64 va, hpa_t pa, u64 size_bytes, u64 attr,
		bool *stale) __must_check;

/* The bits of a page's leaf besides its address, as pt_fill() wants them. `attr`: PT_*, valid. */
u64 pt_leaf_bits(const struct pt *pt, u64 attr);

/*
 * Map the page at `va`, unless something is mapped there, by the largest leaf that fits into what
 * is empty and into the area [first, first + size_bytes), which lies at `pa` onwards; all of them
 * page aligned, but `va`. `bits`: by pt_leaf_bits(). Needs no lock: it may run beside itself,
 * pt_unmap(), but not beside pt_map(). ERR_NOMEM.
 */
enum err pt_fill(struct pt *pt, u64 va, u64 first, u64 size_bytes, hpa_t pa,
		 u64 bits) __must_check;

/*
 * Empty [va, va + size_bytes). A large page that sticks out is split first, so this may fail with
 * ERR_NOMEM; the rest of the range may be empty by then.
 */
enum err pt_unmap(struct pt *pt, u64 va, u64 size_bytes, bool *stale) __must_check;

/* Find what `va` is mapped to. Never fails. */
struct pt_leaf pt_lookup(const struct pt *pt, u64 va);

#endif
