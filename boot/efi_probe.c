/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_probe.h"

#include <cpuid.h>

#define STALL_MICROSECONDS 5000
#define RDRAND_TRIES 10
#define SECONDS_PER_DAY 86400

UINT64 probe_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

/* ---- framebuffer ---- */

static UINT32 pixel_format(EFI_GRAPHICS_PIXEL_FORMAT format)
{
	switch (format) {
	case PixelRedGreenBlueReserved8BitPerColor:
		return BOOT_PIXEL_RGB;
	case PixelBlueGreenRedReserved8BitPerColor:
		return BOOT_PIXEL_BGR;
	default:
		return BOOT_PIXEL_NONE;
	}
}

void probe_framebuffer(struct bootinfo *info)
{
	EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	struct boot_framebuffer *fb = &info->framebuffer;
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;

	if (EFI_ERROR(LibLocateProtocol(&guid, (void **)&gop)) || !gop->Mode || !gop->Mode->Info)
		return;
	fb->format = pixel_format(gop->Mode->Info->PixelFormat);
	if (fb->format == BOOT_PIXEL_NONE)
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
	UINT64 start = probe_tsc();
	EFI_TIME now;

	if (!EFI_ERROR(BS->Stall(STALL_MICROSECONDS)))
		info->tsc_hz = (probe_tsc() - start) * (1000000 / STALL_MICROSECONDS);
	if (EFI_ERROR(RT->GetTime(&now, NULL)))
		return;
	info->epoch_tsc = probe_tsc();
	info->epoch_seconds = unix_seconds(&now);
}

/* ---- randomness ---- */

static BOOLEAN entropy_from_firmware(struct bootinfo *info)
{
	EFI_GUID guid = EFI_RNG_PROTOCOL_GUID;
	EFI_RNG_PROTOCOL *rng;
	EFI_STATUS(EFIAPI *get)(EFI_RNG_PROTOCOL *, EFI_RNG_ALGORITHM *, UINTN, UINT8 *);

	if (EFI_ERROR(LibLocateProtocol(&guid, (void **)&rng)))
		return FALSE;
	/* gnu-efi declares the `this` pointers of this protocol with an incomplete type. */
	get = (void *)rng->GetRNG;
	return !EFI_ERROR(get(rng, NULL, BOOT_ENTROPY_BYTES, info->entropy));
}

__attribute__((target("rdrnd"))) static BOOLEAN rdrand(UINT64 *value)
{
	unsigned long long v = 0;

	for (UINTN i = 0; i < RDRAND_TRIES; i++) {
		if (__builtin_ia32_rdrand64_step(&v)) {
			*value = v;
			return TRUE;
		}
	}
	return FALSE;
}

static void mix(struct bootinfo *info, UINTN at, UINT64 value)
{
	for (UINTN i = 0; i < 8; i++)
		info->entropy[at + i] ^= (UINT8)(value >> (8 * i));
}

static BOOLEAN entropy_from_cpu(struct bootinfo *info)
{
	UINT32 eax, ebx, ecx = 0, edx;
	UINT64 value;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_RDRND))
		return FALSE;
	for (UINTN i = 0; i < BOOT_ENTROPY_BYTES; i += 8) {
		if (!rdrand(&value))
			return FALSE;
		mix(info, i, value);
	}
	return TRUE;
}

void probe_entropy(struct bootinfo *info)
{
	BOOLEAN firmware = entropy_from_firmware(info);
	BOOLEAN cpu = entropy_from_cpu(info);

	info->entropy_good = firmware || cpu;
	for (UINTN i = 0; i < BOOT_ENTROPY_BYTES; i += 8)
		mix(info, i, probe_tsc() * UINT64_C(0x9e3779b97f4a7c15));
}
