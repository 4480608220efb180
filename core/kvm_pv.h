/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest that knows KVM's paravirtual interface is told of the host's scheduling: how long
 * its vCPUs have waited for a CPU (steal time), and which do so now. On the vCPU's own CPU.
 */
#ifndef CORE_KVM_PV_H
#define CORE_KVM_PV_H

#include "core/lib/types.h"

struct vcpu;

/* Say how long `v` has waited; it is about to run, or preempted: has to wait for others. */
void kvm_pv_steal_update(struct vcpu *v, bool is_preempted);

#endif
