/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_file.h"

#include "boot/efi_console.h"
#include "boot/efi_mem.h"

#define READ_CHUNK_BYTES (UINT64_C(1) << 20)
#define PROGRESS_STEPS 10

static EFI_FILE *volume;
/* The folder that relative paths begin at: empty for the root, else without the last separator. */
static CHAR16 folder[FILE_MAX_PATH];

/* ---- paths ---- */

static BOOLEAN is_separator(CHAR16 c)
{
	return c == L'/' || c == L'\\';
}

/* Keep only what stands before the last separator. */
static void cut_last_name(CHAR16 *path)
{
	UINTN end = 0;

	for (UINTN i = 0; path[i]; i++) {
		if (is_separator(path[i]))
			end = i;
	}
	path[end] = 0;
}

static UINTN append_path(CHAR16 *out, UINTN pos, const CHAR16 *path)
{
	for (; *path && pos + 1 < FILE_MAX_PATH; path++)
		out[pos++] = is_separator(*path) ? L'\\' : *path;
	out[pos] = 0;
	return pos;
}

/* Write the absolute path with the firmware's separators. */
static void absolute_path(const CHAR16 *path, CHAR16 *out)
{
	UINTN pos = 0;

	if (!is_separator(*path)) {
		pos = append_path(out, pos, folder);
		pos = append_path(out, pos, L"\\");
	}
	append_path(out, pos, path);
}

void file_enter_folder_of(const CHAR16 *path)
{
	CHAR16 absolute[FILE_MAX_PATH];

	absolute_path(path, absolute);
	cut_last_name(absolute);
	append_path(folder, 0, absolute);
}

void file_path_from_utf8(const char *in, CHAR16 *out, UINTN out_chars)
{
	const UINT8 *s = (const UINT8 *)in;
	UINTN pos = 0;

	for (; *s && pos + 1 < out_chars; pos++) {
		if (s[0] < 0x80) {
			out[pos] = *s++;
		} else if (s[0] < 0xe0 && s[1]) {
			out[pos] = (CHAR16)((s[0] & 0x1f) << 6 | (s[1] & 0x3f));
			s += 2;
		} else if (s[0] < 0xf0 && s[1] && s[2]) {
			out[pos] =
				(CHAR16)((s[0] & 0xf) << 12 | (s[1] & 0x3f) << 6 | (s[2] & 0x3f));
			s += 3;
		} else {
			out[pos] = L'?';
			do {
				s++;
			} while ((*s & 0xc0) == 0x80);
		}
	}
	out[pos] = 0;
}

/* ---- the volume ---- */

/* The loader's own path comes as device path nodes that each hold a part of it. */
static void enter_own_folder(const EFI_LOADED_IMAGE *loaded)
{
	CHAR16 *path = loaded->FilePath ? DevicePathToStr(loaded->FilePath) : NULL;

	folder[0] = 0;
	if (!path)
		return;
	append_path(folder, 0, path);
	cut_last_name(folder);
	FreePool(path);
}

EFI_STATUS file_open_volume(EFI_HANDLE image)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_FILE_IO_INTERFACE *fs;
	EFI_STATUS status;

	status = BS->HandleProtocol(image, &LoadedImageProtocol, (void **)&loaded);
	if (EFI_ERROR(status))
		return console_error(E_VOLUME, L"no loaded image protocol: %r", status);
	status = BS->HandleProtocol(loaded->DeviceHandle, &FileSystemProtocol, (void **)&fs);
	if (EFI_ERROR(status))
		return console_error(E_VOLUME, L"the loader was not started from a volume: %r",
				     status);
	status = fs->OpenVolume(fs, &volume);
	if (EFI_ERROR(status))
		return console_error(E_VOLUME, L"cannot open the volume: %r", status);
	enter_own_folder(loaded);
	return EFI_SUCCESS;
}

void file_close_volume(void)
{
	if (volume)
		volume->Close(volume);
	volume = NULL;
}

/* ---- files ---- */

static EFI_STATUS open_file(const CHAR16 *path, EFI_FILE **file, UINT64 *size_bytes)
{
	CHAR16 absolute[FILE_MAX_PATH];
	EFI_FILE_INFO *file_info;
	EFI_STATUS status;

	absolute_path(path, absolute);
	status = volume->Open(volume, file, absolute, EFI_FILE_MODE_READ, 0);
	if (EFI_ERROR(status))
		return status;
	file_info = LibFileInfo(*file);
	if (!file_info || (file_info->Attribute & EFI_FILE_DIRECTORY)) {
		(*file)->Close(*file);
		status = file_info ? EFI_NOT_FOUND : EFI_DEVICE_ERROR;
	} else {
		*size_bytes = file_info->FileSize;
	}
	if (file_info)
		FreePool(file_info);
	return status;
}

BOOLEAN file_exists(const CHAR16 *path)
{
	EFI_FILE *file;
	UINT64 size_bytes;

	if (EFI_ERROR(open_file(path, &file, &size_bytes)))
		return FALSE;
	file->Close(file);
	return TRUE;
}

/* Read in chunks, with a dot for each tenth. */
static EFI_STATUS read_file(EFI_FILE *file, UINT8 *to, UINT64 size_bytes)
{
	UINT64 done = 0, dots = 0;
	EFI_STATUS status;
	UINTN chunk;

	while (done < size_bytes) {
		chunk = size_bytes - done;
		if (chunk > READ_CHUNK_BYTES)
			chunk = READ_CHUNK_BYTES;
		status = file->Read(file, &chunk, to + done);
		if (EFI_ERROR(status))
			return status;
		if (!chunk)
			return EFI_END_OF_FILE;
		done += chunk;
		for (; dots < done * PROGRESS_STEPS / size_bytes; dots++)
			console_print(L".");
	}
	return EFI_SUCCESS;
}

static EFI_STATUS load_opened(EFI_FILE *file, const CHAR16 *path, const CHAR16 *who, UINT64 *hpa,
			      UINT64 size_bytes)
{
	EFI_STATUS status;

	*hpa = 0;
	if (!size_bytes)
		return EFI_SUCCESS;
	status = mem_alloc(size_bytes, 0, path, hpa);
	if (EFI_ERROR(status))
		return status;
	console_print(L"(lamina)     %s, %ld KiB ", path, (size_bytes + 1023) >> 10);
	status = read_file(file, phys_ptr(*hpa), size_bytes);
	console_print(L"\r\n");
	if (EFI_ERROR(status))
		return console_error(E_READ, L"%s: cannot read %s: %r", who, path, status);
	return EFI_SUCCESS;
}

EFI_STATUS file_load(const CHAR16 *path, const CHAR16 *who, UINT64 *hpa, UINT64 *size_bytes)
{
	EFI_FILE *file;
	EFI_STATUS status = open_file(path, &file, size_bytes);

	if (status == EFI_NOT_FOUND)
		return console_error(E_NOFILE, L"%s: no file %s", who, path);
	if (EFI_ERROR(status))
		return console_error(E_READ, L"%s: cannot open %s: %r", who, path, status);
	status = load_opened(file, path, who, hpa, *size_bytes);
	file->Close(file);
	return status;
}
