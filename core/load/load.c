/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/load.h"

#include "core/load/gacpi.h"
#include "core/load/layout.h"
#include "core/load/legacy.h"
#include "core/load/loader.h"

void loader_write(struct loader *l, u64 gpa, const void *buf, u64 len_bytes)
{
	enum err e = l->err || !len_bytes ? ERR_NONE : guest_mem_write(l->mem, gpa, buf, len_bytes);

	if (e)
		loader_fail(l, e, "guest memory cannot be written");
}

void loader_zero(struct loader *l, u64 gpa, u64 len_bytes)
{
	enum err e = l->err || !len_bytes ? ERR_NONE : guest_mem_zero(l->mem, gpa, len_bytes);

	if (e)
		loader_fail(l, e, "guest memory cannot be cleared");
}

static void loader_claim(struct loader *l, u64 start, u64 size_bytes)
{
	enum err e = place_claim(&l->place, start, size_bytes);

	if (e == ERR_RANGE)
		loader_fail(l, e, "kernel is linked to addresses outside the VM's memory");
	else if (e == ERR_BUSY)
		loader_fail(l, e, "parts of the kernel overlap in memory");
	else if (e)
		loader_fail(l, e, "kernel has too many parts");
}

void loader_put_part(struct loader *l, u64 gpa, u64 offset, u64 file_bytes, u64 mem_bytes)
{
	u64 size = l->req->kernel.size_bytes;

	if (file_bytes > mem_bytes) {
		loader_fail(l, ERR_FORMAT, "a part of the kernel is larger in the file");
	} else if (offset > size || file_bytes > size - offset) {
		loader_fail(l, ERR_FORMAT, "kernel is cut off: a part lies outside the file");
	} else {
		loader_claim(l, gpa, mem_bytes);
		loader_write(l, gpa, (const u8 *)l->req->kernel.data + offset, file_bytes);
		loader_zero(l, gpa + file_bytes, mem_bytes - file_bytes);
	}
}

u64 loader_alloc(struct loader *l, u64 len_bytes, u64 align_bytes, u64 max_end, const char *why)
{
	u64 gpa = 0;
	enum err e = place_alloc(&l->place, len_bytes, align_bytes, max_end, &gpa);

	if (e)
		loader_fail(l, e, why);
	return gpa;
}

u64 loader_put(struct loader *l, const void *buf, u64 len_bytes)
{
	u64 gpa = loader_alloc(l, len_bytes, 16, LOADER_DATA_END,
			       "no memory left for boot data; give the VM more");

	loader_write(l, gpa, buf, len_bytes);
	return gpa;
}

u64 loader_put_string(struct loader *l, const char *s)
{
	const char *text = s ? s : "";
	u64 len = strnlen(text, LOAD_MAX_CMDLINE);

	if (len == LOAD_MAX_CMDLINE)
		loader_fail(l, ERR_RANGE, "command line too long");
	return loader_put(l, text, len + 1);
}

void loader_put_modules(struct loader *l, u64 max_end)
{
	for (u32 i = 0; i < l->req->nr_modules; i++) {
		const struct load_module *m = &l->req->modules[i];
		/* An empty module has an address of its own, too. */
		u64 start = loader_alloc(l, MAX(m->image.size_bytes, 1), KiB(4), max_end,
					 "initrd or module does not fit; give the VM more memory");

		loader_write(l, start, m->image.data, m->image.size_bytes);
		l->module[i] = (struct loader_module){
			.start = start,
			.size_bytes = m->image.size_bytes,
			.cmdline = loader_put_string(l, m->cmdline),
		};
	}
}

static bool load_check(struct loader *l)
{
	const struct load_request *req = l->req;

	if (ram_layout_check(&req->ram))
		return loader_fail(l, ERR_INVAL, "memory size not possible");
	if (req->nr_cpus == 0 || req->nr_cpus > LOAD_MAX_CPUS)
		return loader_fail(l, ERR_INVAL, "number of CPUs not possible");
	if (req->nr_modules > LOAD_MAX_MODULES)
		return loader_fail(l, ERR_INVAL, "too many modules");
	if (req->kernel.size_bytes == 0)
		return loader_fail(l, ERR_FORMAT, "kernel image is empty");
	return true;
}

static void load_by_magic(struct loader *l)
{
	const struct image *img = &l->req->kernel;

	if (image_is_bzimage(img))
		bzimage_load(l);
	else if (image_is_multiboot(img))
		multiboot_load(l);
	else if (image_is_elf(img))
		pvh_load(l);
	else
		loader_fail(l, ERR_FORMAT,
			    "kernel is neither a bzImage nor a multiboot nor a PVH ELF image");
}

/* What firmware would have left behind. */
static void load_firmware(struct loader *l)
{
	enum err e = legacy_write(l->mem);

	if (!e)
		e = gacpi_write(l->mem, l->req->nr_cpus, &l->res->rsdp);
	if (e)
		loader_fail(l, e, "firmware tables cannot be written");
}

enum err load_image(const struct guest_mem *mem, const struct load_request *req,
		    struct load_result *res, const char **why)
{
	struct loader l = { .mem = mem, .req = req, .res = res, .why = "" };

	*res = (struct load_result){ 0 };
	if (load_check(&l)) {
		place_init(&l.place, &req->ram);
		e820_make(&req->ram, &l.e820);
		load_firmware(&l);
		load_by_magic(&l);
	}
	*why = l.why;
	return l.err;
}
