/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Count the notifications and kicks that hit a CPU outside the guest. Two builds: the mark as the
 * entry code sets it, and, with COARSE_MARK, set and cleared in C around a whole run. For one VM.
 *
 *   0x2090, 0x2094  notifications sent, and those that arrived outside the guest
 *   0x2098, 0x209c  the same for kicks
 *   0x20a0          1: the mark is coarse
 */
#include "arch/x86/atomic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "core/vm.h"
#include "svm/svm.h"
#include "vmx/vmx.h"

#define PORT_NOTIFIED 0x2090
#define PORT_STRAY_NOTIFIED 0x2094
#define PORT_KICKS 0x2098
#define PORT_STRAY_KICKS 0x209c
#define PORT_COARSE 0x20a0

u32 __real_testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
enum next __real_vmx_run(struct vcpu *v);
enum next __real_svm_run(struct vcpu *v);
enum next __real_svm_stay(struct vcpu_hot *hot);
enum next __real_vmx_stay(struct vcpu_hot *hot);

/* Kicks that ended a run: the isolated code has taken them. */
static u32 useful(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < cpus_known(); i++)
		sum += percpu_of(i)->iso_kicks;
	return (u32)sum;
}

static u32 arrived(u8 vector)
{
	u64 sum = 0;

	for (u32 i = 0; i < cpus_known(); i++)
		sum += percpu_of(i)->irqs[vector];
	return (u32)sum;
}

u32 __wrap_testdev_read(struct vm *vm, u16 port, unsigned width_bytes)
{
	u32 notified = 0, kicks = 0;

	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		notified += (u32)vm->vcpu[i]->irqs.notified;
		kicks += (u32)(vm->vcpu[i]->irqs.kicks + vm->vcpu[i]->hot->fast_kicks);
	}
	switch (port) {
	case PORT_NOTIFIED:
		return notified;
	case PORT_STRAY_NOTIFIED:
		return arrived(IRQ_POSTED);
	case PORT_KICKS:
		return kicks;
	case PORT_STRAY_KICKS:
		return arrived(IRQ_KICK) - useful();
	case PORT_COARSE:
#ifdef COARSE_MARK
		return 1;
#else
		return 0;
#endif
	default:
		return __real_testdev_read(vm, port, width_bytes);
	}
}

static void mark_set(struct vcpu *v)
{
#ifdef COARSE_MARK
	u64 word = v->hot->entry_word;

	word = (word & ~MODE_EPOCH_MASK) | ((word + MODE_EPOCH_ONE) & MODE_EPOCH_MASK);
	v->hot->entry_word = word;
	atomic_xchg_u64(&v->hot->mode, word);
#else
	(void)v;
#endif
}

static void mark_clear(struct vcpu *v)
{
#ifdef COARSE_MARK
	atomic_and_u64(&v->hot->mode, ~MODE_IN_GUEST);
#else
	(void)v;
#endif
}

/*
 * One run may serve requests and enter again, and a kick counts for one entry: the next request
 * has to bring another. In front of the entry code's look at the requests.
 */
static void kick_forget(struct vcpu_hot *hot)
{
#ifdef COARSE_MARK
	atomic_and_u64(&hot->mode, ~MODE_KICKED);
#else
	(void)hot;
#endif
}

enum next __wrap_vmx_run(struct vcpu *v)
{
	enum next next;

	mark_set(v);
	next = __real_vmx_run(v);
	mark_clear(v);
	return next;
}

enum next __wrap_vmx_stay(struct vcpu_hot *hot)
{
	kick_forget(hot);
	return __real_vmx_stay(hot);
}

enum next __wrap_svm_stay(struct vcpu_hot *hot)
{
	kick_forget(hot);
	return __real_svm_stay(hot);
}

enum next __wrap_svm_run(struct vcpu *v)
{
	enum next next;

	mark_set(v);
	next = __real_svm_run(v);
	mark_clear(v);
	return next;
}
