/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_mem.h"

#include "boot/efi_console.h"
#include "boot/memmap.h"

#define MAX_ALLOCATIONS (BOOT_MAX_VMS * (BOOT_MAX_MODULES + 1) + 16)
/* Reading the map may itself split ranges, and so may the last events of boot services. */
#define MAP_SLACK_DESCRIPTORS 32
#define EXIT_TRIES 8

struct allocation {
	UINT64 hpa;
	UINTN nr_pages;
};

static struct allocation allocations[MAX_ALLOCATIONS];
static UINTN nr_allocations;

/* The raw map of the firmware. */
struct raw_map {
	UINT8 *buffer;
	UINTN buffer_bytes;
	UINTN size_bytes;
	UINTN key;
	UINTN descriptor_bytes;
	UINT32 version;
};

UINT64 page_round(UINT64 bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

void *phys_ptr(UINT64 hpa)
{
	return (void *)(UINTN)hpa;
}

static EFI_STATUS fail_alloc(UINT64 bytes, const CHAR16 *what)
{
	return console_error(E_NOMEM, L"no %ld KiB free for %s", page_round(bytes) >> 10, what);
}

EFI_STATUS mem_alloc(UINT64 bytes, UINT64 limit, const CHAR16 *what, UINT64 *hpa)
{
	EFI_PHYSICAL_ADDRESS start = limit - 1;
	UINTN nr_pages = page_round(bytes) / PAGE_BYTES;
	EFI_STATUS status = EFI_OUT_OF_RESOURCES;

	if (nr_allocations < MAX_ALLOCATIONS)
		status = BS->AllocatePages(limit ? AllocateMaxAddress : AllocateAnyPages,
					   EfiLoaderData, nr_pages, &start);
	if (EFI_ERROR(status))
		return fail_alloc(bytes, what);
	allocations[nr_allocations++] = (struct allocation){ start, nr_pages };
	SetMem(phys_ptr(start), nr_pages * PAGE_BYTES, 0);
	*hpa = start;
	return EFI_SUCCESS;
}

void mem_free_all(void)
{
	while (nr_allocations) {
		nr_allocations--;
		BS->FreePages(allocations[nr_allocations].hpa,
			      allocations[nr_allocations].nr_pages);
	}
}

/* ---- the map ---- */

/* Read the map into the buffer that is there. */
static EFI_STATUS raw_map_read(struct raw_map *m)
{
	m->size_bytes = m->buffer_bytes;
	return BS->GetMemoryMap(&m->size_bytes, (EFI_MEMORY_DESCRIPTOR *)(void *)m->buffer, &m->key,
				&m->descriptor_bytes, &m->version);
}

/* Allocate the buffer and read the map for the first time. */
static EFI_STATUS raw_map_open(struct raw_map *m)
{
	EFI_STATUS status;

	m->buffer = NULL;
	m->buffer_bytes = 0;
	status = raw_map_read(m);
	if (status != EFI_BUFFER_TOO_SMALL || !m->descriptor_bytes)
		return console_error(E_MEMMAP, L"GetMemoryMap: %r", status);
	m->buffer_bytes = m->size_bytes + MAP_SLACK_DESCRIPTORS * m->descriptor_bytes;
	/* Boot services' pages, not the pool of the loader: the core gets them back. */
	status = BS->AllocatePool(EfiBootServicesData, m->buffer_bytes, (void **)&m->buffer);
	if (EFI_ERROR(status))
		return fail_alloc(m->buffer_bytes, L"the memory map");
	status = raw_map_read(m);
	if (EFI_ERROR(status)) {
		BS->FreePool(m->buffer);
		return console_error(E_MEMMAP, L"GetMemoryMap: %r", status);
	}
	return EFI_SUCCESS;
}

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

/* Turn the raw map into info->mem; no boot service is called. */
static enum memmap_result map_convert(const struct raw_map *m, struct bootinfo *info)
{
	enum memmap_result result = MEMMAP_OK;

	info->nr_mem = 0;
	for (UINTN i = 0; i + m->descriptor_bytes <= m->size_bytes; i += m->descriptor_bytes) {
		result = map_add(info, (const EFI_MEMORY_DESCRIPTOR *)(void *)(m->buffer + i));
		if (result != MEMMAP_OK)
			break;
	}
	return result;
}

static EFI_STATUS fail_map(enum memmap_result result)
{
	static const char *const texts[] = {
		[MEMMAP_FULL] = "there are too many ranges",
		[MEMMAP_OVERLAP] = "ranges overlap",
		[MEMMAP_BAD] = "a range is not page aligned",
	};

	return result == MEMMAP_OK ? EFI_SUCCESS : console_error(E_MEMMAP, L"%a", texts[result]);
}

EFI_STATUS mem_read_map(struct bootinfo *info)
{
	struct raw_map m;
	EFI_STATUS status = raw_map_open(&m);

	if (EFI_ERROR(status))
		return status;
	status = fail_map(map_convert(&m, info));
	BS->FreePool(m.buffer);
	return status;
}

EFI_STATUS mem_free_bytes(struct bootinfo *info, UINT64 *bytes)
{
	EFI_STATUS status = mem_read_map(info);

	*bytes = 0;
	for (UINT32 i = 0; i < info->nr_mem; i++) {
		if (info->mem[i].type == BOOT_MEM_USABLE || info->mem[i].type == BOOT_MEM_LOADER)
			*bytes += info->mem[i].size_bytes;
	}
	return status;
}

/*
 * UEFI specification, ExitBootServices(): with a stale map key it fails, possibly after part of the
 * firmware has shut down; then only GetMemoryMap() and another try are allowed. The buffer stays
 * the same, so nothing is allocated in between.
 */
EFI_STATUS mem_exit_boot_services(EFI_HANDLE image, struct bootinfo *info)
{
	enum memmap_result result;
	struct raw_map m;
	EFI_STATUS status = raw_map_open(&m);

	if (EFI_ERROR(status))
		return status;
	for (UINTN i = 0; i < EXIT_TRIES; i++) {
		result = map_convert(&m, info);
		if (result != MEMMAP_OK)
			return fail_map(result);
		status = BS->ExitBootServices(image, m.key);
		if (!EFI_ERROR(status))
			return EFI_SUCCESS;
		if (EFI_ERROR(raw_map_read(&m)))
			break;
	}
	return console_error(E_EXIT, L"ExitBootServices: %r", status);
}
