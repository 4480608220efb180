/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/load.h"

#include "core/load/gacpi.h"
#include "core/load/layout.h"
#include "core/load/legacy.h"
#include "core/load/loader.h"

enum err loader_write(struct loader *l, u64 gpa, const void *buf, u64 len_bytes)
{
	enum err e = guest_mem_write(l->mem, gpa, buf, len_bytes);

	return e ? loader_fail(l, e, "guest memory cannot be written") : ERR_NONE;
}

enum err loader_zero(struct loader *l, u64 gpa, u64 len_bytes)
{
	enum err e = guest_mem_zero(l->mem, gpa, len_bytes);

	return e ? loader_fail(l, e, "guest memory cannot be cleared") : ERR_NONE;
}

enum err loader_write_image(struct loader *l, u64 gpa, u64 offset, u64 file_bytes, u64 mem_bytes)
{
	const u8 *from = (const u8 *)l->req->kernel.data + offset;
	enum err e = ERR_NONE;

	if (file_bytes)
		e = loader_write(l, gpa, from, file_bytes);
	if (e || mem_bytes <= file_bytes)
		return e;
	return loader_zero(l, gpa + file_bytes, mem_bytes - file_bytes);
}

enum err loader_claim(struct loader *l, u64 start, u64 size_bytes)
{
	enum err e = place_claim(&l->place, start, size_bytes);

	if (e == ERR_RANGE)
		return loader_fail(l, e, "kernel is linked to addresses outside the VM's memory");
	if (e == ERR_BUSY)
		return loader_fail(l, e, "parts of the kernel overlap in memory");
	return e ? loader_fail(l, e, "kernel has too many parts") : ERR_NONE;
}

enum err loader_alloc(struct loader *l, u64 len_bytes, u64 *gpa)
{
	enum err e = place_alloc(&l->place, len_bytes, 16, LOADER_DATA_END, gpa);

	return e ? loader_fail(l, e, "no memory left for boot data; give the VM more") : ERR_NONE;
}

enum err loader_put(struct loader *l, const void *buf, u64 len_bytes, u64 *gpa)
{
	enum err e = loader_alloc(l, len_bytes, gpa);

	return e ? e : loader_write(l, *gpa, buf, len_bytes);
}

enum err loader_put_string(struct loader *l, const char *s, u64 *gpa)
{
	const char *text = s ? s : "";
	u64 len = strnlen(text, LOAD_MAX_CMDLINE);

	if (len == LOAD_MAX_CMDLINE)
		return loader_fail(l, ERR_RANGE, "command line too long");
	return loader_put(l, text, len + 1, gpa);
}

static enum err loader_put_module(struct loader *l, const struct load_module *m, u64 max_end,
				  struct loader_module *out)
{
	/* An empty module has an address of its own, too. */
	u64 room = MAX(m->image.size_bytes, 1);
	enum err e = place_alloc(&l->place, room, KiB(4), max_end, &out->start);

	if (e)
		return loader_fail(l, e, "initrd or module does not fit; give the VM more memory");
	out->size_bytes = m->image.size_bytes;
	if (out->size_bytes)
		e = loader_write(l, out->start, m->image.data, out->size_bytes);
	return e ? e : loader_put_string(l, m->cmdline, &out->cmdline);
}

enum err loader_put_modules(struct loader *l, u64 max_end)
{
	for (u32 i = 0; i < l->req->nr_modules; i++) {
		enum err e =
			loader_put_module(l, &l->req->modules[i], max_end, &l->module[i]);

		if (e)
			return e;
	}
	return ERR_NONE;
}

static enum err load_check(struct loader *l)
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
	return ERR_NONE;
}

static enum err load_by_magic(struct loader *l)
{
	const struct image *img = &l->req->kernel;

	if (image_is_bzimage(img))
		return bzimage_load(l);
	if (image_is_multiboot(img))
		return multiboot_load(l);
	if (image_is_elf(img))
		return pvh_load(l);
	return loader_fail(l, ERR_FORMAT,
			   "kernel is neither a bzImage nor a multiboot nor a PVH ELF image");
}

/* What firmware would have left behind. */
static enum err load_firmware(struct loader *l)
{
	enum err e = legacy_write(l->mem);

	if (!e)
		e = gacpi_write(l->mem, l->req->nr_cpus, &l->res->rsdp);
	return e ? loader_fail(l, e, "firmware tables cannot be written") : ERR_NONE;
}

enum err load_image(const struct guest_mem *mem, const struct load_request *req,
		    struct load_result *res, const char **why)
{
	struct loader l = { .mem = mem, .req = req, .res = res, .why = "" };
	enum err e = load_check(&l);

	*res = (struct load_result){ 0 };
	if (!e) {
		place_init(&l.place, &req->ram);
		e820_make(&req->ram, &l.e820);
		e = load_firmware(&l);
	}
	if (!e)
		e = load_by_magic(&l);
	*why = l.why;
	return e;
}
