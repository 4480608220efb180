/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_acpi.h"

#include <efilib.h>

#include "boot/efi_mem.h"

/* ACPI specification, "Root System Description Pointer". */
#define RSDP_V1_BYTES 20
#define RSDP_V2_BYTES 36
#define RSDP_REVISION_OFFSET 15
#define RSDP_RSDT_OFFSET 16
#define RSDP_XSDT_OFFSET 24
/* "System Description Table Header" */
#define TABLE_LENGTH_OFFSET 4
#define TABLE_HEADER_BYTES 36
#define TABLE_MAX_BYTES (1u << 20)

static BOOLEAN sum_is_zero(const void *from, UINTN bytes)
{
	const UINT8 *p = from;
	UINT8 sum = 0;

	for (UINTN i = 0; i < bytes; i++)
		sum = (UINT8)(sum + p[i]);
	return sum == 0;
}

UINT64 acpi_rsdp(void)
{
	EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID;
	void *rsdp = NULL;

	if (EFI_ERROR(LibGetSystemConfigurationTable(&acpi2, &rsdp)) &&
	    EFI_ERROR(LibGetSystemConfigurationTable(&acpi1, &rsdp)))
		return 0;
	if (!rsdp || CompareMem(rsdp, "RSD PTR ", 8) || !sum_is_zero(rsdp, RSDP_V1_BYTES))
		return 0;
	return (UINT64)(UINTN)rsdp;
}

/* The table at `hpa`; no data where there is none or its checksum is wrong. */
static struct blob valid_table(UINT64 hpa)
{
	struct blob t = { phys_ptr(hpa), TABLE_HEADER_BYTES };

	if (hpa)
		t.size_bytes = blob_le(t, TABLE_LENGTH_OFFSET, 4);
	if (!hpa || t.size_bytes < TABLE_HEADER_BYTES || t.size_bytes > TABLE_MAX_BYTES ||
	    !sum_is_zero(t.data, t.size_bytes))
		t = (struct blob){ NULL, 0 };
	return t;
}

struct blob acpi_table(UINT64 rsdp, const char *signature)
{
	struct blob b = { phys_ptr(rsdp), RSDP_V2_BYTES }, root = { NULL, 0 }, t;
	UINT32 entry_bytes = 8; /* of the root table */

	if (rsdp && b.data[RSDP_REVISION_OFFSET] >= 2)
		root = valid_table(blob_le(b, RSDP_XSDT_OFFSET, 8));
	if (rsdp && !root.data) {
		root = valid_table(blob_le(b, RSDP_RSDT_OFFSET, 4));
		entry_bytes = 4;
	}
	for (UINTN at = TABLE_HEADER_BYTES; at + entry_bytes <= root.size_bytes;
	     at += entry_bytes) {
		t = valid_table(blob_le(root, at, entry_bytes));
		if (t.data && !CompareMem((void *)t.data, (void *)signature, 4))
			return t;
	}
	return (struct blob){ NULL, 0 };
}
