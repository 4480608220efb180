/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/elf.h"

/* System V ABI, "ELF Header" and "Program Header". */
struct elf_ident {
	u8 magic[4];
	u8 class_;
	u8 data;
	u8 version;
	u8 pad[9];
	u16 type;
	u16 machine;
	u32 version2;
} __packed;
_Static_assert(sizeof(struct elf_ident) == 24, "elf_ident layout");

struct elf32_tail {
	u32 entry;
	u32 phoff;
	u32 shoff;
	u32 flags;
	u16 ehsize;
	u16 phentsize;
	u16 phnum;
} __packed;
_Static_assert(sizeof(struct elf32_tail) == 22, "elf32_tail layout");

struct elf64_tail {
	u64 entry;
	u64 phoff;
	u64 shoff;
	u32 flags;
	u16 ehsize;
	u16 phentsize;
	u16 phnum;
} __packed;
_Static_assert(sizeof(struct elf64_tail) == 34, "elf64_tail layout");

struct elf32_phdr {
	u32 type;
	u32 offset;
	u32 vaddr;
	u32 paddr;
	u32 filesz;
	u32 memsz;
	u32 flags;
	u32 align;
} __packed;
_Static_assert(sizeof(struct elf32_phdr) == 32, "elf32_phdr layout");

struct elf64_phdr {
	u32 type;
	u32 flags;
	u64 offset;
	u64 vaddr;
	u64 paddr;
	u64 filesz;
	u64 memsz;
	u64 align;
} __packed;
_Static_assert(sizeof(struct elf64_phdr) == 56, "elf64_phdr layout");

enum { CLASS_32 = 1, CLASS_64 = 2, DATA_LITTLE = 1, TYPE_EXEC = 2, TYPE_DYN = 3 };
enum { MACHINE_386 = 3, MACHINE_X86_64 = 62 };

static const u8 elf_magic[4] = { 0x7f, 'E', 'L', 'F' };

bool image_is_elf(const struct image *img)
{
	u8 magic[4];

	return image_read(img, 0, magic, sizeof(magic)) && !memcmp(magic, elf_magic, 4);
}

/* The part of the header that depends on the width; the size of a table entry goes to `entsize`. */
static bool elf_read_tail(struct elf *elf, u32 *entsize)
{
	struct elf32_tail t32;
	struct elf64_tail t64;

	if (elf->is_64) {
		if (!image_read(elf->image, sizeof(struct elf_ident), &t64, sizeof(t64)))
			return false;
	} else {
		if (!image_read(elf->image, sizeof(struct elf_ident), &t32, sizeof(t32)))
			return false;
		t64 = (struct elf64_tail){ .entry = t32.entry,
					   .phoff = t32.phoff,
					   .phentsize = t32.phentsize,
					   .phnum = t32.phnum };
	}
	elf->entry = t64.entry;
	elf->table_offset = t64.phoff;
	elf->nr_segments = t64.phnum;
	*entsize = t64.phentsize;
	return true;
}

static u32 elf_phdr_bytes(const struct elf *elf)
{
	return elf->is_64 ? sizeof(struct elf64_phdr) : sizeof(struct elf32_phdr);
}

static enum err elf_check_table(struct loader *l, const struct elf *elf, u32 entsize)
{
	u64 size = elf->image->size_bytes;
	u64 table_bytes = (u64)elf->nr_segments * elf_phdr_bytes(elf);

	if (elf->nr_segments == 0 || elf->nr_segments > ELF_MAX_SEGMENTS)
		return loader_fail(l, ERR_FORMAT, "ELF image has no, or too many, segments");
	if (entsize != elf_phdr_bytes(elf))
		return loader_fail(l, ERR_FORMAT, "ELF program headers have an unknown size");
	if (elf->table_offset > size || table_bytes > size - elf->table_offset)
		return loader_fail(l, ERR_FORMAT, "ELF program headers lie outside the file");
	return ERR_NONE;
}

enum err elf_open(struct loader *l, struct elf *elf)
{
	struct elf_ident id;
	u32 entsize;

	elf->image = &l->req->kernel;
	if (!image_read(elf->image, 0, &id, sizeof(id)))
		return loader_fail(l, ERR_FORMAT, "ELF header is cut off");
	if (memcmp(id.magic, elf_magic, sizeof(id.magic)))
		return loader_fail(l, ERR_FORMAT, "not an ELF image");
	if ((id.class_ != CLASS_32 && id.class_ != CLASS_64) || id.data != DATA_LITTLE)
		return loader_fail(l, ERR_FORMAT, "ELF image of an unknown class");
	if (id.machine != MACHINE_386 && id.machine != MACHINE_X86_64)
		return loader_fail(l, ERR_UNSUPPORTED, "ELF image is not for x86");
	if (id.type != TYPE_EXEC && id.type != TYPE_DYN)
		return loader_fail(l, ERR_UNSUPPORTED, "ELF image is not an executable");
	elf->is_64 = id.class_ == CLASS_64;
	if (!elf_read_tail(elf, &entsize))
		return loader_fail(l, ERR_FORMAT, "ELF header is cut off");
	return elf_check_table(l, elf, entsize);
}

static struct elf_segment elf_segment32(const struct elf *elf, u32 i)
{
	struct elf32_phdr ph = { 0 };

	(void)image_read(elf->image, elf->table_offset + i * sizeof(ph), &ph, sizeof(ph));
	return (struct elf_segment){
		.type = ph.type,
		.offset = ph.offset,
		.vaddr = ph.vaddr,
		.paddr = ph.paddr,
		.file_bytes = ph.filesz,
		.mem_bytes = ph.memsz,
		.align_bytes = ph.align,
	};
}

static struct elf_segment elf_segment64(const struct elf *elf, u32 i)
{
	struct elf64_phdr ph = { 0 };

	(void)image_read(elf->image, elf->table_offset + i * sizeof(ph), &ph, sizeof(ph));
	return (struct elf_segment){
		.type = ph.type,
		.offset = ph.offset,
		.vaddr = ph.vaddr,
		.paddr = ph.paddr,
		.file_bytes = ph.filesz,
		.mem_bytes = ph.memsz,
		.align_bytes = ph.align,
	};
}

struct elf_segment elf_segment_get(const struct elf *elf, u32 i)
{
	return elf->is_64 ? elf_segment64(elf, i) : elf_segment32(elf, i);
}

static bool is_loaded(const struct elf_segment *s)
{
	return s->type == ELF_PT_LOAD && s->mem_bytes != 0;
}

static enum err elf_claim_segment(struct loader *l, const struct elf_segment *s)
{
	u64 size = l->req->kernel.size_bytes;

	if (s->file_bytes > s->mem_bytes)
		return loader_fail(l, ERR_FORMAT, "ELF segment is larger in the file");
	if (s->offset > size || s->file_bytes > size - s->offset)
		return loader_fail(l, ERR_FORMAT, "ELF segment lies outside the file");
	return loader_claim(l, s->paddr, s->mem_bytes);
}

enum err elf_load(struct loader *l, const struct elf *elf)
{
	u32 loaded = 0;
	enum err e = ERR_NONE;

	for (u32 i = 0; i < elf->nr_segments && !e; i++) {
		struct elf_segment s = elf_segment_get(elf, i);

		if (!is_loaded(&s))
			continue;
		loaded++;
		e = elf_claim_segment(l, &s);
	}
	if (!e && loaded == 0)
		return loader_fail(l, ERR_FORMAT, "ELF image has nothing to load");
	for (u32 i = 0; i < elf->nr_segments && !e; i++) {
		struct elf_segment s = elf_segment_get(elf, i);

		if (is_loaded(&s))
			e = loader_write_image(l, s.paddr, s.offset, s.file_bytes, s.mem_bytes);
	}
	return e;
}

bool elf_has_paddr(const struct elf *elf, u64 paddr)
{
	for (u32 i = 0; i < elf->nr_segments; i++) {
		struct elf_segment s = elf_segment_get(elf, i);

		if (is_loaded(&s) && paddr - s.paddr < s.mem_bytes)
			return true;
	}
	return false;
}

bool elf_entry_paddr(const struct elf *elf, u64 *paddr)
{
	for (u32 i = 0; i < elf->nr_segments; i++) {
		struct elf_segment s = elf_segment_get(elf, i);

		if (is_loaded(&s) && elf->entry - s.vaddr < s.mem_bytes) {
			*paddr = s.paddr + (elf->entry - s.vaddr);
			return true;
		}
	}
	/* Some images name a physical address where they are linked to virtual ones. */
	*paddr = elf->entry;
	return elf_has_paddr(elf, elf->entry);
}
