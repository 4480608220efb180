/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's own paging, walked in software for the instruction emulator: SDM "Paging". The
 * tables are guest memory that other vCPUs may be changing: each entry is read once, and accessed
 * and dirty bits are set with a compare-and-swap against the value that was checked.
 */
#include "core/gmem.h"

#include "arch/x86/atomic.h"
#include "arch/x86/page.h"
#include "arch/x86/regs.h"
#include "core/hv.h"
#include "core/vm.h"

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_A BIT(5)
#define PTE_D BIT(6)
#define PTE_PS BIT(7)
#define PTE_NX BIT(63)
#define PTE_ADDR MASK(51, 12)

/* Everything about the access and the mode that the walk needs, read once. */
struct walk {
	struct vm *vm;
	u64 cr0, cr4, efer, rflags;
	u32 access;
	bool is_user;
	unsigned levels; /* tables to pass; 0: paging off */
	unsigned entry_bytes; /* 4 or 8 */
	unsigned index_bits; /* 10 or 9 */
	u64 rights; /* running AND of P, W, U and OR of NX */
};

static void walk_init(struct walk *w, struct vcpu *v, u32 access, bool is_user)
{
	u64 cr4 = hv_reg_get(v, REG_CR4);

	*w = (struct walk){ .vm = v->vm,
			    .cr0 = hv_reg_get(v, REG_CR0),
			    .cr4 = cr4,
			    .efer = hv_reg_get(v, REG_EFER),
			    .rflags = hv_reg_get(v, REG_RFLAGS),
			    .access = access,
			    .is_user = is_user,
			    .entry_bytes = cr4 & CR4_PAE ? 8 : 4,
			    .index_bits = cr4 & CR4_PAE ? 9 : 10,
			    .rights = PTE_W | PTE_U };
	if (w->efer & EFER_LMA)
		w->levels = cr4 & CR4_LA57 ? 5 : 4;
	else if (w->cr0 & CR0_PG)
		w->levels = cr4 & CR4_PAE ? 3 : 2;
}

/* The error code of a #PF that this access raises now. */
static u32 walk_error(const struct walk *w, u32 cause)
{
	u32 err = cause;

	if (w->access & ACCESS_WRITE)
		err |= PF_WRITE;
	if (w->is_user)
		err |= PF_USER;
	if ((w->access & ACCESS_FETCH) &&
	    ((w->cr4 & CR4_SMEP) || ((w->cr4 & CR4_PAE) && (w->efer & EFER_NXE))))
		err |= PF_FETCH;
	return err;
}

/* Bits that must be 0 in an entry of `level` (1 = page table). */
static u64 walk_reserved(const struct walk *w, unsigned level, u64 entry)
{
	u64 reserved = 0;

	if (w->entry_bytes == 4)
		return 0;
	if (!(w->efer & EFER_NXE))
		reserved |= PTE_NX;
	if (w->levels == 3)
		reserved |= MASK(62, 52);
	/* The accessed bit: AMD's processors set it; Intel's check it at MOV to CR3 only. */
	if (w->levels == 3 && level == 3)
		return reserved | PTE_NX | MASK(8, 6) | MASK(2, 1);
	if (level >= 4)
		reserved |= PTE_PS;
	else if (level > 1 && (entry & PTE_PS))
		reserved |= MASK(12 + 9 * (level - 1) - 1, 13);
	return reserved;
}

static bool walk_is_leaf(const struct walk *w, unsigned level, u64 entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_PS))
		return false;
	if (w->entry_bytes == 4)
		return level == 2 && (w->cr4 & CR4_PSE);
	return level == 2 || (level == 3 && w->levels > 3);
}

/* SDM "Determination of Access Rights". */
static bool walk_is_allowed(const struct walk *w)
{
	bool is_user_page = w->rights & PTE_U;

	if (w->is_user && !is_user_page)
		return false;
	if (w->access & ACCESS_FETCH) {
		if (w->rights & PTE_NX)
			return false;
		return w->is_user || !is_user_page || !(w->cr4 & CR4_SMEP);
	}
	if (!w->is_user && is_user_page && (w->cr4 & CR4_SMAP) && !(w->rflags & RFLAGS_AC))
		return false;
	if ((w->access & ACCESS_WRITE) && !(w->rights & PTE_W))
		return !w->is_user && !(w->cr0 & CR0_WP);
	return true;
}

/* Set accessed or dirty bits if the entry is still what was checked; false: walk again. */
static bool entry_mark(const struct walk *w, void *p, u64 entry, u64 bits)
{
	if ((entry & bits) == bits)
		return true;
	if (w->entry_bytes == 4)
		return atomic_cas_u32(p, (u32)entry, (u32)(entry | bits));
	return atomic_cas_u64(p, entry, entry | bits);
}

static u64 leaf_address(const struct walk *w, unsigned level, u64 entry, u64 gva)
{
	unsigned shift = 12 + w->index_bits * (level - 1);
	u64 base = entry & PTE_ADDR & ~MASK(shift - 1, 0);

	/* 4 MiB pages keep address bits 39:32 in bits 20:13: PSE-36. */
	if (w->entry_bytes == 4 && level == 2)
		base |= bits_get(entry, 20, 13) << 32;
	return base | (gva & MASK(shift - 1, 0));
}

enum walk_step { WALK_DOWN, WALK_DONE, WALK_AGAIN, WALK_FAULT };

/* One level: read, check, mark. `table` moves down to the next table or becomes the address. */
static enum walk_step walk_level(struct walk *w, unsigned level, u64 gva, u64 *table, u32 *err)
{
	unsigned shift = 12 + w->index_bits * (level - 1);
	u64 index = (gva >> shift) & MASK(w->index_bits - 1, 0);
	void *p = memslot_ptr(&w->vm->slots, (gpa_t){ *table + index * w->entry_bytes },
			      w->entry_bytes);
	u64 entry;

	*err = walk_error(w, 0);
	if (!p)
		return WALK_FAULT;
	entry = w->entry_bytes == 4 ? atomic_load_u32(p) : atomic_load_u64(p);
	if (!(entry & PTE_P))
		return WALK_FAULT;
	if (entry & walk_reserved(w, level, entry)) {
		*err = walk_error(w, PF_PRESENT | PF_RSVD);
		return WALK_FAULT;
	}
	*table = entry & PTE_ADDR;
	/* PDPTEs of PAE paging carry no rights and are not marked. */
	if (w->levels == 3 && level == 3)
		return WALK_DOWN;
	w->rights = (w->rights & (entry | PTE_NX)) | (entry & PTE_NX);
	if (!walk_is_leaf(w, level, entry))
		return entry_mark(w, p, entry, PTE_A) ? WALK_DOWN : WALK_AGAIN;
	if (!walk_is_allowed(w)) {
		*err = walk_error(w, PF_PRESENT);
		return WALK_FAULT;
	}
	if (!entry_mark(w, p, entry, PTE_A | (w->access & ACCESS_WRITE ? PTE_D : 0)))
		return WALK_AGAIN;
	*table = leaf_address(w, level, entry, gva);
	return WALK_DONE;
}

static u64 walk_root(const struct walk *w, u64 cr3)
{
	return cr3 & (w->levels == 2 ? MASK(31, 12) : w->levels == 3 ? MASK(31, 5) : PTE_ADDR);
}

/* Another vCPU can make a walk start over, but not for ever. */
#define WALK_TRIES 16

enum err gmem_translate(struct vcpu *v, gva_t gva, u32 access, bool is_user, gpa_t *out,
			u32 *pf_err)
{
	u64 cr3 = hv_reg_get(v, REG_CR3);
	struct walk w;

	for (unsigned try = 0; try < WALK_TRIES; try++) {
		enum walk_step step;
		u64 table;

		walk_init(&w, v, access, is_user);
		step = w.levels ? WALK_DOWN : WALK_DONE;
		table = w.levels ? walk_root(&w, cr3) : gva.v & MASK(31, 0);
		for (unsigned level = w.levels; step == WALK_DOWN && level > 0; level--)
			step = walk_level(&w, level, gva.v, &table, pf_err);
		if (step == WALK_DONE) {
			out->v = table;
			return ERR_NONE;
		}
		if (step == WALK_FAULT)
			return ERR_FAULT;
	}
	*pf_err = walk_error(&w, 0);
	return ERR_FAULT;
}

/* Is `gpa` in *slot, or in the one that *slot then becomes? */
static bool slot_follow(struct memslots *slots, const struct memslot **slot, u64 gpa)
{
	if (likely(gpa - (*slot)->gpa < (*slot)->size_bytes))
		return true;
	*slot = memslot_find(slots, (gpa_t){ gpa });
	if (!*slot)
		return false;
	atomic_store_relaxed_u32(&slots->code, (u32)(*slot - slots->slot));
	return true;
}

static const void *slot_ptr(const struct memslot *slot, u64 gpa)
{
	return pa_to_va((hpa_t){ slot->hpa.v - slot->gpa + gpa });
}

#define TOP_SHIFT 39u /* of four levels */
#define LEVEL_SHIFT 9u
#define ENTRIES 512u

/* Address bits of a large page's entry that must be 0; bit 12 is its PAT bit. */
static bool is_odd_large(u64 entry, unsigned shift)
{
	return shift == TOP_SHIFT || (entry & MASK(shift - 1, 13));
}

/* May such a page be executed? `all`: AND of the entries above it, `any`: OR. */
static bool is_plain_code(const struct code64 *code, u64 all, u64 any)
{
	/* Bit 63 forbids the fetch, or is reserved. */
	if (!(all & PTE_A) || (any & PTE_NX))
		return false;
	return code->is_user ? all & PTE_U : !(all & PTE_U) || !code->has_smep;
}

static const void *code64_ptr(struct memslots *slots, const struct code64 *code)
{
	const struct memslot *slot = &slots->slot[atomic_load_relaxed_u32(&slots->code)];
	u64 rip = code->rip;
	u64 gpa = code->cr3 & PTE_ADDR;
	u64 all = ~0ull, any = 0;
	unsigned shift = TOP_SHIFT;

	for (;; shift -= LEVEL_SHIFT) {
		u64 entry;

		gpa += (rip >> shift) % ENTRIES * sizeof(entry);
		if (!slot_follow(slots, &slot, gpa))
			return NULL;
		entry = atomic_load_u64(slot_ptr(slot, gpa));
		if (!(entry & PTE_P))
			return NULL;
		all &= entry;
		any |= entry;
		gpa = entry & PTE_ADDR;
		if (shift == PAGE_SHIFT)
			break;
		if (unlikely(entry & PTE_PS)) {
			if (is_odd_large(entry, shift))
				return NULL;
			break;
		}
	}
	gpa = (gpa & ~MASK(shift - 1, 0)) | (rip & MASK(shift - 1, 0));
	if (!is_plain_code(code, all, any) || !slot_follow(slots, &slot, gpa))
		return NULL;
	return slot_ptr(slot, gpa);
}

typedef u64 u64_unaligned __aligned(1);

bool gmem_fetch64(struct vm *vm, const struct code64 *code, u8 *buf)
{
	const volatile u64_unaligned *from;
	u64 copy[2];

	if ((code->rip & (PAGE_SIZE - 1)) > PAGE_SIZE - sizeof(copy))
		return false;
	from = code64_ptr(&vm->slots, code);
	if (!from)
		return false;
	/* Read once: other vCPUs may be writing there. */
	copy[0] = from[0];
	copy[1] = from[1];
	__builtin_memcpy(buf, copy, sizeof(copy));
	return true;
}
