/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_probe.h"

#include <cpuid.h>

#include "boot/efi_acpi.h"
#include "boot/efi_console.h"

#define STALL_MICROSECONDS 5000
#define SECONDS_PER_DAY 86400

/* ---- framebuffer ---- */

void probe_framebuffer(struct bootinfo *info)
{
	EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	struct boot_framebuffer *fb = &info->framebuffer;
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;

	if (EFI_ERROR(LibLocateProtocol(&guid, (void **)&gop)) || !gop->Mode || !gop->Mode->Info)
		return;
	if (gop->Mode->Info->PixelFormat == PixelRedGreenBlueReserved8BitPerColor)
		fb->format = BOOT_PIXEL_RGB;
	else if (gop->Mode->Info->PixelFormat == PixelBlueGreenRedReserved8BitPerColor)
		fb->format = BOOT_PIXEL_BGR;
	else
		return;
	fb->hpa = gop->Mode->FrameBufferBase;
	fb->size_bytes = gop->Mode->FrameBufferSize;
	fb->width_pixels = gop->Mode->Info->HorizontalResolution;
	fb->height_pixels = gop->Mode->Info->VerticalResolution;
	fb->stride_pixels = gop->Mode->Info->PixelsPerScanLine;
}

/* ---- time ---- */

/* Days from 1970-01-01 to a day of the Gregorian calendar; years begin in March for leap days. */
static INT64 days_since_1970(INT64 year, INT64 month, INT64 day)
{
	INT64 y = month > 2 ? year : year - 1;
	INT64 m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* Seconds since 1970 in UTC; firmware that knows no time zone keeps UTC by convention. */
static UINT64 unix_seconds(const EFI_TIME *t)
{
	INT64 seconds = days_since_1970(t->Year, t->Month, t->Day) * SECONDS_PER_DAY;

	if (t->Year < 1970 || t->Month < 1 || t->Month > 12)
		return 0;
	seconds += t->Hour * 3600 + t->Minute * 60 + t->Second;
	if (t->TimeZone != EFI_UNSPECIFIED_TIMEZONE)
		seconds += t->TimeZone * 60;
	return seconds > 0 ? (UINT64)seconds : 0;
}

void probe_time(struct bootinfo *info)
{
	UINT64 start = __builtin_ia32_rdtsc();
	EFI_TIME now;

	if (!EFI_ERROR(BS->Stall(STALL_MICROSECONDS)))
		info->tsc_hz = (__builtin_ia32_rdtsc() - start) * (1000000 / STALL_MICROSECONDS);
	if (EFI_ERROR(RT->GetTime(&now, NULL)))
		return;
	info->epoch_tsc = __builtin_ia32_rdtsc();
	info->epoch_seconds = unix_seconds(&now);
}

/* ---- CPUs ---- */

/* Platform Initialization specification, "MP Services Protocol". gnu-efi does not declare it. */

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
	EFI_GUID guid = { 0x3fdda605, 0xa76e, 0x4f46,
			  { 0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 } };
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
	return TRUE;
}

/* An entry at `at` of the table, of type e[0] and e[1] bytes. */
static void add_madt_entry(struct bootinfo *info, struct blob madt, UINT64 at)
{
	const UINT8 *e = madt.data + at;

	if (e[0] == MADT_LAPIC && e[1] >= MADT_LAPIC_BYTES && e[3] != 0xff)
		add_cpu(info, e[3], blob_le(madt, at + 4, 4) & MADT_ENABLED);
	else if (e[0] == MADT_X2APIC && e[1] >= MADT_X2APIC_BYTES)
		add_cpu(info, (UINT32)blob_le(madt, at + 4, 4),
			blob_le(madt, at + 8, 4) & MADT_ENABLED);
}

static BOOLEAN list_from_madt(struct bootinfo *info)
{
	struct blob madt = acpi_table(info->rsdp, "APIC");
	UINT64 at = MADT_ENTRIES_OFFSET, n;

	for (; (n = blob_le(madt, at + 1, 1)) >= 2 && at + n <= madt.size_bytes; at += n)
		add_madt_entry(info, madt, at);
	return !!madt.data;
}

void probe_cpus(struct bootinfo *info)
{
	add_cpu(info, own_apic_id(), TRUE);
	if (!list_from_mp_services(info) && !list_from_madt(info))
		console_print(L"(lamina) firmware lists no CPUs: only this one is used\r\n");
	if (nr_left_out)
		console_print(L"(lamina) warning: %d CPUs beyond the limit of %d stay unused\r\n",
			      nr_left_out, BOOT_MAX_CPUS);
}
