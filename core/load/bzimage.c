/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux kernels by the 64-bit entry of the boot protocol. Names and offsets are those of the
 * kernel's own documentation, "The Linux/x86 Boot Protocol" and "Zero Page".
 */
#include "core/load/loader.h"

#define HDR_START 0x1f1u /* where the setup header lies in the file and in boot_params */
#define HDR_MAGIC 0x53726448u /* "HdrS" */
#define HDR_BOOT_FLAG 0xaa55u
#define HDR_MIN_VERSION 0x20cu
#define HDR_MIN_END (HDR_START + (u32)sizeof(struct setup_header))
#define HDR_MAX_END 0x290u /* boot_params goes on with other fields here */
#define LOADED_HIGH BIT(0)
#define XLF_KERNEL_64 BIT(0)
#define ENTRY_64 0x200u
#define LOADER_TYPE_UNDEFINED 0xffu

struct setup_header {
	u8 setup_sects;
	u16 root_flags;
	u32 syssize;
	u16 ram_size;
	u16 vid_mode;
	u16 root_dev;
	u16 boot_flag;
	u8 jump_opcode;
	u8 jump_offset;
	u32 header;
	u16 version;
	u32 realmode_swtch;
	u16 start_sys_seg;
	u16 kernel_version;
	u8 type_of_loader;
	u8 loadflags;
	u16 setup_move_size;
	u32 code32_start;
	u32 ramdisk_image;
	u32 ramdisk_size;
	u32 bootsect_kludge;
	u16 heap_end_ptr;
	u8 ext_loader_ver;
	u8 ext_loader_type;
	u32 cmd_line_ptr;
	u32 initrd_addr_max;
	u32 kernel_alignment;
	u8 relocatable_kernel;
	u8 min_alignment;
	u16 xloadflags;
	u32 cmdline_size;
	u32 hardware_subarch;
	u64 hardware_subarch_data;
	u32 payload_offset;
	u32 payload_length;
	u64 setup_data;
	u64 pref_address;
	u32 init_size;
} __packed;
_Static_assert(offsetof(struct setup_header, header) == 0x202 - HDR_START, "setup_header layout");
_Static_assert(offsetof(struct setup_header, initrd_addr_max) == 0x22c - HDR_START,
	       "setup_header layout");
_Static_assert(offsetof(struct setup_header, pref_address) == 0x258 - HDR_START,
	       "setup_header layout");
_Static_assert(sizeof(struct setup_header) == 0x264 - HDR_START, "setup_header layout");

#define PARAMS_E820_MAX 128

struct boot_params {
	u8 screen_info[0x40];
	u8 pad1[0x30];
	u64 acpi_rsdp_addr;
	u8 pad2[0x170];
	u8 e820_entries;
	u8 pad3[8];
	u8 header[HDR_MAX_END - HDR_START]; /* struct setup_header, perhaps a longer one */
	u8 pad4[0x40];
	struct e820_entry e820_table[PARAMS_E820_MAX];
	u8 pad5[0x330];
} __packed;
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "boot_params layout");
_Static_assert(offsetof(struct boot_params, e820_entries) == 0x1e8, "boot_params layout");
_Static_assert(offsetof(struct boot_params, header) == HDR_START, "boot_params layout");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "boot_params layout");
_Static_assert(sizeof(struct boot_params) == 4096, "boot_params layout");

/* What the header says, checked. */
struct bzimage {
	struct setup_header hdr;
	u32 hdr_bytes; /* of the header as the kernel has it */
	u64 kernel_offset; /* of the protected-mode part */
	u64 kernel_bytes;
};

bool image_is_bzimage(const struct image *img)
{
	struct setup_header hdr;

	return image_read(img, HDR_START, &hdr, sizeof(hdr)) && hdr.boot_flag == HDR_BOOT_FLAG &&
	       hdr.header == HDR_MAGIC;
}

static enum err bzimage_check_protocol(struct loader *l, const struct setup_header *hdr)
{
	if (hdr->version < HDR_MIN_VERSION)
		return loader_fail(l, ERR_UNSUPPORTED,
				   "bzImage is older than boot protocol 2.12 (Linux 3.8)");
	if (!(hdr->loadflags & LOADED_HIGH))
		return loader_fail(l, ERR_UNSUPPORTED, "bzImage must be loaded below 1 MiB");
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return loader_fail(l, ERR_UNSUPPORTED, "bzImage has no 64-bit entry point");
	return ERR_NONE;
}

/* The sizes: setup sectors (0 means 4), then the kernel in units of 16 bytes. */
static enum err bzimage_check_sizes(struct loader *l, struct bzimage *bz)
{
	u64 size = l->req->kernel.size_bytes;
	u32 sects = bz->hdr.setup_sects ? bz->hdr.setup_sects : 4;
	u32 hdr_end = 0x202u + bz->hdr.jump_offset;

	if (hdr_end < HDR_MIN_END || hdr_end > HDR_MAX_END)
		return loader_fail(l, ERR_FORMAT, "bzImage has a setup header of impossible size");
	bz->hdr_bytes = hdr_end - HDR_START;
	bz->kernel_offset = (sects + 1) * 512ull;
	bz->kernel_bytes = bz->hdr.syssize * 16ull;
	if (bz->kernel_bytes <= ENTRY_64)
		return loader_fail(l, ERR_FORMAT, "bzImage has no kernel behind its setup code");
	if (bz->kernel_offset > size || bz->kernel_bytes > size - bz->kernel_offset)
		return loader_fail(l, ERR_FORMAT, "bzImage is cut off");
	return ERR_NONE;
}

static enum err bzimage_open(struct loader *l, struct bzimage *bz)
{
	enum err e;

	if (!image_read(&l->req->kernel, HDR_START, &bz->hdr, sizeof(bz->hdr)))
		return loader_fail(l, ERR_FORMAT, "bzImage is cut off");
	e = bzimage_check_protocol(l, &bz->hdr);
	return e ? e : bzimage_check_sizes(l, bz);
}

/*
 * Load where the kernel prefers. Lower is no use, it would move itself up there, and whatever RAM
 * could take it higher can take it there.
 */
static enum err bzimage_put_kernel(struct loader *l, const struct bzimage *bz)
{
	u64 room = MAX(bz->hdr.init_size, bz->kernel_bytes);
	enum err e;

	if (bz->hdr.pref_address < MiB(1))
		return loader_fail(l, ERR_FORMAT, "bzImage prefers an address below 1 MiB");
	e = place_claim(&l->place, bz->hdr.pref_address, room);
	if (e)
		return loader_fail(l, ERR_NOMEM,
				   "bzImage does not fit; give the VM more memory");
	l->res->rip = bz->hdr.pref_address + ENTRY_64;
	return loader_write_image(l, bz->hdr.pref_address, bz->kernel_offset, bz->kernel_bytes,
				  bz->kernel_bytes);
}

static enum err bzimage_put_initrd(struct loader *l, struct setup_header *hdr)
{
	enum err e;

	hdr->ramdisk_image = 0;
	hdr->ramdisk_size = 0;
	if (l->req->nr_modules == 0)
		return ERR_NONE;
	if (l->req->nr_modules > 1)
		return loader_fail(l, ERR_INVAL, "a bzImage takes one initrd and no modules");
	e = loader_put_modules(l, hdr->initrd_addr_max + 1ull);
	/* Both fit: the module lies below 3 GiB. */
	hdr->ramdisk_image = (u32)l->module[0].start;
	hdr->ramdisk_size = (u32)l->module[0].size_bytes;
	return e;
}

static enum err bzimage_put_cmdline(struct loader *l, struct setup_header *hdr)
{
	const char *text = l->req->cmdline ? l->req->cmdline : "";
	u64 gpa = 0;
	enum err e;

	if (strnlen(text, LOAD_MAX_CMDLINE) > hdr->cmdline_size)
		return loader_fail(l, ERR_RANGE, "command line is longer than this kernel allows");
	e = loader_put_string(l, text, &gpa);
	hdr->cmd_line_ptr = (u32)gpa; /* below LOADER_DATA_END */
	return e;
}

/* Piecewise, since the whole page would be much for a stack. */
static enum err bzimage_put_params(struct loader *l, const struct bzimage *bz)
{
	u8 nr = (u8)l->e820.count;
	u8 raw[HDR_MAX_END - HDR_START];
	u64 gpa;
	enum err e = place_alloc(&l->place, sizeof(struct boot_params), KiB(4), LOADER_DATA_END,
				 &gpa);

	if (e)
		return loader_fail(l, e, "no memory left for boot parameters; give the VM more");
	if (!image_read(&l->req->kernel, HDR_START, raw, bz->hdr_bytes))
		return loader_fail(l, ERR_FORMAT, "bzImage is cut off");
	memcpy(raw, &bz->hdr, sizeof(bz->hdr));
	l->res->rsi = gpa;
	e = loader_zero(l, gpa, sizeof(struct boot_params));
	if (!e)
		e = loader_write(l, gpa + HDR_START, raw, bz->hdr_bytes);
	if (!e)
		e = loader_write(l, gpa + offsetof(struct boot_params, acpi_rsdp_addr),
				 &l->res->rsdp, sizeof(l->res->rsdp));
	if (!e)
		e = loader_write(l, gpa + offsetof(struct boot_params, e820_entries), &nr, 1);
	if (!e)
		e = loader_write(l, gpa + offsetof(struct boot_params, e820_table), l->e820.entry,
				 nr * sizeof(struct e820_entry));
	return e;
}

enum err bzimage_load(struct loader *l)
{
	struct bzimage bz;
	enum err e = bzimage_open(l, &bz);

	l->res->protocol = "bzImage";
	if (!e)
		e = bzimage_put_kernel(l, &bz);
	if (!e)
		e = bzimage_put_initrd(l, &bz.hdr);
	if (!e)
		e = bzimage_put_cmdline(l, &bz.hdr);
	if (!e)
		e = loader_put_cpu_tables(l, BOOT_LONG64);
	if (e)
		return e;
	bz.hdr.type_of_loader = LOADER_TYPE_UNDEFINED;
	bz.hdr.code32_start = (u32)bz.hdr.pref_address; /* below 3 GiB, or it had not fitted */
	bz.hdr.setup_data = 0;
	return bzimage_put_params(l, &bz);
}
