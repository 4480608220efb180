/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs: values, write and read back, and #GP where the manuals say so. */
#include "lib/guest.h"

const char guest_name[] = "msr";

#define GP 13u
#define NON_CANONICAL 0x8000000000000000ull

static void round_trip(const char *name, u32 msr, u64 value)
{
	u64 old = rdmsr(msr), seen;

	check(wrmsr_fault(msr, value) == NO_FAULT, "%s takes %llx", name, value);
	seen = rdmsr(msr);
	wrmsr(msr, old);
	check(seen == value, "%s gives it back: %llx", name, seen);
}

static void refused(const char *name, u32 msr, u64 value)
{
	u64 old, seen;
	u32 fault;

	rdmsr_fault(msr, &old);
	fault = wrmsr_fault(msr, value);
	check(fault == GP && fault_error == 0, "%s refuses %llx: %x", name, value, fault);
	rdmsr_fault(msr, &seen);
	check(seen == old, "%s keeps its value", name);
}

/* SPEC_CTRL and the commands, as CPUID tells of them. */
static void guesses(void)
{
	bool is_amd = !is_intel();
	u32 bits = is_amd ? cpuid(0x80000008, 0).b : cpuid(7, 0).d;
	bool has_ctrl = is_amd ? bits & (BIT(14) | BIT(15) | BIT(24)) : bits & BIT(26);
	bool has_ibpb = is_amd ? bits & BIT(12) : bits & BIT(26);
	u64 value;

	if (has_ctrl) {
		round_trip("SPEC_CTRL", 0x48, 1);
		refused("SPEC_CTRL", 0x48, BIT(9));
		refused("SPEC_CTRL", 0x48, BIT(40));
		wrmsr(0x48, 2);
		exit_now();
		check(rdmsr(0x48) == 2, "SPEC_CTRL outlives an exit");
		wrmsr(0x48, 0);
		check(rdmsr(0x48) == 0, "SPEC_CTRL goes back to 0");
	}
	if (has_ibpb)
		check(wrmsr_fault(0x49, 1) == NO_FAULT, "PRED_CMD takes an IBPB");
	if (!is_amd && (bits & BIT(28)))
		check(wrmsr_fault(0x10b, 1) == NO_FAULT, "FLUSH_CMD takes a flush");
	if (has_ibpb)
		check(rdmsr_fault(0x49, &value) == GP, "PRED_CMD cannot be read");
	print("SPEC_CTRL: %u, IBPB: %u\n", has_ctrl, has_ibpb);
}

void guest_main(void)
{
	u64 value;

	guesses();
	check(rdmsr_fault(0xdeadbeef, &value) == GP, "reading an MSR that nobody has raises #GP");
	check(wrmsr_fault(0xdeadbeef, 0) == GP, "writing it, too");
	round_trip("STAR", 0xc0000081, 0x0023001000000000);
	round_trip("LSTAR", 0xc0000082, 0xffff800012345678);
	round_trip("CSTAR", 0xc0000083, 0xffff800012345678);
	round_trip("SFMASK", 0xc0000084, 0x47700);
	round_trip("FS_BASE", 0xc0000100, 0x12345000);
	round_trip("GS_BASE", 0xc0000101, 0xffff800000001000);
	round_trip("KERNEL_GS_BASE", 0xc0000102, 0xffff900000001000);
	round_trip("SYSENTER_CS", 0x174, 0x10);
	round_trip("SYSENTER_ESP", 0x175, 0xffff800000001000);
	round_trip("SYSENTER_EIP", 0x176, 0xffff800000002000);
	round_trip("PAT", 0x277, 0x0007040600070401);
	round_trip("MTRR_DEF_TYPE", 0x2ff, 0xc06);
	round_trip("MTRR_PHYSBASE0", 0x200, 0x80000006);
	/* Passed through; QEMU as an AMD CPU accepts them, with and without Lamina. */
	if (is_intel()) {
		refused("FS_BASE", 0xc0000100, NON_CANONICAL);
		refused("LSTAR", 0xc0000082, NON_CANONICAL);
	}
	refused("PAT", 0x277, 0x0007040600070402);
	refused("EFER", 0xc0000080, BIT(1));
	refused("EFER without LME", 0xc0000080, 0xc01);
	refused("MTRR_DEF_TYPE", 0x2ff, 0x02);
	refused("APIC_BASE", 0x1b, 0xfee00000 | BIT(9));
	refused("MTRR_PHYSBASE0", 0x200, 0x80000002);
	refused("MTRR_PHYSMASK0", 0x201, BIT(62));
	refused("MTRR_FIX64K", 0x250, 0x0606060606060602);
	refused("MTRRCAP", 0xfe, 0);
	refused("MCG_CAP", 0x179, 0);
	refused("MCG_STATUS", 0x17a, BIT(10));
	refused("EFER", 0xc0000080, BIT(63));
	refused("X2APIC without x2APIC mode", 0x80b, 0);
	refused("a leap to x2APIC with the APIC off", 0x1b, 0xfee00000 | BIT(10));
	round_trip("MTRR_FIX64K", 0x250, 0x0606060606060500);
	round_trip("MTRR_FIX4K", 0x26f, 0x0505050505050505);
	round_trip("MTRR_PHYSMASK7", 0x20f, 0xc0000800);
	round_trip("MCG_STATUS", 0x17a, 4);
	round_trip("TSC_AUX", 0xc0000103, 0x12345);
	check(rdmsr_fault(0x820, &value) == GP, "x2APIC's MSRs need x2APIC mode");
	value = rdmsr(0x10);
	check(rdmsr(0x10) > value && rdtsc() > value, "the TSC's MSR runs");
	if (is_intel()) {
		check(rdmsr(0x1a0) & 1, "MISC_ENABLE has fast strings");
		check(rdmsr(0x3a) & 1, "FEATURE_CONTROL is locked");
		check(!(rdmsr(0x3a) & 6), "without VMX");
		refused("FEATURE_CONTROL", 0x3a, 5);
		refused("PLATFORM_ID", 0x17, 0);
		check(rdmsr_fault(0x480, &value) == GP, "there are no MSRs of VMX");
	} else {
		check(rdmsr(0xc0010114) & BIT(4), "VM_CR says that SVM is disabled");
		check(rdmsr_fault(0xc0010117, &value) == GP, "there is no VM_HSAVE_PA");
		refused("EFER.SVME", 0xc0000080, rdmsr(0xc0000080) | BIT(12));
	}
	check(wrmsr_fault(0x79, 0) == (is_intel() ? NO_FAULT : GP), "Intel's microcode update");
	check(rdmsr_fault(0xc0000100 + 0x1fff, &value) == GP, "beyond the bitmap's range");
	check(rdmsr_fault(0x2000, &value) == GP, "beyond its first range");
	check(rdmsr_fault(0xffffffff, &value) == GP, "the last number");
	check(rdmsr(0x1b) == (0xfee00000 | BIT(11) | BIT(8)), "APIC_BASE is as after RESET");
	check((rdmsr(0xc0000080) & 0xd01) == 0xd01, "EFER has LMA, LME, NXE, SCE");
	check((rdmsr(0xfe) & 0xff) == 8, "there are 8 variable MTRRs");
	check((rdmsr(0x179) & 0xff) > 0, "there are machine-check banks");
}
