/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_config.h"

#include "boot/config.h"
#include "boot/efi_console.h"
#include "boot/efi_file.h"
#include "boot/efi_mem.h"
#include "boot/kernel.h"

#define OPTION_CHECK "check"
#define OPTION_CONFIG "config="
#define OPTION_CONFIG_CHARS (sizeof(OPTION_CONFIG) - 1)
#define CONFIG_NAME "lamina.toml"
#define OPTIONS_MAX_CHARS 256 /* with the NUL */

/* The configuration that is used: as asked for, or where it was found. */
static char path_used[FILE_MAX_PATH];
static BOOLEAN is_path_given;
static BOOLEAN is_check;

const char *config_path(void)
{
	return path_used;
}

BOOLEAN config_wants_check(void)
{
	return is_check;
}

/* ---- the loader's command line ---- */

/* A shell passes the program's own name as the first word. */
static BOOLEAN is_program(const char *word, UINTN chars)
{
	return chars > 4 && word[chars - 4] == '.' && (word[chars - 3] | 0x20) == 'e' &&
	       (word[chars - 2] | 0x20) == 'f' && (word[chars - 1] | 0x20) == 'i';
}

static BOOLEAN read_word(const char *word, UINTN chars, BOOLEAN is_first)
{
	if (!chars || (is_first && is_program(word, chars)))
		return TRUE;
	if (!strcmpa((const CHAR8 *)word, (const CHAR8 *)OPTION_CHECK)) {
		is_check = TRUE;
		return TRUE;
	}
	if (chars <= OPTION_CONFIG_CHARS || CompareMem(word, OPTION_CONFIG, OPTION_CONFIG_CHARS))
		return console_error(E_OPTION, L"unknown option \"%a\"", word);
	is_path_given = TRUE;
	CopyMem(path_used, word + OPTION_CONFIG_CHARS, chars - OPTION_CONFIG_CHARS + 1);
	return TRUE;
}

/* Split at blanks, in place. */
static BOOLEAN read_words(char *options)
{
	for (char *word = options, *end; *word; word = end) {
		for (end = word; *end && *end != ' '; end++)
			;
		if (*end)
			*end++ = 0;
		if (!read_word(word, strlena((const CHAR8 *)word), word == options))
			return FALSE;
	}
	return TRUE;
}

/*
 * Boot managers put data of their own where a shell puts the command line, so only printable text
 * that ends within the options is one.
 */
static BOOLEAN copy_text(const CHAR16 *from, UINTN chars, char *options)
{
	UINTN i = 0;

	for (; i < chars && i + 1 < OPTIONS_MAX_CHARS && from[i] >= ' ' && from[i] <= '~'; i++)
		options[i] = (char)from[i];
	options[i] = 0;
	return i > 0 && (i == chars || !from[i]);
}

BOOLEAN config_read_options(EFI_HANDLE image)
{
	struct blob embedded = file_embedded("options");
	EFI_LOADED_IMAGE *loaded;
	char options[OPTIONS_MAX_CHARS];
	UINTN i = 0;

	if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (void **)&loaded)) ||
	    !loaded->LoadOptions ||
	    !copy_text(loaded->LoadOptions, loaded->LoadOptionsSize / sizeof(CHAR16), options)) {
		for (; i < embedded.size_bytes && i + 1 < OPTIONS_MAX_CHARS; i++)
			options[i] = embedded.data[i] == '\n' ? ' ' : (char)embedded.data[i];
		options[i] = 0;
	}
	return read_words(options);
}

/* ---- the configuration ---- */

/* Load the file at config=PATH, or at the first place that has one. */
static BOOLEAN load_config(UINT64 *hpa, UINT64 *size_bytes)
{
	if (!is_path_given)
		CopyMem(path_used, CONFIG_NAME, sizeof(CONFIG_NAME));
	if (!file_load(path_used, NULL, hpa, size_bytes))
		return FALSE;
	if (*size_bytes == FILE_MISSING && !is_path_given) {
		CopyMem(path_used, "/" CONFIG_NAME, sizeof("/" CONFIG_NAME));
		if (!file_load(path_used, NULL, hpa, size_bytes))
			return FALSE;
	}
	return *size_bytes != FILE_MISSING ||
	       console_error(E_NOCONFIG, L"no %a%a%s", path_used,
			     is_path_given ? "" : ", nor one beside the loader", file_source());
}

BOOLEAN config_read(struct bootinfo *info)
{
	UINT64 hpa, size_bytes;
	char message[TOML_MAX_MESSAGE];

	if (!load_config(&hpa, &size_bytes))
		return FALSE;
	if (config_parse(phys_ptr(hpa), size_bytes, &info->config, message)) {
		file_enter_folder_of(path_used);
		return TRUE;
	}
	info->config.nr_vms = 0;
	return console_error(E_CONFIG, L"%a:%a", path_used, message);
}

/* ---- its files ---- */

static BOOLEAN load_file(const struct vm_config *vm, struct boot_file *file)
{
	CHAR16 who[FILE_MAX_PATH];

	SPrint(who, sizeof(who), L"%a:%d: VM \"%a\"", path_used, file->line, vm->name);
	return file_load(file->path, who, &file->hpa, &file->size_bytes);
}

static BOOLEAN load_kernel(struct vm_config *vm)
{
	const char *complaint;

	if (!load_file(vm, &vm->kernel))
		return FALSE;
	complaint = kernel_complaint(phys_ptr(vm->kernel.hpa), vm->kernel.size_bytes);
	return !complaint ||
	       console_error(E_KERNEL, L"%a:%d: VM \"%a\": %a %a", path_used, vm->kernel.line,
			     vm->name, vm->kernel.path, complaint);
}

BOOLEAN config_load_files(struct bootinfo *info)
{
	BOOLEAN ok = TRUE;

	for (UINT32 i = 0; ok && i < info->config.nr_vms; i++) {
		struct vm_config *vm = &info->config.vm[i];

		ok = load_kernel(vm);
		for (UINT32 k = 0; ok && k < vm->nr_modules; k++)
			ok = load_file(vm, &vm->modules[k]);
	}
	return ok;
}
