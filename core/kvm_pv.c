/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's paravirtual clock, which stock Linux guests prefer to calibrating timers. The guest names
 * addresses in its memory; the structures there say how to make nanoseconds since power-on from
 * the TSC, and when in wall-clock time power-on was. Layout and protocol are KVM's guest ABI.
 */
#include "core/kvm_pv.h"

#include "arch/x86/atomic.h"
#include "arch/x86/tsc.h"
#include "core/clock.h"
#include "core/gmem.h"
#include "core/msr_state.h"
#include "core/vm.h"

#define NS_PER_SEC 1000000000ull
#define SYSTEM_TIME_ENABLE BIT(0)
#define SYSTEM_TIME_RESERVED BIT(1) /* addresses are multiples of 4 */
#define TIME_TSC_STABLE 1u /* all vCPUs' clocks agree */

struct pv_vcpu_time {
	u32 version; /* odd while the rest is changing */
	u32 pad0;
	u64 tsc_timestamp; /* guest TSC at system_time */
	u64 system_time; /* nanoseconds */
	u32 tsc_to_system_mul; /* 32-bit fraction, applied after tsc_shift */
	s8 tsc_shift; /* negative: to the right */
	u8 flags;
	u8 pad[2];
};
_Static_assert(sizeof(struct pv_vcpu_time) == 32, "layout of KVM's ABI");

struct pv_wall_clock {
	u32 version;
	u32 sec;
	u32 nsec;
};
_Static_assert(sizeof(struct pv_wall_clock) == 12, "layout of KVM's ABI");

struct pv_steal {
	u64 steal; /* nanoseconds */
	u32 version;
	u32 flags;
	u8 preempted;
	u8 pad[47];
};
_Static_assert(sizeof(struct pv_steal) == 64, "layout of KVM's ABI");
#define STEAL_ENABLE BIT(0)
#define STEAL_RESERVED MASK(5, 1) /* the structure is aligned to its size */

/* ns = ((ticks << shift) * mul) >> 32, with the shift that leaves `mul` most bits. */
static void scale_set(struct pv_vcpu_time *time, u64 hz)
{
	s8 shift = 0;

	while (hz > 2 * NS_PER_SEC) {
		hz >>= 1;
		shift--;
	}
	while (hz <= NS_PER_SEC) {
		hz <<= 1;
		shift++;
	}
	time->tsc_shift = shift;
	time->tsc_to_system_mul = (u32)((NS_PER_SEC << 32) / hz);
}

/*
 * Write `len_bytes` behind the version word, marked as changing meanwhile: other vCPUs may read.
 * A structure outside RAM is the guest's mistake and only its own loss.
 */
static enum err versioned_write(struct vcpu *v, u64 gpa, u32 *data, u64 len_bytes)
{
	u32 even = data[0];
	u32 odd = even - 1;
	enum err e = gmem_write(v->vm, (gpa_t){ gpa }, &odd, sizeof(odd));

	compiler_barrier();
	if (!e)
		e = gmem_write(v->vm, (gpa_t){ gpa + 4 }, data + 1, len_bytes - 4);
	compiler_barrier();
	if (!e)
		e = gmem_write(v->vm, (gpa_t){ gpa }, &even, sizeof(even));
	return e;
}

/*
 * All vCPUs get the same line through the power-on of the VM, moved by what they did to their own
 * TSC, so that their clocks agree to the last bit and nothing needs updating while time goes by.
 */
static void time_write(struct vcpu *v)
{
	struct msr_state *m = v->msr;
	struct pv_vcpu_time time = {
		.version = m->kvm_time_version += 2,
		.tsc_timestamp = v->hot->tsc_offset - v->vm->tsc_offset,
		.flags = TIME_TSC_STABLE,
	};

	scale_set(&time, tsc_khz * 1000);
	if (versioned_write(v, m->kvm_system_time & ~SYSTEM_TIME_ENABLE, &time.version,
			    sizeof(time)))
		m->kvm_system_time &= ~SYSTEM_TIME_ENABLE;
}

enum err kvm_system_time_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	if (value & SYSTEM_TIME_RESERVED)
		return ERR_INVAL;
	v->msr->kvm_system_time = value;
	if (value & SYSTEM_TIME_ENABLE)
		time_write(v);
	return ERR_NONE;
}

enum err kvm_wall_clock_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	u64 boot_ns = v->vm->wallclock_boot_ns;
	struct pv_wall_clock wall = { .sec = (u32)(boot_ns / NS_PER_SEC),
				      .nsec = (u32)(boot_ns % NS_PER_SEC) };
	u32 version;

	v->msr->kvm_wall_clock = value;
	/* The version goes on from what is there, as several vCPUs may ask in turn. */
	if (gmem_read(v->vm, (gpa_t){ value }, &version, sizeof(version)))
		return ERR_NONE;
	wall.version = (version & ~1u) + 2;
	(void)versioned_write(v, value, &wall.version, sizeof(wall));
	return ERR_NONE;
}

enum err kvm_steal_time_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	if (value & STEAL_RESERVED)
		return ERR_INVAL;
	v->msr->kvm_steal_time = value;
	kvm_pv_steal_update(v, false);
	return ERR_NONE;
}

/* The guest reads `steal` between two looks at an even `version`, on the vCPU that it concerns. */
void kvm_pv_steal_update(struct vcpu *v, bool is_preempted)
{
	struct msr_state *m = v->msr;
	struct pv_steal steal = { .preempted = is_preempted };

	if (!(m->kvm_steal_time & STEAL_ENABLE))
		return;
	steal.steal = clock_ns_from_tsc(v->sched.steal_tsc);
	steal.version = m->kvm_steal_version += 2;

	if (gmem_write(v->vm, (gpa_t){ m->kvm_steal_time & ~STEAL_ENABLE }, &steal,
		       offsetof(struct pv_steal, pad)))
		m->kvm_steal_time &= ~STEAL_ENABLE;
}

void kvm_pv_tsc_changed(struct vcpu *v)
{
	if (v->msr->kvm_system_time & SYSTEM_TIME_ENABLE)
		time_write(v);
}
