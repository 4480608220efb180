/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/variant/inject.h"

#include "arch/x86/atomic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "core/vm.h"

#define PORT_KIND 0x2080
#define PORT_ERROR 0x2084
#define PORT_FLAGS 0x2088

static u32 kind, reason, error, flags;
static bool is_in_window;
static const struct percpu *cpu; /* of the one vCPU: GS is the guest's during an entry on SVM */
static u64 kicks_before;

u32 inject_take(struct vcpu_hot *hot)
{
	u32 taken = kind;

	kind = 0;
	if (taken)
		is_in_window = true;
	else if ((flags & INJECT_TRIED) && !(atomic_load_u32(&hot->requests) & REQ_OUT))
		flags |= INJECT_SERVED;
	return taken;
}

bool inject_put_back(u32 untried)
{
	if (!is_in_window)
		return false;
	is_in_window = false;
	kind = untried;
	return true;
}

void inject_window(struct vcpu_hot *hot)
{
	if (!is_in_window)
		return;
	is_in_window = false;
	vcpu_request(hot->vcpu, REQ_OUT);
}

void inject_seen(struct vcpu_hot *hot, u32 seen, u32 error_seen)
{
	u64 mode = atomic_load_u64(&hot->mode);

	reason = seen;
	error = error_seen;
	flags = INJECT_TRIED;
	if (mode & MODE_IN_GUEST)
		flags |= INJECT_MARKED;
	if (mode & MODE_KICKED)
		flags |= INJECT_KICKED;
	if (atomic_load_u32(&hot->requests) & REQ_OUT)
		flags |= INJECT_REQUESTED;
	if (cpu->irqs[IRQ_KICK] != kicks_before)
		flags |= INJECT_EARLY;
}

u32 __real_testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
void __real_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);
u32 __wrap_testdev_read(struct vm *vm, u16 port, unsigned width_bytes);
void __wrap_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value);

u32 __wrap_testdev_read(struct vm *vm, u16 port, unsigned width_bytes)
{
	switch (port) {
	case PORT_KIND:
		return reason;
	case PORT_ERROR:
		return error;
	case PORT_FLAGS:
		return cpu && cpu->irqs[IRQ_KICK] == kicks_before + 1
			       ? flags | (u32)INJECT_ONE_KICK
			       : flags;
	default:
		return __real_testdev_read(vm, port, width_bytes);
	}
}

void __wrap_testdev_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value)
{
	if (port != PORT_KIND) {
		__real_testdev_write(vm, port, width_bytes, value);
		return;
	}
	cpu = this_cpu();
	kicks_before = cpu->irqs[IRQ_KICK];
	reason = error = flags = 0;
	kind = value;
}
