/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISO-8, ISO-9: a core that gets an NMI at every instruction of the way into a guest and out of it.
 * The entry code has an INT1 at its beginning (on SVM behind the door), behind the way out, and
 * behind the CLGI that ends the taking of interrupts. Its #DB sets TF, so that each instruction
 * from there on ends with another #DB, up to the next entry or the end of the isolated text. For
 * one vCPU on a machine of one CPU. Nothing else is changed.
 *
 * VMX: #DB has a stack of its own and this stub. It sends itself an NMI, whose handler, while NMIs
 * are blocked, sends a second one and returns straight to the instruction of the #DB: so the second
 * is taken exactly there. It sends a third one, which is taken when the second is over: at the same
 * place, with all registers as they were, or the second has spoilt something or left NMIs blocked.
 *
 * SVM: GIF is 0, so the NMI that the #DB's handler sends has to wait, and must be taken behind STGI
 * and nowhere else.
 */
#include "tests/variant/nmi.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/insn.h"
#include "arch/x86/iso_cpu.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "core/hv.h"
#include "core/vm.h"

#include <string.h>

#define TEXT_MAX 65536u
#define ROUNDS_EACH 3u /* times that a position is tried */
#define INT1 0xf1u
#define GS_BASE 0xc0000101u

extern char iso_text_start[], iso_text_end[];
extern char nmi_db_stub[], nmi_db_wait[];

/* What the stub leaves at the top of the #DF stack, which #DB uses here. */
struct step {
	u64 gs_base, cr3;
	struct trap_frame frame;
};

/* The CPU has APIC ID 0. */
__asm__(".pushsection .iso.text, \"ax\"\n"
	".balign 16\n"
	"nmi_db_stub:\n"
	"	pushq $0\n"
	"	pushq $1\n"
	"	pushq %rax\n	pushq %rbx\n	pushq %rcx\n	pushq %rdx\n"
	"	pushq %rsi\n	pushq %rdi\n	pushq %rbp\n	pushq %r8\n"
	"	pushq %r9\n	pushq %r10\n	pushq %r11\n	pushq %r12\n"
	"	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %cr3, %rax\n"
	"	pushq %rax\n"
	"	movl $0xc0000101, %ecx\n"
	"	rdmsr\n"
	"	shlq $32, %rdx\n"
	"	orq %rdx, %rax\n"
	"	pushq %rax\n"
	"	movl $0x830, %ecx\n" /* ICR of the x2APIC */
	"	xorl %edx, %edx\n"
	"	movl $0x4400, %eax\n" /* NMI */
	"	wrmsr\n"
	"nmi_db_wait:\n"
	"	pause\n"
	"	jmp nmi_db_wait\n"
	".popsection\n");

static enum { EXPECT_STEP, EXPECT_NMI, EXPECT_AGAIN } phase;
static bool is_armed = true; /* for the first entry, by VMLAUNCH */
static bool has_launched, is_spoiler;
static struct step at; /* the position being tried */
static bool is_next_known; /* CR3 and GS of the next step are those of this one */
static u8 tries[TEXT_MAX];
static u32 map[TEXT_MAX / 32];
static u32 positions, failures, word, sent, taken;
static u64 where;
static bool (*core_handler)(struct trap_frame *frame);

void __real_iso_fault_handler_set(bool (*fn)(struct trap_frame *frame));
void __wrap_iso_fault_handler_set(bool (*fn)(struct trap_frame *frame));
void __real_trap_handle(struct trap_frame *frame);
void __wrap_trap_handle(struct trap_frame *frame);
bool __real_trap_fix_up(struct trap_frame *frame);
bool __wrap_trap_fix_up(struct trap_frame *frame);
u32 __real_testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
void __real_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);
u32 __wrap_testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
void __wrap_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

static void fail(u64 rip)
{
	if (!failures++)
		where = rip;
}

static bool is_isolated(u64 rip)
{
	return rip >= (u64)iso_text_start && rip < (u64)iso_text_end;
}

static bool is_insn(u64 rip, u8 a, u8 b, u8 c)
{
	const u8 *p = (const u8 *)rip;

	return p[0] == a && p[1] == b && p[2] == c;
}

/* Is this position to be tried once more? */
static bool try_here(u64 rip)
{
	u64 offset = rip - (u64)iso_text_start;

	if (!is_armed || !is_isolated(rip) || offset >= TEXT_MAX || tries[offset] >= ROUNDS_EACH)
		return false;
	if (!tries[offset]++) {
		map[offset / 32] |= 1u << offset % 32;
		positions++;
	}
	return true;
}

static void nmi_send(void)
{
	sent++;
	apic_icr_write(0, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

/* Is there another step to come behind the instruction at `rip`? */
static bool steps_on(u64 rip)
{
	if (!is_armed || !is_isolated(rip))
		return false;
	if (is_insn(rip, 0x0f, 0x01, 0xc3)) /* VMRESUME: the first one fails */
		return !has_launched;
	if (is_insn(rip, 0x0f, 0x01, 0xc2)) {
		has_launched = true;
		return false;
	}
	/* VMRUN; STGI, behind which the NMI is taken, and a #DB would come before it. */
	return !is_insn(rip, 0x0f, 0x01, 0xd8) && !is_insn(rip, 0x0f, 0x01, 0xdc);
}

static u64 with_tf(u64 rflags, bool is_on)
{
	return is_on ? rflags | RFLAGS_TF : rflags & ~RFLAGS_TF;
}

/* CR3 and GS must be what they were a step before, unless that instruction sets them. */
static void state_check(const struct step *step)
{
	u64 cr3 = this_cpu()->iso_cr3 & ~CR3_NO_FLUSH;
	bool is_first = *(const u8 *)(step->frame.rip - 1) == INT1;

	if (step->gs_base != (u64)this_cpu())
		fail(step->frame.rip);
	if (!is_first && is_next_known && step->cr3 != at.cr3)
		fail(step->frame.rip);
	/* The way out begins on the isolated tables. */
	if (is_first && is_insn(step->frame.rip, 0xc6, 0x04, 0x24) && step->cr3 != cr3)
		fail(step->frame.rip);
	is_next_known = !is_insn(step->frame.rip, 0x0f, 0x22, 0xd9); /* MOV to CR3 */
}

/* The first NMI: in the stub. Its IRET leads to where the #DB has come from. */
static void step_take(struct trap_frame *frame)
{
	const struct step *step = (const struct step *)(ALIGN_DOWN(this_cpu()->tss.ist[IST_DF - 1],
								   16)) - 1;

	if (frame->rip < (u64)nmi_db_stub || frame->rip > (u64)nmi_db_wait + 16) {
		fail(frame->rip);
		return;
	}
	state_check(step);
	at = *step;
	at.frame.rflags = with_tf(at.frame.rflags, steps_on(at.frame.rip));
	at.frame.vector = EXC_NMI;
	*frame = at.frame;
	if (!try_here(at.frame.rip))
		return;
	phase = EXPECT_NMI;
	nmi_send();
}

static void on_nmi_vmx(struct trap_frame *frame)
{
	if (phase == EXPECT_STEP) {
		step_take(frame);
		return;
	}
	taken++;
	if (memcmp(frame, &at.frame, sizeof(*frame)))
		fail(frame->rip);
	*frame = at.frame;
	if (phase == EXPECT_NMI) {
		frame->r11 ^= is_spoiler;
		nmi_send();
	}
	phase = phase == EXPECT_NMI ? EXPECT_AGAIN : EXPECT_STEP;
}

/* Behind STGI, or where the host runs with GIF set, on the full tables. */
static void on_nmi_svm(const struct trap_frame *frame)
{
	taken++;
	if (is_isolated(frame->rip) && !is_insn(frame->rip - 3, 0x0f, 0x01, 0xdc))
		fail(frame->rip);
}

static void on_nmi(const struct trap_frame *frame)
{
	if (hv_is_vmx)
		on_nmi_vmx((struct trap_frame *)frame);
	else
		on_nmi_svm(frame);
}

/* SVM: the #DB of a step, on the full tables meanwhile. The last step is in front of the door. */
static bool on_fault(struct trap_frame *frame)
{
	if (frame->vector != EXC_DB)
		return core_handler(frame);
	if (sent == taken && try_here(frame->rip))
		nmi_send();
	frame->rflags = with_tf(frame->rflags, steps_on(frame->rip) &&
						       !is_insn(frame->rip, 0x0f, 0x22, 0xd9));
	return true;
}

/* VMRUN is in the exception table, but a step is no fault of it. */
bool __wrap_trap_fix_up(struct trap_frame *frame)
{
	return frame->vector != EXC_DB && __real_trap_fix_up(frame);
}

/* Counted and looked at as ever, and then it is the test's. */
void __wrap_trap_handle(struct trap_frame *frame)
{
	__real_trap_handle(frame);
	if (frame->vector == EXC_NMI)
		on_nmi(frame);
}

/* Each CPU, before its first guest. */
void __wrap_iso_fault_handler_set(bool (*fn)(struct trap_frame *frame))
{
	struct idt_gate *gate = (struct idt_gate *)desc_idt_base() + EXC_DB;
	u64 stub = (u64)nmi_db_stub;

	core_handler = fn;
	__real_iso_fault_handler_set(on_fault);
	if (!hv_is_vmx)
		return;
	gate->ist = IST_DF;
	gate->offset_low = (u16)stub;
	gate->offset_mid = (u16)(stub >> 16);
	gate->offset_high = (u32)(stub >> 32);
}

u32 __wrap_testdev_read(struct vm *vm, u16 port, unsigned width_bytes)
{
	switch (port) {
	case PORT_ARM:
		return positions;
	case PORT_FAILURES:
		return failures;
	case PORT_WORD:
		return map[word];
	case PORT_WORDS:
		return ARRAY_SIZE(map);
	case PORT_WHERE:
		return (u32)where;
	case PORT_WHERE_HIGH:
		return (u32)(where >> 32);
	case PORT_TAKEN:
		return taken;
	case PORT_LOST:
		return sent - taken;
	default:
		return __real_testdev_read(vm, port, width_bytes);
	}
}

void __wrap_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value)
{
	if (port == PORT_ARM) {
		is_armed = value;
		is_spoiler = value == 2;
		if (is_spoiler)
			memset(tries, 0, sizeof(tries));
	} else if (port == PORT_WORD) {
		word = value % ARRAY_SIZE(map);
	} else {
		__real_testdev_write(vm, port, width_bytes, value);
	}
}
