/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/machine.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/fpu.h"
#include "arch/x86/ipi.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/spec.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

static u64 start_tsc; /* [c] */

static u64 time_us(void)
{
	return us_from_tsc(rdtsc() - start_tsc);
}

static const struct log_hooks log_hooks = {
	.time_us = time_us,
	.cpu = cpu_index,
	.pause = cpu_pause,
	.irq_save = irq_save,
	.irq_restore = irq_restore,
};

void machine_early(void)
{
	start_tsc = rdtsc();
	cpu_init();
	desc_init();
	desc_load(&percpu_boot);
	log_hooks_set(&log_hooks);
}

static enum err memory_init(const struct machine_setup *setup)
{
	struct page_stats stats;
	enum err err;

	page_image_set(setup->image, setup->image_bytes);
	err = page_init(setup->ranges, setup->nr_ranges);
	err = err ? err : pt_host_init(setup->ranges, setup->nr_ranges);
	if (err)
		return err;
	stats = page_stats();
	log_info("memory: %llu MiB free of %llu MiB", (unsigned long long)(stats.free_pages >> 8),
		 (unsigned long long)(stats.total_pages >> 8));
	return ERR_NONE;
}

enum err machine_init(const struct machine_setup *setup)
{
	enum err err;

	cpu_report();
	err = memory_init(setup);
	err = err ? err : percpu_create(0, cpuid(1, 0).ebx >> 24);
	if (err) {
		log_err("no memory for the machine's own tables and stacks: %s", err_text(err));
		return err;
	}
	desc_use_ists();
	spec_init();
	fpu_init();
	acpi_init(setup->rsdp);
	tsc_init(setup->tsc_hz, acpi_pm_timer_port());
	err = apic_init();
	if (err)
		return err;
	percpu_boot.apic_id = apic_id();
	apic_timer_calibrate();
	ipi_init();
	return ERR_NONE;
}
