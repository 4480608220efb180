/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/mon/gdb_target.h"

#include <stdio.h>
#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/regs.h"
#include "arch/x86/tsc.h"
#include "core/hv.h"
#include "core/lib/log.h"
#include "core/mon/gdb.h"
#include "core/pause.h"
#include "core/timer.h"
#include "core/vm.h"
#include "drivers/serial.h"

/*
 * How often the line is looked at: a FIFO holds 16 bytes, which take 1.4 ms. What has begun is read
 * to its end. The first packet to an idle line may lose its end; GDB sends it again.
 */
#define POLL_ATTACHED_US 1000
#define POLL_IDLE_US 10000
#define POLLS_QUICK 10000 /* after the last byte */
#define BYTE_US 300

static struct serial *line; /* [c] */
static struct timer poll_timer;
static struct vm *vm;	 /* [o] boot CPU, as all here: that is debugged */
static bool is_waiting;	 /* for the VM to stop */
static bool is_physical; /* memory by guest-physical addresses */
static u8 stop_signal;	 /* if nothing else stops it */
static u32 quick_polls;

static const u8 gprs[16] = {
	GPR_RAX, GPR_RBX, GPR_RCX, GPR_RDX, GPR_RSI, GPR_RDI, GPR_RBP, GPR_RSP,
	GPR_R8,	 GPR_R9,  GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15
};
static const u8 segments[6] = { SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS };
/* The rest; of these the first NR_WRITABLE may be changed. */
#define NR_WRITABLE 4
static const u8 others[][2] = {
	{ GDB_RSP, REG_RSP },	      { GDB_RIP, REG_RIP },
	{ GDB_FS_BASE, REG_FS_BASE }, { GDB_GS_BASE, REG_GS_BASE },
	{ GDB_EFLAGS, REG_RFLAGS },   { GDB_KERNEL_GS_BASE, REG_KERNEL_GS_BASE },
	{ GDB_CR0, REG_CR0 },	      { GDB_CR2, REG_CR2 },
	{ GDB_CR3, REG_CR3 },	      { GDB_CR4, REG_CR4 },
	{ GDB_EFER, REG_EFER },
};

/* RFLAGS that a debugger may change. */
#define FLAGS (RFLAGS_STATUS | RFLAGS_TF | RFLAGS_DF | RFLAGS_AC | RFLAGS_ID)

static u32 nr_threads(void)
{
	return vm->nr_vcpus;
}

static void text(u32 thread, const char *command, char *out, u32 size_bytes)
{
	static const char *const states[] = { "runs", "halted", "waits for a start-up IPI" };
	const struct vcpu *v = vm->vcpu[thread - 1];

	if (!command)
		snprintf(out, size_bytes, "%s vCPU %u %s", vm->config->name, v->index,
			 states[v->state]);
	else if (!strcmp(command, "phys on") || !strcmp(command, "phys off"))
		is_physical = command[6] == 'n';
	else
		snprintf(out, size_bytes,
			 "phys on, phys off: addresses are guest-physical, or not\n");
}

static void regs_read(struct vcpu *v, u64 *regs)
{
	struct segment s;

	for (u32 i = 0; i < ARRAY_SIZE(gprs); i++)
		regs[i] = v->hot->gprs[gprs[i]];
	for (u32 i = 0; i < ARRAY_SIZE(segments); i++) {
		hv_seg_get(v, (enum seg)segments[i], &s);
		regs[GDB_CS + i] = s.sel;
	}
	for (u32 i = 0; i < ARRAY_SIZE(others); i++)
		regs[others[i][0]] = hv_reg_get(v, (enum reg)others[i][1]);
	regs[GDB_CR8] = lapic_cr8_get(v);
}

static enum err regs_write(struct vcpu *v, const u64 *regs)
{
	u64 flags = hv_reg_get(v, REG_RFLAGS);
	struct code64 code;
	bool is_64 = hv_code64_get(v, &code);

	/* Entries with addresses that the CPU cannot have are refused. */
	for (u32 i = 1; i < NR_WRITABLE; i++) {
		u64 value = regs[others[i][0]];

		if (is_64 ? (u64)((s64)(value << 16) >> 16) != value : value >> 32)
			return ERR_INVAL;
	}
	if (hv_reg_get(v, REG_RIP) != regs[GDB_RIP] && v->state == VCPU_HALTED)
		v->state = VCPU_RUNNING;
	for (u32 i = 0; i < ARRAY_SIZE(gprs); i++)
		v->hot->gprs[gprs[i]] = regs[i];
	for (u32 i = 0; i < NR_WRITABLE; i++)
		hv_reg_set(v, (enum reg)others[i][1], regs[others[i][0]]);
	hv_reg_set(v, REG_RFLAGS, (flags & ~(u64)FLAGS) | (regs[GDB_EFLAGS] & FLAGS));
	return ERR_NONE;
}

static enum err serve(struct gdb_request *r)
{
	static const u8 kinds[] = { [GDB_WRITE] = 1, [GDB_READ] = 3, [GDB_ACCESS] = 3 };
	struct vcpu *v = vm->vcpu[r->thread - 1];
	struct vcpu *before = vcpu_borrow(v);
	enum err e = ERR_NONE;

	if (r->op == GDB_MEMORY)
		e = debug_memory(v, is_physical, r->address, r->buf, r->len_bytes, r->is_write);
	else if (r->op == GDB_POINT && r->kind == GDB_SOFT)
		e = debug_break(v, r->address, r->is_write);
	else if (r->op == GDB_POINT)
		e = debug_slot(vm, r->address, kinds[r->kind], r->len_bytes, r->is_write);
	else if (r->is_write)
		e = regs_write(v, r->regs);
	else
		regs_read(v, r->regs);
	vcpu_give_back(v, before);
	return e;
}

static struct vcpu *stopped_find(void)
{
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i]->debug.why)
			return vm->vcpu[i];
	return NULL;
}

/* Let go of every vCPU's registers, or take hold of them to run by `actions`. */
static void debug_set(const u8 *actions)
{
	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = vm->vcpu[i];
		struct vcpu *before = vcpu_borrow(v);

		if (actions)
			debug_on(v, actions[i + 1] == GDB_STEP);
		else if (v->debug.is_on)
			debug_off(v);
		v->debug.is_held = actions && actions[i + 1] == GDB_STAY;
		vcpu_give_back(v, before);
	}
}

/*
 * All vCPUs are out: tell for which of them, and why. Another one that has stopped is told of when
 * this one is to go on, but INT3 waits at its place and hits again, if it is still there.
 */
static void stop_report(void)
{
	struct vcpu *v = stopped_find();
	u32 thread = v ? v->index + 1 : 1;
	u8 why = v ? v->debug.why : DEBUG_NONE;
	const struct debug_slot *s = &vm->debug.slots[v ? v->debug.slot : 0];
	char reason[40] = "";

	debug_set(NULL);
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i] == v || vm->vcpu[i]->debug.why == DEBUG_BREAK)
			vm->vcpu[i]->debug.why = DEBUG_NONE;
	if (why == DEBUG_BREAK || (why == DEBUG_SLOT && !s->control))
		snprintf(reason, sizeof(reason), "%cwbreak:;", why == DEBUG_BREAK ? 's' : 'h');
	else if (why == DEBUG_SLOT)
		snprintf(reason, sizeof(reason), "%s:%llx;", s->control & 2 ? "awatch" : "watch",
			 (unsigned long long)s->address);
	is_waiting = false;
	gdb_stopped(thread, why ? GDB_SIGTRAP : stop_signal, reason);
}

static void go(const u8 *actions)
{
	is_waiting = true;
	if (stopped_find())
		return;
	debug_set(actions);
	debug_go(vm);
}

static void halt(u8 signal)
{
	if (!vm->debug.is_stopping && !vm->vcpu[0]->debug.is_on)
		log_info("%s: held by a debugger", vm->config->name);
	stop_signal = signal;
	is_waiting = true;
	lapic_hw_inhibit(vm, LAPIC_INHIBIT_DEBUG, true);
	debug_stop(vm);
}

static void leave(bool is_kill)
{
	log_info("%s: %s by the debugger", vm->config->name, is_kill ? "killed" : "let go");
	debug_clear(vm);
	debug_set(NULL);
	lapic_hw_inhibit(vm, LAPIC_INHIBIT_DEBUG, false);
	is_physical = false;
	if (is_kill)
		vm_stop(vm, VM_END_KILLED);
	debug_go(vm);
}

static enum err attach(u32 process)
{
	struct vm *to = process ? vm_of(process - 1) : NULL;

	if (!to || is_waiting)
		return ERR_INVAL;
	if (vm->debug.is_stopping)
		leave(false);
	vm = to;
	return ERR_NONE;
}

static void line_put(u8 byte)
{
	serial_put(line, byte);
}

static void poll(struct timer *t)
{
	u64 end = 0;
	int byte;

	do {
		byte = serial_get(line);
		if (byte >= 0) {
			gdb_input((u8)byte);
			end = tsc_after_us(BYTE_US);
			quick_polls = POLLS_QUICK;
		}
	} while (byte >= 0 || !tsc_is_past(end));
	quick_polls -= quick_polls != 0;
	if (is_waiting && vm->is_over) {
		is_waiting = false;
		gdb_exited();
	} else if (is_waiting && atomic_load_u32(&vm->debug.is_stopping) && vm_is_paused(vm)) {
		stop_report();
	}
	timer_arm(t,
		  tsc_after_us(gdb_is_attached() || quick_polls ? POLL_ATTACHED_US : POLL_IDLE_US));
}

void gdb_target_listen(void)
{
	static const struct gdb_target target = {
		nr_threads, serve, text, attach, go, halt, leave
	};

	gdb_start(&target, line_put);
}

void gdb_target_start(struct serial *on)
{
	line = on;
	vm = vm_of(0);
	gdb_target_listen();
	timer_init(&poll_timer, 0, poll);
	timer_arm(&poll_timer, tsc_after_us(POLL_IDLE_US));
}
