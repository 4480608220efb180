/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries that SVM refuses: APM volume 2, "Canonicalization and Consistency Checks". */
#include <string.h>

#include "arch/x86/regs.h"
#include "svm/svm.h"
#include "tests/variant/inject.h"

enum kind {
	KIND_NONE,
	KIND_ASID,
	KIND_EFER,
	KIND_INTERCEPT,
	KIND_CR0,
	KIND_ADDRESS, /* VMRUN faults instead */
};

#define UNALIGNED 8u

static struct vmcb before;
static bool is_tried, is_refused;

/* For the entry code: added to VMRUN's address. */
extern u64 inject_offset;
u64 inject_offset;

/* From the entry code: the entry is over, GIF is still 0. */
void inject_out(struct vcpu_hot *hot);

enum next __real_svm_stay(struct vcpu_hot *hot);
enum next __wrap_svm_stay(struct vcpu_hot *hot);

static void state_break(struct vcpu_hot *hot, u32 kind)
{
	struct vmcb *vmcb = hot->vmcb;

	memcpy(&before, vmcb, sizeof(before));
	vmcb->clean = 0;
	if (kind == KIND_ASID)
		vmcb->asid = 0;
	else if (kind == KIND_EFER)
		vmcb->efer &= ~EFER_SVME;
	else if (kind == KIND_INTERCEPT)
		svm_intercept(vmcb, SVM_EXIT_VMRUN, false);
	else if (kind == KIND_CR0)
		vmcb->cr0 = (vmcb->cr0 & ~CR0_CD) | CR0_NW;
	else if (kind == KIND_ADDRESS)
		inject_offset = UNALIGNED;
	vmcb->exit_code = 0;
}

/* A CPU that does not check has run the guest: only what was broken is put right then. */
static void state_repair(struct vcpu_hot *hot, bool was_refused)
{
	struct vmcb *vmcb = hot->vmcb;

	if (was_refused) {
		memcpy(vmcb, &before, sizeof(before));
	} else {
		vmcb->asid = before.asid;
		vmcb->efer = before.efer;
		svm_intercept(vmcb, SVM_EXIT_VMRUN, true);
		vmcb->cr0 = before.cr0;
	}
	vmcb->clean = 0;
}

void inject_out(struct vcpu_hot *hot)
{
	if (!is_tried)
		return;
	inject_offset = 0;
	is_refused = hot->vmcb->exit_code == ~0ull;
	inject_seen(hot, (u32)hot->vmcb->exit_code, 0);
}

enum next __wrap_svm_stay(struct vcpu_hot *hot)
{
	u32 kind = inject_take(hot);
	enum next next;

	if (!kind)
		return __real_svm_stay(hot);
	state_break(hot, kind);
	is_tried = true;
	next = __real_svm_stay(hot);
	is_tried = false;
	if (next == NEXT_AGAIN && inject_put_back(kind)) {
		state_repair(hot, true);
		return next;
	}
	state_repair(hot, is_refused);
	return is_refused ? NEXT_AGAIN : next;
}
