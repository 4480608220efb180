/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/isolation.h"

#include "arch/x86/iso_cpu.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "core/hv.h"
#include "core/lib/log.h"
#include "core/vm.h"

_Static_assert(NR_EXIT_KINDS <= ISO_REASONS, "each way out has a counter");
_Static_assert(2 * VM_MAX_VCPUS + 4 <= ISO_AREAS_MAX, "all pages of a VM fit");

/*
 * ISO-5: nothing but the doors leads out, so a fault is a bug of ours. It costs the VM on whose
 * behalf the code ran, and nobody else: the run is given up as if the guest had come out.
 */
static bool fault_end(struct trap_frame *frame)
{
	struct vcpu *v = this_cpu()->vcpu;

	if (!v)
		return false;
	vm_kill(v->vm, NULL, "%s at 0x%llx on the isolated tables, address 0x%llx",
		trap_name(frame->vector), (unsigned long long)frame->rip,
		(unsigned long long)read_cr2());
	iso_window_drop();
	frame->rip = (u64)hv_stay_abort();
	frame->rsp = v->hot->host_rsp;
	return true;
}

enum err isolation_cpu_on(void)
{
	iso_fault_handler_set(fault_end);
	return iso_cpu_init();
}

/* All that V0 shows of a VM is of this VM, so its vCPUs' hot pages are no secret to one another. */
static enum err vm_show(const struct vm *vm)
{
	void *pages[2 * VM_MAX_VCPUS + 1] = { vm->iso };
	u32 n = 1;

	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		pages[n++] = vm->vcpu[i]->hot;
		pages[n++] = vm->vcpu[i]->hot->apic_regs;
	}
	return iso_show(ISO_VM, vm, pages, n);
}

enum err isolation_show(struct vcpu *v)
{
	void *pages[] = { v->hot->cpuid, v->hot->vmcb };
	enum err err = vm_show(v->vm);

	return err ? err : iso_show(ISO_VCPU, v, pages, v->hot->vmcb ? 2 : 1);
}
