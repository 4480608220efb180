/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that list, and those that change what VMs do. */
#include <stdio.h>
#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/iso_cpu.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/power.h"
#include "arch/x86/regs.h"
#include "arch/x86/spec.h"
#include "arch/x86/tsc.h"
#include "core/clock.h"
#include "core/hv.h"
#include "core/lib/log.h"
#include "core/mon/command.h"
#include "core/pause.h"
#include "core/slow.h"
#include "core/trace.h"

#define NS_PER_MS 1000000ull
#define LINES_DEFAULT 24
#define LINES_AT_ONCE 8 /* of a long list, for each step of a job */
#define TOP_MS 1000

static bool is_held[BOOT_MAX_VMS]; /* by the command pause */

#define say(vm, fmt, ...) console_print("%s: " fmt "\n", (vm)->config->name, ##__VA_ARGS__)

static const char *vm_state(const struct vm *vm)
{
	return vm->is_over ? "over" : atomic_load_u32(&vm->pauses) ? "paused" : "running";
}

static u64 exits_counted(const struct vcpu_hot *hot)
{
	u64 sum = 0;

	for (u32 kind = 0; kind < NR_EXIT_KINDS; kind++)
		sum += hot->exit_counts[kind];
	return sum;
}

static u64 vm_exits(const struct vm *vm, bool is_fast)
{
	u64 sum = 0;

	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		const struct vcpu_hot *hot = vm->vcpu[i]->hot;

		sum += is_fast ? exits_counted(hot) - hot->slow_exits : hot->slow_exits;
	}
	return sum;
}

void cmd_vms(const struct args *a __unused_arg)
{
	const struct vm *vm;

	console_print("%3s %-16s %5s %9s %-8s %7s %14s %14s\n", "nr", "name", "vCPUs", "MiB",
		      "state", "starts", "fast exits", "slow exits");
	for (u32 i = 0; (vm = vm_of(i)); i++)
		console_print("%3u %-16s %5u %9llu %-8s %7u %14llu %14llu\n", i, vm->config->name,
			      vm->nr_vcpus, (ull)vm->config->memory_bytes >> 20, vm_state(vm),
			      vm->round, (ull)vm_exits(vm, true), (ull)vm_exits(vm, false));
}

/* Each vCPU of each VM, through `print`. What is read may be a moment old. */
static void vcpus_print(void (*print)(struct vm *vm, struct vcpu *v))
{
	struct vm *vm;

	for (u32 i = 0; (vm = vm_of(i)); i++)
		for (u32 j = 0; j < vm->nr_vcpus; j++)
			print(vm, vm->vcpu[j]);
}

static const char *vcpu_state(const struct vcpu *v)
{
	switch (atomic_load_u32(&v->hot->run_state)) {
	case RUN_OUT:
		return "stopped";
	case RUN_LOOP:
		return atomic_load_u32(&v->sched.is_queued) ? "queued" : "running";
	case RUN_PAUSED:
		return "paused";
	default:
		return v->state == VCPU_WAIT_SIPI ? "wait-SIPI" : "halted";
	}
}

static void vcpu_print(struct vm *vm, struct vcpu *v)
{
	char pin[12] = "-";

	if (v->sched.pin != SCHED_ANY_CPU)
		snprintf(pin, sizeof(pin), "%u", v->sched.pin);
	console_print("%3u %-16s %4u %3u %-9s %6u %3s %10llu %10llu %12llu\n", vm->index,
		      vm->config->name, v->index, v->cpu, vcpu_state(v), v->sched.weight, pin,
		      (ull)v->sched.switches,
		      (ull)clock_ns_from_tsc(v->sched.steal_tsc) / NS_PER_MS,
		      (ull)exits_counted(v->hot));
}

void cmd_vcpus(const struct args *a __unused_arg)
{
	console_print("%3s %-16s %4s %3s %-9s %6s %3s %10s %10s %12s\n", "vm", "name", "vCPU",
		      "CPU", "state", "weight", "pin", "switches", "steal ms", "exits");
	vcpus_print(vcpu_print);
}

static void irq_print(struct vm *vm, struct vcpu *v)
{
	const struct irq_counts *n = &v->irqs;

	console_print("%3u %-16s %4u %10llu %10llu %10llu %10llu %10llu %10llu\n", vm->index,
		      vm->config->name, v->index, (ull)n->posted, (ull)n->notified, (ull)n->kicks,
		      (ull)n->wakes, (ull)(n->injected + v->hot->fast_irqs), (ull)n->at_halt);
}

void cmd_irq(const struct args *a __unused_arg)
{
	console_print("%3s %-16s %4s %10s %10s %10s %10s %10s %10s\n", "vm", "name", "vCPU",
		      "posted", "notified", "kicks", "wakes", "injected", "at halt");
	vcpus_print(irq_print);
	for (u32 i = 0; i < cpus_known(); i++)
		console_print("cpu%u: %llu stray kicks, %llu stray notifications\n", i,
			      (ull)percpu_of(i)->stray_kicks, (ull)percpu_of(i)->irqs[IRQ_POSTED]);
	console_print("lost wake-ups: %llu\n", (ull)sched_lost_wakes());
}

/* One CPU's tables against the list, and the exits that were too much for them. */
static void isolation_print(u32 cpu)
{
	const struct percpu *p = percpu_of(cpu);
	struct iso_report report = iso_cpu_check(cpu);

	console_print("cpu%u: %u pages mapped, %u off the list, %u missing, %llu faults; left for:",
		      cpu, report.mapped, report.extra, report.missing, (ull)p->iso_faults);
	for (u32 kind = 0; kind < NR_EXIT_KINDS; kind++)
		if (p->iso_left[kind])
			console_print(" %s %llu,", kind ? exit_kind_text(kind) : "requests",
				      (ull)p->iso_left[kind]);
	console_print("\n");
}

static void line_print(const char *text)
{
	console_print("%s\n", text);
}

void cmd_isolation(const struct args *a __unused_arg)
{
	spec_report(line_print);
	for (u32 i = 0; i < cpus_known(); i++)
		isolation_print(i);
	for (u32 i = 0; vm_of(i); i++) {
		u64 fast = vm_exits(vm_of(i), true), all = fast + vm_exits(vm_of(i), false);

		console_print("%s: %llu of %llu exits handled there, %llu per mille\n",
			      vm_of(i)->config->name, (ull)fast, (ull)all,
			      (ull)(fast * 1000 / MAX(all, 1ull)));
	}
}

/* Who has had how much of a CPU, and exits, since the last time. */
static struct usage {
	u64 vruntime, exits;
} usages[BOOT_MAX_VMS][VM_MAX_VCPUS];
static u64 top_tsc;

static void usage_print(struct vm *vm, struct vcpu *v)
{
	struct usage *before = &usages[vm->index][v->index];
	struct usage now = { v->sched.vruntime, exits_counted(v->hot) };
	u64 ticks = MAX(rdtsc() - top_tsc, 1ull);
	u64 ran = (now.vruntime - before->vruntime) * v->sched.weight / SCHED_WEIGHT_DEFAULT;

	console_print("%3u %-16s %4u %3u %-9s %6llu %10llu\x1b[K\n", vm->index, vm->config->name,
		      v->index, v->cpu, vcpu_state(v), (ull)MIN(ran * 100 / ticks, 100ull),
		      (ull)mul_div_u64(now.exits - before->exits, tsc_khz * 1000, ticks));
	*before = now;
}

static bool top_step(void)
{
	if (rdtsc() - top_tsc < tsc_khz * TOP_MS)
		return true;
	console_print("\x1b[H%3s %-16s %4s %3s %-9s %6s %10s   up %llu s\x1b[K\n", "vm", "name",
		      "vCPU", "CPU", "state", "CPU %", "exits/s",
		      (ull)us_from_tsc(clock_tsc()) / 1000000);
	vcpus_print(usage_print);
	console_print("any key ends this\x1b[J");
	top_tsc = rdtsc();
	return true;
}

void cmd_top(const struct args *a __unused_arg)
{
	console_print("\x1b[2J");
	top_tsc = rdtsc() - tsc_khz * TOP_MS;
	job_start(top_step, true);
}

static void mem_line(const char *who, const char *what, u64 bytes)
{
	console_print("%-16s %-24s %10llu KiB\n", who, what, (ull)bytes >> 10);
}

void cmd_mem(const struct args *a __unused_arg)
{
	struct page_stats pages = page_stats();
	u64 rest = (pages.total_pages - pages.free_pages) * PAGE_SIZE;
	const struct vm *vm;

	for (u32 i = 0; (vm = vm_of(i)); i++) {
		u64 ram = 0, tables = vm->npt.nr_tables * PAGE_SIZE;

		for (u32 slot = 0; slot < vm->slots.count; slot++)
			ram += vm->slots.slot[slot].size_bytes;
		rest -= ram + tables;
		mem_line(vm->config->name, "RAM", ram);
		mem_line(vm->config->name, "nested page tables", tables);
	}
	mem_line("lamina", "exit traces", (u64)cpus_known() * TRACE_BYTES);
	mem_line("lamina", "everything else", rest - (u64)cpus_known() * TRACE_BYTES);
	mem_line("lamina", "allocator's maps", pages.allocator_pages * PAGE_SIZE);
	mem_line("nobody", "free", pages.free_pages * PAGE_SIZE);
}

void cmd_slots(const struct args *a)
{
	for (u32 i = 0; i < a->vm->slots.count; i++) {
		const struct memslot *s = &a->vm->slots.slot[i];

		console_print("0x%010llx-0x%010llx RAM, host 0x%llx\n", (ull)s->gpa,
			      (ull)(s->gpa + s->size_bytes - 1), (ull)s->hpa.v);
	}
}

/* --- consoles and the log --- */

void cmd_console(const struct args *a)
{
	console_lines(a->vm, a->nr ? a->n[0] : LINES_DEFAULT);
}

static u64 log_at;

static bool log_step(void)
{
	char text[LOG_LINE_MAX];
	u32 n = 0;

	for (u32 i = 0; i < LINES_AT_ONCE; i++) {
		n = log_read(&log_at, text, sizeof(text) - 1);
		text[n] = '\0';
		console_print("%s", text);
	}
	return n;
}

void cmd_log(const struct args *a __unused_arg)
{
	log_at = 0;
	job_start(log_step, false);
}

/* --- what VMs do --- */

static const struct vm *pausing;

static bool pause_step(void)
{
	if (!vm_is_paused(pausing))
		return true;
	say(pausing, "paused");
	return false;
}

void cmd_pause(const struct args *a)
{
	if (a->vm->is_over || is_held[a->vm->index]) {
		say(a->vm, "is %s already", vm_state(a->vm));
		return;
	}
	is_held[a->vm->index] = true;
	vm_pause(a->vm);
	pausing = a->vm;
	job_start(pause_step, false);
}

static bool let_go(struct vm *vm)
{
	if (!is_held[vm->index])
		return false;
	is_held[vm->index] = false;
	vm_resume(vm);
	return true;
}

void cmd_resume(const struct args *a)
{
	if (let_go(a->vm))
		say(a->vm, "goes on");
	else
		say(a->vm, "was not paused by 'pause'; it is %s", vm_state(a->vm));
}

void cmd_start(const struct args *a)
{
	enum err e = vm_restart(a->vm);

	if (e == ERR_BUSY)
		say(a->vm, "is %s; 'start' is for one that is over", vm_state(a->vm));
	else
		say(a->vm, "%s", e ? err_text(e) : "started");
}

static void end_vm(struct vm *vm, enum vm_end why)
{
	if (vm->is_over) {
		say(vm, "is over; 'start' powers it on");
		return;
	}
	vm_stop(vm, why);
	(void)let_go(vm);
}

void cmd_stop(const struct args *a)
{
	end_vm(a->vm, VM_END_STOPPED);
}

void cmd_reset(const struct args *a)
{
	end_vm(a->vm, VM_END_RESTARTED);
}

void cmd_nmi(const struct args *a)
{
	event_nmi(a->v);
	say(a->vm, "NMI to vCPU %u", a->v->index);
}

/* --- the machine --- */

void cmd_version(const struct args *a __unused_arg)
{
	console_print("Lamina on %s, %u CPUs, TSC %llu kHz, up %llu s, loader's protocol %u\n",
		      hv_is_vmx ? "VMX" : "SVM", cpus_online(), (ull)tsc_khz,
		      (ull)us_from_tsc(clock_tsc()) / 1000000, BOOTINFO_VERSION);
}

static void all_stop(const char *what)
{
	cli();
	cpus_stop();
	log_info("%s by the operator", what);
}

void cmd_reboot(const struct args *a __unused_arg)
{
	all_stop("reset");
	machine_reset();
}

void cmd_poweroff(const struct args *a __unused_arg)
{
	all_stop("switched off");
	machine_poweroff();
}

void cmd_debug(const struct args *a __unused_arg)
{
	console_print(panic_has_debugger() ? "all stands for a debugger\n" :
					     "no debugger: 'gdb' is not set in lamina.toml\n");
	if (panic_has_debugger())
		breakpoint_raise();
}
