/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the probe on the full tables: where to look, and what may be there. See probe.h. */
#include "tests/variant/probe.h"

#include "arch/x86/apic.h"
#include "arch/x86/iso_cpu.h"
#include "arch/x86/page.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/pt_host.h"
#include "core/vm.h"

#define CHECKS_ENOUGH 10u
#define RANGES_MAX 4096u
#define SEARCH_END GiB(64) /* no test machine has RAM beyond */

extern char text_start[], rodata_start[], data_start[], data_end[], image_start[], image_end[];
extern char iso_text_start[], iso_text_end[], iso_rodata_start[], iso_rodata_end[];
extern char iso_shared_start[], iso_shared_end[], rodata_end[];

static struct range {
	u64 start, pages;
	enum probe_kind kind;
} ranges[RANGES_MAX];
static u32 nr_ranges, choice;
static u64 page; /* an address */
static u64 maps_end; /* where the page allocator's maps end, in physical memory */
static struct {
	u32 checks, wrong;
} cpus[CPUS_MAX]; /* [o] by CPU */
static bool is_window_open; /* while the guest has it scanned */
static u64 mistake; /* the entry of the isolated tables that is wrong on purpose */

enum err __real_page_init(const struct mem_range *mem, u32 nr);
enum err __wrap_page_init(const struct mem_range *mem, u32 nr);
u32 __real_testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
void __real_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);
u32 __wrap_testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
void __wrap_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

/* The maps lie at the end of the highest range that has room. */
enum err __wrap_page_init(const struct mem_range *mem, u32 nr)
{
	enum err err = __real_page_init(mem, nr);

	for (u32 i = 0; !err && i < nr; i++)
		if (mem[i].kind == MEM_FREE &&
		    mem[i].size_bytes >= page_stats().allocator_pages * PAGE_SIZE)
			maps_end = mem[i].base.v + mem[i].size_bytes;
	return err;
}

static void add(enum probe_kind kind, u64 start, u64 end)
{
	if (start >= end)
		return;
	if (nr_ranges == RANGES_MAX)
		panic("too many ranges to probe");
	ranges[nr_ranges++] = (struct range){ start, (end - start) / PAGE_SIZE, kind };
}

static void add_page(enum probe_kind kind, const void *p)
{
	if (p)
		add(kind, (u64)p, (u64)p + PAGE_SIZE);
}

/* A table and those below it. */
static void add_tables(enum probe_kind kind, const u64 *table, unsigned level, u64 present)
{
	add_page(kind, table);
	for (unsigned i = 0; level > 1 && i < PT_ENTRIES; i++)
		if ((table[i] & present) && !(table[i] & BIT(7)))
			add_tables(kind, pa_to_va((hpa_t){ table[i] & MASK(51, 12) }), level - 1,
				   present);
}

static void add_ram(const struct vm *vm, enum probe_kind kind)
{
	for (u32 i = 0; i < vm->slots.count; i++) {
		u64 start = (u64)pa_to_va(vm->slots.slot[i].hpa);

		add(kind, start, start + vm->slots.slot[i].size_bytes);
	}
}

static void add_vms(const struct vm *own)
{
	for (u32 n = 0; vm_of(n); n++) {
		const struct vm *vm = vm_of(n);

		add_ram(vm, vm == own ? PROBE_OWN_RAM : PROBE_OTHER_RAM);
		add_tables(PROBE_NESTED, vm->npt.root, PT_LEVELS, vm->npt.format->present);
		if (vm == own)
			continue;
		add_page(PROBE_OTHER_VM, vm->iso);
		for (u32 i = 0; i < vm->nr_vcpus; i++) {
			const struct vcpu_hot *hot = vm->vcpu[i]->hot;

			add_page(PROBE_OTHER_VM, hot);
			add_page(PROBE_OTHER_VM, hot->apic_regs);
			add_page(PROBE_OTHER_VM, hot->cpuid);
			add_page(PROBE_OTHER_VM, hot->vmcb);
		}
	}
}

static void add_cpus(void)
{
	for (u32 i = 0; i < cpus_known(); i++) {
		const struct percpu *cpu = percpu_of(i);

		if (i == cpu_index())
			continue;
		add(PROBE_OTHER_CPU, (u64)cpu, (u64)(cpu + 1));
		add(PROBE_OTHER_CPU, cpu->stack_top - STACK_BYTES, cpu->stack_top);
		for (unsigned n = 0; n < NR_ISTS; n++) {
			u64 top = ALIGN_UP(cpu->tss.ist[n], PAGE_SIZE);

			add(PROBE_OTHER_CPU, top - IST_STACK_BYTES, top);
		}
		add_page(PROBE_OTHER_CPU, pa_to_va((hpa_t){ cpu->iso_cr3 & MASK(51, 12) }));
		add_page(PROBE_OTHER_CPU, cpu->iso_window);
	}
}

/* Where an area of the full tables ends, one hole allowed. */
static u64 area_end(u64 start)
{
	u64 end = start;

	for (u64 at = start; at < end + 64 * PAGE_SIZE; at += PAGE_SIZE)
		if (pt_host_lookup((const void *)at).is_present)
			end = at + PAGE_SIZE;
	return end;
}

static u64 ram_end(void)
{
	u64 end = 0;

	for (u64 pa = 0; pa < SEARCH_END; pa += MiB(2))
		if (pt_host_lookup(pa_to_va((hpa_t){ pa })).is_present ||
		    pt_host_lookup(pa_to_va((hpa_t){ pa + MiB(2) - PAGE_SIZE })).is_present)
			end = pa + MiB(2);
	return end;
}

static u32 collect(const struct vm *own)
{
	u64 maps = (u64)pa_to_va((hpa_t){ maps_end });

	nr_ranges = 0;
	add_vms(own);
	add_cpus();
	add(PROBE_DATA, (u64)data_start, (u64)iso_shared_start);
	add(PROBE_DATA, (u64)iso_shared_end, (u64)data_end);
	add(PROBE_ALLOCATOR, maps - page_stats().allocator_pages * PAGE_SIZE, maps);
	add_tables(PROBE_TABLES, pa_to_va(pt_host_root()), PT_LEVELS, BIT(0));
	add(PROBE_TEXT, (u64)text_start, (u64)iso_text_start);
	add(PROBE_TEXT, (u64)rodata_start, (u64)iso_rodata_start);
	/* With x2APIC there may be none. */
	add(PROBE_DEVICES, MMIO_START, MAX(area_end(MMIO_START), MMIO_START + KiB(64)));
	add(PROBE_DIRECT_MAP, DIRECT_MAP_START, DIRECT_MAP_START + ram_end());
	add(PROBE_IMAGE, (u64)image_start, (u64)image_end);
	add(PROBE_STACKS, STACKS_START, area_end(STACKS_START));
	add(PROBE_ISOLATED, ISO_SELF, ISO_SELF + MiB(4));
	add(PROBE_LOWEST, 0, MiB(16));
	return nr_ranges;
}

static bool is_in(u64 at, u64 start, u64 end)
{
	return at >= start && at < end;
}

static bool is_page(u64 at, const void *p)
{
	return p && at == ALIGN_DOWN((u64)p, PAGE_SIZE);
}

static bool is_of_vm(u64 at, const struct vcpu *v)
{
	bool is_there = is_page(at, v->vm->iso) || is_page(at, v->hot->cpuid) ||
			is_page(at, v->hot->vmcb);

	for (u32 i = 0; i < v->vm->nr_vcpus; i++)
		is_there |= is_page(at, v->vm->vcpu[i]->hot) ||
			    is_page(at, v->vm->vcpu[i]->hot->apic_regs);
	return is_there;
}

static bool is_of_cpu(u64 at, const struct percpu *cpu)
{
	u64 trace = ALIGN_DOWN((u64)cpu->trace_at, TRACE_BYTES);
	bool is_there = is_in(at, (u64)cpu, (u64)(cpu + 1)) || at == ISO_SELF ||
			(is_window_open && at == ISO_WINDOW) ||
			is_in(at, cpu->stack_top - STACK_BYTES, cpu->stack_top) ||
			is_page(at, cpu->iso_window) || is_page(at, apic_page()) ||
			is_in(at, trace, trace + TRACE_BYTES);

	for (unsigned n = 0; n < NR_ISTS; n++) {
		u64 top = ALIGN_UP(cpu->tss.ist[n], PAGE_SIZE);

		is_there |= is_in(at, top - IST_STACK_BYTES, top);
	}
	return is_there;
}

/* ISO-3, written down once more: may this CPU's isolated tables map the page at `at`? */
static bool is_allowed(u64 at)
{
	return is_in(at, (u64)iso_text_start, (u64)iso_text_end) ||
	       is_in(at, (u64)iso_rodata_start, (u64)iso_rodata_end) ||
	       is_in(at, (u64)iso_shared_start, (u64)iso_shared_end) ||
	       is_of_cpu(at, this_cpu()) || is_of_vm(at, this_cpu()->vcpu);
}

static u32 patterns(const struct range *r)
{
	u32 n = 0;

	for (u64 i = 0; i < r->pages; i++) {
		const u64 *p = (const u64 *)(r->start + i * PAGE_SIZE);

		if (!pt_host_lookup(p).is_present)
			return ~0u;
		n += *p == PROBE_PATTERN;
	}
	return n;
}

/* Straight into the window's entries, which only the full tables and isolated code may reach. */
static void mistake_make(const struct vm *own, u32 value)
{
	const struct vm *other = vm_of(own->index ? 0 : 1);

	mistake = value ? va_to_pa(other->vcpu[0]->hot).v | BIT(0) | BIT(63) : 0;
	*(volatile u64 *)this_cpu()->iso_window = mistake;
}

static u32 check(void)
{
	struct iso_report report = iso_cpu_check(cpu_index());

	cpus[cpu_index()].checks++;
	cpus[cpu_index()].wrong += report.extra + report.missing;
	return report.extra + report.missing;
}

static u32 cpus_checked(void)
{
	u32 n = 0;

	for (u32 i = 0; i < cpus_known(); i++)
		n += cpus[i].checks >= CHECKS_ENOUGH;
	return n;
}

static u32 wrong_sum(void)
{
	u32 sum = 0;

	for (u32 i = 0; i < cpus_known(); i++)
		sum += cpus[i].wrong;
	return sum;
}

u32 __wrap_testdev_read(struct vm *vm, u16 port, unsigned width_bytes)
{
	const struct range *r = &ranges[choice];
	u64 at;

	switch (port) {
	case PORT_RANGES:
		return collect(vm);
	case PORT_CHOICE:
		return r->kind;
	case PORT_LOW:
		return (u32)r->start;
	case PORT_HIGH:
		return (u32)(r->start >> 32);
	case PORT_PAGES:
		return (u32)r->pages;
	case PORT_PAGE:
		return is_allowed(page);
	case PORT_PFN:
		at = page == ISO_SELF ? (u64)this_cpu() : page;
		return (u32)(pt_host_lookup((const void *)at).pa.v >> PAGE_SHIFT);
	case PORT_MAPPED:
		return iso_cpu_check(cpu_index()).mapped;
	case PORT_WRONG:
		return check();
	case PORT_CPUS:
		return cpus_checked();
	case PORT_WRONG_SUM:
		return wrong_sum();
	case PORT_FAULTS:
		return (u32)this_cpu()->iso_faults;
	case PORT_PATTERN:
		return patterns(r);
	default:
		return __real_testdev_read(vm, port, width_bytes);
	}
}

void __wrap_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value)
{
	if (port == PORT_CHOICE)
		choice = MIN(value, RANGES_MAX - 1);
	else if (port == PORT_PAGE)
		page = ranges[choice].start + (u64)value * PAGE_SIZE;
	else if (port == PORT_VIEW)
		is_window_open = value;
	else if (port == PORT_MISTAKE)
		mistake_make(vm, value);
	else
		__real_testdev_write(vm, port, width_bytes, value);
}
