/* SPDX-License-Identifier: BSD-2-Clause */
/* What this CPU's VMX can do, and turning it on: SDM "VMX Capability Reporting Facility". */
#include "vmx/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/page.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "core/lib/log.h"

#define BASIC_REVISION MASK(30, 0)
#define BASIC_TRUE_CONTROLS BIT(55)
#define MISC_TIMER_SHIFT MASK(4, 0)

/* IA32_VMX_EPT_VPID_CAP */
#define CAP_EPT_WALK_4 BIT(6)
#define CAP_EPT_WB BIT(14)
#define CAP_EPT_2M BIT(16)
#define CAP_EPT_1G BIT(17)
#define CAP_INVEPT BIT(20)
#define CAP_EPT_AD BIT(21)
#define CAP_INVEPT_SINGLE BIT(25)
#define CAP_INVEPT_ALL BIT(26)
#define CAP_INVVPID BIT(32)
#define CAP_INVVPID_SINGLE BIT(41)

struct vmx_caps vmx_caps;

/* One word of controls: what Lamina cannot do without, and what it uses if it is there. */
struct control_word {
	const char *name;
	u32 msr;
	u32 true_msr; /* 0: none */
	u32 needed;
	u32 optional;
	u32 unwanted; /* must be able to be 0 */
	u32 *out;
	u32 *may; /* NULL, or what else may be used */
};

static const struct control_word words[] = {
	{ "pin-based", MSR_VMX_PINBASED_CTLS, MSR_VMX_TRUE_PINBASED_CTLS,
	  PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI, PIN_PREEMPTION_TIMER, 0, &vmx_caps.pin,
	  &vmx_caps.pin_may },
	{ "processor-based", MSR_VMX_PROCBASED_CTLS, MSR_VMX_TRUE_PROCBASED_CTLS,
	  PROC_TSC_OFFSET | PROC_HLT | PROC_MWAIT | PROC_RDPMC | PROC_CR8_LOAD | PROC_CR8_STORE |
		  PROC_IO | PROC_MSR_BITMAP | PROC_MONITOR | (u32)PROC_SECONDARY,
	  0, PROC_INVLPG | PROC_RDTSC | PROC_CR3_LOAD | PROC_CR3_STORE | PROC_MOV_DR,
	  &vmx_caps.proc, &vmx_caps.proc_may },
	{ "secondary processor-based", MSR_VMX_PROCBASED_CTLS2, 0,
	  PROC2_EPT | PROC2_UNRESTRICTED,
	  PROC2_RDTSCP | PROC2_VPID | PROC2_WBINVD | PROC2_INVPCID, 0, &vmx_caps.proc2,
	  &vmx_caps.proc2_may },
	{ "exit", MSR_VMX_EXIT_CTLS, MSR_VMX_TRUE_EXIT_CTLS,
	  EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_ACK_INTR | EXIT_SAVE_PAT | EXIT_LOAD_PAT |
		  EXIT_SAVE_EFER | EXIT_LOAD_EFER,
	  EXIT_SAVE_TIMER, 0, &vmx_caps.exit, NULL },
	{ "entry", MSR_VMX_ENTRY_CTLS, MSR_VMX_TRUE_ENTRY_CTLS,
	  ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER, 0, 0, &vmx_caps.entry, NULL },
};

/* Low half of a capability MSR: bits that must be 1; high half: bits that may be 1. */
static enum err word_choose(const struct control_word *w, bool has_true)
{
	u64 cap = rdmsr(has_true && w->true_msr ? w->true_msr : w->msr);
	u32 must = (u32)cap, may = (u32)(cap >> 32);

	if (w->needed & ~may) {
		log_err("vmx: this CPU lacks %s controls 0x%x, which Lamina needs", w->name,
			w->needed & ~may);
		return ERR_UNSUPPORTED;
	}
	if (w->unwanted & must) {
		log_err("vmx: this CPU insists on %s controls 0x%x, which Lamina cannot serve",
			w->name, w->unwanted & must);
		return ERR_UNSUPPORTED;
	}
	*w->out = must | w->needed | (w->optional & may);
	if (w->may)
		*w->may = may;
	return ERR_NONE;
}

static enum err words_choose(u64 basic)
{
	enum err e = ERR_NONE;

	for (u32 i = 0; i < ARRAY_SIZE(words) && !e; i++)
		e = word_choose(&words[i], basic & BASIC_TRUE_CONTROLS);
	return e;
}

static void feature_report(bool is_present, const char *name)
{
	log_info("vmx: %s: %s", name, is_present ? "used" : "missing");
}

static enum err ept_check(void)
{
	u64 cap = rdmsr(MSR_VMX_EPT_VPID_CAP);
	u64 needed = CAP_EPT_WALK_4 | CAP_EPT_WB | CAP_INVEPT | CAP_INVEPT_ALL;

	if (needed & ~cap) {
		log_err("vmx: this CPU's EPT lacks 0x%llx of what Lamina needs",
			(unsigned long long)(needed & ~cap));
		return ERR_UNSUPPORTED;
	}
	vmx_caps.ept_vpid = cap;
	vmx_caps.has_vpid = (vmx_caps.proc2 & PROC2_VPID) && (cap & CAP_INVVPID) &&
			    (cap & CAP_INVVPID_SINGLE);
	if (!vmx_caps.has_vpid)
		vmx_caps.proc2 &= ~(u32)PROC2_VPID;
	return ERR_NONE;
}

/* The timer is of use only if its value survives exits that are handled on the spot. */
static void timer_choose(void)
{
	vmx_caps.has_timer =
		(vmx_caps.pin & PIN_PREEMPTION_TIMER) && (vmx_caps.exit & EXIT_SAVE_TIMER);
	vmx_caps.timer_shift = (unsigned)(rdmsr(MSR_VMX_MISC) & MISC_TIMER_SHIFT);
	if (vmx_caps.has_timer)
		return;
	vmx_caps.pin &= ~(u32)PIN_PREEMPTION_TIMER;
	vmx_caps.exit &= ~(u32)EXIT_SAVE_TIMER;
}

static void ipiv_choose(void)
{
	vmx_caps.has_ipiv = (vmx_caps.proc_may & PROC_TERTIARY) &&
			    (rdmsr(MSR_VMX_PROCBASED_CTLS3) & PROC3_IPIV);
}

static void features_report(void)
{
	feature_report(vmx_caps.has_timer, "preemption timer");
	feature_report(vmx_caps.has_vpid, "VPID");
	feature_report(vmx_caps.ept_vpid & CAP_EPT_2M, "EPT 2 MiB pages");
	feature_report(vmx_caps.ept_vpid & CAP_EPT_1G, "EPT 1 GiB pages");
	feature_report(vmx_caps.ept_vpid & CAP_EPT_AD, "EPT accessed and dirty flags");
	feature_report(vmx_caps.proc2 & PROC2_RDTSCP, "RDTSCP");
	feature_report(vmx_caps.proc2 & PROC2_INVPCID, "INVPCID");
	feature_report(vmx_caps.proc2 & PROC2_WBINVD, "WBINVD exiting");
	feature_report(vmx_caps.proc_may & PROC_TPR_SHADOW, "TPR shadow");
	feature_report(vmx_apic_paths() & BIT(LAPIC_APICV), "APICv and posted interrupts");
	feature_report(vmx_caps.has_ipiv, "IPI virtualization");
}

enum err vmx_probe(void)
{
	u64 control = rdmsr(MSR_FEATURE_CONTROL);
	u64 basic;

	if ((control & FEATURE_CONTROL_LOCK) && !(control & FEATURE_CONTROL_VMX)) {
		log_err("vmx: disabled by firmware; look for VT-x or virtualization in its set-up");
		return ERR_DISABLED;
	}
	basic = rdmsr(MSR_VMX_BASIC);
	vmx_caps.revision = (u32)(basic & BASIC_REVISION);
	if (words_choose(basic) || ept_check())
		return ERR_UNSUPPORTED;
	timer_choose();
	ipiv_choose();
	log_info("vmx: revision 0x%x, EPT, unrestricted guest", vmx_caps.revision);
	features_report();
	return ERR_NONE;
}

/* SDM "Enabling and Entering VMX Operation". */
static enum err feature_control_set(void)
{
	u64 control = rdmsr(MSR_FEATURE_CONTROL);

	if (!(control & FEATURE_CONTROL_LOCK))
		wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCK);
	else if (!(control & FEATURE_CONTROL_VMX)) {
		log_err("vmx: firmware has disabled VMX on this CPU alone");
		return ERR_DISABLED;
	}
	return ERR_NONE;
}

static u64 fixed_bits(u64 value, u32 fixed0, u32 fixed1)
{
	return (value | rdmsr(fixed0)) & rdmsr(fixed1);
}

enum err vmx_cpu_on(void)
{
	u32 *region = page_alloc();
	enum err e;

	if (!region)
		return ERR_NOMEM;
	*region = vmx_caps.revision;
	e = feature_control_set();
	if (!e) {
		write_cr0(fixed_bits(read_cr0(), MSR_VMX_CR0_FIXED0, MSR_VMX_CR0_FIXED1));
		write_cr4(fixed_bits(read_cr4() | CR4_VMXE, MSR_VMX_CR4_FIXED0,
				     MSR_VMX_CR4_FIXED1));
		e = vmxon(va_to_pa(region));
		if (e)
			log_err("vmx: VMXON failed");
	}
	if (e)
		page_free(region);
	else
		this_cpu()->vendor = region;
	return e;
}

unsigned vmx_npt_max_leaf(void)
{
	if (vmx_caps.ept_vpid & CAP_EPT_1G)
		return 3;
	return vmx_caps.ept_vpid & CAP_EPT_2M ? 2 : 1;
}

#define EPTP_WB 6u
#define EPTP_WALK_4 (3u << 3)
#define EPTP_AD BIT(6)
#define INVEPT_SINGLE 1
#define INVEPT_ALL 2
#define INVVPID_SINGLE 1

u64 vmx_eptp(hpa_t root)
{
	u64 eptp = root.v | EPTP_WB | EPTP_WALK_4;

	return vmx_caps.ept_vpid & CAP_EPT_AD ? eptp | EPTP_AD : eptp;
}

void vmx_tlb_flush(struct vcpu *v)
{
	struct vmx_vcpu *vmx = vmx_vcpu(v);

	invept(vmx_caps.ept_vpid & CAP_INVEPT_SINGLE ? INVEPT_SINGLE : INVEPT_ALL, vmx->eptp);
	if (vmx_caps.has_vpid)
		invvpid(INVVPID_SINGLE, vmx->vpid);
}
