/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/iso_cpu.h"

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/page.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/trap.h"

/* SDM "Process-Context Identifiers (PCIDs)": the full tables have 0. */
#define PCID_ISO 1ull

extern char iso_text_start[], iso_text_end[];
extern char iso_rodata_start[], iso_rodata_end[];
extern char iso_shared_start[], iso_shared_end[];

static struct iso *isos[CPUS_MAX]; /* [o] by CPU */
static bool (*fault_handler)(struct trap_frame *frame); /* [c] */

static struct iso *this_iso(void)
{
	return isos[cpu_index()];
}

u64 iso_root_cr3(void)
{
	return pt_root(&this_iso()->pt).v | (cpu_has_pcid() ? PCID_ISO : 0);
}

/* Add whole pages, from `va` to before `end`, that the full tables map at the same address. */
static enum err same_add(struct iso *iso, u64 va, u64 end, u64 attr)
{
	enum err err = ERR_NONE;

	for (; !err && va < end; va += PAGE_SIZE) {
		struct iso_area area = { va, pt_host_lookup((const void *)va).pa, PAGE_SIZE, attr };

		err = iso_add(iso, ISO_CPU, &area);
	}
	return err;
}

/* What every CPU's tables show: the isolated image, and what is this CPU's own. */
static enum err own_add(struct iso *iso)
{
	struct percpu *cpu = this_cpu();
	struct iso_area self = { ISO_SELF, pt_host_lookup(cpu).pa, PAGE_SIZE, PT_R };
	u64 trace = ALIGN_DOWN((u64)cpu->trace_at, TRACE_BYTES);
	u64 apic = (u64)apic_page();
	const struct {
		u64 start, end, attr;
	} parts[] = {
		{ (u64)iso_text_start, (u64)iso_text_end, PT_R | PT_X },
		{ (u64)iso_rodata_start, (u64)iso_rodata_end, PT_R },
		{ (u64)iso_shared_start, (u64)iso_shared_end, PT_R },
		{ (u64)cpu, (u64)(cpu + 1), PT_R | PT_W },
		{ cpu->stack_top - STACK_BYTES, cpu->stack_top, PT_R | PT_W },
		{ trace, trace + TRACE_BYTES, PT_R | PT_W },
		{ apic, apic ? apic + PAGE_SIZE : 0, PT_R | PT_W | PT_UC },
	};
	enum err err = iso_add(iso, ISO_CPU, &self);

	for (u32 i = 0; !err && i < ARRAY_SIZE(parts); i++)
		err = same_add(iso, parts[i].start, parts[i].end, parts[i].attr);
	for (u32 i = 0; !err && i < NR_ISTS; i++) {
		u64 top = ALIGN_UP(cpu->tss.ist[i], PAGE_SIZE);

		err = same_add(iso, top - IST_STACK_BYTES, top, PT_R | PT_W);
	}
	return err;
}

enum err iso_cpu_init(void)
{
	struct iso *iso = page_alloc_contig(sizeof(*iso), PAGE_SIZE, true);
	struct percpu *cpu = this_cpu();
	u64 keep = cpu_has_pcid() ? CR3_NO_FLUSH : 0;
	enum err err;

	if (!iso)
		return ERR_NOMEM;
	err = iso_init(iso, &pt_mem_default);
	err = err ? err : own_add(iso);
	if (err)
		return err;
	isos[cpu->index] = iso;
	cpu->iso_window = iso->window;
	cpu->iso_cr3 = iso_root_cr3() | keep;
	cpu->full_cr3 = pt_host_root().v | keep;
	return ERR_NONE;
}

/* Drop what this CPU has cached of its isolated tables: CR3 without the bit that keeps it. */
ISO_TEXT NOINLINE static void flush(u64 iso_cr3, u64 full_cr3)
{
	u64 flags = irq_save();

	write_cr3(iso_cr3);
	write_cr3(full_cr3);
	irq_restore(flags);
}

enum err iso_show(enum iso_part part, const void *owner, void *const *pages, u32 count)
{
	struct iso *iso = this_iso();
	enum err err = ERR_NONE;

	if (iso->owner[part] == owner)
		return ERR_NONE;
	atomic_add_u32(&iso->changes, 1);
	iso_clear(iso, part, owner);
	for (u32 i = 0; !err && i < count; i++) {
		struct iso_area area = { (u64)pages[i], va_to_pa(pages[i]), PAGE_SIZE,
					 PT_R | PT_W };

		err = iso_add(iso, part, &area);
	}
	if (err)
		iso_clear(iso, part, NULL);
	atomic_add_u32(&iso->changes, 1);
	flush(iso_root_cr3(), this_cpu()->full_cr3);
	return err;
}

void iso_window_drop(void)
{
	this_cpu()->iso_window[0] = 0;
	flush(iso_root_cr3(), this_cpu()->full_cr3);
}

struct iso_report iso_cpu_check(u32 index)
{
	const struct iso *iso = isos[index];
	struct iso_report report;
	u32 before;

	do { /* again, if that CPU has changed them meanwhile */
		before = atomic_load_u32(&iso->changes);
		report = iso_check(iso);
	} while ((before & 1) || atomic_load_u32(&iso->changes) != before);
	return report;
}

void iso_fault_handler_set(bool (*fn)(struct trap_frame *frame))
{
	fault_handler = fn;
}

void iso_trap(struct trap_frame *frame)
{
	if (frame->vector >= IRQ_FIRST) {
		irq_dispatch((u8)frame->vector);
		return;
	}
	this_cpu()->iso_faults++;
	if (!trap_fix_up(frame) && (!fault_handler || !fault_handler(frame)))
		panic_trap(frame);
}
