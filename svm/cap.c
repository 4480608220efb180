/* SPDX-License-Identifier: BSD-2-Clause */
/* What this CPU's SVM can do, and turning it on: APM volume 2, "Enabling SVM". */
#include "svm/svm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/page.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "core/lib/log.h"

#define SVM_LEAF 0x8000000au
#define ASIDS_MIN 2u /* ASID 0 is the host's */

/* Pages behind percpu.vendor: VMRUN's own save area, and the VMCB that holds VMLOAD state. */
#define HOST_AREA_BYTES (2 * PAGE_SIZE)

struct svm_caps svm_caps;

/* X(bit of EDX, field of struct svm_caps or none, name) */
#define OPTIONAL_FEATURES(X)                                                                       \
	X(3, has_nrip, "NRIP save")                                                                \
	X(5, has_clean_bits, "clean bits")                                                         \
	X(6, has_flush_by_asid, "flush by ASID")                                                   \
	X(7, has_decode_assists, "decode assists")                                                 \
	X(10, has_pause_filter, "PAUSE filter")                                                    \
	X(12, has_pause_threshold, "PAUSE filter threshold")                                       \
	X(13, has_avic, "AVIC")                                                                    \
	X(18, has_x2avic, "x2AVIC")                                                                \
	X(25, has_vnmi, "virtual NMIs")

#define SVM_EDX_NP BIT(0)

static void feature_report(bool is_present, const char *name)
{
	log_info("svm: %s: %s", name, is_present ? "used" : "missing, done in software");
}

enum err svm_probe(void)
{
	struct cpuid_regs leaf = cpuid_or_zero(SVM_LEAF, 0);

	if (!cpu_has_svm()) {
		log_err("this CPU offers neither VMX nor SVM");
		return ERR_UNSUPPORTED;
	}
	if (rdmsr(MSR_AMD_VM_CR) & VM_CR_SVMDIS) {
		log_err("svm: disabled by firmware; look for SVM or virtualization in its set-up");
		return ERR_DISABLED;
	}
	if (!(leaf.edx & SVM_EDX_NP) || leaf.ebx < ASIDS_MIN) {
		log_err("svm: this CPU lacks nested paging, which Lamina needs");
		return ERR_UNSUPPORTED;
	}
	svm_caps.nr_asids = leaf.ebx;
	log_info("svm: revision %u, %u ASIDs", leaf.eax & 0xff, leaf.ebx);
#define X(bit, field, name)                                                                        \
	svm_caps.field = leaf.edx & BIT(bit);                                                      \
	feature_report(svm_caps.field, name);
	OPTIONAL_FEATURES(X)
#undef X
	svm_apic_probe();
	return ERR_NONE;
}

enum err svm_cpu_on(void)
{
	u8 *area = page_alloc_contig(HOST_AREA_BYTES, PAGE_SIZE, true);

	if (!area)
		return ERR_NOMEM;
	this_cpu()->vendor = area;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_AMD_VM_HSAVE_PA, va_to_pa(area).v);
	return ERR_NONE;
}

unsigned svm_npt_max_leaf(void)
{
	return cpu_has_page1g() ? 3 : 2;
}
