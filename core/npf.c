/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor has translated and checked the access before it left the guest; what stands at RIP
 * is looked at afterwards, when another vCPU may have changed it. So the move must be one that
 * makes that very access: the same direction, and the same place as far as the exit tells it.
 */
#include "core/npf.h"

#include "arch/x86/regs.h"
#include "core/dev/lapic_hw.h"
#include "core/emul/mov.h"
#include "core/gmem.h"
#include "core/hv.h"
#include "core/io.h"
#include "core/isolation.h"
#include "core/load/layout.h"
#include "core/npt.h"
#include "core/vm.h"

static bool is_same_access(const struct exit *x, const struct emul_mov *m)
{
	if (x->gva_valid ? m->linear != x->gva : (m->linear ^ x->gpa) & (PAGE_SIZE - 1))
		return false;
	return x->access == (m->is_store ? ACCESS_WRITE : ACCESS_READ) &&
	       (x->gpa & (PAGE_SIZE - 1)) + m->size <= PAGE_SIZE;
}

static bool is_apic_page(const struct vcpu *v, u64 gpa)
{
	return (gpa ^ v->hot->apic_base) >> PAGE_SHIFT == 0;
}

/*
 * Reading a device starts no timer, and an interrupt that it causes comes with a request; but the
 * local APIC may have taken over what others have posted.
 */
static enum npf device_move(struct vcpu *v)
{
	const struct exit *x = &v->hot->exit;
	u64 *regs = v->hot->gprs;
	u8 bytes[EMUL_MOV_BYTES];
	struct code64 code;
	struct emul_mov m;

	/* A table of the guest's own in a device; single-stepping. */
	if (!x->is_final || !hv_code64_get(v, &code) || (code.rflags & RFLAGS_TF))
		return NPF_SLOW;
	if (!gmem_fetch64(v->vm, &code, bytes) || !emul_mov_decode(&m, bytes, regs, code.rip) ||
	    !is_same_access(x, &m))
		return NPF_SLOW;
	if (m.is_store)
		mmio_write(v, (gpa_t){ x->gpa }, m.size, emul_mov_value(&m, regs));
	else
		emul_mov_load(&m, regs, mmio_read(v, (gpa_t){ x->gpa }, m.size));
	hv_insn_done(v, code.rip + m.len);
	return m.is_store || is_apic_page(v, x->gpa) ? NPF_LEAVE : NPF_AGAIN;
}

enum npf npf_serve(struct vcpu *v)
{
	struct vcpu_hot *hot = v->hot;
	const gpa_t gpa = { hot->exit.gpa };
	enum err e = gpa_is_device(gpa.v) ? ERR_NOENT : npt_fault(v->vm, gpa);
	enum npf npf = e == ERR_NONE ? NPF_AGAIN : NPF_SLOW;

	if (e == ERR_NOENT)
		npf = lapic_hw_map(v, gpa) ? NPF_AGAIN : device_move(v);
	if (npf != NPF_SLOW) {
		hot->exit_counts[EXIT_NPF]++;
		isolation_left(hot, EXIT_NPF);
	}
	return npf;
}
