/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMCB in a report. */
#include "core/lib/log.h"
#include "svm/svm.h"

const char *svm_exit_name(u32 code)
{
	switch (code) {
#define X(number, name, kind, decode, class)                                                       \
	case (u32)(number):                                                                        \
		return #name;
#include "svm/exits.def"
#undef X
	default:
		return NULL;
	}
}

void svm_dump(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_vmcb(v);

	log_err("  exit %llx info %016llx %016llx int info %016llx", (ull)vmcb->exit_code,
		(ull)vmcb->exit_info1, (ull)vmcb->exit_info2, (ull)vmcb->exit_int_info);
	log_err("  vintr %016llx int state %llx event %016llx intercepts %08x %08x",
		(ull)vmcb->vintr, (ull)vmcb->int_state, (ull)vmcb->event_inj, vmcb->intercepts[3],
		vmcb->intercepts[4]);
}
