/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/desc.h"

#include "core/lib/bits.h"

#define STUB_BYTES 16
#define GATE_INTERRUPT 0x8e /* present, DPL 0, 64-bit interrupt gate */
#define DESC_CODE64 0x00af9b000000ffff
#define DESC_DATA 0x00cf93000000ffff
#define DESC_TSS 0x0000890000000000 /* present, available 64-bit TSS; base and limit to come */

extern char trap_stubs[], trap_stub_nmi[], trap_stub_df[], trap_stub_mc[];

static struct idt_gate idt[256] ISO_SHARED __aligned(4096); /* [c] */

static void gate_set(unsigned vector, const char *stub, u8 ist)
{
	u64 address = (u64)stub;

	idt[vector] = (struct idt_gate){
		.offset_low = (u16)address,
		.sel = SEL_CODE,
		.ist = ist,
		.type = GATE_INTERRUPT,
		.offset_mid = (u16)(address >> 16),
		.offset_high = (u32)(address >> 32),
	};
}

void desc_init(void)
{
	for (unsigned vector = 0; vector < ARRAY_SIZE(idt); vector++)
		gate_set(vector, &trap_stubs[STUB_BYTES * vector], 0);
}

void desc_use_ists(void)
{
	gate_set(EXC_NMI, trap_stub_nmi, IST_NMI);
	gate_set(EXC_DF, trap_stub_df, IST_DF);
	gate_set(EXC_MC, trap_stub_mc, IST_MC);
}

static void gdt_fill(struct percpu *cpu)
{
	u64 base = (u64)&cpu->tss;

	cpu->gdt[SEL_CODE / 8] = DESC_CODE64;
	cpu->gdt[SEL_DATA / 8] = DESC_DATA;
	cpu->gdt[SEL_TSS / 8] = DESC_TSS | (sizeof(cpu->tss) - 1) | (base & MASK(23, 0)) << 16 |
				bits_get(base, 31, 24) << 56;
	cpu->gdt[SEL_TSS / 8 + 1] = base >> 32;
}

void desc_load(struct percpu *cpu)
{
	struct table_register gdtr = { sizeof(cpu->gdt) - 1, (u64)cpu->gdt };
	struct table_register idtr = { sizeof(idt) - 1, (u64)idt };

	gdt_fill(cpu);
	cpu->tss.iopb_offset = sizeof(cpu->tss);
	lgdt(&gdtr);
	segments_load(SEL_CODE, SEL_DATA);
	gs_base_write((u64)cpu); /* loading the selector has cleared it */
	lldt(SEL_NULL);
	ltr(SEL_TSS);
	lidt(&idtr);
}

u64 desc_idt_base(void)
{
	return (u64)idt;
}
