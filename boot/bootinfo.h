/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loader hands to the core: the only header that both include. It owns the layout and
 * nothing else, so it compiles in the core, in the UEFI loader and on the build machine.
 *
 * The loader calls the core's ELF entry point by the System V convention with RDI = the address
 * of struct bootinfo inside the direct map, interrupts off, EFER.NXE and CR0.WP set, on page
 * tables that map three things: the loader's jump code (identity), the core's segments at their
 * linked addresses with their rights, and all RAM of the memory map (every type except
 * BOOT_MEM_MMIO and BOOT_MEM_RESERVED) at DIRECT_MAP_BASE, writable and not executable. RSP points
 * to the top of a kept stack, through the direct map, and is 8 modulo 16 as after a call.
 *
 * Every address here is physical unless its name ends in `_virt`. The structure, everything that
 * it points to and the transition page tables lie in memory of type BOOT_MEM_CORE. Memory of type
 * BOOT_MEM_LOADER (firmware's boot services, the loader's jump code) is free once the core runs
 * on its own tables, descriptor tables and stack. The core owns all of this after the hand-over
 * and may write to it.
 */
#ifndef BOOT_BOOTINFO_H
#define BOOT_BOOTINFO_H

#include <stddef.h>
#include <stdint.h>

#define BOOTINFO_MAGIC UINT64_C(0x6f666e69746f6f62) /* "bootinfo" in memory order */
#define BOOTINFO_VERSION 5

/* Start of the direct map of RAM: virtual = physical + DIRECT_MAP_BASE. */
#define DIRECT_MAP_BASE UINT64_C(0xffff888000000000)
/* Where the core is linked: its first page. */
#define CORE_VIRT_BASE UINT64_C(0xffffffff80000000)

#define BOOT_MAX_MEM 1024
#define BOOT_MAX_CPUS 64
#define BOOT_MAX_VMS 16
#define BOOT_MAX_MODULES 8
#define BOOT_MAX_NAME 32 /* each of these with the terminating NUL */
#define BOOT_MAX_PATH 124
#define BOOT_MAX_CMDLINE 2048

/* What a range of physical memory is. No two ranges overlap; they are sorted by address. */
enum boot_mem_type {
	BOOT_MEM_USABLE = 1, /* free RAM */
	BOOT_MEM_LOADER, /* RAM, free once the core has left what the loader set up */
	BOOT_MEM_CORE, /* RAM, kept: core image, bootinfo, modules, page tables, trampoline */
	BOOT_MEM_ACPI_RECLAIM, /* RAM, ACPI tables: free after they have been read */
	BOOT_MEM_ACPI_NVS, /* RAM that firmware keeps for ACPI */
	BOOT_MEM_RUNTIME, /* RAM of the firmware's runtime services: keep */
	BOOT_MEM_MMIO, /* device registers that firmware uses at run time */
	BOOT_MEM_RESERVED, /* do not touch */
};

struct boot_mem {
	uint64_t base; /* page aligned */
	uint64_t size_bytes; /* multiple of 4 KiB, not 0 */
	uint32_t type; /* enum boot_mem_type */
	uint32_t reserved;
};
_Static_assert(sizeof(struct boot_mem) == 24, "boot_mem layout");

/* A contiguous piece of kept memory; size 0 means none. */
struct boot_range {
	uint64_t hpa;
	uint64_t size_bytes;
};
_Static_assert(sizeof(struct boot_range) == 16, "boot_range layout");

enum boot_pixel_format {
	BOOT_PIXEL_NONE, /* no framebuffer */
	BOOT_PIXEL_RGB, /* 32 bits, red in the lowest byte */
	BOOT_PIXEL_BGR, /* 32 bits, blue in the lowest byte */
};

struct boot_framebuffer {
	uint64_t hpa;
	uint64_t size_bytes;
	uint32_t width_pixels;
	uint32_t height_pixels;
	uint32_t stride_pixels;
	uint32_t format; /* enum boot_pixel_format */
};
_Static_assert(sizeof(struct boot_framebuffer) == 32, "boot_framebuffer layout");

#define BOOT_CPU_ENABLED 1u /* may be started */

struct boot_cpu {
	uint32_t apic_id; /* x2APIC id where it is wider than 8 bits */
	uint32_t flags; /* BOOT_CPU_* */
};
_Static_assert(sizeof(struct boot_cpu) == 8, "boot_cpu layout");

/* The symbol table of the core, as Elf64_Sym records, and its strings; counts 0 when stripped. */
struct boot_symbols {
	uint64_t symtab_hpa;
	uint64_t nr_symbols;
	uint64_t strtab_hpa;
	uint64_t strtab_bytes;
};
_Static_assert(sizeof(struct boot_symbols) == 32, "boot_symbols layout");

/* A file of the configuration; `path` as the user wrote it, empty when there is none. */
struct boot_file {
	uint64_t hpa; /* page aligned; the rest of the last page is zero */
	uint64_t size_bytes;
	uint32_t line; /* of the configuration, for messages */
	char path[BOOT_MAX_PATH];
};
_Static_assert(sizeof(struct boot_file) == 144, "boot_file layout");

/* What Lamina does when all VMs have ended. The order is that of the configuration's keywords. */
enum config_on_end { CONFIG_ON_END_POWEROFF, CONFIG_ON_END_RESET, CONFIG_ON_END_STAY };
/* Where debuggers are listened for. */
enum config_gdb { CONFIG_GDB_OFF, CONFIG_GDB_COM2 };
/* What happens to a VM that asked for a reset (also by a triple fault), or that was killed. */
enum config_restart { CONFIG_RESTART, CONFIG_END };
/* At most this much of the hardware's help for local APICs. */
enum config_lapic { CONFIG_LAPIC_AUTO, CONFIG_LAPIC_SOFTWARE, CONFIG_LAPIC_TPR };
#define CONFIG_WEIGHT_DEFAULT 100
#define CONFIG_WEIGHT_MAX 10000
#define CONFIG_PIN_NONE 0xffffffffu
enum config_log_level {
	CONFIG_LOG_ERROR,
	CONFIG_LOG_WARN,
	CONFIG_LOG_INFO,
	CONFIG_LOG_DEBUG,
};

/* One [[vm]] table. */
struct vm_config {
	char name[BOOT_MAX_NAME]; /* unique; letters, digits, '.', '_', '-' */
	uint32_t cpus; /* 1 .. BOOT_MAX_CPUS; checked against the machine */
	uint32_t testdev; /* 1: the ports of kvm-unit-tests' test devices */
	uint64_t memory_bytes; /* multiple of 2 MiB, not 0 */
	uint32_t on_reset; /* enum config_restart */
	uint32_t on_crash; /* enum config_restart: Lamina killed it for what it did */
	uint32_t nr_modules;
	uint32_t memory_line; /* of the configuration, for messages */
	uint32_t lapic; /* enum config_lapic: hardware that the local APICs use */
	uint32_t weight; /* share of the CPUs, 1 to CONFIG_WEIGHT_MAX */
	uint32_t pin; /* vCPU n stays on CPU pin + n; or CONFIG_PIN_NONE */
	uint32_t pin_line;
	char cmdline[BOOT_MAX_CMDLINE];
	struct boot_file kernel;
	struct boot_file modules[BOOT_MAX_MODULES]; /* the initrd is modules[0] */
};
_Static_assert(sizeof(struct vm_config) == 80 + BOOT_MAX_CMDLINE + 9 * 144, "vm_config layout");

/* lamina.toml after parsing. */
struct lamina_config {
	uint32_t on_end; /* enum config_on_end */
	uint32_t debug_exit; /* 1: end the run through QEMU's isa-debug-exit at port 0xf4 */
	uint32_t log_level; /* enum config_log_level: what goes to the consoles */
	uint32_t escape; /* control character that leaves a guest's console, 0x1d is Ctrl-] */
	uint32_t nr_vms;
	uint32_t smt; /* 1: use all threads of a core, for different VMs too */
	uint32_t gdb; /* enum config_gdb: the serial line of the debugger */
	uint32_t reserved;
	struct vm_config vm[BOOT_MAX_VMS];
};
_Static_assert(sizeof(struct lamina_config) == 32 + BOOT_MAX_VMS * sizeof(struct vm_config),
	       "lamina_config layout");

struct bootinfo {
	uint64_t magic; /* BOOTINFO_MAGIC */
	uint32_t version; /* BOOTINFO_VERSION */
	uint32_t size_bytes; /* sizeof(struct bootinfo) of the loader */
	uint32_t nr_mem;
	uint32_t nr_cpus;

	uint64_t rsdp; /* ACPI root pointer, 0 = firmware has none */
	uint64_t tsc_hz; /* measured against the firmware's Stall(); a hint, 0 = unknown */
	uint64_t epoch_seconds; /* UTC as the firmware has it, seconds since 1970; 0 = unknown */
	uint64_t epoch_tsc; /* TSC when epoch_seconds was read */

	struct boot_range image; /* the core, physically contiguous from CORE_VIRT_BASE on */
	struct boot_range trampoline; /* one page below 1 MiB for starting the other CPUs */
	struct boot_symbols symbols;
	struct boot_framebuffer framebuffer;
	struct boot_range lastwords; /* as an earlier boot left it: boot/lastwords.h */

	struct boot_cpu cpus[BOOT_MAX_CPUS]; /* the first is the one that runs the loader */
	struct boot_mem mem[BOOT_MAX_MEM];
	struct lamina_config config;
};
_Static_assert(offsetof(struct bootinfo, rsdp) == 24, "bootinfo layout");
_Static_assert(offsetof(struct bootinfo, image) == 56, "bootinfo layout");
_Static_assert(offsetof(struct bootinfo, cpus) == 168, "bootinfo layout");
_Static_assert(offsetof(struct bootinfo, config) == 168 + BOOT_MAX_CPUS * 8 + BOOT_MAX_MEM * 24,
	       "bootinfo layout");

#endif
