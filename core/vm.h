/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual machine: its memory, its vCPUs, its devices, its life.
 *
 * Owners: [c] constant after creation, [a] atomic, [p] written only while no vCPU runs,
 * [L:dev] under dev_lock, [L:npt] under npt_lock.
 *
 * Lock order, outer first: dev_lock, npt_lock, timer queue, page allocator, log. A local APIC has
 * no lock: senders set IRR bits atomically, everything else belongs to the vCPU's CPU.
 */
#ifndef CORE_VM_H
#define CORE_VM_H

#include "arch/x86/lock.h"
#include "arch/x86/pt.h"
#include "boot/bootinfo.h"
#include "core/dev/ioapic.h"
#include "core/dev/pci.h"
#include "core/dev/pic.h"
#include "core/dev/pit.h"
#include "core/dev/pm.h"
#include "core/dev/rtc.h"
#include "core/dev/testdev.h"
#include "core/dev/uart.h"
#include "core/lib/err.h"
#include "core/load/load.h"
#include "core/memslot.h"
#include "core/vcpu.h"
#include "core/vm_iso.h"

/* Why a VM stopped; decides what happens next. */
enum vm_end {
	VM_END_NONE,
	VM_END_POWEROFF, /* the guest asked for it */
	VM_END_RESET, /* the guest asked for it, or triple-faulted */
	VM_END_EXIT, /* test device, with vm->exit_code */
	VM_END_KILLED, /* vm_kill() */
	VM_END_STOPPED, /* the operator asked for it */
	VM_END_RESTARTED, /* the same, and for more */
};

struct vm {
	const struct vm_config *config; /* [c] */
	u32 index; /* [c] */
	u32 nr_vcpus; /* [c] */
	struct vcpu *vcpu[VM_MAX_VCPUS]; /* [c] */
	struct vm_iso *iso; /* [c] */
	u32 end; /* [a] enum vm_end; first to set it wins */
	u32 exit_code; /* [a] valid with VM_END_EXIT */
	u32 running; /* [a] vCPUs that have not stopped since the last power-on */
	u32 round; /* [a] power-ons so far */
	struct vm_debug debug; /* see core/debug.h */
	u32 pauses; /* [a] vm_pause() without vm_resume() */
	bool is_over; /* [a] ended for good */
	u32 is_at_rest; /* [a] and nobody is busy with its end any more: it may be started */

	struct memslots slots; /* [p] */
	struct pt npt; /* [L:npt] nested page table; filled without the lock */
	u64 npt_ram; /* [c] bits of a leaf that maps RAM */
	struct lock npt_lock;

	struct lock dev_lock;
	struct pic pic; /* [L:dev] */
	struct pit pit; /* [L:dev] */
	struct rtc rtc; /* [L:dev] */
	struct uart uart; /* [L:dev] */
	struct ioapic ioapic; /* [L:dev] */
	struct pm pm; /* [L:dev] */
	struct pci pci; /* [L:dev] */
	struct testdev testdev; /* [L:dev] */

	struct load_result boot; /* [p] the state in which the first vCPU starts */
	u64 tsc_offset; /* [p] guest TSC 0 at power-on */
	u64 wallclock_boot_ns; /* [p] */
	void *vendor; /* [c] */

	u32 lapic_path; /* [c] enum lapic_path */
	u32 nr_apic_views; /* [a] vCPUs whose hardware does not see the xAPIC page */
	u64 lapic_inhibits; /* [a] LAPIC_INHIBIT_* */
	void *apic_page; /* [c] at LAPIC_BASE_RESET; accesses go to the hardware */
};

/*
 * Create the VM that `config` describes and load its image; says in the log what is wrong if it
 * cannot. `config` must last. Boot CPU.
 */
enum err vm_create(const struct vm_config *config, u32 index, struct vm **out) __must_check;

/* Start the VM of vm_create(): its vCPUs go into the run queues. Any CPU. */
void vm_start(struct vm *vm);

/* Power on a VM that is over. ERR_BUSY if it is not; what the images' loaders say. Boot CPU. */
enum err vm_restart(struct vm *vm) __must_check;

/* From the scheduler: `v` has left its run loop because its VM stops. Its own CPU. */
void vm_vcpu_stopped(struct vcpu *v);

/* The VM number `index`, or NULL. Any CPU. */
struct vm *vm_of(u32 index);

/* What to do when the last VM is over: called once, on any CPU. Set before the first start. */
void vm_all_over_set(void (*fn)(void));

/* Ask the VM to stop for `why`; returns at once. The first reason wins. Any CPU. */
void vm_stop(struct vm *vm, enum vm_end why);

/*
 * End the VM because of something that it did: logs the reason, and with `v` (may be NULL; loaded
 * on this CPU) its state. Never returns an error and never touches another VM. Any CPU.
 */
void vm_kill(struct vm *vm, struct vcpu *v, const char *fmt, ...) __printf(3, 4);

#endif
