/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of a vCPU, as xAPIC page and as x2APIC MSRs over one register page in the
 * architectural layout. It has no lock: IRR, TMR and the collected errors are atomic and may be
 * set by any CPU; every other register is written by the vCPU's own CPU only, with stores that
 * other CPUs may read (destination matching). IA32_APIC_BASE lives in hot->apic_base.
 *
 * Rules come from SDM "Advanced Programmable Interrupt Controller (APIC)". What this one lacks:
 * CMCI, writable xAPIC IDs, the extended space of AMD. There is no SMM, so SMIs go nowhere.
 */
#ifndef CORE_DEV_LAPIC_H
#define CORE_DEV_LAPIC_H

#include "core/lib/bits.h"
#include "core/lib/err.h"
#include "core/lib/types.h"
#include "core/next.h"
#include "core/timer.h"

struct vm;
struct vcpu;
struct vcpu_hot;

/* Where the xAPIC page is after RESET. */
#define LAPIC_BASE_RESET 0xfee00000ull

/* The timer counts at this rate before its divider; CPUID leaf 0x15 reports it as the crystal. */
#define LAPIC_TIMER_HZ 1000000000u

/* Periodic timers never fire more often than this, however small a guest sets the count. */
#define LAPIC_PERIOD_MIN_NS 20000u

/* Delivery modes, as encoded in the ICR, in LVT entries and in MSIs. */
enum lapic_mode {
	LAPIC_FIXED = 0,
	LAPIC_LOWEST = 1,
	LAPIC_SMI = 2,
	LAPIC_NMI = 4,
	LAPIC_INIT = 5,
	LAPIC_SIPI = 6,
	LAPIC_EXTINT = 7,
};

/* An interrupt message as it travels between I/O APIC, MSI sources and local APICs. */
struct lapic_msg {
	u32 dest; /* 8 bits wide unless is_x2apic */
	bool is_x2apic; /* `dest` is a 32-bit x2APIC destination; devices leave it false */
	bool is_logical;
	u8 delivery_mode; /* enum lapic_mode */
	u8 vector;
	bool is_level; /* trigger mode; the receiver's EOI is then sent to the I/O APIC */
	bool is_sent; /* the vector stands in every target's IRR already */
};

struct lapic {
	u32 *regs; /* [c] the register page; IRR and TMR in it [a], the rest [o] */
	u32 held[8]; /* [a] level interrupts on hardware paths, until lapic_hw_update() */
	u32 eoi_exits[8]; /* [o] vectors whose EOI must exit */
	u8 view; /* [o] enum lapic_view in force */
	bool is_paused; /* [o] lapic_hw_pause() */
	u32 timer_mode; /* [o] in force; hardware may let the guest write to the register page */
	u32 timer_divide; /* [o] likewise */
	u32 esr_pending; /* [a] errors since the guest's last write to ESR */
	struct timer timer; /* fires on the vCPU's CPU; hot->tsc_deadline, or: */
	u64 timer_deadline_tsc; /* [o] host TSC of the next expiry in the count modes; 0: stopped */
};

/* Allocate the register page; v->hot, v->cpu and v->index are valid. ERR_NOMEM. Creation. */
enum err lapic_create(struct vcpu *v) __must_check;

/*
 * State after RESET, or after INIT (keeps IA32_APIC_BASE and thus the mode). SDM "Local APIC State
 * After Power-Up or Reset" and "Local APIC State After an INIT Reset". On the vCPU's CPU or while
 * the VM is stopped.
 */
void lapic_reset(struct vcpu *v, bool is_init);

/* Is IRR empty, with what others have posted? The vCPU's CPU. */
bool lapic_is_quiet(struct vcpu *v);

/* The highest vector that IRR holds above the processor priority, or -1. The vCPU's CPU. */
int lapic_pending(struct vcpu *v);

/*
 * The processor takes `vector`: from IRR to ISR. Returns the vector to inject: `vector`, or the
 * spurious-interrupt vector if it has vanished or fallen below the processor priority since
 * lapic_pending(). The vCPU's CPU.
 */
u8 lapic_ack(struct vcpu *v, u8 vector);

/* Does the 8259 pair reach this CPU as ExtINT (virtual wire, or APIC disabled)? Any CPU. */
bool lapic_accepts_extint(struct vcpu *v);

/*
 * A signal at LINT0 or LINT1 (`pin` 0 or 1) becomes active: delivered as its LVT entry says when
 * that is Fixed or NMI. ExtINT is not delivered here: the 8259 pair asks lapic_accepts_extint().
 * Any CPU.
 */
void lapic_lint(struct vcpu *v, unsigned pin);

/*
 * Make `vector` (16 to 255) pending on `v` and kick it. No checks of destination or enable bits.
 * Any CPU.
 */
void lapic_set_irr(struct vcpu *v, u8 vector, bool is_level);

/*
 * Deliver `msg` to whom it addresses; false if nobody took it, as always with a delivery mode that
 * cannot be sent. Lowest priority goes to the enabled destination with the lowest processor
 * priority, the lowest index among equals. Any CPU, any locks held.
 */
bool lapic_deliver(struct vm *vm, const struct lapic_msg *msg);

/* Does `msg`, no broadcast by shorthand, address `v`? Any CPU. */
bool lapic_is_addressed(const struct vcpu *v, const struct lapic_msg *msg);

/* The APIC ID that CPUID reports. Constant. */
u32 lapic_id(const struct vcpu *v);

/* Does guest-physical `gpa` hit the enabled xAPIC page of this vCPU? The vCPU's CPU. */
bool lapic_mmio_hit(const struct vcpu *v, u64 gpa);

/*
 * Access to the xAPIC page at byte `offset` (below 4096). Accesses that the SDM leaves undefined
 * read zero and write nothing. Takes dev_lock for an EOI. The vCPU's CPU.
 */
u64 lapic_mmio_read(struct vcpu *v, u32 offset, unsigned width_bytes);
void lapic_mmio_write(struct vcpu *v, u32 offset, unsigned width_bytes, u64 value);

/* x2APIC MSRs 0x800 to 0x8ff. ERR_INVAL: #GP. Takes dev_lock for an EOI. The vCPU's CPU. */
enum err lapic_msr_read(struct vcpu *v, u32 msr, u64 *out) __must_check;
enum err lapic_msr_write(struct vcpu *v, u32 msr, u64 value) __must_check;

/*
 * The hardware has let the guest write the register at `offset` of the page; do what the write
 * means. Takes dev_lock for an EOI. The vCPU's CPU.
 */
void lapic_written(struct vcpu *v, u32 offset);

/*
 * Send what `icr` says to `dest` (32 bits wide in x2APIC mode). With `is_sent` the hardware has set
 * the vector in the IRR of every target already, and it is only to be noticed. The vCPU's CPU.
 */
void lapic_ipi_send(struct vcpu *v, u32 icr, u32 dest, bool is_sent);

/* The highest vector in `array` (APIC_IRR or APIC_ISR), 0 if there is none. */
u8 lapic_highest(const struct vcpu *v, u32 array);

/* Add `bits` to word `index` of IRR, vectors 32 * index and up. Any CPU. */
void lapic_irr_merge(struct vcpu *v, u32 index, u32 bits);

/* Is reading x2APIC MSR `msr` nothing but reading the register page? */
bool lapic_msr_is_plain(u32 msr);
#define LAPIC_MSR_FIRST 0x800u
#define LAPIC_MSR_END 0x900u

/* IA32_APIC_BASE; ERR_INVAL (#GP) for reserved bits and transitions that do not exist. */
enum err lapic_base_write(struct vcpu *v, u64 value) __must_check;

/* The task priority as CR8 sees it, 0 to 15. The vCPU's CPU. */
u64 lapic_cr8_get(struct vcpu *v);
void lapic_cr8_set(struct vcpu *v, u64 value);

/*
 * Would a write to CR8 do more than change the task priority's upper four bits? An interrupt may
 * come free, or bits change that CR8 does not show. The vCPU's CPU.
 */
bool lapic_minds_cr8(struct vcpu *v);

/* Write IA32_TSC_DEADLINE; outside TSC-deadline mode this is ignored. The vCPU's CPU. */
void lapic_deadline_set(struct vcpu *v, u64 guest_tsc);

/* The host timer has fired for `v`: REQ_APIC_TIMER was set. The vCPU's CPU. */
void lapic_timer_expired(struct vcpu *v);

/*
 * Would an interrupt, in IRR or posted, be taken now by a CPU with IF=1? Reads only. The vCPU's
 * CPU, loaded or not.
 */
bool lapic_has_deliverable(const struct vcpu *v);

/* hot->tsc_offset has changed: move an armed deadline along. The vCPU's CPU. */
void lapic_tsc_changed(struct vcpu *v);

/* Give the timer queue what the isolated code has done to hot->tsc_deadline. The vCPU's CPU. */
void lapic_deadline_settle(struct vcpu *v);

/*
 * On the isolated tables: x2APIC MSRs (most reads; TPR, EOI, IPIs to itself), CR8,
 * IA32_TSC_DEADLINE. NEXT_SKIP when done, NEXT_SLOW with nothing of the APIC changed otherwise. A
 * write that is done leaves in hot->irq_vector what it has made deliverable.
 */
enum next lapic_fast_read(struct vcpu_hot *hot, u32 msr, u64 *out);
enum next lapic_fast_write(struct vcpu_hot *hot, u32 msr, u64 value);
enum next lapic_fast_cr8(struct vcpu_hot *hot, u64 value);

/* The deadline, at guest time `guest_now`: one in the past fires at once. */
enum next lapic_fast_deadline(struct vcpu_hot *hot, u64 guest_tsc, u64 guest_now);

/* Fire the deadline if it has passed by `guest_now`. NEXT_AGAIN when fired, else NEXT_SLOW. */
enum next lapic_fast_expire(struct vcpu_hot *hot, u64 guest_now);

/* lapic_pending() into hot->irq_vector, and lapic_ack() of that, of an enabled APIC. */
void lapic_fast_look(struct vcpu_hot *hot);
void lapic_fast_ack(struct vcpu_hot *hot, u8 vector);

#endif
