/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/cpu_check.h"

#include <stddef.h>

#define BIT64(n) (UINT64_C(1) << (n))

#define CR4_LA57 BIT64(12)
#define CPUID_1_ECX_VMX BIT64(5)
#define CPUID_80000001_ECX_SVM BIT64(2)

#define FEATURE_CONTROL_LOCK BIT64(0)
#define FEATURE_CONTROL_VMX BIT64(2) /* outside SMX operation */

#define VM_CR_SVMDIS BIT64(4)

/* The upper half of a control capability register tells which bits may be 1. */
#define PROCBASED_SECONDARY BIT64(31 + 32)
#define PROCBASED_TERTIARY BIT64(17 + 32)
#define PROCBASED2_EPT_OR_VPID (BIT64(1 + 32) | BIT64(5 + 32))

#define FACT(member) offsetof(struct cpu_facts, member)

/* MSRs, and what is said in a fact before them where they exist. */
static const struct msr {
	uint32_t number;
	uint16_t offset, condition; /* of the words in struct cpu_facts */
	uint64_t bits; /* one of which says so */
} msrs[] = {
	{ 0x3a, FACT(feature_control), FACT(cpuid_1_ecx), CPUID_1_ECX_VMX },
	{ 0x481, FACT(pinbased_ctls), FACT(cpuid_1_ecx), CPUID_1_ECX_VMX },
	{ 0x482, FACT(procbased_ctls), FACT(cpuid_1_ecx), CPUID_1_ECX_VMX },
	{ 0x48b, FACT(procbased_ctls2), FACT(procbased_ctls), PROCBASED_SECONDARY },
	{ 0x492, FACT(procbased_ctls3), FACT(procbased_ctls), PROCBASED_TERTIARY },
	{ 0x48c, FACT(ept_vpid_cap), FACT(procbased_ctls2), PROCBASED2_EPT_OR_VPID },
	{ 0xc0010114, FACT(vm_cr), FACT(cpuid_80000001_ecx), CPUID_80000001_ECX_SVM },
};

/* What a feature is a feature of. */
#define VMX 1
#define SVM 2
#define ANY (VMX | SVM)

static const struct cpu_feature features[] = {
#define FEATURE(vendor, word, bit, error, name, without)                                           \
	{ name, without, error, vendor, FACT(word), bit },
#include "boot/features.def"
#undef FEATURE
};

static uint64_t *fact_at(struct cpu_facts *f, uint16_t offset)
{
	return (uint64_t *)(void *)((char *)f + offset);
}

void cpu_read_msrs(struct cpu_facts *f, uint64_t (*rdmsr)(uint32_t msr))
{
	for (const struct msr *m = msrs; m < msrs + sizeof(msrs) / sizeof(*msrs); m++) {
		if (*fact_at(f, m->condition) & m->bits)
			*fact_at(f, m->offset) = rdmsr(m->number);
	}
}

bool cpu_has_vmx(const struct cpu_facts *f)
{
	return f->cpuid_1_ecx & CPUID_1_ECX_VMX;
}

bool cpu_has_svm(const struct cpu_facts *f)
{
	return f->cpuid_80000001_ecx & CPUID_80000001_ECX_SVM;
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
