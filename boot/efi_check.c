/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_check.h"

#include <cpuid.h>

#include "boot/cpu_check.h"
#include "boot/efi_acpi.h"
#include "boot/efi_asm.h"
#include "boot/efi_config.h"
#include "boot/efi_file.h"
#include "boot/efi_mem.h"

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

static void read_facts(struct cpu_facts *f)
{
	struct cpu_leaf extended = cpu_leaf(0x80000001);

	*f = (struct cpu_facts){ 0 };
	f->is_intel = cpu_leaf(0).ebx == signature_INTEL_ebx; /* "Genu" is nobody else's */
	f->cpuid_1_ecx = cpu_leaf(1).ecx;
	f->cpuid_80000001_ecx = extended.ecx;
	f->cpuid_80000001_edx = extended.edx;
	f->cpuid_80000007_edx = cpu_leaf(0x80000007).edx;
	f->cpuid_8000000a_edx = cpu_leaf(0x8000000a).edx;
	f->cr4 = asm_read_cr4();
	cpu_read_msrs(f, asm_rdmsr);
}

BOOLEAN check_cpu(struct bootinfo *info)
{
	struct cpu_facts facts;
	struct cpu_verdict verdict;

	(void)info;
	read_facts(&facts);
	verdict = cpu_check(&facts);
	return verdict.error == E_NONE || console_error(verdict.error, L"%a", verdict.text);
}

static UINT32 nr_enabled_cpus(const struct bootinfo *info)
{
	UINT32 n = 0;

	for (UINT32 i = 0; i < info->nr_cpus; i++)
		n += !!(info->cpus[i].flags & BOOT_CPU_ENABLED);
	return n;
}

BOOLEAN check_cpus(struct bootinfo *info)
{
	UINT32 n = nr_enabled_cpus(info);

	for (UINT32 i = 0; i < info->config.nr_vms; i++) {
		const struct vm_config *vm = &info->config.vm[i];

		if (vm->pin != CONFIG_PIN_NONE && vm->pin + vm->cpus > n)
			return console_error(
				E_CPUS,
				L"%a:%d: VM \"%a\": pin = %d, cpus = %d, but this machine has %d",
				config_path(), vm->pin_line, vm->name, vm->pin, vm->cpus, n);
	}
	return TRUE;
}

/* RAM that the core will find free: conventional memory and the firmware's boot services. */
static UINT64 count_free_bytes(const struct bootinfo *info)
{
	UINT64 bytes = 0;

	for (const struct boot_mem *m = info->mem; m < info->mem + info->nr_mem; m++) {
		if (m->type == BOOT_MEM_USABLE || m->type == BOOT_MEM_LOADER)
			bytes += m->size_bytes;
	}
	return bytes;
}

BOOLEAN check_memory(struct bootinfo *info)
{
	UINT64 free_bytes, need_bytes = CORE_RESERVE_BYTES;

	if (!mem_read_map(info))
		return FALSE;
	free_bytes = count_free_bytes(info);
	for (UINT32 i = 0; i < info->config.nr_vms; i++) {
		const struct vm_config *vm = &info->config.vm[i];

		need_bytes += vm->memory_bytes + (vm->memory_bytes >> NESTED_TABLE_SHIFT);
		if (need_bytes > free_bytes)
			return console_error(E_NOMEM,
					     L"%a:%d: VM \"%a\": with it, %ld MiB are needed in "
					     L"all; %ld are free",
					     config_path(), vm->memory_line, vm->name,
					     need_bytes >> 20, free_bytes >> 20);
	}
	console_print(L"(lamina)     %ld MiB free, %ld MiB needed\r\n", free_bytes >> 20,
		      need_bytes >> 20);
	return TRUE;
}

/* ---- the report ---- */

static void say(const char *what, BOOLEAN is_there, const char *without)
{
	console_print(L"(lamina)     %a: %a%a\r\n", what, is_there ? "yes" : "no",
		      is_there ? "" : without);
}

static void report_cpu(const struct bootinfo *info)
{
	union {
		struct cpu_leaf leaf[3];
		char text[49];
	} brand = { .text = "" };
	struct cpu_leaf vendor = cpu_leaf(0);
	const struct cpu_feature *feature;
	struct cpu_facts facts;
	bool is_there;

	for (UINT32 i = 0; i < 3; i++)
		brand.leaf[i] = cpu_leaf(0x80000002 + i);
	console_print(L"(lamina)     CPU: %.4a%.4a%.4a, %a\r\n", &vendor.ebx, &vendor.edx,
		      &vendor.ecx, brand.text);
	console_print(L"(lamina)     CPUs: %d of %d can be used\r\n", nr_enabled_cpus(info),
		      info->nr_cpus);
	read_facts(&facts);
	say("VMX", cpu_has_vmx(&facts), cpu_has_svm(&facts) ? "" : ", and no SVM");
	say("SVM", cpu_has_svm(&facts), cpu_has_vmx(&facts) ? "" : ", and no VMX");
	for (UINT32 i = 0; (feature = cpu_feature(&facts, i, &is_there)); i++)
		console_print(L"(lamina)     %a: %a%a\r\n", feature->name,
			      is_there ? "yes" : feature->error ? "no, needed: " : "no: ",
			      is_there ? "" : feature->without);
}

static void report_platform(const struct bootinfo *info)
{
	BOOLEAN has_dmar = !!acpi_table(info->rsdp, "DMAR").data;
	BOOLEAN has_ivrs = !!acpi_table(info->rsdp, "IVRS").data;

	console_print(L"(lamina)     firmware: %s, UEFI %d.%d\r\n", ST->FirmwareVendor,
		      ST->Hdr.Revision >> 16, (ST->Hdr.Revision & 0xffff) / 10);
	console_print(L"(lamina)     IOMMU: %a\r\n", has_dmar ? "VT-d" : has_ivrs ? "AMD-Vi" :
		      "none: no device can be given to a VM");
	say("console: screen", info->framebuffer.format != BOOT_PIXEL_NONE, "");
	say("console: serial line", console_has_serial(), "");
	say("console: ACPI SPCR", !!acpi_table(info->rsdp, "SPCR").data, "");
	console_print(L"(lamina)     timer: TSC with %ld MHz\r\n", info->tsc_hz / 1000000);
	say("timer: HPET", !!acpi_table(info->rsdp, "HPET").data, "");
	say("Secure Boot", file_secure_boot(), "");
	say("list of hashes", file_has_hashes(), ": files outside the image are not verified");
}

void check_report(const struct bootinfo *info)
{
	report_cpu(info);
	report_platform(info);
}
