/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls: VMCALL or VMMCALL with the number in RAX, as KVM's guests issue them. The number is
 * answered in RAX: 0 or a negative KVM error. On the isolated tables.
 */
#ifndef CORE_HYPERCALL_H
#define CORE_HYPERCALL_H

#include "core/next.h"

struct vcpu_hot;

enum next hypercall_fast(struct vcpu_hot *hot);

#endif
