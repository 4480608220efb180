/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not linked: compiled to assembly, from which the build makes gen/core/offsets.h. So no
 * assembly file types an offset by hand.
 */
#include "core/vcpu.h"

#define DEFINE(name, value) __asm__ volatile("\n.ascii \"->" #name " %c0\"" : : "i"(value))
#define OFFSET(name, type, member) DEFINE(name, offsetof(struct type, member))

void offsets(void);

void offsets(void)
{
	OFFSET(HOT_POSTED_CONTROL, vcpu_hot, posted.control);
	OFFSET(HOT_GPRS, vcpu_hot, gprs);
	OFFSET(HOT_MODE, vcpu_hot, mode);
	OFFSET(HOT_REQUESTS, vcpu_hot, requests);
	OFFSET(HOT_ENTRY_WORD, vcpu_hot, entry_word);
	OFFSET(HOT_HOST_RSP, vcpu_hot, host_rsp);
	OFFSET(HOT_TRACE_AT, vcpu_hot, trace_at);
	OFFSET(HOT_VMCB_PA, vcpu_hot, vmcb_pa);
	OFFSET(HOT_HOST_VMCB_PA, vcpu_hot, host_vmcb_pa);
	OFFSET(HOT_VMCB, vcpu_hot, vmcb);
	OFFSET(HOT_EXIT_REASON, vcpu_hot, exit_reason);
	DEFINE(VMX_REASON_FAILED, VMX_REASON_FAILED);
	DEFINE(MODE_IN_GUEST, MODE_IN_GUEST);
	DEFINE(NEXT_AGAIN, NEXT_AGAIN);
	DEFINE(NEXT_SKIP, NEXT_SKIP);
	DEFINE(NEXT_SLOW, NEXT_SLOW);
	DEFINE(NEXT_KILL, NEXT_KILL);
	DEFINE(NEXT_OPEN, NEXT_OPEN);
}
