/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_mem.h"

#include "boot/efi_console.h"
#include "boot/memmap.h"

#define MAX_ALLOCATIONS (BOOT_MAX_VMS * (BOOT_MAX_MODULES + 1) + 16)
/* Several times what firmware has, since it may split ranges that BOOT_MAX_MEM counts joined. */
#define MAP_BYTES (4 * BOOT_MAX_MEM * sizeof(EFI_MEMORY_DESCRIPTOR))
#define EXIT_TRIES 8

struct allocation {
	UINT64 hpa;
	UINTN nr_pages;
};

static struct allocation allocations[MAX_ALLOCATIONS];
static UINTN nr_allocations;

/* The map of the firmware, and its key. Of boot services' memory: the core gets it back. */
static void *raw_map;
static UINTN map_key;

UINT64 page_round(UINT64 bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

void *phys_ptr(UINT64 hpa)
{
	return (void *)(UINTN)hpa;
}

BOOLEAN mem_alloc(UINT64 bytes, UINT64 limit, const CHAR16 *what, UINT64 *hpa)
{
	EFI_PHYSICAL_ADDRESS start = limit - 1;
	UINTN nr_pages = page_round(bytes) / PAGE_BYTES;
	EFI_STATUS status = EFI_OUT_OF_RESOURCES;

	if (nr_allocations < MAX_ALLOCATIONS)
		status = BS->AllocatePages(limit ? AllocateMaxAddress : AllocateAnyPages,
					   EfiLoaderData, nr_pages, &start);
	if (EFI_ERROR(status))
		return console_error(E_NOMEM, L"no %ld KiB free for %s", page_round(bytes) >> 10,
				     what);
	allocations[nr_allocations++] = (struct allocation){ start, nr_pages };
	SetMem(phys_ptr(start), nr_pages * PAGE_BYTES, 0);
	*hpa = start;
	return TRUE;
}

void mem_free_all(void)
{
	while (nr_allocations) {
		nr_allocations--;
		BS->FreePages(allocations[nr_allocations].hpa,
			      allocations[nr_allocations].nr_pages);
	}
	if (raw_map)
		BS->FreePool(raw_map);
}

/* ---- the map ---- */

static enum boot_mem_type type_from_efi(UINT32 type)
{
	static const UINT8 types[EfiMaxMemoryType] = {
		[EfiConventionalMemory] = BOOT_MEM_USABLE,
		[EfiLoaderCode] = BOOT_MEM_LOADER,
		[EfiBootServicesCode] = BOOT_MEM_LOADER,
		[EfiBootServicesData] = BOOT_MEM_LOADER,
		[EfiLoaderData] = BOOT_MEM_CORE,
		[EfiRuntimeServicesCode] = BOOT_MEM_RUNTIME,
		[EfiRuntimeServicesData] = BOOT_MEM_RUNTIME,
		[EfiACPIReclaimMemory] = BOOT_MEM_ACPI_RECLAIM,
		[EfiACPIMemoryNVS] = BOOT_MEM_ACPI_NVS,
		[EfiMemoryMappedIO] = BOOT_MEM_MMIO,
		[EfiMemoryMappedIOPortSpace] = BOOT_MEM_MMIO,
	};

	return type < EfiMaxMemoryType && types[type] ? types[type] : BOOT_MEM_RESERVED;
}

/* Physical page 0 is never handed out: 0 means "none" in many places. */
static enum memmap_result map_add(struct bootinfo *info, const EFI_MEMORY_DESCRIPTOR *d)
{
	enum boot_mem_type type = type_from_efi(d->Type);
	UINT64 base = d->PhysicalStart, bytes = d->NumberOfPages * PAGE_BYTES;
	enum memmap_result result;

	if (!bytes)
		return MEMMAP_OK;
	if (base == 0 && type == BOOT_MEM_USABLE) {
		result = memmap_add(info->mem, &info->nr_mem, 0, PAGE_BYTES, BOOT_MEM_RESERVED);
		base += PAGE_BYTES;
		bytes -= PAGE_BYTES;
		if (result != MEMMAP_OK || !bytes)
			return result;
	}
	return memmap_add(info->mem, &info->nr_mem, base, bytes, type);
}

BOOLEAN mem_read_map(struct bootinfo *info)
{
	static const char *const complaints[] = {
		[MEMMAP_FULL] = "there are too many ranges",
		[MEMMAP_OVERLAP] = "ranges overlap",
		[MEMMAP_BAD] = "a range is not page aligned",
	};
	UINTN size_bytes = MAP_BYTES, step;
	UINT32 version;
	enum memmap_result result;
	EFI_STATUS status = EFI_SUCCESS;

	if (!raw_map)
		status = BS->AllocatePool(EfiBootServicesData, MAP_BYTES, &raw_map);
	if (EFI_ERROR(status))
		return console_error(E_NOMEM, L"no %ld KiB free for the memory map",
				     MAP_BYTES >> 10);
	status = BS->GetMemoryMap(&size_bytes, raw_map, &map_key, &step, &version);
	if (EFI_ERROR(status))
		return console_error(E_MEMMAP, L"GetMemoryMap: %r", status);
	info->nr_mem = 0;
	for (UINTN i = 0; i + step <= size_bytes; i += step) {
		result = map_add(info, (const void *)((UINT8 *)raw_map + i));
		if (result != MEMMAP_OK)
			return console_error(E_MEMMAP, L"%a", complaints[result]);
	}
	return TRUE;
}

/*
 * UEFI specification, ExitBootServices(): with a stale map key it fails, possibly after part of the
 * firmware has shut down; then only GetMemoryMap() and another try are allowed.
 */
BOOLEAN mem_exit_boot_services(EFI_HANDLE image, struct bootinfo *info)
{
	EFI_STATUS status = EFI_INVALID_PARAMETER;

	for (UINTN i = 0; i < EXIT_TRIES && EFI_ERROR(status); i++) {
		if (!mem_read_map(info))
			return FALSE;
		status = BS->ExitBootServices(image, map_key);
	}
	return !EFI_ERROR(status) || console_error(E_EXIT, L"ExitBootServices: %r", status);
}
