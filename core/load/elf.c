/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/elf.h"

bool image_is_elf(const struct image *img)
{
	char magic[SELFMAG];

	return image_read(img, 0, magic, SELFMAG) && !memcmp(magic, ELFMAG, SELFMAG);
}

static u32 elf_phdr_bytes(const struct elf *elf)
{
	return elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

static bool elf_check_table(struct loader *l, const struct elf *elf)
{
	const Elf64_Ehdr *h = &elf->header;
	u64 size = elf->image->size_bytes;
	u64 table_bytes = (u64)h->e_phnum * elf_phdr_bytes(elf);

	if (h->e_phnum == 0 || h->e_phnum > ELF_MAX_SEGMENTS)
		return loader_fail(l, ERR_FORMAT, "ELF image has no, or too many, segments");
	if (h->e_phentsize != elf_phdr_bytes(elf))
		return loader_fail(l, ERR_FORMAT, "ELF program headers have an unknown size");
	if (h->e_phoff > size || table_bytes > size - h->e_phoff)
		return loader_fail(l, ERR_FORMAT, "ELF program headers lie outside the file");
	return true;
}

bool elf_open(struct loader *l, struct elf *elf)
{
	Elf64_Ehdr *wide = &elf->header;
	Elf32_Ehdr h; /* up to e_version the same in both widths */

	elf->image = &l->req->kernel;
	if (!image_read(elf->image, 0, &h, sizeof(h)))
		return loader_fail(l, ERR_FORMAT, "ELF header is cut off");
	elf->is_64 = h.e_ident[EI_CLASS] == ELFCLASS64;
	if ((!elf->is_64 && h.e_ident[EI_CLASS] != ELFCLASS32) ||
	    h.e_ident[EI_DATA] != ELFDATA2LSB)
		return loader_fail(l, ERR_FORMAT, "ELF image of an unknown class");
	if (h.e_machine != EM_386 && h.e_machine != EM_X86_64)
		return loader_fail(l, ERR_UNSUPPORTED, "ELF image is not for x86");
	if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
		return loader_fail(l, ERR_UNSUPPORTED, "ELF image is not an executable");
	if (!elf->is_64)
		*wide = (Elf64_Ehdr){ .e_entry = h.e_entry,
				      .e_phoff = h.e_phoff,
				      .e_phentsize = h.e_phentsize,
				      .e_phnum = h.e_phnum };
	else if (!image_read(elf->image, 0, wide, sizeof(*wide)))
		return loader_fail(l, ERR_FORMAT, "ELF header is cut off");
	return elf_check_table(l, elf);
}

Elf64_Phdr elf_segment_get(const struct elf *elf, u32 i)
{
	u64 offset = elf->header.e_phoff + (u64)i * elf_phdr_bytes(elf);
	Elf64_Phdr wide = { 0 };
	Elf32_Phdr ph = { 0 };

	if (elf->is_64) {
		(void)image_read(elf->image, offset, &wide, sizeof(wide));
		return wide;
	}
	(void)image_read(elf->image, offset, &ph, sizeof(ph));
	return (Elf64_Phdr){
		.p_type = ph.p_type,
		.p_offset = ph.p_offset,
		.p_vaddr = ph.p_vaddr,
		.p_paddr = ph.p_paddr,
		.p_filesz = ph.p_filesz,
		.p_memsz = ph.p_memsz,
		.p_align = ph.p_align,
	};
}

static bool is_loaded(const Elf64_Phdr *s)
{
	return s->p_type == PT_LOAD && s->p_memsz != 0;
}

void elf_load(struct loader *l, const struct elf *elf)
{
	u32 loaded = 0;

	for (u32 i = 0; i < elf->header.e_phnum; i++) {
		Elf64_Phdr s = elf_segment_get(elf, i);

		if (!is_loaded(&s))
			continue;
		loaded++;
		loader_put_part(l, s.p_paddr, s.p_offset, s.p_filesz, s.p_memsz);
	}
	if (loaded == 0)
		loader_fail(l, ERR_FORMAT, "ELF image has nothing to load");
}

bool elf_find(const struct elf *elf, bool is_virtual, u64 *addr)
{
	for (u32 i = 0; i < elf->header.e_phnum; i++) {
		Elf64_Phdr s = elf_segment_get(elf, i);
		u64 offset = *addr - (is_virtual ? s.p_vaddr : s.p_paddr);

		if (is_loaded(&s) && offset < s.p_memsz) {
			*addr = s.p_paddr + offset;
			return true;
		}
	}
	return false;
}
