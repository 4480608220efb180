/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/mon/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "core/clock.h"
#include "core/console.h"
#include "core/lib/log.h"
#include "core/vm.h"

#define LINE_BYTES 80
#define KEY_BACKSPACE 0x08
#define KEY_DELETE 0x7f
#define KEY_CTRL_U 0x15
#define NS_PER_MS 1000000ull

static u8 escape_key; /* [c] */
static void (*quit_fn)(void); /* [c] */
static char line[LINE_BYTES]; /* [o] boot CPU, as all here */
static u32 line_len;

static void prompt(void)
{
	line_len = 0;
	console_print("lamina> ");
}

static const char *vm_state(const struct vm *vm)
{
	return vm->is_over ? "over" : "running";
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

static bool cmd_vms(const char *arg)
{
	(void)arg;
	console_print("%3s %-16s %5s %9s %-8s %7s %14s %14s\n", "nr", "name", "vCPUs", "MiB",
		      "state", "starts", "fast exits", "slow exits");
	for (u32 i = 0; i < BOOT_MAX_VMS; i++) {
		const struct vm *vm = vm_of(i);

		if (vm)
			console_print("%3u %-16s %5u %9llu %-8s %7u %14llu %14llu\n", i,
				      vm->config->name, vm->nr_vcpus,
				      (unsigned long long)vm->config->memory_bytes >> 20,
				      vm_state(vm), vm->round,
				      (unsigned long long)vm_exits(vm, true),
				      (unsigned long long)vm_exits(vm, false));
	}
	return true;
}

/* Each vCPU of each VM, through `print`. What is read may be a moment old. */
static void vcpus_print(void (*print)(const struct vm *vm, const struct vcpu *v))
{
	for (u32 i = 0; i < BOOT_MAX_VMS; i++) {
		const struct vm *vm = vm_of(i);

		for (u32 j = 0; vm && j < vm->nr_vcpus; j++)
			print(vm, vm->vcpu[j]);
	}
}

static const char *vcpu_state(const struct vcpu *v)
{
	switch (atomic_load_u32(&v->hot->run_state)) {
	case RUN_OUT:
		return "stopped";
	case RUN_LOOP:
		return atomic_load_u32(&v->sched.is_queued) ? "queued" : "running";
	default:
		return v->state == VCPU_WAIT_SIPI ? "wait-SIPI" : "halted";
	}
}

static void vcpu_print(const struct vm *vm, const struct vcpu *v)
{
	char pin[12] = "-";

	if (v->sched.pin != SCHED_ANY_CPU)
		snprintf(pin, sizeof(pin), "%u", v->sched.pin);
	console_print("%3u %-16s %4u %3u %-9s %6u %3s %10llu %10llu %12llu\n", vm->index,
		      vm->config->name, v->index, v->cpu, vcpu_state(v), v->sched.weight, pin,
		      (unsigned long long)v->sched.switches,
		      (unsigned long long)clock_ns_from_tsc(v->sched.steal_tsc) / NS_PER_MS,
		      (unsigned long long)exits_counted(v->hot));
}

static bool cmd_vcpus(const char *arg)
{
	(void)arg;
	console_print("%3s %-16s %4s %3s %-9s %6s %3s %10s %10s %12s\n", "vm", "name", "vCPU",
		      "CPU", "state", "weight", "pin", "switches", "steal ms", "exits");
	vcpus_print(vcpu_print);
	return true;
}

static void irq_print(const struct vm *vm, const struct vcpu *v)
{
	const struct irq_counts *n = &v->irqs;

	console_print("%3u %-16s %4u %10llu %10llu %10llu %10llu %10llu %10llu\n", vm->index,
		      vm->config->name, v->index, (unsigned long long)n->posted,
		      (unsigned long long)n->notified, (unsigned long long)n->kicks,
		      (unsigned long long)n->wakes,
		      (unsigned long long)(n->injected + v->hot->fast_irqs),
		      (unsigned long long)n->at_halt);
}

static bool cmd_irq(const char *arg)
{
	(void)arg;
	console_print("%3s %-16s %4s %10s %10s %10s %10s %10s %10s\n", "vm", "name", "vCPU",
		      "posted", "notified", "kicks", "wakes", "injected", "at halt");
	vcpus_print(irq_print);
	for (u32 i = 0; i < cpus_known(); i++)
		console_print("cpu%u: %llu stray kicks, %llu stray notifications\n", i,
			      (unsigned long long)percpu_of(i)->stray_kicks,
			      (unsigned long long)percpu_of(i)->irqs[IRQ_POSTED]);
	console_print("lost wake-ups: %llu\n", (unsigned long long)sched_lost_wakes());
	return true;
}

static bool cmd_log(const char *arg)
{
	char text[LOG_LINE_MAX];
	u64 position = 0;
	u32 n;

	(void)arg;
	while ((n = log_read(&position, text, sizeof(text) - 1))) {
		text[n] = '\0';
		console_print("%s", text);
	}
	return true;
}

static bool cmd_quit(const char *arg)
{
	(void)arg;
	console_print("ending the run\n");
	quit_fn();
	return true;
}

static bool cmd_vm(const char *arg)
{
	char *end;
	unsigned long index = strtoul(arg, &end, 10);

	if (end != arg && !*end && index < BOOT_MAX_VMS && console_select((u32)index))
		return false;
	console_print("vm: no VM '%s'; 'vms' lists them\n", arg);
	return true;
}

static bool cmd_help(const char *arg);

static const struct command {
	const char *name;
	bool (*run)(const char *arg); /* false: the console has gone to a guest */
	bool takes_arg;
	const char *help;
} commands[] = {
	{ "help", cmd_help, false, "this list" },
	{ "vms", cmd_vms, false, "the VMs and their state" },
	{ "vcpus", cmd_vcpus, false, "the vCPUs: where they run, and how much they wait" },
	{ "irq", cmd_irq, false, "how interrupts reach the vCPUs" },
	{ "vm", cmd_vm, true, "vm N: go to the console of VM number N" },
	{ "log", cmd_log, false, "Lamina's log" },
	{ "quit", cmd_quit, false, "end all VMs and do what 'on_end' says" },
};

static bool cmd_help(const char *arg)
{
	(void)arg;
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		console_print("  %-5s %s\n", commands[i].name, commands[i].help);
	console_print("  Ctrl-%c goes back to the guest\n", escape_key + '@');
	return true;
}

/* True if the monitor still has the console afterwards. */
static bool line_run(void)
{
	char *arg = strchr(line, ' ');

	if (arg)
		*arg++ = '\0';
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(line, commands[i].name))
			continue;
		if (!arg || commands[i].takes_arg)
			return commands[i].run(arg ? arg : "");
		console_print("%s: takes no argument\n", line);
		return true;
	}
	if (line[0])
		console_print("%s: unknown command; 'help' lists them\n", line);
	return true;
}

void monitor_init(u8 escape, void (*end_run)(void))
{
	escape_key = escape;
	quit_fn = end_run;
}

static void line_end(void)
{
	console_print("\n");
	line[line_len] = '\0';
	line_len = 0;
	if (line_run())
		prompt();
}

static void line_erase(u32 n)
{
	for (; n && line_len; n--) {
		line_len--;
		console_print("\b \b");
	}
}

void monitor_input(u8 byte)
{
	if (byte == escape_key) {
		console_print("\nLamina monitor; 'help' lists the commands\n");
		prompt();
	} else if (byte == '\r' || byte == '\n') {
		line_end();
	} else if (byte == KEY_BACKSPACE || byte == KEY_DELETE) {
		line_erase(1);
	} else if (byte == KEY_CTRL_U) {
		line_erase(line_len);
	} else if (byte >= ' ' && byte < KEY_DELETE && line_len < LINE_BYTES - 1) {
		line[line_len++] = (char)byte;
		console_print("%c", byte);
	}
}
