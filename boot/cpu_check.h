/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides from a CPU's feature registers whether it can run VMs. Pure, so that the host tests see
 * the cases that no emulator offers, such as firmware that has locked VMX off.
 */
#ifndef BOOT_CPU_CHECK_H
#define BOOT_CPU_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/errors.h"

/* What the CPU says about itself. A register that the CPU lacks is 0. */
struct cpu_facts {
	bool is_intel; /* vendor "GenuineIntel" */
	uint64_t cpuid_1_ecx;
	uint64_t cpuid_80000001_ecx;
	uint64_t cpuid_80000001_edx;
	uint64_t cpuid_80000007_edx;
	uint64_t cpuid_8000000a_edx;
	uint64_t cr4;
	uint64_t feature_control; /* IA32_FEATURE_CONTROL */
	uint64_t pinbased_ctls; /* IA32_VMX_PINBASED_CTLS */
	uint64_t procbased_ctls; /* IA32_VMX_PROCBASED_CTLS */
	uint64_t procbased_ctls2; /* IA32_VMX_PROCBASED_CTLS2 */
	uint64_t procbased_ctls3; /* IA32_VMX_PROCBASED_CTLS3 */
	uint64_t ept_vpid_cap; /* IA32_VMX_EPT_VPID_CAP */
	uint64_t vm_cr; /* VM_CR */
};

/* Read the MSRs that the facts before them say are there. */
void cpu_read_msrs(struct cpu_facts *f, uint64_t (*rdmsr)(uint32_t msr));

bool cpu_has_vmx(const struct cpu_facts *f);
bool cpu_has_svm(const struct cpu_facts *f);

struct cpu_verdict {
	enum loader_error error;
	const char *text; /* what is wrong, for a message */
};

/* The first reason why this CPU cannot run VMs, E_NONE if it can. */
struct cpu_verdict cpu_check(const struct cpu_facts *f);

struct cpu_feature {
	const char *name;
	const char *without; /* what is so where the CPU has none */
	enum loader_error error; /* E_NONE: Lamina can do without */
	uint16_t vendor; /* see cpu_check.c */
	uint16_t offset, bit; /* of the word in struct cpu_facts, and there */
};

/* Feature `i` of those that matter for this CPU, NULL behind the last; and whether it is there. */
const struct cpu_feature *cpu_feature(const struct cpu_facts *f, unsigned int i, bool *is_there);

#endif
