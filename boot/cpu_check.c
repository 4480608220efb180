/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/cpu_check.h"

#include <stddef.h>

#define BIT64(n) (UINT64_C(1) << (n))

#define CR4_LA57 BIT64(12)
#define CPUID_1_ECX_VMX BIT64(5)
#define CPUID_80000001_ECX_SVM BIT64(2)

#define FEATURE_CONTROL_LOCK BIT64(0)
#define FEATURE_CONTROL_VMX BIT64(2) /* outside SMX operation */
/* The upper half of a control capability register tells which bits may be 1. */
#define PROCBASED_SECONDARY BIT64(31 + 32)
#define PROCBASED_TERTIARY BIT64(17 + 32)
#define PROCBASED2_EPT_OR_VPID (BIT64(1 + 32) | BIT64(5 + 32))

#define VM_CR_SVMDIS BIT64(4)

/* What a feature is a feature of. */
#define VMX 1
#define SVM 2
#define ANY (VMX | SVM)

static const struct cpu_feature features[] = {
#define FEATURE(vendor, word, bit, error, name, without)                                           \
	{ name, without, error, vendor, offsetof(struct cpu_facts, word), bit },
#include "boot/features.def"
#undef FEATURE
};

bool cpu_has_vmx(const struct cpu_facts *f)
{
	return f->cpuid_1_ecx & CPUID_1_ECX_VMX;
}

bool cpu_has_svm(const struct cpu_facts *f)
{
	return f->cpuid_80000001_ecx & CPUID_80000001_ECX_SVM;
}

bool cpu_has_procbased_ctls2(const struct cpu_facts *f)
{
	return f->procbased_ctls & PROCBASED_SECONDARY;
}

bool cpu_has_procbased_ctls3(const struct cpu_facts *f)
{
	return f->procbased_ctls & PROCBASED_TERTIARY;
}

bool cpu_has_ept_vpid_cap(const struct cpu_facts *f)
{
	return f->procbased_ctls2 & PROCBASED2_EPT_OR_VPID;
}

static unsigned int vendor_of(const struct cpu_facts *f)
{
	return cpu_has_vmx(f) ? VMX : cpu_has_svm(f) ? SVM : ANY;
}

const struct cpu_feature *cpu_feature(const struct cpu_facts *f, unsigned int i, bool *is_there)
{
	const struct cpu_feature *feature = features;

	for (; feature < features + sizeof(features) / sizeof(*features); feature++) {
		if ((feature->vendor & vendor_of(f)) != vendor_of(f) || i--)
			continue;
		*is_there = *(const uint64_t *)(const void *)((const char *)f + feature->offset) >>
				    feature->bit & 1;
		return feature;
	}
	return NULL;
}

/*
 * Intel SDM volume 3, "Enabling and Entering VMX Operation": an unlocked register is no obstacle,
 * the core sets it. AMD APM volume 2, "Enabling SVM".
 */
static struct cpu_verdict check_switched_on(const struct cpu_facts *f)
{
	if (f->cr4 & CR4_LA57)
		return (struct cpu_verdict){ E_LA57, "5-level paging is on" };
	if (vendor_of(f) == VMX && (f->feature_control & FEATURE_CONTROL_LOCK) &&
	    !(f->feature_control & FEATURE_CONTROL_VMX))
		return (struct cpu_verdict){ E_VMXOFF, "VMX is disabled by the firmware" };
	if (vendor_of(f) == SVM && (f->vm_cr & VM_CR_SVMDIS))
		return (struct cpu_verdict){ E_SVMOFF, "SVM is disabled by the firmware" };
	if (vendor_of(f) == ANY && f->is_intel)
		return (struct cpu_verdict){ E_NOVMX, "this CPU offers no VMX" };
	if (vendor_of(f) == ANY)
		return (struct cpu_verdict){ E_NOSVM, "this CPU offers no SVM" };
	return (struct cpu_verdict){ E_NONE, "" };
}

struct cpu_verdict cpu_check(const struct cpu_facts *f)
{
	const struct cpu_feature *feature;
	bool is_there;

	for (unsigned int i = 0; (feature = cpu_feature(f, i, &is_there)); i++) {
		if (feature->error != E_NONE && !is_there)
			return (struct cpu_verdict){ feature->error, feature->without };
	}
	return check_switched_on(f);
}
