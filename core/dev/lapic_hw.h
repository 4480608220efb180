/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's way through the hardware. Per VM one path, chosen when it is created; per vCPU
 * and moment the view that the hardware has of the APIC (none, xAPIC page, x2APIC MSRs), because a
 * guest may turn its APIC off or move it, and because there are inhibitions. State stays in the one
 * register page on every path, so that a change of view moves nothing.
 *
 * What the vendors do is behind hv_apic_*() of core/hv.h. Their rules:
 * - hot->apic_live is 1 while the hardware delivers for the vCPU. It falls before the hardware is
 *   turned off and rises after it is on; a full barrier stands between its fall and the look at
 *   IRR.
 * - whoever posts sets the vector (IRR or PIR) with a locked operation, and looks at apic_live and
 *   at the guest-mode word only afterwards.
 */
#ifndef CORE_DEV_LAPIC_HW_H
#define CORE_DEV_LAPIC_HW_H

#include "core/lib/bits.h"
#include "core/lib/err.h"
#include "core/types.h"

struct vm;
struct vcpu;

/* The ways to deliver, worst first. A CPU offers a set of them: see hv_apic_paths(). */
enum lapic_path {
	LAPIC_SOFTWARE, /* every access exits, interrupts are injected */
	LAPIC_TPR_SHADOW, /* the same, but the task priority is the hardware's: VMX */
	LAPIC_APICV, /* VMX: register and delivery virtualization, posted interrupts */
	LAPIC_AVIC, /* SVM: xAPIC page */
	LAPIC_X2AVIC, /* SVM: xAPIC page and x2APIC MSRs */
	NR_LAPIC_PATHS
};

/* What the hardware is to make of the APIC from the next entry on. */
enum lapic_view {
	LAPIC_VIEW_OFF, /* software only: no APIC, moved, inhibited, or a path without delivery */
	LAPIC_VIEW_TRAPPED, /* software only, but the page may stand at LAPIC_BASE_RESET */
	LAPIC_VIEW_XAPIC, /* the page at LAPIC_BASE_RESET */
	LAPIC_VIEW_X2APIC, /* the MSRs */
};

/* Does the hardware deliver interrupts? */
static inline bool lapic_view_is_live(enum lapic_view view)
{
	return view >= LAPIC_VIEW_XAPIC;
}

/* Reasons that turn the hardware off for a whole VM, one bit each in vm->lapic_inhibits. */
#define LAPIC_INHIBIT_TEST BIT(0) /* the guest of a testdev VM asked for it */
#define LAPIC_INHIBIT_DEBUG BIT(1) /* a debugger's single steps are to hold interrupts back */

/* Choose the path of a new VM: the best that this CPU and the configuration allow. ERR_NOMEM. */
enum err lapic_hw_create(struct vm *vm) __must_check;

/* For logs and the monitor. */
extern const char *const lapic_path_names[NR_LAPIC_PATHS];

/* Add or take away one reason; every vCPU follows before its next entry. Any CPU. */
void lapic_hw_inhibit(struct vm *vm, u64 reason, bool is_on);

/*
 * Bring the hardware in line with the APIC's mode and the inhibitions, and take over the level
 * interrupts that senders have left in lapic.held. When REQ_APIC was set, and after a reset. The
 * vCPU's CPU, loaded.
 */
void lapic_hw_update(struct vcpu *v);

/*
 * A nested page fault at `gpa`: put the page there whose accesses the hardware takes, if it is the
 * xAPIC page and may stand there. False: not done, the access is software's. The vCPU's CPU.
 */
bool lapic_hw_map(struct vcpu *v, gpa_t gpa);

/*
 * Software has to wait for an interrupt window, which the hardware cannot tell while it delivers:
 * have it look away, and come back when the window is no longer wanted. Meanwhile the interrupts of
 * the local APIC stay in IRR. From event_deliver() on.
 */
void lapic_hw_pause(struct vcpu *v, bool is_on);

/* Does the hardware deliver IRR, if not now then after a pause? The vCPU's CPU. */
bool lapic_hw_delivers(const struct vcpu *v);

/* The hardware has ended `vector`, of a kind whose end the I/O APIC wants to hear of. */
void lapic_hw_eoi(struct vcpu *v, u8 vector);

#endif
