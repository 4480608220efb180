/* SPDX-License-Identifier: BSD-2-Clause */
/* The core's file is part of this program and was checked when it was built: no doubts here. */
#include "boot/efi_elf.h"

#include "boot/efi_asm.h"
#include "boot/efi_console.h"
#include "boot/efi_mem.h"

static const Elf64_Ehdr *elf_header(void)
{
	return (const void *)payload_start;
}

const Elf64_Phdr *elf_segment(UINTN i)
{
	const Elf64_Phdr *s = (const void *)(payload_start + elf_header()->e_phoff);

	for (UINTN n = elf_header()->e_phnum; n; n--, s++) {
		if (s->p_type == PT_LOAD && s->p_memsz && !i--)
			return s;
	}
	return NULL;
}

/* The bytes from CORE_VIRT_BASE to the end of the last segment. */
static UINT64 image_bytes(void)
{
	const Elf64_Phdr *s;
	UINT64 end = CORE_VIRT_BASE;

	for (UINTN i = 0; (s = elf_segment(i)); i++) {
		if (s->p_vaddr + s->p_memsz > end)
			end = s->p_vaddr + s->p_memsz;
	}
	return page_round(end - CORE_VIRT_BASE);
}

static BOOLEAN copy_section(const Elf64_Shdr *s, UINT64 *hpa)
{
	if (!mem_alloc(s->sh_size, 0, L"the core's symbols", hpa))
		return FALSE;
	CopyMem(phys_ptr(*hpa), (void *)(payload_start + s->sh_offset), s->sh_size);
	return TRUE;
}

static BOOLEAN load_symbols(struct boot_symbols *to)
{
	const Elf64_Shdr *sections = (const void *)(payload_start + elf_header()->e_shoff);
	BOOLEAN ok = TRUE;

	for (UINTN i = 0; ok && i < elf_header()->e_shnum; i++) {
		const Elf64_Shdr *symtab = &sections[i], *strtab = &sections[symtab->sh_link];

		if (symtab->sh_type != SHT_SYMTAB)
			continue;
		to->nr_symbols = symtab->sh_size / sizeof(Elf64_Sym);
		to->strtab_bytes = strtab->sh_size;
		ok = copy_section(symtab, &to->symtab_hpa) &&
		     copy_section(strtab, &to->strtab_hpa);
	}
	return ok;
}

BOOLEAN elf_load_core(struct bootinfo *info, UINT64 *entry_virt)
{
	const Elf64_Phdr *s;

	*entry_virt = elf_header()->e_entry;
	info->image.size_bytes = image_bytes();
	if (!mem_alloc(info->image.size_bytes, 0, L"the core", &info->image.hpa))
		return FALSE;
	for (UINTN i = 0; (s = elf_segment(i)); i++)
		CopyMem(phys_ptr(info->image.hpa + (s->p_vaddr - CORE_VIRT_BASE)),
			(void *)(payload_start + s->p_offset), s->p_filesz);
	return load_symbols(&info->symbols);
}
