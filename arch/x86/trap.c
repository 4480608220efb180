/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/trap.h"

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/watchdog.h"

/* One line of the exception table, as EX_TABLE() in insn.h writes it. */
struct ex_entry {
	s32 from, to;
};

extern const struct ex_entry ex_table_start[], ex_table_end[];

static void (*irq_handlers[256])(void); /* [a] */
static void (*nmi_handler)(const struct trap_frame *frame); /* [a] */

static const char *const names[32] = {
#define EXCEPTION(name, vector, text) [vector] = text,
#include "arch/x86/exceptions.def"
#undef EXCEPTION
};

const char *trap_name(u64 vector)
{
	if (vector < ARRAY_SIZE(names) && names[vector])
		return names[vector];
	return "unknown exception";
}

void irq_handler_set(u8 vector, void (*fn)(void))
{
	ASSERT(vector >= IRQ_FIRST && vector != IRQ_SPURIOUS);
	atomic_store_ptr(&irq_handlers[vector], fn);
}

void irq_dispatch(u8 vector)
{
	struct percpu *cpu = this_cpu();
	void (*fn)(void) = atomic_load_ptr(&irq_handlers[vector]);

	cpu->irqs[vector]++;
	if (vector == IRQ_SPURIOUS)
		return; /* not in service: nothing to end */
	if (fn)
		fn();
	else
		cpu->stray_irqs++;
	apic_eoi();
}

void nmi_handler_set(void (*fn)(const struct trap_frame *frame))
{
	atomic_store_ptr(&nmi_handler, fn);
}

void nmi_handle(const struct trap_frame *frame)
{
	void (*fn)(const struct trap_frame *) = atomic_load_ptr(&nmi_handler);

	this_cpu()->nmis++;
	if (!panic_nmi(frame) && !watchdog_nmi(frame) && fn)
		fn(frame);
}

bool trap_fix_up(struct trap_frame *frame)
{
	u64 count = ((u64)ex_table_end - (u64)ex_table_start) / sizeof(struct ex_entry);

	for (const struct ex_entry *e = ex_table_start; count--; e++)
		if ((u64)&e->from + (u64)(s64)e->from == frame->rip) {
			frame->rip = (u64)&e->to + (u64)(s64)e->to;
			return true;
		}
	return false;
}

void trap_handle(struct trap_frame *frame)
{
	if (frame->vector >= IRQ_FIRST)
		irq_dispatch((u8)frame->vector);
	else if (frame->vector == EXC_NMI)
		nmi_handle(frame);
	else if ((frame->vector == EXC_DB || frame->vector == EXC_BP) && panic_debug(frame))
		return;
	else if (frame->vector == EXC_DF || frame->vector == EXC_MC || !trap_fix_up(frame))
		panic_trap(frame);
}
