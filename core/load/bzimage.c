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
	u16 ram_size, vid_mode, root_dev, boot_flag;
	u8 jump_opcode, jump_offset;
	u32 header;
	u16 version;
	u32 realmode_swtch;
	u16 start_sys_seg, kernel_version;
	u8 type_of_loader, loadflags;
	u16 setup_move_size;
	u32 code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
	u16 heap_end_ptr;
	u8 ext_loader_ver, ext_loader_type;
	u32 cmd_line_ptr, initrd_addr_max, kernel_alignment;
	u8 relocatable_kernel, min_alignment;
	u16 xloadflags;
	u32 cmdline_size, hardware_subarch;
	u64 hardware_subarch_data;
	u32 payload_offset, payload_length;
	u64 setup_data, pref_address;
	u32 init_size;
} __packed;
#define HDR_OFFSET(field) (HDR_START + offsetof(struct setup_header, field))
_Static_assert(HDR_OFFSET(header) == 0x202, "setup_header layout");
_Static_assert(HDR_OFFSET(initrd_addr_max) == 0x22c, "setup_header layout");
_Static_assert(HDR_OFFSET(pref_address) == 0x258, "setup_header layout");
_Static_assert(HDR_MIN_END == 0x264, "setup_header layout");

/* Offsets in boot_params, the "zero page". */
#define PARAMS_RSDP 0x70
#define PARAMS_E820_ENTRIES 0x1e8
#define PARAMS_E820_TABLE 0x2d0
#define PARAMS_BYTES 4096
_Static_assert(PARAMS_E820_TABLE + sizeof(struct e820_entry) * E820_MAX <= PARAMS_BYTES,
	       "the memory map fits");

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

static bool bzimage_check_protocol(struct loader *l, const struct setup_header *hdr)
{
	if (hdr->version < HDR_MIN_VERSION)
		return loader_fail(l, ERR_UNSUPPORTED,
				   "bzImage is older than boot protocol 2.12 (Linux 3.8)");
	if (!(hdr->loadflags & LOADED_HIGH))
		return loader_fail(l, ERR_UNSUPPORTED, "bzImage must be loaded below 1 MiB");
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return loader_fail(l, ERR_UNSUPPORTED, "bzImage has no 64-bit entry point");
	return true;
}

/* Sizes and place: setup sectors (0 means 4), then the kernel in units of 16 bytes. */
static bool bzimage_check_sizes(struct loader *l, struct bzimage *bz)
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
	if (bz->hdr.pref_address < MiB(1))
		return loader_fail(l, ERR_FORMAT, "bzImage prefers an address below 1 MiB");
	return true;
}

static bool bzimage_open(struct loader *l, struct bzimage *bz)
{
	if (!image_read(&l->req->kernel, HDR_START, &bz->hdr, sizeof(bz->hdr)))
		return loader_fail(l, ERR_FORMAT, "bzImage is cut off");
	return bzimage_check_protocol(l, &bz->hdr) && bzimage_check_sizes(l, bz);
}

/*
 * Load where the kernel prefers. Lower is no use, it would move itself up there, and whatever RAM
 * could take it higher can take it there.
 */
static void bzimage_put_kernel(struct loader *l, const struct bzimage *bz)
{
	u64 room = MAX(bz->hdr.init_size, bz->kernel_bytes);

	if (place_claim(&l->place, bz->hdr.pref_address, room))
		loader_fail(l, ERR_NOMEM, "bzImage does not fit; give the VM more memory");
	l->res->rip = bz->hdr.pref_address + ENTRY_64;
	loader_write(l, bz->hdr.pref_address, (const u8 *)l->req->kernel.data + bz->kernel_offset,
		     bz->kernel_bytes);
}

/* The initrd and the command line. */
static void bzimage_put_data(struct loader *l, struct setup_header *hdr)
{
	const char *cmdline = l->req->cmdline ? l->req->cmdline : "";

	if (l->req->nr_modules > 1)
		loader_fail(l, ERR_INVAL, "a bzImage takes one initrd and no modules");
	loader_put_modules(l, hdr->initrd_addr_max + 1ull);
	/* All addresses fit: modules lie below 3 GiB, data below LOADER_DATA_END. */
	hdr->ramdisk_image = (u32)l->module[0].start;
	hdr->ramdisk_size = (u32)l->module[0].size_bytes;
	if (strnlen(cmdline, LOAD_MAX_CMDLINE) > hdr->cmdline_size)
		loader_fail(l, ERR_RANGE, "command line is longer than this kernel allows");
	hdr->cmd_line_ptr = (u32)loader_put_string(l, cmdline);
}

/* Piecewise, since the whole page would be much for a stack. */
static void bzimage_put_params(struct loader *l, const struct bzimage *bz)
{
	u8 nr = (u8)l->e820.count;
	u8 raw[HDR_MAX_END - HDR_START];
	u64 gpa = loader_alloc(l, PARAMS_BYTES, KiB(4), LOADER_DATA_END,
			       "no memory left for boot parameters; give the VM more");

	if (!image_read(&l->req->kernel, HDR_START, raw, bz->hdr_bytes))
		loader_fail(l, ERR_FORMAT, "bzImage is cut off");
	memcpy(raw, &bz->hdr, sizeof(bz->hdr));
	loader_zero(l, gpa, PARAMS_BYTES);
	loader_write(l, gpa + HDR_START, raw, bz->hdr_bytes);
	loader_write(l, gpa + PARAMS_RSDP, &l->res->rsdp, sizeof(l->res->rsdp));
	loader_write(l, gpa + PARAMS_E820_ENTRIES, &nr, 1);
	loader_write(l, gpa + PARAMS_E820_TABLE, l->e820.entry, nr * sizeof(struct e820_entry));
	l->res->rsi = gpa;
}

void bzimage_load(struct loader *l)
{
	struct bzimage bz;

	l->res->protocol = "bzImage";
	if (!bzimage_open(l, &bz))
		return;
	bz.hdr.type_of_loader = LOADER_TYPE_UNDEFINED;
	bz.hdr.code32_start = (u32)bz.hdr.pref_address; /* below 3 GiB, or it does not fit */
	bz.hdr.setup_data = 0;
	bzimage_put_kernel(l, &bz);
	bzimage_put_data(l, &bz.hdr);
	loader_put_cpu_tables(l, BOOT_LONG64);
	bzimage_put_params(l, &bz);
}
