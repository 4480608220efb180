/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/mon/gdb_host.h"

#include <stdio.h>

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/page.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/trap.h"
#include "core/mon/gdb.h"
#include "core/mon/gdb_target.h"
#include "drivers/serial.h"

#define INT3 0xcc

static struct serial *line;	 /* [c] */
static struct trap_frame *frame; /* [o] the CPU that holds the others, as all here */
static bool is_over;		 /* the conversation */
static bool is_break;		 /* stopped by INT3 */
static u64 cr2; /* as it was: the debugger's own bad addresses fault, too */
static bool is_awaited;		 /* the debugger has let Lamina go on, and waits for it to stop */

/* Where GDB's registers up to SS are in the frame. */
#define WORD(member) offsetof(struct trap_frame, member) / sizeof(u64)
static const u8 words[] = { WORD(rax), WORD(rbx), WORD(rcx),	WORD(rdx), WORD(rsi),
			    WORD(rdi), WORD(rbp), WORD(rsp),	WORD(r8),  WORD(r9),
			    WORD(r10), WORD(r11), WORD(r12),	WORD(r13), WORD(r14),
			    WORD(r15), WORD(rip), WORD(rflags), WORD(cs),  WORD(ss) };

static u32 nr_threads(void)
{
	return cpus_known();
}

/* NULL: the CPU has not answered. */
static u64 *frame_of(u32 thread)
{
	return (u64 *)(thread - 1 == cpu_index() ? frame : percpu_of(thread - 1)->stop_frame);
}

static void text(u32 thread, const char *command, char *out, u32 size_bytes)
{
	if (command)
		snprintf(out, size_bytes, "this is Lamina: %s\n", trap_name(frame->vector));
	else
		snprintf(out, size_bytes, "CPU %u%s", thread - 1,
			 frame_of(thread) ? "" : " does not answer");
}

static enum err regs_serve(struct gdb_request *r)
{
	u64 *at = frame_of(r->thread);

	for (u32 i = 0; at && i < (r->is_write ? GDB_EFLAGS : ARRAY_SIZE(words)); i++)
		if (r->is_write)
			at[words[i]] = r->regs[i];
		else
			r->regs[i] = at[words[i]];
	r->regs[GDB_GS_BASE] = (u64)percpu_of(r->thread - 1);
	r->regs[GDB_CR0] = read_cr0();
	r->regs[GDB_CR2] = cr2;
	r->regs[GDB_CR3] = read_cr3();
	r->regs[GDB_CR4] = read_cr4();
	r->regs[GDB_EFER] = rdmsr(MSR_EFER);
	return ERR_NONE;
}

/* What is read-only in its place, such as code, is writable in the direct map. */
static enum err store(u8 *p, u8 value)
{
	u8 old;

	if (!store8_safe(p, value))
		return ERR_NONE;
	if ((u64)p < CORE_IMAGE_START || load8_safe(p, &old))
		return ERR_FAULT;
	return store8_safe(pa_to_va(va_to_pa(p)), value);
}

/* No points: GDB writes INT3 itself. */
static enum err serve(struct gdb_request *r)
{
	u8 *p = (u8 *)r->address;
	enum err e = ERR_NONE;

	if (r->op == GDB_REGS)
		return regs_serve(r);
	if (r->op == GDB_POINT)
		return ERR_UNSUPPORTED;
	for (u64 i = 0; i < r->len_bytes && !e; i++)
		e = r->is_write ? store(p + i, r->buf[i]) : load8_safe(p + i, &r->buf[i]);
	return e;
}

static enum err attach(u32 process)
{
	return process == 1 ? ERR_NONE : ERR_INVAL;
}

static void go(const u8 *actions)
{
	if (actions[cpu_index() + 1] == GDB_STEP)
		frame->rflags |= RFLAGS_TF;
	is_over = true;
}

static void halt(u8 signal)
{
	gdb_stopped(cpu_index() + 1, signal, is_break ? "swbreak:;" : "");
}

static void leave(bool is_kill)
{
	(void)is_kill;
	is_over = true;
}

static void line_put(u8 byte)
{
	serial_put(line, byte);
}

static void converse(void)
{
	static const struct gdb_target target = {
		nr_threads, serve, text, attach, go, halt, leave
	};
	u8 insn = 0;
	int byte;

	cr2 = read_cr2();
	is_break =
		frame->vector == EXC_BP && !load8_safe((u8 *)frame->rip - 1, &insn) && insn == INT3;
	frame->rip -= is_break;
	is_awaited = is_awaited || gdb_is_attached();
	is_over = false;
	frame->rflags &= ~(u64)RFLAGS_TF;
	gdb_start(&target, line_put);
	if (is_awaited)
		halt(GDB_SIGTRAP);
	while (!is_over)
		if ((byte = serial_get(line)) >= 0)
			gdb_input((u8)byte);
	write_cr2(cr2);
	is_awaited = gdb_is_attached();
	gdb_target_listen();
	cpus_release();
}

static void enter(struct trap_frame *at)
{
	while (!cpus_hold(at))
		;
	frame = at;
	converse();
}

/* One NMI may have come to all CPUs: who is held for another's has had it. */
static void nmi_enter(const struct trap_frame *at)
{
	if (!at || !cpus_hold(at))
		return;
	frame = (struct trap_frame *)at;
	converse();
}

void gdb_host_start(struct serial *on)
{
	line = on;
	panic_debugger_set(enter);
	nmi_handler_set(nmi_enter);
	/* Where the NMI of a button or a management board arrives. */
	apic_write(APIC_LVT_LINT1, APIC_ICR_NMI);
}
