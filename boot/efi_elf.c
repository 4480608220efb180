/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_elf.h"

#include "boot/efi_asm.h"
#include "boot/efi_console.h"
#include "boot/efi_mem.h"

/* System V ABI, "Object Files"; only what a fixed-address executable needs. */
#define ELF_MAGIC 0x464c457f
#define ELF_IDENT_64_LE 0x0102 /* class 2 and data 1, read as one little-endian word */
#define ELF_TYPE_EXEC 2
#define ELF_MACHINE_X86_64 62
#define ELF_PT_LOAD 1
#define ELF_PF_X 1
#define ELF_PF_W 2
#define ELF_PF_R 4
#define ELF_SHT_SYMTAB 2

#define IMAGE_ALIGN_BYTES (UINT64_C(2) << 20)
#define IMAGE_MAX_BYTES (UINT64_C(64) << 20)

struct elf_header {
	UINT32 magic;
	UINT16 class_data;
	UINT8 rest[10];
	UINT16 type, machine;
	UINT32 version;
	UINT64 entry, phoff, shoff;
	UINT32 flags;
	UINT16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr layout");

struct elf_segment {
	UINT32 type, flags;
	UINT64 offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_segment) == 56, "Elf64_Phdr layout");

struct elf_section {
	UINT32 name, type;
	UINT64 flags, addr, offset, size;
	UINT32 link, info;
	UINT64 addralign, entsize;
};
_Static_assert(sizeof(struct elf_section) == 64, "Elf64_Shdr layout");

#define ELF_SYMBOL_BYTES 24

static UINT64 payload_bytes(void)
{
	return (UINTN)payload_end - (UINTN)payload_start;
}

static BOOLEAN in_payload(UINT64 offset, UINT64 bytes)
{
	return offset <= payload_bytes() && bytes <= payload_bytes() - offset;
}

static const struct elf_header *elf_header(void)
{
	return (const struct elf_header *)(const void *)payload_start;
}

static BOOLEAN header_is_good(void)
{
	const struct elf_header *h = elf_header();

	return payload_bytes() >= sizeof(*h) && h->magic == ELF_MAGIC &&
	       h->class_data == ELF_IDENT_64_LE && h->type == ELF_TYPE_EXEC &&
	       h->machine == ELF_MACHINE_X86_64 && h->phentsize == sizeof(struct elf_segment) &&
	       in_payload(h->phoff, (UINT64)h->phnum * h->phentsize);
}

static const struct elf_segment *elf_segment(UINTN i)
{
	return (const struct elf_segment *)(const void *)(payload_start + elf_header()->phoff) + i;
}

static BOOLEAN is_loaded(const struct elf_segment *s)
{
	return s->type == ELF_PT_LOAD && s->memsz;
}

/* W^X, page-aligned, inside the file and the image's place. */
static BOOLEAN segment_is_good(const struct elf_segment *s)
{
	BOOLEAN writable_code = (s->flags & ELF_PF_W) && (s->flags & ELF_PF_X);

	return !writable_code && s->vaddr % PAGE_BYTES == 0 && s->vaddr >= CORE_VIRT_BASE &&
	       s->memsz <= IMAGE_MAX_BYTES &&
	       s->vaddr - CORE_VIRT_BASE <= IMAGE_MAX_BYTES - s->memsz && s->filesz <= s->memsz &&
	       in_payload(s->offset, s->filesz);
}

/* The bytes from CORE_VIRT_BASE to the end of the last segment; 0 where a segment is bad. */
static UINT64 image_bytes(void)
{
	const struct elf_segment *s;
	UINT64 end, bytes = 0;

	for (UINTN i = 0; i < elf_header()->phnum; i++) {
		s = elf_segment(i);
		if (!is_loaded(s))
			continue;
		if (!segment_is_good(s))
			return 0;
		end = page_round(s->vaddr + s->memsz - CORE_VIRT_BASE);
		if (end > bytes)
			bytes = end;
	}
	return bytes;
}

static UINT32 rights_of(UINT32 flags)
{
	return (flags & ELF_PF_R ? BOOT_SEG_READ : 0) | (flags & ELF_PF_W ? BOOT_SEG_WRITE : 0) |
	       (flags & ELF_PF_X ? BOOT_SEG_EXEC : 0);
}

static EFI_STATUS load_segment(struct bootinfo *info, const struct elf_segment *s)
{
	struct boot_segment *to = &info->segments[info->nr_segments];

	if (info->nr_segments++ == BOOT_MAX_SEGMENTS)
		return console_error(E_CORE, L"the core has more than %d segments",
				     BOOT_MAX_SEGMENTS);
	to->virt = s->vaddr;
	to->hpa = info->image.hpa + (s->vaddr - CORE_VIRT_BASE);
	to->size_bytes = page_round(s->memsz);
	to->rights = rights_of(s->flags);
	CopyMem(phys_ptr(to->hpa), (void *)(payload_start + s->offset), s->filesz);
	return EFI_SUCCESS;
}

static BOOLEAN entry_is_code(const struct bootinfo *info, UINT64 entry)
{
	for (UINT32 i = 0; i < info->nr_segments; i++) {
		const struct boot_segment *s = &info->segments[i];

		if ((s->rights & BOOT_SEG_EXEC) && entry >= s->virt &&
		    entry - s->virt < s->size_bytes)
			return TRUE;
	}
	return FALSE;
}

/* ---- symbols ---- */

static const struct elf_section *elf_section(UINTN i)
{
	const struct elf_header *h = elf_header();

	if (i >= h->shnum || h->shentsize != sizeof(struct elf_section) ||
	    !in_payload(h->shoff, (UINT64)h->shnum * h->shentsize))
		return NULL;
	return (const struct elf_section *)(const void *)(payload_start + h->shoff) + i;
}

static EFI_STATUS copy_section(const struct elf_section *s, UINT64 *hpa)
{
	EFI_STATUS status = mem_alloc(s->size, 0, L"the core's symbols", hpa);

	if (!EFI_ERROR(status))
		CopyMem(phys_ptr(*hpa), (void *)(payload_start + s->offset), s->size);
	return status;
}

static EFI_STATUS copy_symbols(struct boot_symbols *to, const struct elf_section *symtab)
{
	const struct elf_section *strtab = elf_section(symtab->link);
	EFI_STATUS status;

	if (!strtab || symtab->entsize != ELF_SYMBOL_BYTES || !symtab->size || !strtab->size ||
	    !in_payload(symtab->offset, symtab->size) || !in_payload(strtab->offset, strtab->size))
		return EFI_SUCCESS;
	status = copy_section(symtab, &to->symtab_hpa);
	if (!EFI_ERROR(status))
		status = copy_section(strtab, &to->strtab_hpa);
	if (EFI_ERROR(status))
		return status;
	to->nr_symbols = symtab->size / ELF_SYMBOL_BYTES;
	to->strtab_bytes = strtab->size;
	return EFI_SUCCESS;
}

static EFI_STATUS load_symbols(struct bootinfo *info)
{
	const struct elf_section *s;

	for (UINTN i = 0; (s = elf_section(i)); i++) {
		if (s->type == ELF_SHT_SYMTAB)
			return copy_symbols(&info->symbols, s);
	}
	return EFI_SUCCESS;
}

EFI_STATUS elf_load_core(struct bootinfo *info, UINT64 *entry_virt)
{
	EFI_STATUS status = EFI_SUCCESS;

	if (!header_is_good())
		return console_error(E_CORE, L"the core is no ELF64 program");
	info->image.size_bytes = image_bytes();
	if (!info->image.size_bytes)
		return console_error(E_CORE, L"a segment of the core is malformed");
	status = mem_alloc_aligned(info->image.size_bytes, IMAGE_ALIGN_BYTES, L"the core",
				   &info->image.hpa);
	for (UINTN i = 0; i < elf_header()->phnum && !EFI_ERROR(status); i++) {
		if (is_loaded(elf_segment(i)))
			status = load_segment(info, elf_segment(i));
	}
	if (EFI_ERROR(status))
		return status;
	*entry_virt = elf_header()->entry;
	if (!entry_is_code(info, *entry_virt))
		return console_error(E_CORE, L"the core's entry is not in its code");
	return load_symbols(info);
}
