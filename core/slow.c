/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/slow.h"

#include "arch/x86/regs.h"
#include "core/cr.h"
#include "core/emulate.h"
#include "core/gmem.h"
#include "core/hv.h"
#include "core/isolation.h"
#include "core/hypercall.h"
#include "core/io.h"
#include "core/lib/log.h"
#include "core/msr.h"
#include "core/npt.h"
#include "core/sched.h"
#include "core/trace.h"
#include "core/vm.h"

/*
 * An exception that was intercepted only so that its delivery cannot loop inside the processor.
 * For #DB `info` has what the processor would have put into DR6.
 */
static enum next slow_exception(struct vcpu *v, const struct exit *x)
{
	if (x->vector == EXC_BP ? debug_bp(v) : x->vector == EXC_DB && debug_db(v, x->info))
		return NEXT_AGAIN;
	if (x->vector == EXC_DB) {
		u64 dr6 = hv_reg_get(v, REG_DR6) & ~MASK(3, 0);

		hv_reg_set(v, REG_DR6, dr6 | x->info | DR6_FIXED);
		hv_reg_set(v, REG_DR7, hv_reg_get(v, REG_DR7) & ~DR7_GD);
	}
	if (x->vector == EXC_BP)
		event_int3(v);
	else
		event_exception(v, x->vector, x->err);
	return NEXT_AGAIN;
}

static enum next slow_npf(struct vcpu *v, const struct exit *x)
{
	enum err e = npt_fault(v->vm, (gpa_t){ x->gpa });

	if (e == ERR_NOENT && lapic_hw_map(v, (gpa_t){ x->gpa }))
		return NEXT_AGAIN;
	if (e == ERR_NOENT)
		emulate_insn(v);
	else if (e)
		vm_kill(v->vm, v, "no memory for nested page tables");
	return NEXT_AGAIN;
}

/* IN leaves the upper bits of RAX alone, but a 32-bit result clears bits 63:32 as always. */
static void in_result(u64 *rax, unsigned width_bytes, u32 value)
{
	if (width_bytes == 4)
		*rax = value;
	else
		*rax = (*rax & ~MASK(8 * width_bytes - 1, 0)) | value;
}

static enum next slow_io(struct vcpu *v, const struct exit *x)
{
	u64 *rax = &v->hot->gprs[GPR_RAX];

	if (x->is_string) {
		emulate_insn(v);
		return NEXT_AGAIN;
	}
	if (x->is_in)
		in_result(rax, x->width_bytes, io_read(v, x->port, x->width_bytes));
	else
		io_write(v, x->port, x->width_bytes, (u32)*rax);
	return NEXT_SKIP;
}

static enum next slow_cr_read(struct vcpu *v, const struct exit *x)
{
	if (x->cr != 8)
		return event_ud(v);
	if (x->gpr == GPR_RSP)
		hv_reg_set(v, REG_RSP, lapic_cr8_get(v));
	else
		v->hot->gprs[x->gpr] = lapic_cr8_get(v);
	return NEXT_SKIP;
}

static enum next slow_triple_fault(struct vcpu *v)
{
	log_info("%s: vCPU %u: triple fault at 0x%llx", v->vm->config->name, v->index,
		 (unsigned long long)hv_reg_get(v, REG_RIP));
	trace_dump(v->cpu);
	vm_stop(v->vm, VM_END_RESET);
	return NEXT_AGAIN;
}

static const char *const kind_names[] = {
#define X(name, text) [name] = text,
	EXIT_KINDS(X)
#undef X
};

const char *exit_kind_text(u32 kind)
{
	return kind_names[kind];
}

static enum next slow_fatal(struct vcpu *v, const struct exit *x)
{
	vm_kill(v->vm, v, "%s (reason 0x%x, info 0x%llx)", kind_names[x->kind], x->raw,
		(unsigned long long)x->info);
	return NEXT_KILL;
}

static enum next slow_handle(struct vcpu *v, const struct exit *x)
{
	switch ((enum exit_kind)x->kind) {
	case EXIT_NONE:
	case EXIT_INTR:
	case EXIT_NMI:
	case EXIT_IRQ_WINDOW:
	case EXIT_NMI_WINDOW:
	case EXIT_INIT:
	case EXIT_APIC_TPR:
		return NEXT_AGAIN;
	case EXIT_TIMER:
		timer_run();
		return NEXT_AGAIN;
	case EXIT_EXCEPTION:
		return slow_exception(v, x);
	case EXIT_NPF:
		return slow_npf(v, x);
	case EXIT_IO:
		return slow_io(v, x);
	case EXIT_MSR_READ:
		return msr_read(v);
	case EXIT_MSR_WRITE:
		return msr_write(v);
	case EXIT_CPUID:
		cpuid_emulate(v->hot, hv_reg_get(v, REG_CR4));
		return NEXT_SKIP;
	case EXIT_HLT:
		v->state = VCPU_HALTED;
		return NEXT_SKIP;
	case EXIT_PAUSE:
		sched_spin(v);
		return NEXT_SKIP;
	case EXIT_CACHE: /* all of the guest's memory is coherent write-back memory */
		return NEXT_SKIP;
	case EXIT_HYPERCALL:
		return hypercall_fast(v->hot);
	case EXIT_CR_WRITE:
		return cr_write(v, x->cr, x->info);
	case EXIT_CR_READ:
		return slow_cr_read(v, x);
	case EXIT_APIC_WRITE:
		lapic_written(v, (u32)x->info);
		return NEXT_AGAIN;
	case EXIT_APIC_EOI:
		lapic_hw_eoi(v, x->vector);
		return NEXT_AGAIN;
	case EXIT_APIC_IPI:
		lapic_ipi_send(v, (u32)x->info, (u32)(x->info >> 32), x->is_sent);
		return NEXT_AGAIN;
	case EXIT_APIC_ACCESS:
		emulate_insn(v);
		return NEXT_AGAIN;
	case EXIT_XSETBV:
		return xcr_write(v);
	case EXIT_RDPMC: /* no counters are offered */
		return event_gp(v);
	case EXIT_MONITOR:
	case EXIT_MWAIT:
	case EXIT_UNDEFINED:
		return event_ud(v);
	case EXIT_TRIPLE_FAULT:
		return slow_triple_fault(v);
	case EXIT_DR:
		debug_dr_access(v);
		return NEXT_AGAIN;
	case EXIT_MC:
	case EXIT_TASK_SWITCH:
	case EXIT_ENTRY_FAILED:
	case EXIT_UNKNOWN:
	case NR_EXIT_KINDS:
		break;
	}
	return slow_fatal(v, x);
}

static void slow_skip(struct vcpu *v)
{
	u64 rflags = hv_reg_get(v, REG_RFLAGS);

	hv_insn_skip(v);
	emulate_trap(v, rflags);
}

void slow_exit(struct vcpu *v)
{
	uart_flush(v->vm); /* what was sent before comes before what is said of this exit */
	isolation_left(v->hot, v->hot->exit.kind);
	if (slow_handle(v, &v->hot->exit) == NEXT_SKIP)
		slow_skip(v);
}
