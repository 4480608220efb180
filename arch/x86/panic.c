/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/panic.h"

#include <stdarg.h>
#include <stdio.h>

#include "arch/x86/atomic.h"
#include "arch/x86/ipi.h"
#include "arch/x86/percpu.h"
#include "arch/x86/power.h"
#include "arch/x86/symbols.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

#define STOP_WAIT_US 100000
#define BACKTRACE_MAX 32
#define DEPTH_MAX 2 /* a panic inside the report is reported, one inside that only halts */

static u32 stopping; /* [a] 1 + index of the CPU that stops the others, 0 = nobody */
static void (*begin_hook)(void); /* [c] */
static void (*end_hook)(void); /* [c] */
static void (*report_hook)(u32 cpu); /* [c] */
static void (*debugger)(struct trap_frame *frame); /* [c] */
static u32 is_holding; /* [a] the others are only held */

void panic_hooks_set(void (*begin)(void), void (*end)(void), void (*report)(u32 cpu))
{
	begin_hook = begin;
	end_hook = end;
	report_hook = report;
}

void panic_report(u32 cpu)
{
	if (report_hook)
		report_hook(cpu);
}

void panic_debugger_set(void (*fn)(struct trap_frame *frame))
{
	debugger = fn;
}

bool panic_has_debugger(void)
{
	return debugger;
}

bool panic_debug(struct trap_frame *frame)
{
	if (debugger)
		debugger(frame);
	return debugger;
}

/* Become the one that stops the others. False: another CPU was first. */
static bool stopper_become(void)
{
	u32 me = cpu_index() + 1;

	return atomic_cas_u32(&stopping, 0, me) || atomic_load_u32(&stopping) == me;
}

bool panic_nmi(const struct trap_frame *frame)
{
	struct percpu *cpu = this_cpu();
	u32 stopper = atomic_load_u32(&stopping);

	if (!stopper || stopper == cpu->index + 1)
		return false;
	atomic_store_ptr(&cpu->stop_frame, frame);
	atomic_store_u32(&cpu->is_stopped, 1);
	if (!atomic_load_u32(&is_holding))
		machine_halt();
	while (atomic_load_u32(&is_holding))
		cpu_pause();
	atomic_store_u32(&cpu->is_stopped, 0);
	return true;
}

/* Is CPU `i` another than this one, on line, and not parked? */
static bool is_running(u32 i)
{
	struct percpu *cpu = percpu_of(i);

	return cpu != this_cpu() && atomic_load_u32(&cpu->is_online) &&
	       !atomic_load_u32(&cpu->is_stopped);
}

void cpus_stop(void)
{
	u64 end = tsc_after_us(STOP_WAIT_US);

	cli();
	while (!stopper_become())
		cpu_pause(); /* the other one's NMI ends this */
	for (u32 i = 0; i < cpus_known(); i++)
		if (is_running(i))
			ipi_nmi(percpu_of(i)->apic_id);
	for (u32 i = 0; i < cpus_known(); i++)
		while (is_running(i) && !tsc_is_past(end))
			cpu_pause();
	if (!atomic_load_u32(&is_holding))
		log_break_lock();
}

bool cpus_hold(const struct trap_frame *frame)
{
	if (!stopper_become()) {
		(void)panic_nmi(frame);
		return false;
	}
	atomic_store_u32(&is_holding, 1);
	cpus_stop();
	return true;
}

void cpus_release(void)
{
	u64 end = tsc_after_us(STOP_WAIT_US);

	atomic_store_u32(&stopping, 0);
	atomic_store_u32(&is_holding, 0);
	for (u32 i = 0; i < cpus_known(); i++)
		while (atomic_load_u32(&percpu_of(i)->is_stopped) && !tsc_is_past(end))
			cpu_pause();
}

void backtrace_log(const u64 *calls, u32 nr_calls)
{
	for (u32 i = 0; i < nr_calls; i++) {
		u64 offset = 0;
		const char *name = symbol_find(calls[i], &offset);

		if (name)
			log_err("  %016llx %s+%#llx", (unsigned long long)calls[i], name,
				(unsigned long long)offset);
		else
			log_err("  %016llx", (unsigned long long)calls[i]);
	}
}

/* A frame is the caller's RBP and the return address; frames go upwards, wherever they end. */
u32 backtrace_take(u64 rip, u64 rbp, u64 low, u64 high, u64 *calls, u32 max_calls)
{
	u32 n = 1;

	calls[0] = rip;
	while (n < max_calls && rbp >= low && rbp <= high - 16 && rbp % 8 == 0) {
		u64 next, address;

		if (load64_safe((void *)rbp, &next) ||
		    load64_safe((void *)(rbp + 8), &address) || !address)
			break;
		/* A call's return address may be the first byte of the next function. */
		calls[n++] = address - 1;
		low = rbp + 1;
		rbp = next;
	}
	return n;
}

void backtrace_print(u64 rip, u64 rbp)
{
	u64 calls[BACKTRACE_MAX];

	backtrace_log(calls, backtrace_take(rip, rbp, 1, ~0ull, calls, BACKTRACE_MAX));
}

static void registers_print(const struct trap_frame *f)
{
#define V(r) (unsigned long long)f->r
	log_err("rip %016llx cs %04llx rflags %08llx error %llx", V(rip), V(cs), V(rflags),
		V(error));
	log_err("rsp %016llx ss %04llx rbp %016llx", V(rsp), V(ss), V(rbp));
	log_err("rax %016llx rbx %016llx rcx %016llx", V(rax), V(rbx), V(rcx));
	log_err("rdx %016llx rsi %016llx rdi %016llx", V(rdx), V(rsi), V(rdi));
	log_err("r8  %016llx r9  %016llx r10 %016llx", V(r8), V(r9), V(r10));
	log_err("r11 %016llx r12 %016llx r13 %016llx", V(r11), V(r12), V(r13));
	log_err("r14 %016llx r15 %016llx", V(r14), V(r15));
#undef V
}

static void others_print(void)
{
	for (u32 i = 0; i < cpus_known(); i++) {
		struct percpu *cpu = percpu_of(i);
		const struct trap_frame *frame = atomic_load_ptr(&cpu->stop_frame);

		if (is_running(i))
			log_err("cpu%u does not answer", i);
		if (cpu == this_cpu() || !atomic_load_u32(&cpu->is_stopped))
			continue;
		log_err("cpu%u was %s:", i, frame ? "here" : "in a guest");
		if (frame) {
			registers_print(frame);
			backtrace_print(frame->rip, frame->rbp);
		}
		panic_report(i);
	}
}

static void report(const struct trap_frame *frame, u64 rip, u64 rbp)
{
	log_err("cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx", (unsigned long long)read_cr0(),
		(unsigned long long)read_cr2(), (unsigned long long)read_cr3(),
		(unsigned long long)read_cr4());
	if (frame)
		registers_print(frame);
	log_err("cpu%u was here:", cpu_index());
	backtrace_print(rip, rbp);
	panic_report(cpu_index());
	others_print();
}

/* `where` has the registers of a trap, or just RIP, RSP and RBP. */
static __noreturn void panic_common(const char *text, const struct trap_frame *where)
{
	const struct trap_frame *frame = where->cs ? where : NULL;
	struct trap_frame copy = *where;
	u32 depth = ++this_cpu()->panic_depth;

	if (depth > DEPTH_MAX)
		machine_halt();
	cpus_stop();
	if (begin_hook && depth == 1)
		begin_hook();
	log_err("PANIC: %s", text);
	if (depth == 1) {
		report(frame, where->rip, where->rbp);
		panic_debug(&copy);
	} else {
		backtrace_print(where->rip, where->rbp);
	}
	if (end_hook)
		end_hook();
	machine_halt();
}

void panic(const char *fmt, ...)
{
	u64 *base = __builtin_frame_address(0);
	struct trap_frame where = { .rip = (u64)__builtin_return_address(0) - 1,
				    .rsp = (u64)(base + 2),
				    .rbp = *base };
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	panic_common(text, &where);
}

void panic_trap(const struct trap_frame *frame)
{
	char text[64];

	snprintf(text, sizeof(text), "%s (vector %llu)", trap_name(frame->vector),
		 (unsigned long long)frame->vector);
	panic_common(text, frame);
}
