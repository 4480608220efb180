/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/ipi.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "core/clock.h"
#include "core/gmem.h"
#include "core/hv.h"
#include "core/lib/log.h"
#include "core/load/layout.h"
#include "core/msr.h"
#include "core/npt.h"
#include "core/trace.h"

static struct vm *vms[BOOT_MAX_VMS]; /* [c] after start */
static u32 nr_alive; /* [a] VMs that are not over */
static void (*all_over)(void); /* [c] */

struct vm *vm_of(u32 index)
{
	return index < BOOT_MAX_VMS ? vms[index] : NULL;
}

void vm_all_over_set(void (*fn)(void))
{
	all_over = fn;
}

/* The first large page: RAM on both sides of the hole that a PC has there. */
#define LOW_BYTES MiB(2)

static enum err slot_add(struct vm *vm, u64 gpa, u64 end, const void *ram)
{
	return memslot_add(&vm->slots, (gpa_t){ gpa }, end - gpa, va_to_pa(ram));
}

static enum err low_ram_create(struct vm *vm)
{
	u8 *ram = page_alloc_contig(LOW_BYTES, LOW_BYTES, true);
	enum err e = ram ? slot_add(vm, 0, GPA_EBDA_END, ram) : ERR_NOMEM;

	if (e)
		return e;
	/* No option ROMs: guests that look for some read all ones, without an exit. */
	memset(ram + GPA_OPTION_ROMS, 0xff, GPA_ROM_BASE - GPA_OPTION_ROMS);
	return slot_add(vm, GPA_OPTION_ROMS, LOW_BYTES, ram + GPA_OPTION_ROMS);
}

/* RAM from `gpa` to `end` in as few pieces as the host's free memory allows. */
static enum err ram_create(struct vm *vm, u64 gpa, u64 end)
{
	enum err e = ERR_NONE;

	for (u64 piece = end - gpa; gpa < end && !e;) {
		u64 size_bytes = MIN(piece, end - gpa);
		void *ram = page_alloc_contig(size_bytes, LOW_BYTES, true);

		if (ram) {
			e = slot_add(vm, gpa, gpa + size_bytes, ram);
			gpa += size_bytes;
		} else {
			e = piece <= LOW_BYTES ? ERR_NOMEM : ERR_NONE;
			piece = ALIGN_UP(piece / 2, LOW_BYTES);
		}
	}
	return e;
}

static enum err vcpus_create(struct vm *vm)
{
	vm->nr_vcpus = vm->iso->nr_vcpus = vm->config->cpus;
	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		enum err e = vcpu_create(vm, i, &vm->vcpu[i]);

		if (e)
			return e;
		vm->iso->hot[i] = vm->vcpu[i]->hot;
		vm->iso->hot[i]->vm_iso = vm->iso;
		vm->iso->hot[i]->index = i;
	}
	return ERR_NONE;
}

static enum err devices_create(struct vm *vm)
{
	u32 cpu = vm->vcpu[0]->cpu;

	timer_init(&vm->pit.timer, cpu, pit_fire);
	timer_init(&vm->rtc.timer, cpu, rtc_fire);
	timer_init(&vm->pm.timer, cpu, pm_fire);
	return testdev_init(vm);
}

static void devices_reset(struct vm *vm)
{
	lock_acquire(&vm->dev_lock);
	pic_reset(vm);
	ioapic_reset(vm);
	pit_reset(vm);
	rtc_reset(vm);
	uart_reset(vm);
	pm_reset(vm);
	pci_reset(vm);
	testdev_reset(vm);
	lock_release(&vm->dev_lock);
}

static enum err writer_write(void *env, gpa_t gpa, const void *buf, u64 len_bytes)
{
	return gmem_write(env, gpa, buf, len_bytes);
}

static enum err writer_zero(void *env, gpa_t gpa, u64 len_bytes)
{
	return gmem_zero(env, gpa, len_bytes);
}

static struct image image_of(const struct boot_file *file)
{
	return (struct image){ pa_to_va((hpa_t){ file->hpa }), file->size_bytes };
}

_Static_assert(VM_MAX_VCPUS <= LOAD_MAX_CPUS, "the guest's tables hold every vCPU");

static enum err image_load(struct vm *vm)
{
	const struct vm_config *config = vm->config;
	const struct guest_mem writer = { vm, writer_write, writer_zero };
	struct load_module modules[BOOT_MAX_MODULES] = { 0 };
	struct load_request request = { .kernel = image_of(&config->kernel),
					.modules = modules,
					.nr_modules = config->nr_modules,
					.nr_cpus = config->cpus,
					.cmdline = config->cmdline,
					.ram = ram_layout_make(config->memory_bytes) };
	const char *why;
	enum err e;

	for (u32 i = 0; i < config->nr_modules; i++)
		modules[i].image = image_of(&config->modules[i]);
	e = load_image(&writer, &request, &vm->boot, &why);
	if (e)
		log_err("%s: kernel '%s': %s (%s); check 'kernel' in line %u of lamina.toml",
			config->name, config->kernel.path, why, err_text(e), config->kernel.line);
	return e;
}

/* Power-on state of everything but the vCPUs, which reset themselves on their own CPUs. */
static enum err power_on(struct vm *vm)
{
	enum err e = image_load(vm);

	if (e)
		return e;
	devices_reset(vm);
	vm->tsc_offset = 0 - clock_tsc();
	vm->wallclock_boot_ns = clock_wall_ns();
	vm->end = VM_END_NONE;
	vm->exit_code = 0;
	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		atomic_store_u32(&vm->vcpu[i]->hot->requests, 0);
		atomic_store_u32(&vm->vcpu[i]->startup, 0);
		/* The first vCPU may call the others before they have had their first turn. */
		lapic_reset(vm->vcpu[i], false);
	}
	return ERR_NONE;
}

static enum err vm_build(struct vm *vm)
{
	struct ram_layout ram = ram_layout_make(vm->config->memory_bytes);
	enum err e = low_ram_create(vm);

	vm->iso = page_alloc();
	if (!vm->iso)
		return ERR_NOMEM;
	if (!e)
		e = ram_create(vm, LOW_BYTES, ram.below_4g_bytes);
	if (!e)
		e = ram_create(vm, GPA_ABOVE_4G, GPA_ABOVE_4G + ram.above_4g_bytes);
	if (!e)
		e = npt_create(vm);
	if (!e)
		e = hv_vm_init(vm);
	if (e)
		return e;
	msr_passthrough(vm);
	e = vcpus_create(vm);
	if (!e)
		e = lapic_hw_create(vm);
	return e ? e : devices_create(vm);
}

enum err vm_create(const struct vm_config *config, u32 index, struct vm **out)
{
	struct vm *vm = page_alloc_contig(sizeof(*vm), PAGE_SIZE, true);
	enum err e;

	if (!vm)
		return ERR_NOMEM;
	vm->config = config;
	vm->index = index;
	e = vm_build(vm);
	if (e) {
		log_err("%s: cannot create the VM: %s; it wants %llu MiB, %llu MiB are free",
			config->name, err_text(e), (ull)config->memory_bytes >> 20,
			(ull)page_stats().free_pages >> 8);
		return e;
	}
	e = power_on(vm);
	if (e)
		return e;
	log_info("%s: %s, %u vCPUs, %llu MiB, local APICs: %s", config->name, vm->boot.protocol,
		 vm->nr_vcpus, (ull)config->memory_bytes >> 20, lapic_path_names[vm->lapic_path]);
	vms[index] = vm;
	atomic_add_u32(&nr_alive, 1);
	*out = vm;
	return ERR_NONE;
}

void vm_start(struct vm *vm)
{
	atomic_store_u32(&vm->running, vm->nr_vcpus);
	atomic_add_u32(&vm->round, 1);
	trace_event(TRACE_VM_START, vm->index);
	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpu[i]->is_fresh = true;
		sched_start(vm->vcpu[i]);
	}
}

void vm_stop(struct vm *vm, enum vm_end why)
{
	atomic_cas_u32(&vm->end, VM_END_NONE, why);
	trace_event(TRACE_VM_STOP, (u64)vm->index << 8 | why);
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		vcpu_request(vm->vcpu[i], REQ_STOP);
}

/* What stands at RIP, as far as it can be read. */
static void code_dump(struct vcpu *v)
{
	char text[49] = " not readable";
	u32 pf_err;
	struct segment cs;
	gpa_t gpa;
	u8 byte;

	hv_seg_get(v, SEG_CS, &cs);
	for (u32 i = 0; i < 16; i++) {
		gva_t at = { cs.base + hv_reg_get(v, REG_RIP) + i };

		if (gmem_translate(v, at, ACCESS_READ, false, &gpa, &pf_err) ||
		    gmem_read(v->vm, gpa, &byte, 1))
			break;
		snprintf(text + 3 * i, 4, " %02x", byte);
	}
	log_err("  code at rip:%s", text);
}

void vm_kill(struct vm *vm, struct vcpu *v, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (v) {
		log_err("%s: vCPU %u: killed: %s", vm->config->name, v->index, text);
		vcpu_regs_print(v, log_say);
		hv_dump(v);
		code_dump(v);
		trace_dump(v->cpu);
	} else {
		log_err("%s: killed: %s", vm->config->name, text);
	}
	vm_stop(vm, VM_END_KILLED);
}

static const char *const end_texts[] = {
	[VM_END_NONE] = "ended",	     [VM_END_POWEROFF] = "powered off",
	[VM_END_RESET] = "reset",	     [VM_END_EXIT] = "ended by its test device",
	[VM_END_KILLED] = "killed",	     [VM_END_STOPPED] = "stopped by the operator",
	[VM_END_RESTARTED] = "reset by the operator",
};

static bool restarts(const struct vm *vm)
{
	if (vm->end == VM_END_RESTARTED)
		return true;
	if (vm->end == VM_END_RESET)
		return vm->config->on_reset == CONFIG_RESTART;
	return vm->end == VM_END_KILLED && vm->config->on_crash == CONFIG_RESTART;
}

static void vm_over(struct vm *vm)
{
	bool is_last;

	vm->is_over = true;
	/* No timer of its devices is to fire any more. */
	devices_reset(vm);
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		lapic_reset(vm->vcpu[i], false);
	log_info("%s: over", vm->config->name);
	is_last = atomic_sub_u32(&nr_alive, 1) == 1;
	atomic_store_u32(&vm->is_at_rest, true);
	if (is_last)
		all_over();
}

/* Nobody runs the VM any more: the last vCPU to leave decides what comes next. */
static void round_end(struct vm *vm)
{
	uart_flush(vm);
	if (vm->end == VM_END_EXIT)
		log_info("%s: %s, code %u", vm->config->name, end_texts[vm->end], vm->exit_code);
	else
		log_info("%s: %s", vm->config->name, end_texts[vm->end]);
	if (restarts(vm) && !power_on(vm)) {
		log_info("%s: restarts", vm->config->name);
		vm_start(vm);
	} else {
		vm_over(vm);
	}
}

enum err vm_restart(struct vm *vm)
{
	enum err e;

	if (!atomic_load_u32(&vm->is_at_rest))
		return ERR_BUSY;
	vm->is_over = false;
	e = power_on(vm);
	vm->is_over = e;
	if (e)
		return e;
	atomic_store_u32(&vm->is_at_rest, false);
	atomic_add_u32(&nr_alive, 1);
	vm_start(vm);
	return ERR_NONE;
}

void vm_vcpu_stopped(struct vcpu *v)
{
	if (atomic_sub_u32(&v->vm->running, 1) == 1)
		round_end(v->vm);
}
