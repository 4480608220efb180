/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Most nested page faults only need a leaf in a table that is there. They are served through the
 * window: the tables are the VM's own, and a linked table stays until the VM is gone. Like
 * pt_fill(), which has the rest, it runs without a lock.
 */
#include "core/npf.h"

#include "arch/x86/atomic.h"
#include "arch/x86/iso_window.h"
#include "arch/x86/pt.h"
#include "core/load/layout.h"
#include "core/vcpu.h"
#include "core/vm_iso.h"

#define TABLE_MASK MASK(51, 12)
#define LARGE BIT(7)

/* The slot that holds `gpa`, or NULL: at most 32 steps. */
static inline __attribute__((always_inline)) const struct memslot *
slot_find(const struct memslots *s, u64 gpa)
{
	for (u32 i = 0; i < s->count && i < MEMSLOT_MAX; i++)
		if (gpa - s->slot[i].gpa < s->slot[i].size_bytes)
			return &s->slot[i];
	return NULL;
}

/* Does the slot fill a leaf of `bytes` around `gpa`? */
static inline __attribute__((always_inline)) bool slot_fills(const struct memslot *slot, u64 gpa,
							      u64 bytes)
{
	u64 start = ALIGN_DOWN(gpa, bytes) - slot->gpa;

	return start < slot->size_bytes && slot->size_bytes - start >= bytes &&
	       IS_ALIGNED(slot->hpa.v - slot->gpa, bytes);
}

ISO_TEXT static enum next leaf_fill(const struct vcpu_hot *hot, const struct memslot *slot, u64 gpa)
{
	const struct npt_iso *npt = &hot->vm_iso->npt;
	u64 table = npt->root;

	for (unsigned level = PT_LEVELS;; level--) {
		u64 bytes = pt_level_bytes(level);
		u64 *entry = iso_window_open(hot->percpu, (hpa_t){ table });
		u64 value;

		entry += gpa / bytes % PT_ENTRIES;
		value = atomic_load_u64(entry);
		if (value & npt->present) {
			if (level == 1 || (value & LARGE))
				return NEXT_AGAIN;
			table = value & TABLE_MASK;
			continue;
		}
		if (level > npt->max_leaf || !slot_fills(slot, gpa, bytes))
			return NEXT_SLOW;
		value = ALIGN_DOWN(gpa, bytes) + slot->hpa.v - slot->gpa;
		value |= npt->leaf | (level > 1 ? LARGE : 0);
		return atomic_cas_u64(entry, npt->empty, value) ? NEXT_AGAIN : NEXT_SLOW;
	}
}

ISO_TEXT enum next npf_fast(struct vcpu_hot *hot, u64 gpa)
{
	const struct vm_iso *vm = hot->vm_iso;
	const struct memslot *slot;
	enum next next;

	if (gpa_is_device(gpa))
		return NEXT_SLOW;
	slot = slot_find(&vm->slots, gpa);
	if (!slot)
		return NEXT_SLOW;
	next = leaf_fill(hot, slot, gpa);
	iso_window_close(hot->percpu);
	if (next == NEXT_AGAIN)
		hot->exit_counts[EXIT_NPF]++;
	return next;
}
