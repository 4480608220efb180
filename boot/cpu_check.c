/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/cpu_check.h"

#define BIT64(n) (UINT64_C(1) << (n))

#define CR4_LA57 BIT64(12)
#define CPUID_1_ECX_VMX BIT64(5)
#define CPUID_80000001_ECX_SVM BIT64(2)
#define CPUID_80000001_EDX_NX BIT64(20)
#define CPUID_8000000A_EDX_NP BIT64(0)

#define FEATURE_CONTROL_LOCK BIT64(0)
#define FEATURE_CONTROL_VMX BIT64(2) /* outside SMX operation */
/* The upper half of a control capability register tells which bits may be 1. */
#define PROCBASED_SECONDARY BIT64(31 + 32)
#define PROCBASED2_EPT BIT64(1 + 32)
#define PROCBASED2_UNRESTRICTED BIT64(7 + 32)

#define VM_CR_SVMDIS BIT64(4)

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

/*
 * Intel SDM volume 3, "Enabling and Entering VMX Operation", and the appendix "VMX Capability
 * Reporting Facility". An unlocked register is no obstacle: the core sets it.
 */
static enum loader_error check_vmx(const struct cpu_facts *f)
{
	if ((f->feature_control & FEATURE_CONTROL_LOCK) &&
	    !(f->feature_control & FEATURE_CONTROL_VMX))
		return E_VMXOFF;
	if (!(f->procbased_ctls2 & PROCBASED2_EPT))
		return E_NOEPT;
	return f->procbased_ctls2 & PROCBASED2_UNRESTRICTED ? E_NONE : E_NOUG;
}

/* AMD APM volume 2, "Enabling SVM". */
static enum loader_error check_svm(const struct cpu_facts *f)
{
	if (f->vm_cr & VM_CR_SVMDIS)
		return E_SVMOFF;
	return f->cpuid_8000000a_edx & CPUID_8000000A_EDX_NP ? E_NONE : E_NONPT;
}

enum loader_error cpu_check(const struct cpu_facts *f)
{
	if (f->cr4 & CR4_LA57)
		return E_LA57;
	if (!(f->cpuid_80000001_edx & CPUID_80000001_EDX_NX))
		return E_NONX;
	if (cpu_has_vmx(f))
		return check_vmx(f);
	if (cpu_has_svm(f))
		return check_svm(f);
	return f->is_intel ? E_NOVMX : E_NOSVM;
}

const char *cpu_check_text(enum loader_error e)
{
	switch (e) {
	case E_LA57:
		return "5-level paging is on";
	case E_NONX:
		return "this CPU offers no NX bit";
	case E_NOVMX:
		return "this CPU offers no VMX";
	case E_VMXOFF:
		return "VMX is disabled by the firmware";
	case E_NOEPT:
		return "this CPU's VMX has no extended page tables (EPT)";
	case E_NOUG:
		return "this CPU's VMX has no unrestricted guest";
	case E_NOSVM:
		return "this CPU offers no SVM";
	case E_SVMOFF:
		return "SVM is disabled by the firmware";
	case E_NONPT:
		return "this CPU's SVM has no nested paging (NPT)";
	default:
		return "";
	}
}
