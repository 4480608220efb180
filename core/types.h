/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses as a guest sees them. They are one-member structures so that the compiler refuses to
 * mix guest-physical, guest-linear and host-physical (arch/x86/types.h) addresses. Owns nothing;
 * may be included from anywhere in core, vmx and svm, also from host tests.
 */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include "core/lib/types.h"

/* Guest-physical: what the nested page tables translate. */
typedef struct {
	u64 v;
} gpa_t;

/* Guest-linear: what the guest's own page tables translate. */
typedef struct {
	u64 v;
} gva_t;

#endif
