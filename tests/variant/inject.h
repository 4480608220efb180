/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core in which a guest can have its next entry refused. One guest with one vCPU asks for it by
 * ports; wherever the CPU has refused, the state is repaired and the vCPU goes on. While the entry
 * is on its way, behind the last look at the requests, a request is set: so a kick is pending when
 * the CPU refuses.
 *
 *   0x2080  write: the kind of failure, a number of the vendor's; read: what was seen, the exit
 *           reason or code
 *   0x2084  the VM-instruction error, or 0
 *   0x2088  INJECT_*
 */
#ifndef TESTS_VARIANT_INJECT_H
#define TESTS_VARIANT_INJECT_H

#include "core/hv.h"

#define INJECT_TRIED BIT(0) /* the entry was tried */
#define INJECT_MARKED BIT(1) /* it left the mark in the guest-mode word: wrong */
#define INJECT_KICKED BIT(2) /* the word says that somebody has kicked */
#define INJECT_REQUESTED BIT(3) /* the request was still there behind it */
#define INJECT_EARLY BIT(4) /* the kick arrived before the way out had ended: wrong */
#define INJECT_SERVED BIT(5) /* the next entry found the request served */
#define INJECT_ONE_KICK BIT(6) /* exactly one kick arrived since */

/* The kind asked for, once; 0 means to enter as usual. */
u32 inject_take(struct vcpu_hot *hot);

/* Was the entry given up before it was tried? Then `untried` is for the next one. */
bool inject_put_back(u32 untried);

/* The entry is back, nothing is repaired yet. */
void inject_seen(struct vcpu_hot *hot, u32 reason, u32 error);

/* From the entry code: the requests have been looked at. Interrupts are held back. */
void inject_window(struct vcpu_hot *hot);

#endif
