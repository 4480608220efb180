/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_config.h"

#include "boot/config.h"
#include "boot/efi_console.h"
#include "boot/efi_file.h"
#include "boot/efi_mem.h"
#include "boot/kernel.h"

#define OPTION_CONFIG "config="
#define OPTION_CONFIG_CHARS (sizeof(OPTION_CONFIG) - 1)
#define MESSAGE_BYTES 512

/* The parser keeps one value of up to 4 KiB: too much for a firmware's stack to be asked for. */
static CHAR16 path_used[FILE_MAX_PATH];
static CHAR16 path_given[FILE_MAX_PATH];

const CHAR16 *config_path(void)
{
	return path_used;
}

/* ---- the loader's command line ---- */

/*
 * Boot managers put data of their own where a shell puts the command line, so only printable text
 * that ends within the options is one.
 */
static BOOLEAN options_are_text(const EFI_LOADED_IMAGE *loaded)
{
	const CHAR16 *s = loaded->LoadOptions;
	UINTN n = loaded->LoadOptionsSize / sizeof(CHAR16);
	UINTN i;

	for (i = 0; s && i < n && s[i]; i++) {
		if (s[i] < 0x20 || s[i] > 0x7e)
			return FALSE;
	}
	return i > 0 && i < BOOT_MAX_OPTIONS;
}

static BOOLEAN word_begins(const char *word, const char *prefix)
{
	while (*prefix && *word == *prefix) {
		word++;
		prefix++;
	}
	return !*prefix;
}

/* A shell passes the program's own name as the first word. */
static BOOLEAN word_is_program(const char *word, UINTN chars)
{
	return chars > 4 && word[chars - 4] == '.' && (word[chars - 3] | 0x20) == 'e' &&
	       (word[chars - 2] | 0x20) == 'f' && (word[chars - 1] | 0x20) == 'i';
}

static EFI_STATUS read_word(const char *word, UINTN chars, BOOLEAN is_first)
{
	char copy[BOOT_MAX_OPTIONS];

	CopyMem(copy, (void *)word, chars);
	copy[chars] = 0;
	if (is_first && word_is_program(copy, chars))
		return EFI_SUCCESS;
	if (!word_begins(copy, OPTION_CONFIG) || chars == OPTION_CONFIG_CHARS)
		return console_error(E_OPTION, L"unknown option \"%a\"", copy);
	file_path_from_utf8(copy + OPTION_CONFIG_CHARS, path_given, FILE_MAX_PATH);
	return EFI_SUCCESS;
}

static EFI_STATUS read_words(const char *s)
{
	EFI_STATUS status = EFI_SUCCESS;
	UINTN start = 0, i;

	for (i = 0; !EFI_ERROR(status); i++) {
		if (s[i] && s[i] != ' ')
			continue;
		if (i > start)
			status = read_word(s + start, i - start, start == 0);
		if (!s[i])
			break;
		start = i + 1;
	}
	return status;
}

EFI_STATUS config_read_options(EFI_HANDLE image, struct bootinfo *info)
{
	EFI_LOADED_IMAGE *loaded;
	const CHAR16 *s;
	UINTN n;

	if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (void **)&loaded)) ||
	    !options_are_text(loaded))
		return EFI_SUCCESS;
	s = loaded->LoadOptions;
	n = loaded->LoadOptionsSize / sizeof(CHAR16);
	for (UINTN i = 0; i < n && s[i]; i++)
		info->options[i] = (char)s[i];
	return read_words(info->options);
}

/* ---- the configuration ---- */

static EFI_STATUS find_path(void)
{
	static const CHAR16 *const places[] = { L"lamina.toml", L"/lamina.toml" };

	if (path_given[0]) {
		StrCpy(path_used, path_given);
		if (file_exists(path_used))
			return EFI_SUCCESS;
		return console_error(E_NOCONFIG, L"no file %s", path_used);
	}
	for (UINTN i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		StrCpy(path_used, places[i]);
		if (file_exists(path_used))
			return EFI_SUCCESS;
	}
	return console_error(E_NOCONFIG, L"no lamina.toml beside the loader or in the root");
}

EFI_STATUS config_read(struct bootinfo *info)
{
	struct toml_error error;
	UINT64 hpa, size_bytes;
	EFI_STATUS status = find_path();
	char message[MESSAGE_BYTES];

	if (!EFI_ERROR(status))
		status = file_load(path_used, L"configuration", &hpa, &size_bytes);
	if (EFI_ERROR(status))
		return status;
	if (config_parse(phys_ptr(hpa), size_bytes, &info->config, &error)) {
		file_enter_folder_of(path_used);
		return EFI_SUCCESS;
	}
	toml_error_print(&error, "", message, sizeof(message));
	return console_error(E_CONFIG, L"%s%a", path_used, message);
}

/* ---- its files ---- */

static EFI_STATUS load_file(const struct vm_config *vm, struct boot_file *file)
{
	CHAR16 path[BOOT_MAX_PATH];
	CHAR16 who[FILE_MAX_PATH];

	file_path_from_utf8(file->path, path, BOOT_MAX_PATH);
	SPrint(who, sizeof(who), L"%s:%d: VM \"%a\"", path_used, file->line, vm->name);
	return file_load(path, who, &file->hpa, &file->size_bytes);
}

static const char *kernel_complaint(enum kernel_kind kind)
{
	switch (kind) {
	case KERNEL_BZIMAGE_OLD:
		return "is a bzImage without a 64-bit entry (Linux older than 3.8, or 32-bit)";
	case KERNEL_ELF:
		return "is an ELF file without PVH note and multiboot header";
	default:
		return "is no kernel";
	}
}

static EFI_STATUS load_kernel(struct vm_config *vm)
{
	EFI_STATUS status = load_file(vm, &vm->kernel);
	enum kernel_kind kind;

	if (EFI_ERROR(status))
		return status;
	kind = kernel_recognise(phys_ptr(vm->kernel.hpa), vm->kernel.size_bytes);
	if (kernel_is_supported(kind))
		return EFI_SUCCESS;
	return console_error(E_KERNEL, L"%s:%d: VM \"%a\": %a %a", path_used, vm->kernel.line,
			     vm->name, vm->kernel.path, kernel_complaint(kind));
}

EFI_STATUS config_load_files(struct bootinfo *info)
{
	EFI_STATUS status = EFI_SUCCESS;

	for (UINT32 i = 0; i < info->config.nr_vms && !EFI_ERROR(status); i++) {
		struct vm_config *vm = &info->config.vm[i];

		status = load_kernel(vm);
		for (UINT32 k = 0; k < vm->nr_modules && !EFI_ERROR(status); k++)
			status = load_file(vm, &vm->modules[k]);
	}
	return status;
}
