/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the isolated tables show of a VM, and what happens to one whose exit faults on them. See
 * arch/x86/iso.h for the tables and requirement ISO-3 for the list.
 */
#ifndef CORE_ISOLATION_H
#define CORE_ISOLATION_H

#include "arch/x86/percpu.h"
#include "core/vcpu.h"

/* This CPU's tables, and from the second call on on other CPUs theirs. ERR_NOMEM. */
enum err isolation_cpu_on(void) __must_check;

/* Show `v`'s pages, and those of its VM, on this CPU's isolated tables. ERR_NOMEM. */
enum err isolation_show(struct vcpu *v) __must_check;

/* Count an exit, of `kind` (enum exit_kind), that the isolated tables were not enough for. */
static inline void isolation_left(struct vcpu_hot *hot, u32 kind)
{
	hot->percpu->iso_left[kind]++;
	hot->slow_exits++;
}

#endif
