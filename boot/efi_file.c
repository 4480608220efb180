/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_file.h"

#include "boot/efi_console.h"
#include "boot/efi_mem.h"
#include "boot/efi_tftp.h"

#define READ_CHUNK_BYTES (UINT64_C(1) << 20)
#define PROGRESS_STEPS 10

static EFI_FILE *volume;
static BOOLEAN is_network;
static struct blob archive, hashes;
/* The folder that relative paths begin at, with its last separator; empty for the root. */
static CHAR16 folder[FILE_MAX_PATH];
/* How much of a file has come, and the dots for it. */
static UINT64 part_bytes, whole_bytes, nr_dots;

/* ---- paths ---- */

static BOOLEAN is_separator(CHAR16 c)
{
	return c == '/' || c == '\\';
}

static void enter_folder_of(const CHAR16 *path)
{
	UINTN end = 0;

	for (UINTN i = 0; path[i] && i + 1 < FILE_MAX_PATH; i++) {
		folder[i] = path[i];
		if (is_separator(path[i]))
			end = i + 1;
	}
	folder[end] = 0;
}

/* The character at *s, which moves behind it; '?' for what CHAR16 cannot hold. */
static CHAR16 next_char(const UINT8 **s)
{
	UINTN tail = **s >= 0xf0 ? 3 : **s >= 0xe0 ? 2 : **s >= 0xc0 ? 1 : 0;
	UINT32 code = *(*s)++ & (tail ? 0x3f >> tail : 0xff);

	for (; tail && (**s & 0xc0) == 0x80; tail--)
		code = code << 6 | (*(*s)++ & 0x3f);
	return code < 0x10000 ? (CHAR16)code : L'?';
}

/*
 * Write the path as seen from `from`, a folder or nothing: for a volume in CHAR16 with \, for a
 * server byte by byte with /, and without one at its front unless that is given.
 */
static void absolute_path(const CHAR16 *from, const char *path, CHAR16 *out)
{
	const UINT8 *s = (const UINT8 *)path;
	UINTN pos = 0;
	CHAR16 c;

	for (; !is_separator(*s) && from[pos]; pos++)
		out[pos] = from[pos];
	while (*s && pos + 1 < FILE_MAX_PATH) {
		c = is_network ? *s++ : next_char(&s);
		out[pos++] = !is_separator(c) ? c : is_network ? '/' : '\\';
	}
	out[pos] = 0;
}

void file_enter_folder_of(const char *path)
{
	CHAR16 absolute[FILE_MAX_PATH];

	if (file_embedded(path).data)
		return;
	absolute_path(folder, path, absolute);
	enter_folder_of(absolute);
}

/* ---- the source ---- */

/* The loader's own path comes as device path nodes that each hold a part of it. */
static void enter_own_folder(const EFI_LOADED_IMAGE *loaded)
{
	CHAR16 *path = loaded->FilePath ? DevicePathToStr(loaded->FilePath) : NULL;

	if (!path)
		return;
	enter_folder_of(path);
	FreePool(path);
}

BOOLEAN file_open_source(EFI_HANDLE image)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_STATUS status = BS->HandleProtocol(image, &LoadedImageProtocol, (void **)&loaded);
	CHAR16 path[FILE_MAX_PATH];
	struct blob program;

	if (EFI_ERROR(status))
		return console_error(E_VOLUME, L"no loaded image protocol: %r", status);
	program = (struct blob){ loaded->ImageBase, loaded->ImageSize };
	archive = pe_section(program, ".modules");
	hashes = pe_section(program, ".hashes");
	volume = LibOpenRoot(loaded->DeviceHandle);
	is_network = !volume && tftp_open(loaded->DeviceHandle, path, FILE_MAX_PATH);
	if (volume)
		enter_own_folder(loaded);
	else if (is_network)
		enter_folder_of(path);
	else if (!archive.data)
		return console_error(E_VOLUME, L"the loader came neither from a volume nor by "
					       L"IPv4 PXE, and has no files of its own");
	return TRUE;
}

const CHAR16 *file_source(void)
{
	if (is_network)
		return tftp_server();
	return volume ? L"" : L" in this image, which came from no volume";
}

struct blob file_embedded(const char *path)
{
	return archive_find(archive, path);
}

BOOLEAN file_has_hashes(void)
{
	return !!hashes.data;
}

BOOLEAN file_secure_boot(void)
{
	EFI_GUID global = EFI_GLOBAL_VARIABLE;
	UINTN size_bytes = 0;
	UINT8 *value = LibGetVariableAndSize((CHAR16 *)L"SecureBoot", &global, &size_bytes);
	BOOLEAN is_on = value && size_bytes == 1 && *value == 1;

	if (value)
		FreePool(value);
	return is_on;
}

void file_close_source(void)
{
	if (volume)
		volume->Close(volume);
	if (is_network)
		tftp_close();
	volume = NULL;
	is_network = FALSE;
}

/* ---- files ---- */

struct file {
	CHAR16 path[FILE_MAX_PATH]; /* from the root */
	struct blob embedded;
	EFI_FILE *handle;
	UINT64 size_bytes;
};

static EFI_STATUS open_on_volume(struct file *f)
{
	EFI_FILE_INFO *info;
	EFI_STATUS status = volume->Open(volume, &f->handle, f->path, EFI_FILE_MODE_READ, 0);

	if (EFI_ERROR(status)) {
		f->handle = NULL;
		return status;
	}
	info = LibFileInfo(f->handle);
	if (!info)
		return EFI_DEVICE_ERROR;
	if (info->Attribute & EFI_FILE_DIRECTORY)
		status = EFI_NOT_FOUND;
	f->size_bytes = info->FileSize;
	FreePool(info);
	return status;
}

static EFI_STATUS open_file(const char *path, struct file *f)
{
	f->handle = NULL;
	f->embedded = file_embedded(path);
	f->size_bytes = f->embedded.size_bytes;
	absolute_path(f->embedded.data ? L"" : folder, path, f->path);
	if (f->embedded.data)
		return EFI_SUCCESS;
	if (volume)
		return open_on_volume(f);
	return is_network ? tftp_size(f->path, &f->size_bytes) : EFI_NOT_FOUND;
}

/* Print a dot for each tenth. */
static void progress(UINT64 bytes)
{
	part_bytes += bytes;
	for (; nr_dots < PROGRESS_STEPS && nr_dots < part_bytes * PROGRESS_STEPS / whole_bytes;
	     nr_dots++)
		console_print(L".");
}

static EFI_STATUS read_from_volume(EFI_FILE *file, UINT8 *to)
{
	EFI_STATUS status;
	UINTN chunk;

	while (part_bytes < whole_bytes) {
		chunk = whole_bytes - part_bytes;
		if (chunk > READ_CHUNK_BYTES)
			chunk = READ_CHUNK_BYTES;
		status = file->Read(file, &chunk, to + part_bytes);
		if (EFI_ERROR(status) || !chunk)
			return EFI_ERROR(status) ? status : EFI_END_OF_FILE;
		progress(chunk);
	}
	return EFI_SUCCESS;
}

static EFI_STATUS read_file(const struct file *f, void *to)
{
	EFI_STATUS status = EFI_SUCCESS;

	part_bytes = nr_dots = 0;
	whole_bytes = f->size_bytes;
	console_print(L"(lamina)     %s%s, %ld KiB ", f->path,
		      f->embedded.data ? L" of this image" : file_source(),
		      (f->size_bytes + 1023) >> 10);
	if (f->embedded.data)
		CopyMem(to, (void *)f->embedded.data, f->size_bytes);
	else if (f->handle)
		status = read_from_volume(f->handle, to);
	else
		status = tftp_read(f->path, to, f->size_bytes, progress);
	console_print(L"\r\n");
	return status;
}

/* Hold what has been read against the list of the image, by the name that the user wrote. */
static BOOLEAN verify(const struct file *f, const char *name, const CHAR16 *who, UINT64 hpa)
{
	struct blob file = { phys_ptr(hpa), f->size_bytes };
	enum hash_verdict verdict;

	if (f->embedded.data || (!hashes.data && !file_secure_boot()))
		return TRUE;
	if (!hashes.data)
		return console_error(E_NOHASHES, L"%s: %s%s is not covered by the signature", who,
				     f->path, file_source());
	verdict = hash_check(hashes, name, file);
	if (verdict == HASH_GOOD)
		return TRUE;
	return console_error(E_HASH, verdict == HASH_UNLISTED ?
			     L"%s: %s%s is not in the image's list of files" :
			     L"%s: %s%s is not the file of the image's list: its SHA-256 differs",
			     who, f->path, file_source());
}

static BOOLEAN fail_read(const struct file *f, const CHAR16 *who, EFI_STATUS status)
{
	return console_error(E_READ, L"%s: cannot read %s%s: %s", who, f->path, file_source(),
			     tftp_complaint(status));
}

static BOOLEAN load_opened(const struct file *f, const CHAR16 *who, UINT64 *hpa)
{
	EFI_STATUS status;

	if (!f->size_bytes)
		return TRUE;
	if (!mem_alloc(f->size_bytes, 0, who, hpa))
		return FALSE;
	status = read_file(f, phys_ptr(*hpa));
	return !EFI_ERROR(status) || fail_read(f, who, status);
}

BOOLEAN file_load(const char *path, const CHAR16 *who, UINT64 *hpa, UINT64 *size_bytes)
{
	static struct file f;
	EFI_STATUS status = open_file(path, &f);
	const CHAR16 *name = who ? who : L"configuration";
	BOOLEAN ok;

	*hpa = 0;
	*size_bytes = status == EFI_NOT_FOUND ? FILE_MISSING : f.size_bytes;
	if (status == EFI_NOT_FOUND)
		ok = !who ||
		     console_error(E_NOFILE, L"%s: no file %s%s", who, f.path, file_source());
	else if (EFI_ERROR(status))
		ok = fail_read(&f, name, status);
	else
		ok = load_opened(&f, name, hpa) && verify(&f, path, name, *hpa);
	if (f.handle)
		f.handle->Close(f.handle);
	return ok;
}
