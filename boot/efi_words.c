/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_words.h"

#include "boot/efi_console.h"
#include "boot/efi_mem.h"
#include "boot/lastwords.h"

#define VARIABLE_BYTES 1024

/*
 * Runtime services are the firmware's code with the machine in its hands: the core does not call
 * them, least of all after a panic. So the variable is written here, one boot later.
 */
static void variable_write(struct words_slot *record)
{
	EFI_GUID guid = { 0x8c1b3a52, 0x5e0f, 0x4b7d,
			  { 0x9a, 0x41, 0x6c, 0x61, 0x6d, 0x69, 0x6e, 0x61 } };
	static CHAR8 text[VARIABLE_BYTES];
	const struct words_slot *line;
	UINTN bytes = 0;

	for (UINT64 n = record->first; (line = words_get(record, n)); n++) {
		if (bytes + line->len_bytes + 1 > VARIABLE_BYTES)
			break;
		CopyMem(text + bytes, line->text, line->len_bytes);
		bytes += line->len_bytes;
		text[bytes++] = '\n';
	}
	console_print(L"(lamina)     the last run ended in a panic; LaminaLastWords: %r\r\n",
		      RT->SetVariable((CHAR16 *)L"LaminaLastWords", &guid,
				      EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS |
					      EFI_VARIABLE_RUNTIME_ACCESS,
				      bytes, text));
}

void words_find(struct bootinfo *info)
{
	EFI_PHYSICAL_ADDRESS at = WORDS_FIRST;
	struct words_slot *record;

	while (EFI_ERROR(BS->AllocatePages(AllocateAddress, EfiLoaderData,
					   WORDS_BYTES / PAGE_BYTES, &at)))
		if ((at += WORDS_FIRST) > WORDS_LAST)
			return;
	info->lastwords.hpa = at;
	info->lastwords.size_bytes = WORDS_BYTES;
	record = phys_ptr(at);
	if (words_get(record, WORDS_MAGIC) && record->state == WORDS_PANIC)
		variable_write(record);
}
