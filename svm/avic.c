/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC in SVM hardware: APM volume 2, "Advanced Virtual Interrupt Controller". The
 * counterpart of vmx/apicv.c.
 */
#include "svm/svm.h"

#include "core/vm.h"

u32 svm_apic_paths(void)
{
	return BIT(LAPIC_SOFTWARE);
}

enum err svm_apic_vm_init(struct vm *vm)
{
	(void)vm;
	return ERR_NONE;
}

void svm_apic_vm_free(struct vm *vm)
{
	(void)vm;
}

void svm_apic_update(struct vcpu *v, enum lapic_view view)
{
	(void)v;
	(void)view;
}

void svm_apic_notify(struct vcpu *v)
{
	vcpu_request(v, REQ_EVENT);
}

void svm_apic_post(struct vcpu *v, u8 vector)
{
	lapic_irr_merge(v, vector / 32, 1u << vector % 32);
	svm_apic_notify(v);
}

/* Senders write to IRR itself. */
void svm_apic_sync(struct vcpu *v)
{
	(void)v;
}

void svm_apic_enter(struct vcpu *v)
{
	(void)v;
}

void svm_apic_load(struct vcpu *v)
{
	(void)v;
}

void svm_apic_unload(struct vcpu *v)
{
	(void)v;
}

void svm_apic_block(struct vcpu *v)
{
	(void)v;
}
