/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader's steps in order. Each begins with a checkpoint of checkpoints.def, printed as
 * "L01 ..." and kept in bootinfo; a stop names the last one. Up to the last step an error goes back
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

/* Where the core begins. */
static UINT64 entry_virt;

static EFI_STATUS bootinfo_create(struct bootinfo **out)
{
	UINT64 hpa;
	EFI_STATUS status = mem_alloc(sizeof(**out), 0, L"bootinfo", &hpa);

	if (EFI_ERROR(status))
		return status;
	*out = phys_ptr(hpa);
	(*out)->magic = BOOTINFO_MAGIC;
	(*out)->version = BOOTINFO_VERSION;
	(*out)->size_bytes = sizeof(**out);
	return EFI_SUCCESS;
}

/* Gather what the firmware knows, then hold it against the configuration. */
static EFI_STATUS machine_probe(struct bootinfo *info)
{
	info->rsdp = acpi_rsdp();
	probe_cpus(info);
	probe_framebuffer(info);
	probe_time(info);
	probe_entropy(info);
	console_print(L"(lamina)     %d CPUs, ACPI %a, screen %dx%d, TSC %ld MHz\r\n",
		      info->nr_cpus, info->rsdp ? "found" : "absent",
		      info->framebuffer.width_pixels, info->framebuffer.height_pixels,
		      info->tsc_hz / 1000000);
	return check_cpus(info);
}

/* The core's image, its first stack, and a page where other CPUs can start in real mode. */
static EFI_STATUS core_load(struct bootinfo *info)
{
	EFI_STATUS status = elf_load_core(info, &entry_virt);

	if (EFI_ERROR(status))
		return status;
	info->stack.size_bytes = STACK_BYTES;
	status = mem_alloc(STACK_BYTES, 0, L"the core's stack", &info->stack.hpa);
	if (EFI_ERROR(status))
		return status;
	info->trampoline.size_bytes = PAGE_BYTES;
	return mem_alloc(PAGE_BYTES, TRAMPOLINE_LIMIT, L"the start page of the CPUs below 1 MiB",
			 &info->trampoline.hpa);
}

static EFI_STATUS tables_build(struct bootinfo *info)
{
	EFI_STATUS status = mem_read_map(info);

	return EFI_ERROR(status) ? status : paging_build(info);
}

/* All that can go wrong while the firmware is still there. */
static const struct step {
	enum checkpoint checkpoint;
	EFI_STATUS (*run)(struct bootinfo *info);
} steps[] = {
	{ CP_CPU, check_cpu },
	{ CP_CONFIG, config_read },
	{ CP_MACHINE, machine_probe },
	{ CP_FILES, config_load_files },
	{ CP_MEMORY, check_memory },
	{ CP_CORE, core_load },
	{ CP_TABLES, tables_build },
};

/* The first error; a start ends with it, a check of the machine does not. */
static EFI_STATUS steps_run(struct bootinfo *info)
{
	EFI_STATUS first = EFI_SUCCESS, status;

	for (UINTN i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		console_checkpoint(steps[i].checkpoint);
		status = steps[i].run(info);
		if (!EFI_ERROR(first))
			first = status;
		if (EFI_ERROR(first) && !config_wants_check())
			break;
	}
	return first;
}

static EFI_STATUS prepare(EFI_HANDLE image, struct bootinfo **info)
{
	EFI_STATUS status = bootinfo_create(info);

	if (!EFI_ERROR(status))
		status = file_open_source(image);
	if (!EFI_ERROR(status))
		status = config_read_options(image, *info);
	if (!EFI_ERROR(status))
		status = steps_run(*info);
	return status;
}

static EFI_STATUS back_to_firmware(EFI_STATUS status)
{
	file_close_source();
	mem_free_all();
	console_stop(ERROR_WAIT_SECONDS);
	return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

/* gnu-efi's start code calls this by the System V convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
	struct bootinfo *info = NULL;
	EFI_STATUS status;

	InitializeLib(image, system_table);
	/* Firmware resets the machine after five minutes otherwise. */
	BS->SetWatchdogTimer(0, 0, 0, NULL);
	console_open();
	console_checkpoint(CP_START);

	status = prepare(image, &info);
	if (config_wants_check()) {
		check_report(info);
		console_print(L"(lamina) check: Lamina %a on this machine\r\n",
			      EFI_ERROR(status) ? "would not start" : "can start");
	}
	if (EFI_ERROR(status) || config_wants_check())
		return back_to_firmware(status);
	file_close_source();
	words_find(info);
	console_checkpoint(CP_EXIT);
	status = mem_exit_boot_services(image, info);
	if (EFI_ERROR(status))
		return back_to_firmware(status);
	info->checkpoint = CP_JUMP;
	outb(checkpoints[CP_JUMP].post, POST_PORT);
	asm_jump(info->root_table, entry_virt,
		 DIRECT_MAP_BASE + info->stack.hpa + info->stack.size_bytes,
		 DIRECT_MAP_BASE + (UINT64)(UINTN)info);
}
