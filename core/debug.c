/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/debug.h"

#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/regs.h"
#include "core/gmem.h"
#include "core/hv.h"
#include "core/lib/log.h"
#include "core/pause.h"
#include "core/vm.h"

#define INT3 0xcc
#define OPCODE_PUSHF 0x9c
#define OPCODE_POPF 0x9d
#define OPCODE_IRET 0xcf

/* DR7: both enable bits of slot i, and where its four bits of control are. */
#define DR7_ENABLE(i) (3ull << 2 * (i))
#define DR7_CONTROL(i) (16 + 4 * (i))

/* Whatever the mapping allows, kernel's or user's. */
static enum err translate(struct vcpu *v, u64 gva, gpa_t *gpa)
{
	u32 pf_err;

	if (!gmem_translate(v, (gva_t){ gva }, ACCESS_READ, false, gpa, &pf_err))
		return ERR_NONE;
	return gmem_translate(v, (gva_t){ gva }, ACCESS_READ, true, gpa, &pf_err);
}

static u64 linear_rip(struct vcpu *v)
{
	u64 rip = hv_reg_get(v, REG_RIP);
	struct segment cs;

	hv_seg_get(v, SEG_CS, &cs);
	if ((hv_reg_get(v, REG_EFER) & EFER_LMA) && (cs.ar & AR_L))
		return rip;
	return (u32)(cs.base + rip);
}

/* --- points --- */

/* The breakpoint at `gpa`, or the first unused one. NULL: there is none. */
static struct debug_break *break_find(struct vm *vm, bool is_used, u64 gpa)
{
	struct debug_break *b = vm->debug.breaks;

	for (; b < vm->debug.breaks + DEBUG_BREAKS; b++)
		if (b->is_used == is_used && (!is_used || b->gpa == gpa))
			return b;
	return NULL;
}

enum err debug_memory(struct vcpu *v, bool is_physical, u64 address, u8 *buf, u64 len_bytes,
		      bool is_write)
{
	enum err e = ERR_NONE;

	for (; len_bytes && !e; len_bytes--, address++, buf++) {
		gpa_t gpa = { address };
		struct debug_break *b;

		if (!is_physical && translate(v, address, &gpa))
			return ERR_FAULT;
		b = break_find(v->vm, true, gpa.v);
		if (b && is_write)
			b->byte = *buf;
		else if (b)
			*buf = b->byte;
		else
			e = is_write ? gmem_write(v->vm, gpa, buf, 1)
				     : gmem_read(v->vm, gpa, buf, 1);
	}
	return e;
}

static void break_remove(struct vm *vm, struct debug_break *b)
{
	gpa_t gpa = { b->gpa };
	u8 now;

	b->is_used = false;
	/* Unless the guest has written something else there. */
	if (!gmem_read(vm, gpa, &now, 1) && now == INT3)
		(void)!gmem_write(vm, gpa, &b->byte, 1);
}

enum err debug_break(struct vcpu *v, u64 gva, bool is_set)
{
	const u8 insn = INT3;
	struct debug_break *b;
	gpa_t gpa;

	if (translate(v, gva, &gpa))
		return ERR_FAULT;
	b = break_find(v->vm, true, gpa.v);
	if (b && !is_set)
		break_remove(v->vm, b);
	if (b || !is_set)
		return b ? ERR_NONE : ERR_NOENT;
	b = break_find(v->vm, false, 0);
	if (!b)
		return ERR_NOMEM;
	b->gpa = gpa.v;
	b->is_used = !gmem_read(v->vm, gpa, &b->byte, 1) && !gmem_write(v->vm, gpa, &insn, 1);
	return b->is_used ? ERR_NONE : ERR_FAULT;
}

enum err debug_slot(struct vm *vm, u64 gva, u8 kind, u64 len_bytes, bool is_set)
{
	static const u8 lengths[9] = { [2] = 1, [4] = 3, [8] = 2 };
	struct debug_slot *unused = NULL;
	u8 control;

	if (!len_bytes || len_bytes > 8 || (len_bytes & (len_bytes - 1)) || gva % len_bytes)
		return ERR_INVAL;
	control = (u8)(kind ? kind | lengths[len_bytes] << 2 : 0);
	for (struct debug_slot *s = vm->debug.slots; s < vm->debug.slots + DEBUG_SLOTS; s++) {
		if (s->is_used && s->address == gva && s->control == control) {
			s->is_used = is_set;
			return ERR_NONE;
		}
		unused = s->is_used ? unused : s;
	}
	if (!is_set || !unused)
		return is_set ? ERR_NOMEM : ERR_NOENT;
	*unused = (struct debug_slot){ gva, control, true };
	return ERR_NONE;
}

void debug_clear(struct vm *vm)
{
	for (u32 i = 0; i < DEBUG_BREAKS; i++)
		if (vm->debug.breaks[i].is_used)
			break_remove(vm, &vm->debug.breaks[i]);
	memset(vm->debug.slots, 0, sizeof(vm->debug.slots));
}

/* --- in force, and not --- */

/* Exchange what is kept in v->debug with the CPU's DR0 to DR3, and DR7. */
static void dr_exchange(struct vcpu *v)
{
	u64 *dr = v->debug.dr;
	const u64 now[4] = { read_dr0(), read_dr1(), read_dr2(), read_dr3() };
	u64 dr7 = hv_reg_get(v, REG_DR7);

	write_dr0(dr[0]);
	write_dr1(dr[1]);
	write_dr2(dr[2]);
	write_dr3(dr[3]);
	memcpy(dr, now, sizeof(now));
	hv_reg_set(v, REG_DR7, v->debug.dr7);
	v->debug.dr7 = dr7;
}

static void slots_on(struct vcpu *v)
{
	const struct debug_slot *s = v->vm->debug.slots;

	v->debug.dr7 = DR7_FIXED;
	for (u32 i = 0; i < DEBUG_SLOTS; i++) {
		v->debug.dr[i] = s[i].address;
		if (s[i].is_used)
			v->debug.dr7 |= DR7_ENABLE(i) | (u64)s[i].control << DR7_CONTROL(i);
	}
	v->debug.has_slots = v->debug.dr7 != DR7_FIXED;
	if (v->debug.has_slots)
		dr_exchange(v);
}

static void slots_off(struct vcpu *v)
{
	if (v->debug.has_slots)
		dr_exchange(v);
	v->debug.has_slots = false;
	hv_debug_exits(v, v->debug.is_on, false);
}

static void tf_set(struct vcpu *v, u64 tf)
{
	hv_reg_set(v, REG_RFLAGS, (hv_reg_get(v, REG_RFLAGS) & ~(u64)RFLAGS_TF) | tf);
}

static void step_on(struct vcpu *v)
{
	u8 code[4] = { 0 };
	u32 i = 0;

	(void)!debug_memory(v, false, linear_rip(v), code, sizeof(code), false);
	while (i < sizeof(code) - 1 && (code[i] == 0x66 || (code[i] & 0xf0) == 0x40))
		i++;
	v->debug.opcode = code[i];
	v->debug.tf = hv_reg_get(v, REG_RFLAGS) & RFLAGS_TF;
	/* SDM "Checks on Guest Non-Register State": TF and such blocking want a pending #DB. */
	hv_blocking_set(v, hv_blocking_get(v) & ~(u32)(BLOCK_STI | BLOCK_MOV_SS));
	tf_set(v, RFLAGS_TF);
}

/* TF is the guest's again: as it was, or as the instruction has loaded it. */
static void step_end(struct vcpu *v)
{
	u64 flags_at = hv_reg_get(v, REG_RSP) + 1; /* TF is the lowest bit there */
	u8 flags;

	v->debug.is_stepping = false;
	if (v->debug.opcode != OPCODE_POPF && v->debug.opcode != OPCODE_IRET)
		tf_set(v, v->debug.tf);
	if (v->debug.opcode != OPCODE_PUSHF || v->debug.tf ||
	    debug_memory(v, false, flags_at, &flags, 1, false))
		return;
	flags &= (u8) ~(RFLAGS_TF >> 8);
	(void)!debug_memory(v, false, flags_at, &flags, 1, true);
}

void debug_on(struct vcpu *v, bool is_step)
{
	v->debug.is_on = true;
	v->debug.why = DEBUG_NONE;
	v->debug.is_stepping = is_step;
	slots_on(v);
	hv_debug_exits(v, true, v->debug.has_slots);
	if (is_step)
		step_on(v);
}

void debug_off(struct vcpu *v)
{
	if (v->debug.is_stepping) {
		v->debug.is_cut = true;
		tf_set(v, v->debug.tf);
	}
	v->debug.is_stepping = false;
	v->debug.is_on = false;
	slots_off(v);
}

void debug_reset(struct vcpu *v)
{
	v->debug.is_stepping = false;
	v->debug.is_cut = false;
	if (v->debug.is_on)
		slots_off(v);
}

void debug_dr_access(struct vcpu *v)
{
	log_info("%s: vCPU %u uses debug registers: no watchpoints until it stops",
		 v->vm->config->name, v->index);
	slots_off(v);
}

/* --- stops --- */

void debug_stop(struct vm *vm)
{
	if (!atomic_xchg_u32(&vm->debug.is_stopping, 1))
		vm_pause(vm);
}

void debug_go(struct vm *vm)
{
	if (atomic_xchg_u32(&vm->debug.is_stopping, 0))
		vm_resume(vm);
}

static bool stop(struct vcpu *v, enum debug_why why)
{
	v->debug.why = (u8)why;
	debug_stop(v->vm);
	return true;
}

bool debug_db(struct vcpu *v, u64 causes)
{
	struct vcpu_debug *d = &v->debug;
	u64 hits = d->has_slots ? causes & MASK(3, 0) : 0;
	bool is_step = d->is_stepping && (causes & DR6_BS);
	bool is_late = d->is_on && d->is_cut && !is_step && (causes & DR6_BS);

	while (hits && !v->vm->debug.slots[bit_first(hits)].is_used)
		hits &= hits - 1;
	if (!hits && !is_step && !is_late)
		return false;
	/* SVM has put it into DR6, which is the guest's. */
	hv_reg_set(v, REG_DR6, hv_reg_get(v, REG_DR6) & ~(causes & (MASK(3, 0) | DR6_BS)));
	if (is_step)
		step_end(v);
	if (is_late)
		tf_set(v, d->is_cut = false);
	d->slot = hits ? (u8)bit_first(hits) : 0;
	return hits ? stop(v, DEBUG_SLOT) : is_late || stop(v, DEBUG_STEP);
}

bool debug_bp(struct vcpu *v)
{
	gpa_t gpa;

	return !translate(v, linear_rip(v), &gpa) && break_find(v->vm, true, gpa.v) &&
	       stop(v, DEBUG_BREAK);
}
