/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/hypercall.h"

#include "core/vcpu.h"

/* Numbers and errors are part of KVM's guest interface, which CPUID 0x40000000 announces. */
#define HYPERCALL_VAPIC_POLL_IRQ 1
#define HYPERCALL_ENOSYS ((u64)-1000)

ISO_TEXT enum next hypercall_fast(struct vcpu_hot *hot)
{
	/* VAPIC_POLL_IRQ does nothing: it only gives the hypervisor a chance to inject. */
	hot->gprs[GPR_RAX] =
		hot->gprs[GPR_RAX] == HYPERCALL_VAPIC_POLL_IRQ ? 0 : HYPERCALL_ENOSYS;
	return NEXT_SKIP;
}
