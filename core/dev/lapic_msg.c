/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt messages: who is addressed, and what arrives there. Reads other vCPUs, never waits. */
#include "core/dev/lapic.h"

#include "arch/x86/regs.h"
#include "core/dev/lapic_priv.h"
#include "core/event.h"
#include "core/hv.h"
#include "core/vm.h"

#define DEST_ALL_XAPIC 0xffu
#define DEST_ALL_X2APIC 0xffffffffu

enum shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

/* SDM "Logical Destination Mode", flat and cluster model. */
static bool match_logical_xapic(const u32 *regs, u32 dest)
{
	u32 ldr = reg_get(regs, APIC_LDR) >> 24;

	if (dest > 0xff)
		return false;
	switch (reg_get(regs, APIC_DFR) >> 28) {
	case DFR_FLAT:
		return ldr & dest;
	case DFR_CLUSTER:
		return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
	default:
		return false;
	}
}

/* SDM "Logical Destination Mode in x2APIC Mode". */
static bool match_logical_x2apic(const u32 *regs, u32 dest)
{
	u32 ldr = reg_get(regs, APIC_LDR);

	return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
}

static bool is_broadcast(const struct lapic_msg *msg, bool to_x2apic)
{
	if (msg->is_x2apic)
		return msg->dest == DEST_ALL_X2APIC;
	/* Eight logical bits name the first cluster of x2APICs, and cannot name all. */
	return msg->dest == DEST_ALL_XAPIC && !(msg->is_logical && to_x2apic);
}

bool lapic_is_addressed(const struct vcpu *v, const struct lapic_msg *msg)
{
	bool to_x2apic = lapic_is_x2apic(v);

	if (!lapic_is_enabled(v))
		return false;
	if (is_broadcast(msg, to_x2apic))
		return true;
	if (!msg->is_logical)
		return msg->dest == lapic_id(v);
	return to_x2apic ? match_logical_x2apic(v->lapic.regs, msg->dest)
			 : match_logical_xapic(v->lapic.regs, msg->dest);
}

static bool is_software_enabled(const struct vcpu *v)
{
	return reg_get(v->lapic.regs, APIC_SVR) & APIC_SVR_ENABLE;
}

/* Make `msg` happen at `v`; false if its APIC does not take it. */
static bool msg_accept(struct vcpu *v, const struct lapic_msg *msg)
{
	switch (msg->delivery_mode) {
	case LAPIC_FIXED:
	case LAPIC_LOWEST:
		if (!is_software_enabled(v))
			return false;
		if (msg->vector < LAPIC_VECTOR_MIN)
			lapic_error(v, ESR_RECV_ILLEGAL_VECTOR);
		else if (msg->is_sent)
			hv_apic_notify(v);
		else
			lapic_set_irr(v, msg->vector, msg->is_level);
		return true;
	case LAPIC_NMI:
		event_nmi(v);
		return true;
	case LAPIC_INIT:
		vcpu_signal_init(v);
		return true;
	case LAPIC_SIPI:
		vcpu_signal_sipi(v, msg->vector);
		return true;
	default:
		return false;
	}
}

/* The enabled destination with the lowest priority, or NULL. */
static struct vcpu *lowest_find(struct vm *vm, const struct lapic_msg *msg)
{
	struct vcpu *best = NULL;
	u32 best_ppr = ~0u;

	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = vm->vcpu[i];
		const u32 *regs = v->lapic.regs;
		/* Guests may write TPR without an exit: PPR may be behind. */
		u32 ppr = priority_of(reg_get(regs, APIC_TPR), vector_highest(regs, APIC_ISR));

		if (ppr < best_ppr && lapic_is_addressed(v, msg) && is_software_enabled(v)) {
			best = v;
			best_ppr = ppr;
		}
	}
	return best;
}

bool lapic_deliver(struct vm *vm, const struct lapic_msg *msg)
{
	bool taken = false;

	if (msg->delivery_mode == LAPIC_LOWEST) {
		struct vcpu *v = lowest_find(vm, msg);

		return v && msg_accept(v, msg);
	}
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		taken |= lapic_is_addressed(vm->vcpu[i], msg) && msg_accept(vm->vcpu[i], msg);
	return taken;
}

/* Send to all vCPUs but, perhaps, the sender. */
static void broadcast(struct vcpu *from, const struct lapic_msg *msg, bool to_self)
{
	struct vm *vm = from->vm;

	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = vm->vcpu[i];

		if ((v != from || to_self) && lapic_is_enabled(v))
			msg_accept(v, msg);
	}
}

void lapic_ipi_send(struct vcpu *v, u32 icr, u32 dest, bool is_sent)
{
	/* The trigger mode of IPIs counts for INIT only: SDM "Interrupt Command Register (ICR)". */
	const struct lapic_msg msg = {
		.dest = dest,
		.is_x2apic = lapic_is_x2apic(v),
		.is_logical = icr & APIC_ICR_LOGICAL,
		.delivery_mode = (icr & LVT_MODE) >> LVT_MODE_SHIFT,
		.vector = (u8)icr,
		.is_sent = is_sent,
	};
	u64 shorthand = bits_get(icr, 19, ICR_SHORTHAND_SHIFT);
	bool has_vector = msg.delivery_mode == LAPIC_FIXED || msg.delivery_mode == LAPIC_LOWEST;

	/* INIT level de-assert only set arbitration IDs, on processors that had them. */
	if (msg.delivery_mode == LAPIC_INIT && (icr & APIC_ICR_LEVEL) && !(icr & APIC_ICR_ASSERT))
		return;
	if (has_vector && msg.vector < LAPIC_VECTOR_MIN) {
		lapic_error(v, ESR_SEND_ILLEGAL_VECTOR);
		return;
	}
	if (shorthand == SHORTHAND_NONE)
		/* Nobody there is no error that a local APIC could see. */
		(void)lapic_deliver(v->vm, &msg);
	else if (shorthand == SHORTHAND_SELF)
		msg_accept(v, &msg);
	else
		broadcast(v, &msg, shorthand == SHORTHAND_ALL);
}
