/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_acpi.h"

#include "boot/archive.h"
#include "boot/efi_mem.h"

/* ACPI specification, "Root System Description Pointer". */
#define RSDP_V1_BYTES 20
#define RSDP_V2_BYTES 36
#define RSDP_REVISION_OFFSET 15
#define RSDP_RSDT_OFFSET 16
#define RSDP_XSDT_OFFSET 24
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

static const struct acpi_header *valid_table(UINT64 hpa)
{
	const struct acpi_header *t = phys_ptr(hpa);

	if (!hpa || t->length_bytes < sizeof(*t) || t->length_bytes > TABLE_MAX_BYTES ||
	    !sum_is_zero(t, t->length_bytes))
		return NULL;
	return t;
}

/* Search the root table, whose entries have 4 or 8 bytes. */
static const struct acpi_header *search(const struct acpi_header *root, UINT32 entry_bytes,
					const char *signature)
{
	struct blob b = { (const UINT8 *)root, root->length_bytes };
	const struct acpi_header *t;

	for (UINTN at = sizeof(*root); at + entry_bytes <= b.size_bytes; at += entry_bytes) {
		t = valid_table(blob_le(b, at, entry_bytes));
		if (t && !CompareMem((void *)t->signature, (void *)signature, 4))
			return t;
	}
	return NULL;
}

const struct acpi_header *acpi_table(UINT64 rsdp, const char *signature)
{
	struct blob b = { phys_ptr(rsdp), RSDP_V2_BYTES };
	const struct acpi_header *root = NULL;

	if (!rsdp)
		return NULL;
	if (b.data[RSDP_REVISION_OFFSET] >= 2)
		root = valid_table(blob_le(b, RSDP_XSDT_OFFSET, 8));
	if (root)
		return search(root, 8, signature);
	root = valid_table(blob_le(b, RSDP_RSDT_OFFSET, 4));
	return root ? search(root, 4, signature) : NULL;
}
