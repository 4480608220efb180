/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GDT, TSS and IDT. One IDT for all CPUs, one GDT and one TSS in each struct percpu. NMI, #DF
 * and #MC have stacks of their own, which exist once percpu_create() has run for a CPU; before
 * that they run on the interrupted stack.
 */
#ifndef ARCH_X86_DESC_H
#define ARCH_X86_DESC_H

#include "arch/x86/percpu.h"

/* Descriptor of an interrupt gate, as the CPU reads it. */
struct idt_gate {
	u16 offset_low;
	u16 sel;
	u8 ist;
	u8 type;
	u16 offset_mid;
	u32 offset_high;
	u32 reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "IDT gate layout");

/* Fill the IDT. Boot CPU, once, before the first desc_load(). */
void desc_init(void);

/* Fill `cpu`'s GDT and TSS and load all tables on this CPU, which is `cpu`. Interrupts off. */
void desc_load(struct percpu *cpu);

/* Start using the interrupt stacks: percpu_create(0) has made the boot CPU's. Boot CPU, once. */
void desc_use_ists(void);

/* Where the IDT is, for the host state of a VMCS. */
u64 desc_idt_base(void);

#endif
