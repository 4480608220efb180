/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What CPUID tells a guest: a table made once per vCPU from the host's leaves and the policy of
 * core/cpuid.def, looked up in a few instructions on the isolated tables. Bits that follow guest
 * state (OSXSAVE, APIC, OSPKE) are patched at lookup; sizes that follow XCR0 are kept in the table.
 */
#ifndef CORE_CPUID_H
#define CORE_CPUID_H

#include "arch/x86/types.h"

struct vcpu;
struct vcpu_hot;

#define CPUID_MAX_ENTRIES 128 /* power of two */
#define CPUID_BASIC_LEAVES 0x20 /* leaves 0 to 0x1f */
#define CPUID_EXT_LEAVES 0x40 /* 0x80000000 to 0x8000003f */

/* Entries of one leaf lie side by side, subleaf 0 first. */
struct cpuid_leaf {
	u8 first; /* index into entry[] */
	u8 count; /* subleaves; 0: all are answered with `other` */
	u8 patch; /* CPUID_PATCH_*: state-dependent, see core/cpuid.c */
	u8 other; /* index for subleaves past the last: of the last, or 0 */
};

struct cpuid_table {
	struct cpuid_leaf basic[CPUID_BASIC_LEAVES];
	struct cpuid_leaf ext[CPUID_EXT_LEAVES];
	struct cpuid_leaf kvm[2]; /* 0x40000000 block: KVM's signature and features */
	struct cpuid_leaf lamina; /* 0x40000100: our signature */
	struct cpuid_leaf beyond; /* leaves above a maximum: Intel repeats the highest basic leaf */
	struct cpuid_regs entry[CPUID_MAX_ENTRIES]; /* entry[0] is all zeroes */
};

_Static_assert(sizeof(struct cpuid_table) <= 4096, "one page per vCPU");

/* Bits of core/cpuid.def by name, to ask what this guest was promised. */
enum guest_feature {
#define CPUID_BIT(name, leaf, subleaf, reg, bit, policy) GUEST_##name,
#include "core/cpuid.def"
	NR_GUEST_FEATURES
};

/* Fill hot->cpuid of `v`, which is zeroed; v->vm->nr_vcpus and v->index are valid. Creation. */
void cpuid_build(struct vcpu *v);

/* Bring the sizes of leaf 0xd in line with v->xcr0. After every change of it. The vCPU's CPU. */
void cpuid_xcr0_changed(struct vcpu *v);

/* Does the guest's CPUID show `feature`? State-dependent bits count as their static part. */
bool cpuid_has(const struct vcpu_hot *hot, enum guest_feature feature);

/* The guest's physical-address width in bits. */
unsigned cpuid_phys_bits(const struct vcpu_hot *hot);

/* Answer the guest's CPUID in RAX, RBX, RCX, RDX; `cr4` is the guest's. */
void cpuid_emulate(struct vcpu_hot *hot, u64 cr4);

#endif
