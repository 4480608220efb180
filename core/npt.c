/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/npt.h"

#include "core/hv.h"
#include "core/vm.h"

/* Guest RAM is write-back memory of the host; what the guest's PAT says about it has no say. */
#define NPT_RAM (PT_R | PT_W | PT_X | PT_WB | PT_IGNORE_PAT)

enum err npt_create(struct vm *vm)
{
	enum err e = pt_init(&vm->npt, hv_is_vmx ? PT_EPT : PT_NPT, &pt_mem_default,
			     hv_npt_max_leaf());
	const struct pt_format *f = vm->npt.format;

	if (e)
		return e;
	vm->npt_ram = pt_leaf_bits(&vm->npt, NPT_RAM);
	vm->iso->slots = vm->slots;
	vm->iso->npt = (struct npt_iso){ pt_root(&vm->npt).v, f->empty, f->present, vm->npt_ram,
					 vm->npt.max_leaf };
	return ERR_NONE;
}

enum err npt_fault(struct vm *vm, gpa_t gpa)
{
	const struct memslot *slot = memslot_find(&vm->slots, gpa);

	if (!slot)
		return ERR_NOENT;
	return pt_fill(&vm->npt, gpa.v, slot->gpa, slot->size_bytes, slot->hpa, vm->npt_ram);
}

enum err npt_map_page(struct vm *vm, gpa_t gpa, hpa_t hpa, bool (*is_allowed)(void *vm))
{
	enum err e = ERR_BUSY;

	lock_acquire(&vm->npt_lock);
	if (is_allowed(vm))
		e = pt_fill(&vm->npt, gpa.v, gpa.v, PAGE_SIZE, hpa, vm->npt_ram);
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
