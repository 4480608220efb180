/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one composition point: what the loader hands over, the machine, the host's consoles and the
 * VMs are put together here, in the order in which they need each other.
 */
#include "arch/x86/acpi.h"
#include "arch/x86/cpu.h"
#include "arch/x86/insn.h"
#include "arch/x86/ipi.h"
#include "arch/x86/machine.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/power.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/smp.h"
#include "arch/x86/spec.h"
#include "arch/x86/symbols.h"
#include "arch/x86/trap.h"
#include "arch/x86/watchdog.h"
#include "boot/bootinfo.h"
#include "boot/checkpoints.h"
#include "core/clock.h"
#include "core/console.h"
#include "core/hv.h"
#include "core/isolation.h"
#include "core/lastwords.h"
#include "core/lib/log.h"
#include "core/mon/gdb_host.h"
#include "core/mon/gdb_target.h"
#include "core/mon/monitor.h"
#include "core/sched.h"
#include "core/timer.h"
#include "core/trace.h"
#include "core/vm.h"
#include "drivers/hostcon.h"
#include "drivers/serial.h"

#define COM2_PORT 0x2f8

static const struct bootinfo *boot; /* [c] */
static struct serial gdb_line;

void core_main(const struct bootinfo *info);

static void checkpoint(enum checkpoint c)
{
	out8(POST_PORT, checkpoints[c].post);
	log_info("%s %s", checkpoints[c].name, checkpoints[c].what);
}

/* --- the host's consoles --- */

static void consoles_find(void)
{
	static const struct console_line all = { hostcon_put, hostcon_get };

	console_init(&all, (u8)boot->config.escape);
	hostcon_find_early();
}

static void consoles_find_late(void)
{
	const struct boot_framebuffer *fb = &boot->framebuffer;
	struct fbcon_screen screen = { { fb->hpa }, fb->size_bytes, fb->width_pixels,
				       fb->height_pixels, fb->stride_pixels };

	checkpoint(CP_CONSOLES);
	hostcon_find_late(fb->format == BOOT_PIXEL_NONE ? NULL : &screen);
}

static void start_debugger(void)
{
	if (boot->config.gdb == CONFIG_GDB_OFF)
		return;
	if (hostcon_has_port(COM2_PORT) || serial_probe_port(&gdb_line, COM2_PORT)) {
		log_warn("gdb: no serial line of its own at port 0x%x", COM2_PORT);
		return;
	}
	gdb_host_start(&gdb_line);
	gdb_target_start(&gdb_line);
	log_info("gdb: listening on the serial line at port 0x%x", COM2_PORT);
}

/* --- the end --- */

static __noreturn void run_end(void)
{
	checkpoint(CP_END);
	lastwords_end();
	if (boot->config.debug_exit) {
		const struct vm *vm = vm_of(0);

		debug_exit(vm ? vm->exit_code : 1);
	}
	if (boot->config.on_end == CONFIG_ON_END_RESET)
		machine_reset();
	machine_poweroff();
}

static __noreturn void stop(const char *why)
{
	cli();
	cpus_stop();
	log_info("%s", why);
	run_end();
}

static void quit(void)
{
	stop("ended by the operator");
}

static void all_over(void)
{
	if (boot->config.on_end != CONFIG_ON_END_STAY)
		stop("all VMs are over");
	log_info("all VMs are over; the monitor stays");
}

static void panic_begin(void)
{
	lastwords_panic();
	checkpoint(CP_PANIC);
}

/* After a panic: an unattended run ends, a machine whose operator said "stay" does. */
static void panic_end(void)
{
	if (boot->config.debug_exit)
		debug_exit(0x7f);
	if (boot->config.on_end == CONFIG_ON_END_RESET)
		machine_reset();
}

static void cpu_state_log(u32 cpu)
{
	const struct vcpu *v = percpu_of(cpu)->vcpu;

	if (v)
		log_err("cpu%u runs %s vCPU %u; last exit: kind %u, reason 0x%x", cpu,
			v->vm->config->name, v->index, v->hot->exit.kind, v->hot->exit.raw);
	trace_dump(cpu);
}

static __noreturn void give_up(const char *what)
{
	log_err("%s; Lamina cannot go on", what);
	run_end();
}

/* --- the machine --- */

static enum mem_kind mem_kind(u32 type)
{
	switch (type) {
	case BOOT_MEM_USABLE:
		return MEM_FREE;
	case BOOT_MEM_LOADER:
		return MEM_LATER;
	case BOOT_MEM_CORE:
	case BOOT_MEM_ACPI_RECLAIM:
	case BOOT_MEM_ACPI_NVS:
		return MEM_KEPT;
	default:
		return MEM_OTHER;
	}
}

static void start_machine(void)
{
	static struct mem_range ranges[BOOT_MAX_MEM];
	struct machine_setup setup = { .ranges = ranges,
				       .nr_ranges = boot->nr_mem,
				       .image = { boot->image.hpa },
				       .image_bytes = boot->image.size_bytes,
				       .rsdp = boot->rsdp,
				       .tsc_hz = boot->tsc_hz };

	for (u32 i = 0; i < boot->nr_mem; i++)
		ranges[i] = (struct mem_range){ { boot->mem[i].base },
						boot->mem[i].size_bytes,
						mem_kind(boot->mem[i].type) };
	if (machine_init(&setup))
		give_up("the machine cannot be set up");
	/* The loader's tables and stack are behind us: its memory is free. */
	for (u32 i = 0; i < boot->nr_mem; i++)
		if (ranges[i].kind == MEM_LATER)
			page_add(ranges[i].base, ranges[i].size_bytes);
	consoles_find_late();
	clock_init(boot->epoch_seconds, boot->epoch_tsc);
}

static void start_symbols(void)
{
	const struct boot_symbols *s = &boot->symbols;

	if (s->nr_symbols)
		symbols_init(pa_to_va((hpa_t){ s->symtab_hpa }), s->nr_symbols,
			     pa_to_va((hpa_t){ s->strtab_hpa }), s->strtab_bytes);
	panic_hooks_set(panic_begin, panic_end, cpu_state_log);
}

/* --- the CPUs --- */

/* Static, since it has to last should the CPU answer too late. */
static enum err virt_result;

static void virt_on(void *arg)
{
	enum err err = isolation_cpu_on();

	spec_cpu_on();
	*(enum err *)arg = err ? err : hv_cpu_on();
}

static void log_line(const char *text)
{
	log_info("%s", text);
}

static void start_virt(void)
{
	if (hv_probe())
		give_up("hardware virtualization cannot be used");
	spec_report(log_line);
	for (u32 i = 0; i < cpus_known(); i++)
		if (ipi_call(i, virt_on, &virt_result) || virt_result)
			give_up("hardware virtualization does not start");
}

/* ISO-13: threads of one core see each other's data, so only one of them may have a VM. */
static bool has_sibling(const u32 *ids, u32 n, u32 id)
{
	unsigned shift = cpu_smt_shift();

	for (u32 i = 0; i < n; i++)
		if (ids[i] >> shift == id >> shift)
			return true;
	return false;
}

static void start_cpus(void)
{
	u32 ids[BOOT_MAX_CPUS];
	u32 n = 0, nr_siblings = 0;

	for (u32 i = 0; i < boot->nr_cpus; i++) {
		bool is_sibling = has_sibling(ids, n, boot->cpus[i].apic_id);

		if (!(boot->cpus[i].flags & BOOT_CPU_ENABLED))
			continue;
		nr_siblings += is_sibling;
		if (!is_sibling || boot->config.smt)
			ids[n++] = boot->cpus[i].apic_id;
	}
	if (nr_siblings && boot->config.smt)
		log_warn("isolation: partial: VMs share cores, as 'smt = true' wants");
	else if (nr_siblings)
		log_info("isolation: second threads of %u cores left out, see 'smt'", nr_siblings);
	timer_start();
	request_init();
	sched_init();
	sti();
	log_info("%u CPUs on line",
		 smp_start(ids, n, (hpa_t){ boot->trampoline.hpa }, sched_loop));
	for (u32 i = 0; i < cpus_known(); i++)
		if (trace_create(i))
			give_up("no memory for the exit trace");
}

/* --- the VMs --- */

static void create_vms(void)
{
	const struct lamina_config *config = &boot->config;

	for (u32 i = 0; i < config->nr_vms; i++) {
		const struct vm_config *vm = &config->vm[i];
		struct vm *created;

		if (vm->pin != CONFIG_PIN_NONE && vm->pin + vm->cpus > cpus_online()) {
			log_err("%s: 'pin' in line %u of lamina.toml needs CPU %u, but only %u are "
				"on line",
				vm->name, vm->pin_line, vm->pin + vm->cpus - 1, cpus_online());
			give_up("a VM does not fit this machine");
		}
		if (vm->cpus > cpus_online())
			log_warn("%s: %u vCPUs share %u CPUs", vm->name, vm->cpus, cpus_online());
		if (vm_create(vm, i, &created))
			give_up("a VM cannot be created");
	}
}

static bool is_boot_valid(const struct bootinfo *info)
{
	return info->magic == BOOTINFO_MAGIC && info->version == BOOTINFO_VERSION &&
	       info->size_bytes == sizeof(*info);
}

/* From entry.S, on the boot CPU's first stack, interrupts off. Does not return. */
void core_main(const struct bootinfo *info)
{
	static const struct console_reader reader = { monitor_enter, monitor_input, monitor_tick };

	machine_early();
	if (!is_boot_valid(info))
		panic("the loader and the core are of different versions");
	boot = info;
	log_level_set((enum log_level)boot->config.log_level);
	consoles_find();
	log_info("Lamina");
	checkpoint(CP_ENTERED);
	start_symbols();
	if (boot->lastwords.size_bytes)
		lastwords_init(pa_to_va((hpa_t){ boot->lastwords.hpa }));
	checkpoint(CP_OWN_TABLES);
	start_machine();
	hv_select();
	checkpoint(CP_CPUS);
	start_cpus();
	checkpoint(CP_VIRT);
	start_virt();
	checkpoint(CP_VMS);
	create_vms();
	checkpoint(CP_RUN);
	monitor_init((u8)boot->config.escape, quit);
	console_start(&reader);
	irq_handler_set(IRQ_CONSOLE, console_interrupt);
	hostcon_irq_on(IRQ_CONSOLE);
	vm_all_over_set(all_over);
	start_debugger();
	for (u32 i = 0; i < boot->config.nr_vms; i++)
		vm_start(vm_of(i));
	sched_loop();
}
