/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/irq.h"

#include "core/vm.h"

/* ISA interrupts 0 to 15 reach both controllers; the cascade is no line. */
#define IRQ_NR_ISA 16u
#define IRQ_CASCADE 2u
#define IOAPIC_PIN_PIT 2u

void irq_line_set(struct vm *vm, u32 gsi, bool level)
{
	if (gsi >= IOAPIC_NR_PINS || gsi == IRQ_CASCADE)
		return;
	if (gsi < IRQ_NR_ISA)
		pic_line_set(vm, gsi, level);
	ioapic_line_set(vm, gsi == IRQ_LINE_PIT ? IOAPIC_PIN_PIT : gsi, level);
}

bool irq_extint_accepted(struct vcpu *v)
{
	return lapic_accepts_extint(v) || ioapic_extint(v->vm, v);
}

void irq_extint_raised(struct vm *vm)
{
	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = vm->vcpu[i];

		if (irq_extint_accepted(v))
			vcpu_request(v, REQ_EVENT);
		else
			lapic_lint(v, 0);
	}
}
