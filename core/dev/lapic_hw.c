/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/lapic_hw.h"

#include "arch/x86/atomic.h"
#include "arch/x86/page.h"
#include "arch/x86/regs.h"
#include "core/dev/lapic_priv.h"
#include "core/hv.h"
#include "core/lib/log.h"
#include "core/npt.h"
#include "core/vm.h"

const char *const lapic_path_names[NR_LAPIC_PATHS] = {
	[LAPIC_SOFTWARE] = "software",
	[LAPIC_TPR_SHADOW] = "software with TPR shadow",
	[LAPIC_APICV] = "APICv, posted interrupts",
	[LAPIC_AVIC] = "AVIC",
	[LAPIC_X2AVIC] = "x2AVIC",
};

/* The best path that this CPU offers and `config` allows. */
static enum lapic_path path_choose(const struct vm_config *config)
{
	u32 allowed = ~0u;

	if (config->lapic == CONFIG_LAPIC_SOFTWARE)
		allowed = BIT(LAPIC_SOFTWARE);
	else if (config->lapic == CONFIG_LAPIC_TPR)
		allowed = BIT(LAPIC_SOFTWARE) | BIT(LAPIC_TPR_SHADOW);
	return (enum lapic_path)bit_last(hv_apic_paths() & allowed);
}

enum err lapic_hw_create(struct vm *vm)
{
	vm->lapic_path = path_choose(vm->config);
	if (vm->lapic_path >= LAPIC_APICV) {
		vm->apic_page = page_alloc();
		if (!vm->apic_page)
			return ERR_NOMEM;
		vm->nr_apic_views = vm->nr_vcpus;
	}
	return hv_apic_vm_init(vm);
}

void lapic_hw_inhibit(struct vm *vm, u64 reason, bool is_on)
{
	u64 old = is_on ? atomic_or_u64(&vm->lapic_inhibits, reason)
			: atomic_and_u64(&vm->lapic_inhibits, ~reason);

	if (!(old & reason) == !is_on || vm->lapic_path < LAPIC_APICV)
		return;
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		vcpu_request(vm->vcpu[i], REQ_APIC);
}

static enum lapic_view view_wanted(struct vcpu *v)
{
	u64 base = v->hot->apic_base;

	if (v->vm->lapic_path < LAPIC_APICV || atomic_load_u64(&v->vm->lapic_inhibits) ||
	    v->lapic.is_paused)
		return LAPIC_VIEW_OFF;
	if (!(base & APIC_BASE_EN) || ALIGN_DOWN(base, PAGE_SIZE) != LAPIC_BASE_RESET)
		return LAPIC_VIEW_OFF;
	/*
	 * The hardware would take what a CPU sends to itself even then. Other vCPUs' hardware goes
	 * on meanwhile, though this one may never be enabled.
	 */
	if (!(reg_get(v->lapic.regs, APIC_SVR) & APIC_SVR_ENABLE))
		return v->vm->lapic_path == LAPIC_APICV && !(base & APIC_BASE_EXTD)
			       ? LAPIC_VIEW_TRAPPED
			       : LAPIC_VIEW_OFF;
	if (!(base & APIC_BASE_EXTD))
		return LAPIC_VIEW_XAPIC;
	return v->vm->lapic_path == LAPIC_AVIC ? LAPIC_VIEW_OFF : LAPIC_VIEW_X2APIC;
}

static bool has_page(enum lapic_view view)
{
	return view == LAPIC_VIEW_XAPIC || view == LAPIC_VIEW_TRAPPED;
}

/*
 * The page stands there only while every vCPU's hardware takes accesses to it: to any other vCPU it
 * would look like memory. Count first, then unmap: lapic_hw_map() looks at the count under the
 * lock that the unmapping takes.
 */
static void page_follow(struct vcpu *v, enum lapic_view view)
{
	bool had = has_page((enum lapic_view)v->lapic.view);
	bool has = has_page(view);

	if (had && !has) {
		atomic_add_u32(&v->vm->nr_apic_views, 1);
		npt_unmap_page(v->vm, (gpa_t){ LAPIC_BASE_RESET });
		/* Another vCPU may have unmapped it first and not have asked this one yet. */
		hv_tlb_flush(v);
	} else if (has && !had) {
		atomic_sub_u32(&v->vm->nr_apic_views, 1);
	}
}

static bool page_is_allowed(void *vm)
{
	return !atomic_load_u32(&((struct vm *)vm)->nr_apic_views);
}

bool lapic_hw_map(struct vcpu *v, gpa_t gpa)
{
	if (!has_page((enum lapic_view)v->lapic.view) ||
	    ALIGN_DOWN(gpa.v, PAGE_SIZE) != LAPIC_BASE_RESET)
		return false;
	return npt_map_page(v->vm, (gpa_t){ LAPIC_BASE_RESET }, va_to_pa(v->vm->apic_page),
			    page_is_allowed) == ERR_NONE;
}

/* Level interrupts that senders have left: their EOI has to come out. */
static void held_take(struct lapic *l)
{
	for (u32 i = 0; i < ARRAY_SIZE(l->held); i++) {
		u32 bits = atomic_load_u32(&l->held[i]) ? atomic_xchg_u32(&l->held[i], 0) : 0;

		if (!bits)
			continue;
		l->eoi_exits[i] |= bits;
		atomic_or_u32(vector_word(l->regs, APIC_TMR, (u8)(32 * i)), bits);
		atomic_or_u32(vector_word(l->regs, APIC_IRR, (u8)(32 * i)), bits);
	}
}

void lapic_hw_update(struct vcpu *v)
{
	enum lapic_view view = view_wanted(v);

	if (v->vm->lapic_path == LAPIC_SOFTWARE)
		return;
	/* avic.pml: live falls first, with a full barrier; IRR is looked at later. */
	if (!lapic_view_is_live(view))
		atomic_xchg_u32(&v->hot->apic_live, 0);
	held_take(&v->lapic);
	page_follow(v, view);
	hv_apic_update(v, view);
	v->lapic.view = (u8)view;
	if (lapic_view_is_live(view))
		atomic_xchg_u32(&v->hot->apic_live, 1);
}

void lapic_hw_pause(struct vcpu *v, bool is_on)
{
	v->lapic.is_paused = is_on;
	lapic_hw_update(v);
	/* Inhibited meanwhile: IRR is software's from now on, which has looked away until here. */
	if (!is_on && !v->hot->apic_live)
		vcpu_request(v, REQ_EVENT);
}

bool lapic_hw_delivers(const struct vcpu *v)
{
	return v->hot->apic_live || v->lapic.is_paused;
}

void lapic_hw_eoi(struct vcpu *v, u8 vector)
{
	u32 *regs = v->lapic.regs;

	if (vector_is_set(regs, APIC_TMR, vector)) {
		lapic_eoi_broadcast(v, vector);
		return;
	}
	/* It has become an edge interrupt since. */
	v->lapic.eoi_exits[vector / 32] &= ~vector_bit(vector);
	hv_apic_update(v, (enum lapic_view)v->lapic.view);
}
