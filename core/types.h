/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses and segments as a guest sees them. Addresses are one-member structures so that the
 * compiler refuses to mix guest-physical, guest-linear and host-physical (arch/x86/types.h) ones.
 * Owns nothing; may be included from anywhere in core, vmx and svm, also from host tests.
 */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include "core/lib/bits.h"
#include "core/lib/types.h"

/* Guest-physical: what the nested page tables translate. */
typedef struct {
	u64 v;
} gpa_t;

/* Guest-linear: what the guest's own page tables translate. */
typedef struct {
	u64 v;
} gva_t;

/* Segment registers in encoding order, then the descriptor-table registers. */
enum seg {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_GDTR, SEG_IDTR,
	NR_SEGS
};

/* Access rights as in bytes 5 and 6 of a descriptor: the layout of the VMCS access-rights field. */
#define AR_TYPE_WRITABLE BIT(1) /* data: writable; code: readable */
#define AR_TYPE_DOWN BIT(2) /* data: expands down */
#define AR_TYPE_CODE BIT(3)
#define AR_S BIT(4)
#define AR_DPL MASK(6, 5)
#define AR_P BIT(7)
#define AR_L BIT(13)
#define AR_DB BIT(14)
#define AR_G BIT(15)
#define AR_UNUSABLE BIT(16) /* loaded with a null selector */

struct segment {
	u64 base;
	u32 limit; /* bytes - 1 */
	u32 ar; /* AR_* */
	u16 sel;
};

#endif
