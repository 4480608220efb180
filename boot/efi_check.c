/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_check.h"

#include <cpuid.h>

#include "boot/efi_asm.h"
#include "boot/efi_mem.h"

#define BIT32(n) (UINT32_C(1) << (n))
#define BIT64(n) (UINT64_C(1) << (n))

#define CPUID_1_ECX_VMX BIT32(5)
#define CPUID_80000001_ECX_SVM BIT32(2)
#define CPUID_80000001_EDX_NX BIT32(20)
#define CPUID_8000000A_EDX_NP BIT32(0)

#define MSR_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_LOCK BIT64(0)
#define FEATURE_CONTROL_VMX BIT64(2) /* outside SMX operation */
#define MSR_VMX_PROCBASED_CTLS 0x482
#define MSR_VMX_PROCBASED_CTLS2 0x48b
/* The upper half of a control capability register tells which bits may be 1. */
#define PROCBASED_SECONDARY BIT64(31 + 32)
#define PROCBASED2_EPT BIT64(1 + 32)
#define PROCBASED2_UNRESTRICTED BIT64(7 + 32)

#define MSR_VM_CR 0xc0010114
#define VM_CR_SVMDIS BIT64(4)

#define CR4_LA57 BIT64(12)

/* What the core needs for itself besides the VMs' memory: tables, per-CPU pages, nested tables. */
#define CORE_RESERVE_BYTES (UINT64_C(16) << 20)
#define NESTED_TABLE_SHIFT 8 /* 1/256 of a VM's memory pays for 4 KiB nested pages twice over */

struct cpu_leaf {
	UINT32 eax, ebx, ecx, edx;
};

/* CPUID `leaf`; zeros where the CPU does not know it. */
static struct cpu_leaf cpu_leaf(UINT32 leaf)
{
	struct cpu_leaf r = { 0, 0, 0, 0 };

	__get_cpuid(leaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
	return r;
}

static BOOLEAN cpu_is_intel(void)
{
	struct cpu_leaf r = cpu_leaf(0);

	return r.ebx == signature_INTEL_ebx && r.ecx == signature_INTEL_ecx &&
	       r.edx == signature_INTEL_edx;
}

/* Intel SDM, "Enabling and entering VMX operation", and the appendix on capability reporting. */
static EFI_STATUS check_vmx(void)
{
	UINT64 control = asm_rdmsr(MSR_FEATURE_CONTROL);
	UINT64 secondary = 0;

	if ((control & FEATURE_CONTROL_LOCK) && !(control & FEATURE_CONTROL_VMX))
		return console_error(E_VMXOFF, L"VMX is disabled by the firmware");
	if (asm_rdmsr(MSR_VMX_PROCBASED_CTLS) & PROCBASED_SECONDARY)
		secondary = asm_rdmsr(MSR_VMX_PROCBASED_CTLS2);
	if (!(secondary & PROCBASED2_EPT))
		return console_error(E_NOEPT, L"this CPU's VMX has no EPT");
	if (!(secondary & PROCBASED2_UNRESTRICTED))
		return console_error(E_NOUG, L"this CPU's VMX has no unrestricted guest");
	return EFI_SUCCESS;
}

/* AMD APM volume 2, "Enabling SVM". */
static EFI_STATUS check_svm(void)
{
	if (asm_rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
		return console_error(E_SVMOFF, L"SVM is disabled by the firmware");
	if (!(cpu_leaf(0x8000000a).edx & CPUID_8000000A_EDX_NP))
		return console_error(E_NONPT, L"this CPU's SVM has no nested paging");
	return EFI_SUCCESS;
}

EFI_STATUS check_cpu(void)
{
	struct cpu_leaf extended = cpu_leaf(0x80000001);

	if (asm_read_cr4() & CR4_LA57)
		return console_error(E_LA57, L"5-level paging is on");
	if (!(extended.edx & CPUID_80000001_EDX_NX))
		return console_error(E_NONX, L"this CPU offers no NX bit");
	if (cpu_leaf(1).ecx & CPUID_1_ECX_VMX)
		return check_vmx();
	if (extended.ecx & CPUID_80000001_ECX_SVM)
		return check_svm();
	if (cpu_is_intel())
		return console_error(E_NOVMX, L"this CPU offers no VMX");
	return console_error(E_NOSVM, L"this CPU offers no SVM");
}

static UINT32 nr_enabled_cpus(const struct bootinfo *info)
{
	UINT32 n = 0;

	for (UINT32 i = 0; i < info->nr_cpus; i++)
		n += !!(info->cpus[i].flags & BOOT_CPU_ENABLED);
	return n;
}

EFI_STATUS check_cpus(const struct bootinfo *info, const CHAR16 *path)
{
	UINT32 n = nr_enabled_cpus(info);

	for (UINT32 i = 0; i < info->config.nr_vms; i++) {
		const struct vm_config *vm = &info->config.vm[i];

		if (vm->cpus > n)
			return console_error(E_CPUS,
					     L"%s:%d: VM \"%a\": cpus = %d, but this machine has %d",
					     path, vm->cpus_line, vm->name, vm->cpus, n);
	}
	return EFI_SUCCESS;
}

EFI_STATUS check_memory(const struct bootinfo *info, const CHAR16 *path)
{
	UINT64 free_bytes, need_bytes = CORE_RESERVE_BYTES;
	EFI_STATUS status = mem_free_bytes(&free_bytes);

	if (EFI_ERROR(status))
		return status;
	for (UINT32 i = 0; i < info->config.nr_vms; i++) {
		const struct vm_config *vm = &info->config.vm[i];

		need_bytes += vm->memory_bytes + (vm->memory_bytes >> NESTED_TABLE_SHIFT);
		if (need_bytes > free_bytes)
			return console_error(
				E_NOMEM,
				L"%s:%d: VM \"%a\": with it, %ld MiB are needed in all; %ld are free",
				path, vm->memory_line, vm->name, need_bytes >> 20,
				free_bytes >> 20);
	}
	return EFI_SUCCESS;
}
