/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pausing a VM and looking at it meanwhile. Waiting is left to the caller, since the CPU that asks
 * may be the one that has to turn to a vCPU of the VM before that can stop: ask, go back to the
 * loop, look again. Pauses are counted, so that several may want one. A vCPU that is paused misses
 * nothing: requests, interrupts and deadlines wait for it, each at most once. pause.pml.
 */
#ifndef CORE_PAUSE_H
#define CORE_PAUSE_H

#include "core/lib/types.h"

struct vcpu;
struct vm;

/* Make the vCPUs leave the guest and stay out; returns at once. Any CPU, not from interrupts. */
void vm_pause(struct vm *vm);

/* Is every vCPU of the VM, after vm_pause(), out with all its state in memory? Any CPU. */
bool vm_is_paused(const struct vm *vm);

/* Take one vm_pause() back; after the last the vCPUs go on. Any CPU, not from interrupts. */
void vm_resume(struct vm *vm);

/*
 * Load `v` on this CPU, so that hv_*() can be asked about it, in place of the vCPU that it runs.
 * The VM of `v` is paused, as vm_is_paused() says, or `v` is stopped. Returns what
 * vcpu_give_back() has to have. Not from interrupts.
 */
struct vcpu *vcpu_borrow(struct vcpu *v);
void vcpu_give_back(struct vcpu *v, struct vcpu *before);

/* From the run loop, `v` loaded: is it to pause? */
bool vcpu_is_to_pause(const struct vcpu *v);

/*
 * From the run loop: unload `v` and let it rest until vm_resume(). False if that has come
 * meanwhile: it is this turn's still, but not loaded.
 */
bool vcpu_pause(struct vcpu *v);

#endif
