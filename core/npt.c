/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/npt.h"

#include "core/hv.h"
#include "core/vm.h"

/* Guest RAM is write-back memory of the host; what the guest's PAT says about it has no say. */
#define NPT_RAM (PT_R | PT_W | PT_X | PT_WB | PT_IGNORE_PAT)

enum err npt_create(struct vm *vm)
{
	lock_init(&vm->npt_lock);
	return pt_init(&vm->npt, hv_is_vmx ? PT_EPT : PT_NPT, &pt_mem_default, hv_npt_max_leaf());
}

void npt_destroy(struct vm *vm)
{
	pt_free(&vm->npt);
}

/* The largest page around `gpa` that lies in `slot` and is aligned on both sides. */
static u64 leaf_bytes(const struct memslot *slot, u64 gpa, unsigned max_leaf)
{
	for (unsigned level = max_leaf; level > 1; level--) {
		u64 bytes = pt_level_bytes(level);
		u64 start = ALIGN_DOWN(gpa, bytes);

		if (start >= slot->gpa && start + bytes <= slot->gpa + slot->size_bytes &&
		    IS_ALIGNED(slot->hpa.v - slot->gpa, bytes))
			return bytes;
	}
	return PAGE_SIZE;
}

static enum err map_leaf(struct vm *vm, const struct memslot *slot, u64 gpa)
{
	struct pt_leaf found = pt_lookup(&vm->npt, gpa);
	u64 bytes = MIN(leaf_bytes(slot, gpa, vm->npt.max_leaf), pt_level_bytes(found.level));
	u64 start = ALIGN_DOWN(gpa, bytes);
	bool stale = false;

	/* Another vCPU was quicker, or this one's translation caches were behind. */
	if (found.is_present)
		return ERR_NONE;
	return pt_map(&vm->npt, start, (hpa_t){ slot->hpa.v + (start - slot->gpa) }, bytes, NPT_RAM,
		      &stale);
}

enum err npt_fault(struct vm *vm, gpa_t gpa)
{
	const struct memslot *slot = memslot_find(&vm->slots, gpa);
	enum err e;

	if (!slot)
		return ERR_NOENT;
	lock_acquire(&vm->npt_lock);
	e = map_leaf(vm, slot, gpa.v);
	lock_release(&vm->npt_lock);
	return e;
}

enum err npt_map_page(struct vm *vm, gpa_t gpa, hpa_t hpa, bool (*is_allowed)(void *vm))
{
	enum err e = ERR_BUSY;
	bool stale = false;

	lock_acquire(&vm->npt_lock);
	if (is_allowed(vm))
		e = pt_lookup(&vm->npt, gpa.v).is_present
			    ? ERR_NONE
			    : pt_map(&vm->npt, gpa.v, hpa, PAGE_SIZE, NPT_RAM, &stale);
	lock_release(&vm->npt_lock);
	return e;
}

/* Every vCPU drops what it has cached; the caller's own does so before its next entry. */
static void npt_flush(struct vm *vm)
{
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		vcpu_request(vm->vcpu[i], REQ_TLB);
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		vcpu_wait_out(vm->vcpu[i]);
}

void npt_unmap_page(struct vm *vm, gpa_t gpa)
{
	bool stale = false;
	enum err e;

	lock_acquire(&vm->npt_lock);
	e = pt_unmap(&vm->npt, gpa.v, PAGE_SIZE, &stale);
	lock_release(&vm->npt_lock);
	if (e)
		vm_kill(vm, NULL, "nested page table: %s", err_text(e));
	if (stale)
		npt_flush(vm);
}
