/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_cpu.h"

#include <cpuid.h>

#include "boot/efi_acpi.h"
#include "boot/efi_console.h"

/* Platform Initialization specification, "MP Services Protocol". gnu-efi does not declare it. */
#define MP_SERVICES_GUID                                                                           \
	{                                                                                          \
		0x3fdda605, 0xa76e, 0x4f46,                                                        \
		{                                                                                  \
			0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08                             \
		}                                                                                  \
	}

#define MP_CPU_ENABLED 2
#define MP_CPU_HEALTHY 4

struct mp_cpu_info {
	UINT64 apic_id;
	UINT32 flags; /* MP_CPU_* */
	UINT32 location[3];
	UINT32 location2[6];
};
_Static_assert(sizeof(struct mp_cpu_info) == 48, "EFI_PROCESSOR_INFORMATION layout");

struct mp_services {
	EFI_STATUS(EFIAPI *get_number)(struct mp_services *mp, UINTN *nr_all, UINTN *nr_enabled);
	EFI_STATUS(EFIAPI *get_info)(struct mp_services *mp, UINTN number, struct mp_cpu_info *out);
	/* The functions that start other CPUs follow; they are not used. */
};

/* ACPI specification, "Multiple APIC Description Table". */
#define MADT_ENTRIES_OFFSET 44
#define MADT_LAPIC 0
#define MADT_LAPIC_BYTES 8
#define MADT_X2APIC 9
#define MADT_X2APIC_BYTES 16
#define MADT_ENABLED 1

/* CPUs that did not fit into the list. */
static UINTN nr_left_out;

static UINT32 own_apic_id(void)
{
	UINT32 eax, ebx, ecx, edx;

	/* Leaf 0BH has the full x2APIC id; EBX is 0 where the leaf is not implemented. */
	if (__get_cpuid_count(0xb, 0, &eax, &ebx, &ecx, &edx) && ebx)
		return edx;
	__cpuid(1, eax, ebx, ecx, edx);
	return ebx >> 24;
}

static void add_cpu(struct bootinfo *info, UINT32 apic_id, BOOLEAN is_enabled)
{
	for (UINT32 i = 0; i < info->nr_cpus; i++) {
		if (info->cpus[i].apic_id == apic_id)
			return;
	}
	if (info->nr_cpus == BOOT_MAX_CPUS) {
		nr_left_out++;
		return;
	}
	info->cpus[info->nr_cpus].apic_id = apic_id;
	info->cpus[info->nr_cpus++].flags = is_enabled ? BOOT_CPU_ENABLED : 0;
}

static BOOLEAN list_from_mp_services(struct bootinfo *info)
{
	EFI_GUID guid = MP_SERVICES_GUID;
	struct mp_services *mp;
	struct mp_cpu_info cpu;
	UINTN nr_all, nr_enabled;

	if (EFI_ERROR(LibLocateProtocol(&guid, (void **)&mp)) ||
	    EFI_ERROR(mp->get_number(mp, &nr_all, &nr_enabled)))
		return FALSE;
	for (UINTN i = 0; i < nr_all; i++) {
		if (EFI_ERROR(mp->get_info(mp, i, &cpu)))
			continue;
		add_cpu(info, (UINT32)cpu.apic_id,
			(cpu.flags & MP_CPU_ENABLED) && (cpu.flags & MP_CPU_HEALTHY));
	}
	info->cpu_source = BOOT_CPUS_MP_SERVICES;
	return TRUE;
}

static UINT32 read_u32(const UINT8 *p)
{
	return (UINT32)p[0] | (UINT32)p[1] << 8 | (UINT32)p[2] << 16 | (UINT32)p[3] << 24;
}

static void add_madt_entry(struct bootinfo *info, const UINT8 *e, UINTN size_bytes)
{
	if (e[0] == MADT_LAPIC && size_bytes >= MADT_LAPIC_BYTES && e[3] != 0xff)
		add_cpu(info, e[3], read_u32(e + 4) & MADT_ENABLED);
	else if (e[0] == MADT_X2APIC && size_bytes >= MADT_X2APIC_BYTES)
		add_cpu(info, read_u32(e + 4), read_u32(e + 8) & MADT_ENABLED);
}

static BOOLEAN list_from_madt(struct bootinfo *info)
{
	const struct acpi_header *madt = acpi_table(info->rsdp, "APIC");
	const UINT8 *e, *end;

	if (!madt || madt->length_bytes < MADT_ENTRIES_OFFSET)
		return FALSE;
	e = (const UINT8 *)madt + MADT_ENTRIES_OFFSET;
	end = (const UINT8 *)madt + madt->length_bytes;
	while (end - e >= 2 && e[1] >= 2 && e[1] <= end - e) {
		add_madt_entry(info, e, e[1]);
		e += e[1];
	}
	info->cpu_source = BOOT_CPUS_MADT;
	return TRUE;
}

void cpu_list(struct bootinfo *info)
{
	info->cpu_source = BOOT_CPUS_BSP_ONLY;
	add_cpu(info, own_apic_id(), TRUE);
	info->cpus[0].flags = BOOT_CPU_ENABLED | BOOT_CPU_BSP;
	if (!list_from_mp_services(info) && !list_from_madt(info))
		console_print(L"(lamina) firmware lists no CPUs: only this one is used\r\n");
	if (nr_left_out)
		console_print(L"(lamina) warning: %d CPUs beyond the limit of %d stay unused\r\n",
			      nr_left_out, BOOT_MAX_CPUS);
}
