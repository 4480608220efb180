/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts a guest's image, modules, command line, memory map and ACPI tables into its memory and says
 * in which state its first CPU starts. bzImage (64-bit entry), multiboot 1 and PVH ELF images are
 * told apart by their magic. Pure: no state, no VM structure; everything goes through the memory
 * writer of the request. Images come from the user's disk, so nothing in them is trusted: a bad
 * one gives an error and a text that says what is wrong with it. Any context.
 */
#ifndef CORE_LOAD_LOAD_H
#define CORE_LOAD_LOAD_H

#include "core/lib/err.h"
#include "core/load/e820.h"
#include "core/load/guest_mem.h"

#define LOAD_MAX_MODULES 16
#define LOAD_MAX_CMDLINE 4096 /* with the terminating NUL; a kernel may allow less */
#define LOAD_MAX_CPUS 64

/* Selectors of the descriptor table that the loader puts into guest memory. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

struct image {
	const void *data;
	u64 size_bytes;
};

struct load_module {
	struct image image;
	const char *cmdline; /* NULL is an empty string */
};

struct load_request {
	struct image kernel;
	const struct load_module *modules; /* bzImage takes at most one, its initrd */
	u32 nr_modules;
	u32 nr_cpus; /* APIC ids 0 .. nr_cpus-1 */
	const char *cmdline; /* NULL is an empty string */
	struct ram_layout ram;
};

enum boot_mode {
	BOOT_LONG64, /* long mode, paging on, flat 64-bit code segment */
	BOOT_PROT32, /* protected mode, paging off, flat 4 GiB segments */
};

/*
 * The state of the first CPU; what is not listed is as after INIT, and RFLAGS is 2. Segments are
 * flat: CS is BOOT_CS (execute, read, accessed), the others are BOOT_DS (read, write, accessed).
 */
struct load_result {
	const char *protocol; /* for the log */
	enum boot_mode mode;
	u64 rip;
	u64 rax; /* multiboot: its magic number */
	u64 rbx; /* multiboot: information; PVH: start info */
	u64 rsi; /* bzImage: boot parameters */
	u64 cr3; /* BOOT_LONG64: identity map of the first 4 GiB, PAE format; else 0 */
	u64 gdt_base;
	u16 gdt_limit;
	u64 rsdp;
};

/*
 * Load what `req` describes. On failure nothing but guest memory has changed, and `*why` is a
 * constant text for the operator. ERR_FORMAT: not an image that we know, or a damaged one;
 * ERR_UNSUPPORTED: a good image that needs what we don't offer; ERR_RANGE, ERR_BUSY: it wants
 * addresses outside RAM, or the same ones twice; ERR_NOMEM: the VM's memory is too small;
 * ERR_INVAL: the request itself; ERR_FAULT: the memory writer refused.
 */
enum err load_image(const struct guest_mem *mem, const struct load_request *req,
		    struct load_result *res, const char **why) __must_check;

#endif
