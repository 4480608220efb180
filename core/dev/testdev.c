/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/testdev.h"

#include <string.h>

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/page.h"
#include "core/dev/lapic_hw.h"
#include "core/irq.h"
#include "core/lib/bits.h"
#include "core/load/layout.h"
#include "core/npt.h"
#include "core/vm.h"

#define PORT_SCRATCH 0xe0
#define PORT_UNMAP 0xe4
#define PORT_EXIT 0xf4
#define PORT_LINES 0x2000
#define PORT_EXITS 0x2020
#define PORT_INHIBIT 0x2040
#define PORT_SHUTDOWN 0x8900

#define PIC_MASTER_MASK_PORT 0x21
#define PIC_MASK 0xfa /* all but the timer and the cascade */
#define PIT_COUNT_PORT 0x40
#define PIT_COMMAND_PORT 0x43
#define PIT_SQUARE_WAVE 0x36 /* channel 0, low and high byte, mode 3; count 0 is 65536 */

#define LVT_EXTINT 0x700
#define LVT_NMI 0x400
#define SVR_ENABLED 0x1ff

static const char shutdown_word[] = "Shutdown";
#define SHUTDOWN_BYTES (sizeof(shutdown_word) - 1)

enum err testdev_init(struct vm *vm)
{
	struct testdev *t = &vm->testdev;

	if (!vm->config->testdev)
		return ERR_NONE;
	t->mem = page_alloc_contig(GPA_TESTDEV_MEM_BYTES, PAGE_SIZE, false);
	return t->mem ? ERR_NONE : ERR_NOMEM;
}

void testdev_reset(struct vm *vm)
{
	struct testdev *t = &vm->testdev;

	t->nr_matched = 0;
	memset(t->scratch, 0, sizeof(t->scratch));
	if (!t->mem)
		return;
	lapic_hw_inhibit(vm, LAPIC_INHIBIT_TEST, false);
	memset(t->mem, 0, GPA_TESTDEV_MEM_BYTES);
	if (vm->is_over)
		return;
	pit_write(vm, PIT_COMMAND_PORT, 1, PIT_SQUARE_WAVE);
	pit_write(vm, PIT_COUNT_PORT, 1, 0);
	pit_write(vm, PIT_COUNT_PORT, 1, 0);
	pic_write(vm, PIC_MASTER_MASK_PORT, 1, PIC_MASK);
}

void testdev_lapic_start(struct vcpu *v)
{
	lapic_mmio_write(v, APIC_SVR, 4, SVR_ENABLED);
	lapic_mmio_write(v, APIC_LVT_LINT0, 4, LVT_EXTINT);
	lapic_mmio_write(v, APIC_LVT_LINT1, 4, LVT_NMI);
}

/* The first exit counts, as the first reason to stop does. */
static void exit_write(struct vm *vm, u32 value)
{
	if (atomic_load_u32(&vm->end) == VM_END_NONE)
		atomic_store_u32(&vm->exit_code, value);
	vm_stop(vm, VM_END_EXIT);
}

static void shutdown_write(struct vm *vm, u8 byte)
{
	struct testdev *t = &vm->testdev;

	if (byte != (u8)shutdown_word[t->nr_matched])
		t->nr_matched = 0;
	if (byte == (u8)shutdown_word[t->nr_matched])
		t->nr_matched++;
	if (t->nr_matched < SHUTDOWN_BYTES)
		return;
	t->nr_matched = 0;
	vm_stop(vm, VM_END_POWEROFF);
}

/* Counted by the vCPU's own CPU while others read. */
static u32 exits_read(const struct vm *vm, u32 index)
{
	u64 sum = 0;

	if (index >= vm->nr_vcpus)
		return ~0u;
	for (u32 kind = 0; kind < NR_EXIT_KINDS; kind++)
		sum += atomic_load_relaxed_u64(&vm->vcpu[index]->hot->exit_counts[kind]);
	return (u32)sum;
}

u32 testdev_read(struct vm *vm, u16 port, unsigned width_bytes)
{
	const struct testdev *t = &vm->testdev;
	u32 value = ~0u;

	if (!t->mem)
		return ~0u;
	if (port >= PORT_EXITS && port < PORT_INHIBIT)
		return exits_read(vm, (port - PORT_EXITS) / 4);
	if (port == PORT_INHIBIT)
		return !!(atomic_load_u64(&vm->lapic_inhibits) & LAPIC_INHIBIT_TEST);
	if (port >= PORT_SCRATCH && port < PORT_UNMAP)
		memcpy(&value, &t->scratch[port & 3u], width_bytes);
	return value;
}

void testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value)
{
	if (!vm->testdev.mem)
		return;
	if (port == PORT_EXIT)
		exit_write(vm, value);
	else if (port == PORT_UNMAP)
		npt_unmap_page(vm, (gpa_t){ ALIGN_DOWN((u64)value, PAGE_SIZE) });
	else if (port == PORT_SHUTDOWN)
		shutdown_write(vm, (u8)value);
	else if (port >= PORT_LINES && port < PORT_LINES + IOAPIC_NR_PINS)
		irq_line_set(vm, port - PORT_LINES, value);
	else if (port == PORT_INHIBIT)
		lapic_hw_inhibit(vm, LAPIC_INHIBIT_TEST, value);
	else if (port >= PORT_SCRATCH && port < PORT_UNMAP)
		memcpy(&vm->testdev.scratch[port & 3u], &value, width_bytes);
}

u64 testdev_mem_read(struct vm *vm, u32 offset, unsigned width_bytes)
{
	u64 value = ~0ull;

	if (vm->testdev.mem && offset < GPA_TESTDEV_MEM_BYTES)
		memcpy(&value, vm->testdev.mem + offset,
		       MIN(width_bytes, GPA_TESTDEV_MEM_BYTES - offset));
	return value;
}

void testdev_mem_write(struct vm *vm, u32 offset, unsigned width_bytes, u64 value)
{
	if (vm->testdev.mem && offset < GPA_TESTDEV_MEM_BYTES)
		memcpy(vm->testdev.mem + offset, &value,
		       MIN(width_bytes, GPA_TESTDEV_MEM_BYTES - offset));
}
