/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader's steps in order. Each begins with a checkpoint of checkpoints.def, printed as
 * "L01 ..."; a stop names the last one. Up to the last step an error goes back
 * to the firmware with a message and a status, and nothing stays changed.
 */
#include <efi.h>
#include <efilib.h>
#include <sys/io.h>

#include "boot/bootinfo.h"
#include "boot/efi_acpi.h"
#include "boot/efi_asm.h"
#include "boot/efi_check.h"
#include "boot/efi_config.h"
#include "boot/efi_console.h"
#include "boot/efi_elf.h"
#include "boot/efi_file.h"
#include "boot/efi_mem.h"
#include "boot/efi_paging.h"
#include "boot/efi_probe.h"
#include "boot/efi_words.h"

#define STACK_BYTES (UINT64_C(16) << 10)
#define TRAMPOLINE_LIMIT (UINT64_C(1) << 20)
#define ERROR_WAIT_SECONDS 10

/* What the jump to the core needs. */
static UINT64 entry_virt, stack_hpa, root_table;

static BOOLEAN bootinfo_create(struct bootinfo **out)
{
	UINT64 hpa;

	if (!mem_alloc(sizeof(**out), 0, L"bootinfo", &hpa))
		return FALSE;
	*out = phys_ptr(hpa);
	(*out)->magic = BOOTINFO_MAGIC;
	(*out)->version = BOOTINFO_VERSION;
	(*out)->size_bytes = sizeof(**out);
	return TRUE;
}

/* Gather what the firmware knows, then hold it against the configuration. */
static BOOLEAN machine_probe(struct bootinfo *info)
{
	info->rsdp = acpi_rsdp();
	probe_cpus(info);
	probe_framebuffer(info);
	probe_time(info);
	console_print(L"(lamina)     %d CPUs, ACPI %a, screen %dx%d, TSC %ld MHz\r\n",
		      info->nr_cpus, info->rsdp ? "found" : "absent",
		      info->framebuffer.width_pixels, info->framebuffer.height_pixels,
		      info->tsc_hz / 1000000);
	return check_cpus(info);
}

/* The core's image, its first stack, and a page where other CPUs can start in real mode. */
static BOOLEAN core_load(struct bootinfo *info)
{
	info->trampoline.size_bytes = PAGE_BYTES;
	return elf_load_core(info, &entry_virt) &&
	       mem_alloc(STACK_BYTES, 0, L"the core's stack", &stack_hpa) &&
	       mem_alloc(PAGE_BYTES, TRAMPOLINE_LIMIT,
			 L"the start page of the CPUs below 1 MiB", &info->trampoline.hpa);
}

static BOOLEAN tables_build(struct bootinfo *info)
{
	return mem_read_map(info) && paging_build(info, &root_table);
}

/* All that can go wrong while the firmware is still there. */
static const struct step {
	enum checkpoint checkpoint;
	BOOLEAN (*run)(struct bootinfo *info);
} steps[] = {
	{ CP_CPU, check_cpu },
	{ CP_CONFIG, config_read },
	{ CP_MACHINE, machine_probe },
	{ CP_FILES, config_load_files },
	{ CP_MEMORY, check_memory },
	{ CP_CORE, core_load },
	{ CP_TABLES, tables_build },
};

/* An error ends a start, but not a check of the machine. */
static BOOLEAN steps_run(struct bootinfo *info)
{
	BOOLEAN ok = TRUE;

	for (UINTN i = 0; i < sizeof(steps) / sizeof(*steps) && (ok || config_wants_check()); i++) {
		console_checkpoint(steps[i].checkpoint);
		ok = steps[i].run(info) && ok;
	}
	return ok;
}

static BOOLEAN prepare(EFI_HANDLE image, struct bootinfo **info)
{
	return bootinfo_create(info) && file_open_source(image) &&
	       config_read_options(image) && steps_run(*info);
}

static EFI_STATUS back_to_firmware(void)
{
	file_close_source();
	mem_free_all();
	return console_stop(ERROR_WAIT_SECONDS);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

/* gnu-efi's start code calls this by the System V convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
	struct bootinfo *info = NULL;
	BOOLEAN ok;

	InitializeLib(image, system_table);
	/* Firmware resets the machine after five minutes otherwise. */
	BS->SetWatchdogTimer(0, 0, 0, NULL);
	console_open();
	console_checkpoint(CP_START);

	ok = prepare(image, &info);
	if (config_wants_check()) {
		check_report(info);
		console_print(L"(lamina) check: Lamina %a on this machine\r\n",
			      ok ? "can start" : "would not start");
	}
	if (!ok || config_wants_check())
		return back_to_firmware();
	file_close_source();
	words_find(info);
	console_checkpoint(CP_EXIT);
	if (!mem_exit_boot_services(image, info))
		return back_to_firmware();
	outb(checkpoints[CP_JUMP].post, POST_PORT);
	asm_jump(root_table, entry_virt, DIRECT_MAP_BASE + stack_hpa + STACK_BYTES,
		 DIRECT_MAP_BASE + (UINT64)(UINTN)info);
}
