/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slow half of an exit: what needs devices, guest memory, locks or more time. On the full
 * tables, interrupts on, on the CPU where the vCPU is loaded.
 */
#ifndef CORE_SLOW_H
#define CORE_SLOW_H

#include "core/lib/types.h"

struct vcpu;

/* Handle the exit that lies in v->hot->exit, and advance RIP if that is due. */
void slow_exit(struct vcpu *v);

/* What an exit of `kind` (enum exit_kind) is called. */
const char *exit_kind_text(u32 kind);

#endif
