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

struct elf_note {
	u32 name_bytes;
	u32 desc_bytes;
	u32 type;
} __packed;
_Static_assert(sizeof(struct elf_note) == 12, "elf_note layout");

struct start_info {
	u32 magic;
	u32 version;
	u32 flags;
	u32 nr_modules;
	u64 modlist;
	u64 cmdline;
	u64 rsdp;
	u64 memmap;
	u32 memmap_entries;
	u32 reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info layout");

struct modlist_entry {
	u64 start;
	u64 size_bytes;
	u64 cmdline;
	u64 reserved;
};
_Static_assert(sizeof(struct modlist_entry) == 32, "modlist_entry layout");

struct memmap_entry {
	struct e820_entry entry;
	u32 reserved;
} __packed;
_Static_assert(sizeof(struct memmap_entry) == 24, "memmap_entry layout");

/* Is the note at `offset`, with header `n`, the one with the entry point? */
static bool note_is_entry(const struct image *img, u64 offset, const struct elf_note *n)
{
	char name[4];

	return n->type == NOTE_PHYS32_ENTRY && n->name_bytes == sizeof(name) &&
	       image_read(img, offset + sizeof(*n), name, sizeof(name)) &&
	       !memcmp(name, "Xen", sizeof(name));
}

/* The value of the entry note at `offset`: 4 or 8 bytes behind the name. */
static bool note_value(const struct image *img, u64 offset, const struct elf_note *n, u64 *value)
{
	*value = 0;
	if (n->desc_bytes != 4 && n->desc_bytes != 8)
		return false;
	return image_read(img, offset + sizeof(*n) + 4, value, n->desc_bytes);
}

/* Search one PT_NOTE segment; notes are padded to 4 bytes, or to 8 in segments aligned so. */
static bool notes_find_entry(const struct image *img, const struct elf_segment *s, u64 *entry)
{
	u64 pad = s->align_bytes == 8 ? 8 : 4;
	u64 at = s->offset;
	u64 left = MIN(s->file_bytes, NOTE_MAX_BYTES);
	struct elf_note n;

	while (left >= sizeof(n) && image_read(img, at, &n, sizeof(n))) {
		u64 bytes = ALIGN_UP(sizeof(n) + n.name_bytes, pad);

		bytes = ALIGN_UP(bytes + n.desc_bytes, pad);
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
	for (u32 i = 0; i < elf->nr_segments; i++) {
		struct elf_segment s = elf_segment_get(elf, i);

		if (s.type == ELF_PT_NOTE && notes_find_entry(elf->image, &s, entry))
			return true;
	}
	return false;
}

static enum err pvh_load_kernel(struct loader *l)
{
	struct elf elf;
	enum err e = elf_open(l, &elf);

	if (e)
		return e;
	if (!pvh_find_entry(&elf, &l->res->rip))
		return loader_fail(l, ERR_UNSUPPORTED,
				   "ELF image has neither a multiboot header nor a PVH entry note");
	if (!elf_has_paddr(&elf, l->res->rip))
		return loader_fail(l, ERR_FORMAT, "PVH entry point is outside the ELF image");
	return elf_load(l, &elf);
}

static enum err pvh_put_memmap(struct loader *l, struct start_info *info)
{
	struct memmap_entry map[E820_MAX];

	for (u32 i = 0; i < l->e820.count; i++)
		map[i] = (struct memmap_entry){ .entry = l->e820.entry[i] };
	info->memmap_entries = l->e820.count;
	return loader_put(l, map, l->e820.count * sizeof(map[0]), &info->memmap);
}

static enum err pvh_put_modules(struct loader *l, struct start_info *info)
{
	struct modlist_entry list[LOAD_MAX_MODULES];
	u32 nr = l->req->nr_modules;
	enum err e = loader_put_modules(l, l->req->ram.below_4g_bytes);

	if (e || nr == 0)
		return e;
	for (u32 i = 0; i < nr; i++) {
		const struct loader_module *m = &l->module[i];

		list[i] = (struct modlist_entry){
			.start = m->start,
			.size_bytes = m->size_bytes,
			.cmdline = m->cmdline,
		};
	}
	info->nr_modules = nr;
	return loader_put(l, list, nr * sizeof(list[0]), &info->modlist);
}

static enum err pvh_put_info(struct loader *l)
{
	struct start_info info = {
		.magic = START_INFO_MAGIC,
		.version = START_INFO_VERSION,
		.rsdp = l->res->rsdp,
	};
	enum err e = pvh_put_modules(l, &info);

	if (!e)
		e = pvh_put_memmap(l, &info);
	if (!e)
		e = loader_put_string(l, l->req->cmdline, &info.cmdline);
	return e ? e : loader_put(l, &info, sizeof(info), &l->res->rbx);
}

enum err pvh_load(struct loader *l)
{
	enum err e = pvh_load_kernel(l);

	l->res->protocol = "PVH";
	if (!e)
		e = pvh_put_info(l);
	return e ? e : loader_put_cpu_tables(l, BOOT_PROT32);
}
