/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_check.h"

#include <cpuid.h>

#include "boot/cpu_check.h"
#include "boot/efi_asm.h"
#include "boot/efi_mem.h"

#define MSR_FEATURE_CONTROL 0x3a
#define MSR_VMX_PROCBASED_CTLS 0x482
#define MSR_VMX_PROCBASED_CTLS2 0x48b
#define MSR_VM_CR 0xc0010114

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

static void read_facts(struct cpu_facts *f)
{
	struct cpu_leaf extended = cpu_leaf(0x80000001);

	f->is_intel = cpu_is_intel();
	f->cpuid_1_ecx = cpu_leaf(1).ecx;
	f->cpuid_80000001_ecx = extended.ecx;
	f->cpuid_80000001_edx = extended.edx;
	f->cpuid_8000000a_edx = cpu_leaf(0x8000000a).edx;
	f->cr4 = asm_read_cr4();
	f->feature_control = cpu_has_vmx(f) ? asm_rdmsr(MSR_FEATURE_CONTROL) : 0;
	f->procbased_ctls = cpu_has_vmx(f) ? asm_rdmsr(MSR_VMX_PROCBASED_CTLS) : 0;
	f->procbased_ctls2 = cpu_has_procbased_ctls2(f) ? asm_rdmsr(MSR_VMX_PROCBASED_CTLS2) : 0;
	f->vm_cr = cpu_has_svm(f) ? asm_rdmsr(MSR_VM_CR) : 0;
}

EFI_STATUS check_cpu(void)
{
	struct cpu_facts facts;
	enum loader_error e;

	read_facts(&facts);
	e = cpu_check(&facts);
	return e == E_NONE ? EFI_SUCCESS : console_error(e, L"%a", cpu_check_text(e));
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

		if (vm->pin != CONFIG_PIN_NONE && vm->pin + vm->cpus > n)
			return console_error(
				E_CPUS,
				L"%s:%d: VM \"%a\": pin = %d, cpus = %d, but this machine has %d",
				path, vm->pin_line, vm->name, vm->pin, vm->cpus, n);
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
			return console_error(E_NOMEM,
					     L"%s:%d: VM \"%a\": with it, %ld MiB are needed in "
					     L"all; %ld are free",
					     path, vm->memory_line, vm->name, need_bytes >> 20,
					     free_bytes >> 20);
	}
	return EFI_SUCCESS;
}
