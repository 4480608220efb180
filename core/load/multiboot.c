/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot Specification version 0.6.96: "OS image format", "Machine state" and "Boot information
 * format". The image is an ELF file of either width, or raw bytes with addresses in the header.
 */
#include "core/load/loader.h"

#include "core/load/elf.h"
#include "core/load/layout.h"

#define MB_HEADER_MAGIC 0x1badb002u
#define MB_LOADER_MAGIC 0x2badb002u /* in EAX at the entry */
#define MB_SEARCH_BYTES 8192u /* the header lies within these */
#define MB_ALIGN_MODULES BIT(0)
#define MB_NEED_MEMORY BIT(1)
#define MB_NEED_VIDEO BIT(2)
#define MB_REQUIRED MASK(15, 0) /* a loader must refuse what it does not know of these */
#define MB_HAS_ADDRESSES BIT(16)

#define MB_INFO_MEMORY 0x001u
#define MB_INFO_CMDLINE 0x004u
#define MB_INFO_MODULES 0x008u
#define MB_INFO_MMAP 0x040u
#define MB_INFO_LOADER_NAME 0x200u

struct mb_header {
	u32 magic, flags, checksum;
} __packed;
_Static_assert(sizeof(struct mb_header) == 12, "mb_header layout");

/* Follows the header if MB_HAS_ADDRESSES. */
struct mb_addresses {
	u32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
} __packed;
_Static_assert(sizeof(struct mb_addresses) == 20, "mb_addresses layout");

struct mb_info {
	u32 flags;
	u32 mem_lower, mem_upper;
	u32 boot_device, cmdline;
	u32 mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr;
	u32 drives_length, drives_addr;
	u32 config_table, boot_loader_name, apm_table;
	u8 video[44];
} __packed;
_Static_assert(offsetof(struct mb_info, mmap_length) == 44, "mb_info layout");
_Static_assert(offsetof(struct mb_info, boot_loader_name) == 64, "mb_info layout");
_Static_assert(sizeof(struct mb_info) == 116, "mb_info layout");

struct mb_mmap {
	u32 size; /* of the rest */
	struct e820_entry entry;
} __packed;
_Static_assert(sizeof(struct mb_mmap) == 24, "mb_mmap layout");

struct mb_module {
	u32 start, end, string, reserved;
} __packed;
_Static_assert(sizeof(struct mb_module) == 16, "mb_module layout");

static bool mb_find_header(const struct image *img, struct mb_header *hdr, u64 *offset)
{
	for (u64 at = 0; at <= MB_SEARCH_BYTES - sizeof(*hdr); at += 4) {
		if (!image_read(img, at, hdr, sizeof(*hdr)))
			return false;
		if (hdr->magic != MB_HEADER_MAGIC)
			continue;
		if (hdr->checksum == 0u - MB_HEADER_MAGIC - hdr->flags) {
			*offset = at;
			return true;
		}
	}
	return false;
}

bool image_is_multiboot(const struct image *img)
{
	struct mb_header hdr;
	u64 offset;

	return mb_find_header(img, &hdr, &offset);
}

static bool mb_check_flags(struct loader *l, u32 flags)
{
	if (flags & MB_NEED_VIDEO)
		return loader_fail(l, ERR_UNSUPPORTED,
				   "multiboot image demands a video mode; the VM has no display");
	if (flags & MB_REQUIRED & ~(MB_ALIGN_MODULES | MB_NEED_MEMORY))
		return loader_fail(l, ERR_UNSUPPORTED,
				   "multiboot image demands an unknown feature");
	return true;
}

/* Raw bytes: the header says where they go. */
static bool mb_load_raw(struct loader *l, u64 hdr_offset)
{
	struct mb_addresses a;
	u64 offset, end, bss_end;

	if (!image_read(&l->req->kernel, hdr_offset + sizeof(struct mb_header), &a, sizeof(a)))
		return loader_fail(l, ERR_FORMAT, "multiboot header is cut off");
	if (a.header_addr < a.load_addr || a.header_addr - a.load_addr > hdr_offset)
		return loader_fail(l, ERR_FORMAT, "multiboot load_addr lies before the file");
	offset = hdr_offset - (a.header_addr - a.load_addr);
	end = a.load_end_addr ? a.load_end_addr
			      : a.load_addr + l->req->kernel.size_bytes - offset;
	bss_end = a.bss_end_addr ? a.bss_end_addr : end;
	if (end < a.load_addr)
		return loader_fail(l, ERR_FORMAT, "multiboot load_end_addr is below load_addr");
	if (bss_end < end)
		return loader_fail(l, ERR_FORMAT, "multiboot bss_end_addr is below the data's end");
	if (a.entry_addr < a.load_addr || a.entry_addr >= bss_end)
		return loader_fail(l, ERR_FORMAT, "multiboot entry point is outside the image");
	loader_put_part(l, a.load_addr, offset, end - a.load_addr, bss_end - a.load_addr);
	l->res->rip = a.entry_addr;
	return true;
}

static bool mb_load_elf(struct loader *l)
{
	struct elf elf;

	if (!image_is_elf(&l->req->kernel))
		return loader_fail(l, ERR_FORMAT,
				   "multiboot image is not ELF and has no load addresses");
	if (!elf_open(l, &elf))
		return false;
	elf_load(l, &elf);
	l->res->rip = elf.header.e_entry;
	/* Some images name a physical address where they are linked to virtual ones. */
	if (!elf_find(&elf, true, &l->res->rip) && !elf_find(&elf, false, &l->res->rip))
		return loader_fail(l, ERR_FORMAT, "entry point is outside the ELF image");
	return true;
}

static bool mb_load_kernel(struct loader *l)
{
	struct mb_header hdr;
	u64 offset;

	if (!mb_find_header(&l->req->kernel, &hdr, &offset))
		return loader_fail(l, ERR_FORMAT, "no multiboot header");
	if (!mb_check_flags(l, hdr.flags))
		return false;
	return (hdr.flags & MB_HAS_ADDRESSES) ? mb_load_raw(l, offset) : mb_load_elf(l);
}

static void mb_put_mmap(struct loader *l, struct mb_info *info)
{
	struct mb_mmap mmap[E820_MAX];

	for (u32 i = 0; i < l->e820.count; i++)
		mmap[i] = (struct mb_mmap){ sizeof(struct e820_entry), l->e820.entry[i] };
	info->mmap_length = l->e820.count * (u32)sizeof(mmap[0]);
	info->mmap_addr = (u32)loader_put(l, mmap, info->mmap_length);
}

static void mb_put_modules(struct loader *l, struct mb_info *info)
{
	struct mb_module mods[LOAD_MAX_MODULES];
	u32 nr = l->req->nr_modules;

	loader_put_modules(l, l->req->ram.below_4g_bytes);
	for (u32 i = 0; i < nr; i++) {
		const struct loader_module *m = &l->module[i];

		mods[i] = (struct mb_module){
			.start = (u32)m->start,
			.end = (u32)(m->start + m->size_bytes),
			.string = (u32)m->cmdline,
		};
	}
	info->mods_count = nr;
	info->mods_addr = nr ? (u32)loader_put(l, mods, nr * sizeof(mods[0])) : 0;
}

static void mb_put_info(struct loader *l)
{
	struct mb_info info = {
		.flags = MB_INFO_MEMORY | MB_INFO_CMDLINE | MB_INFO_MODULES | MB_INFO_MMAP |
			 MB_INFO_LOADER_NAME,
		.mem_lower = GPA_LOW_RAM_END / 1024,
		.mem_upper = (u32)((l->req->ram.below_4g_bytes - GPA_HIGH_RAM) / 1024),
	};

	mb_put_modules(l, &info);
	mb_put_mmap(l, &info);
	info.cmdline = (u32)loader_put_string(l, l->req->cmdline);
	info.boot_loader_name = (u32)loader_put_string(l, "Lamina");
	l->res->rbx = loader_put(l, &info, sizeof(info));
}

void multiboot_load(struct loader *l)
{
	l->res->protocol = "multiboot";
	l->res->rax = MB_LOADER_MAGIC;
	if (!mb_load_kernel(l))
		return;
	mb_put_info(l);
	loader_put_cpu_tables(l, BOOT_PROT32);
}
