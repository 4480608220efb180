/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF kernels by the x86/HVM direct boot ABI (PVH): an ELF note names a 32-bit entry point, which
 * gets a start-info structure. Xen's public header "arch-x86/hvm/start_info.h" describes it.
 */
#include "core/load/loader.h"

#include "core/load/elf.h"

#define NOTE_PHYS32_ENTRY 18u
#define NOTE_MAX_BYTES KiB(64)
#define START_INFO_MAGIC 0x336ec578u
#define START_INFO_VERSION 1u

struct start_info {
	u32 magic;
	u32 version;
	u32 flags;
	u32 nr_modules;
	u64 modlist; /* struct loader_module */
	u64 cmdline;
	u64 rsdp;
	u64 memmap;
	u32 memmap_entries;
	u32 reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info layout");

struct memmap_entry {
	struct e820_entry entry;
	u32 reserved;
} __packed;
_Static_assert(sizeof(struct memmap_entry) == 24, "memmap_entry layout");

/* Is the note at `offset`, with header `n`, the one with the entry point? */
static bool note_is_entry(const struct image *img, u64 offset, const Elf64_Nhdr *n)
{
	char name[4];

	return n->n_type == NOTE_PHYS32_ENTRY && n->n_namesz == sizeof(name) &&
	       image_read(img, offset + sizeof(*n), name, sizeof(name)) &&
	       !memcmp(name, "Xen", sizeof(name));
}

/* The value of the entry note at `offset`: 4 or 8 bytes behind the name. */
static bool note_value(const struct image *img, u64 offset, const Elf64_Nhdr *n, u64 *value)
{
	*value = 0;
	if (n->n_descsz != 4 && n->n_descsz != 8)
		return false;
	return image_read(img, offset + sizeof(*n) + 4, value, n->n_descsz);
}

/* Search one PT_NOTE segment; notes are padded to 4 bytes, or to 8 in segments aligned so. */
static bool notes_find_entry(const struct image *img, const Elf64_Phdr *s, u64 *entry)
{
	u64 pad = s->p_align == 8 ? 8 : 4;
	u64 at = s->p_offset;
	u64 left = MIN(s->p_filesz, NOTE_MAX_BYTES);
	Elf64_Nhdr n;

	while (left >= sizeof(n) && image_read(img, at, &n, sizeof(n))) {
		u64 bytes = ALIGN_UP(sizeof(n) + n.n_namesz, pad);

		bytes = ALIGN_UP(bytes + n.n_descsz, pad);
		if (bytes > left)
			return false;
		if (note_is_entry(img, at, &n))
			return note_value(img, at, &n, entry);
		at += bytes;
		left -= bytes;
	}
	return false;
}

static bool pvh_find_entry(const struct elf *elf, u64 *entry)
{
	for (u32 i = 0; i < elf->header.e_phnum; i++) {
		Elf64_Phdr s = elf_segment_get(elf, i);

		if (s.p_type == PT_NOTE && notes_find_entry(elf->image, &s, entry))
			return true;
	}
	return false;
}

static void pvh_load_kernel(struct loader *l)
{
	struct elf elf;

	if (!elf_open(l, &elf))
		return;
	if (!pvh_find_entry(&elf, &l->res->rip))
		loader_fail(l, ERR_UNSUPPORTED,
			    "ELF image has neither a multiboot header nor a PVH entry note");
	if (!elf_find(&elf, false, &l->res->rip))
		loader_fail(l, ERR_FORMAT, "PVH entry point is outside the ELF image");
	elf_load(l, &elf);
}

static u64 pvh_put_memmap(struct loader *l)
{
	struct memmap_entry map[E820_MAX];

	for (u32 i = 0; i < l->e820.count; i++)
		map[i] = (struct memmap_entry){ .entry = l->e820.entry[i] };
	return loader_put(l, map, l->e820.count * sizeof(map[0]));
}

static void pvh_put_info(struct loader *l)
{
	struct start_info info = {
		.magic = START_INFO_MAGIC,
		.version = START_INFO_VERSION,
		.nr_modules = l->req->nr_modules,
		.rsdp = l->res->rsdp,
		.memmap_entries = l->e820.count,
	};

	loader_put_modules(l, l->req->ram.below_4g_bytes);
	if (info.nr_modules)
		info.modlist = loader_put(l, l->module, info.nr_modules * sizeof(l->module[0]));
	info.memmap = pvh_put_memmap(l);
	info.cmdline = loader_put_string(l, l->req->cmdline);
	l->res->rbx = loader_put(l, &info, sizeof(info));
}

void pvh_load(struct loader *l)
{
	l->res->protocol = "PVH";
	pvh_load_kernel(l);
	pvh_put_info(l);
	loader_put_cpu_tables(l, BOOT_PROT32);
}
