/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: arch/x86/spec.c */
/* What is done about guessing on real CPUs, given the CPUID and MSR that they have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/spec.h"

/* What a CPU says of itself. */
struct row {
	const char *name;
	u32 vendor, family, model;
	u64 caps; /* IA32_ARCH_CAPABILITIES */
	u32 std, std2; /* CPUID 7 EDX, 7.2 EDX */
	u32 ext; /* CPUID 80000008 EBX */
	u32 amd_a, amd_c; /* CPUID 80000021 */
	u32 features; /* of `features` below */
	u32 bugs, open, actions, ctrl, ctrl_valid; /* expected */
};

#define RTM 1
#define TCG 2
#define UPDATED (BIT(10) | BIT(26) | BIT(27) | BIT(28) | BIT(31)) /* Intel's microcode of 2019 */
#define EXT_ZEN (BIT(12) | BIT(14) | BIT(15) | BIT(24))
#define DO(name) SPEC_DO_##name
#define RSB16 (DO(RETPOLINE) | DO(RSB))
#define RSB32 (RSB16 | DO(RSB_MORE))
#define OLD (RSB16 | DO(IBPB_SWITCH))
#define BASE (RSB32 | DO(IBPB_SWITCH))
#define SKYLAKE (SPEC_V2 | SPEC_L1TF | SPEC_MDS | SPEC_MMIO | SPEC_GDS | SPEC_BTC)
#define INTEL_ALL (SPEC_BTC * 2 - 1)
#define AMD_ALL (SPEC_V2 | SPEC_BTC | SPEC_SRSO | SPEC_TSA)
/* RDCL_NO, IBRS_ALL, SKIP_L1DFL, MDS_NO, FB_CLEAR, GDS_CTRL */
#define CASCADE (BIT(0) | BIT(1) | BIT(3) | BIT(5) | BIT(17) | BIT(25))
#define ICE_LAKE (CASCADE | BIT(8))
/* and TAA_NO, the three of MMIO, GDS_NO, ITS_NO */
#define GOLDEN ((ICE_LAKE & ~(BIT(17) | BIT(25))) | MASK(15, 13) | BIT(26) | BIT(62))

static const struct row rows[] = {
	{ "Haswell, no update", CPU_INTEL, 6, 0x3c,
	  .bugs = SPEC_V2 | SPEC_L1TF | SPEC_MDS, .open = SPEC_V2 | SPEC_L1TF | SPEC_MDS,
	  .actions = RSB16 },
	{ "Haswell", CPU_INTEL, 6, 0x3c, .std = UPDATED,
	  .bugs = SPEC_V2 | SPEC_L1TF | SPEC_MDS,
	  .actions = OLD | DO(VERW) | DO(L1D), .ctrl_valid = 7 },
	{ "Haswell-EP with TSX", CPU_INTEL, 6, 0x3f, .std = UPDATED, .features = RTM,
	  .bugs = SPEC_V2 | SPEC_L1TF | SPEC_MDS | SPEC_TAA | SPEC_MMIO,
	  .actions = OLD | DO(VERW) | DO(L1D), .ctrl_valid = 7 },
	{ "Skylake-SP", CPU_INTEL, 6, 0x55, .caps = BIT(17) | BIT(25), .std = UPDATED,
	  .features = RTM, .bugs = SKYLAKE | SPEC_TAA,
	  .actions = OLD | DO(IBRS) | DO(VERW) | DO(L1D), .ctrl = 1, .ctrl_valid = 7 },
	{ "Skylake-SP under a hypervisor that flushes", CPU_INTEL, 6, 0x55,
	  .caps = BIT(17) | BIT(25) | BIT(3), .std = UPDATED, .bugs = SKYLAKE,
	  .actions = OLD | DO(IBRS) | DO(VERW), .ctrl = 1, .ctrl_valid = 7 },
	{ "Skylake, no update", CPU_INTEL, 6, 0x5e, .bugs = SKYLAKE, .open = SKYLAKE,
	  .actions = RSB16 },
	{ "Cascade Lake", CPU_INTEL, 6, 0x55, .caps = CASCADE, .std = UPDATED, .features = RTM,
	  .bugs = SPEC_V2 | SPEC_TAA | SPEC_MMIO | SPEC_GDS | SPEC_BHI | SPEC_PBRSB | SPEC_ITS,
	  .actions = BASE | DO(EIBRS) | DO(BHB) | DO(VERW), .ctrl = 1, .ctrl_valid = 7 },
	{ "Ice Lake-SP", CPU_INTEL, 6, 0x6a, .caps = ICE_LAKE, .std = UPDATED, .features = RTM,
	  .bugs = SPEC_V2 | SPEC_MMIO | SPEC_GDS | SPEC_BHI | SPEC_PBRSB | SPEC_ITS,
	  .actions = BASE | DO(EIBRS) | DO(BHB) | DO(VERW), .ctrl = 1, .ctrl_valid = 7 },
	{ "Tiger Lake", CPU_INTEL, 6, 0x8c, .caps = ICE_LAKE, .std = UPDATED,
	  .bugs = SPEC_V2 | SPEC_GDS | SPEC_BHI | SPEC_PBRSB | SPEC_ITS,
	  .actions = BASE | DO(EIBRS) | DO(BHB), .ctrl = 1, .ctrl_valid = 7 },
	{ "Sapphire Rapids", CPU_INTEL, 6, 0x8f, .caps = GOLDEN, .std = UPDATED, .std2 = 0x17,
	  .features = RTM, .bugs = SPEC_V2 | SPEC_BHI | SPEC_PBRSB,
	  .actions = DO(EIBRS) | DO(BHI_DIS) | DO(RSB_ONE) | DO(IBPB_SWITCH),
	  .ctrl = 0x401, .ctrl_valid = 0x4ff },
	{ "Sapphire Rapids without BHI_CTRL", CPU_INTEL, 6, 0x8f, .caps = GOLDEN, .std = UPDATED,
	  .bugs = SPEC_V2 | SPEC_BHI | SPEC_PBRSB,
	  .actions = DO(EIBRS) | DO(BHB) | DO(RSB_ONE) | DO(IBPB_SWITCH),
	  .ctrl = 1, .ctrl_valid = 7 },
	{ "Alder Lake", CPU_INTEL, 6, 0x97, .caps = GOLDEN | BIT(28), .std = UPDATED, .std2 = 0x1f,
	  .bugs = SPEC_V2 | SPEC_RFDS | SPEC_BHI | SPEC_PBRSB,
	  .actions = DO(EIBRS) | DO(BHI_DIS) | DO(RSB_ONE) | DO(IBPB_SWITCH) | DO(VERW),
	  .ctrl = 0x401, .ctrl_valid = 0x5ff },
	{ "Goldmont", CPU_INTEL, 6, 0x5c, .caps = BIT(28), .std = UPDATED,
	  .bugs = SPEC_V2 | SPEC_RFDS, .actions = BASE | DO(VERW), .ctrl_valid = 7 },
	{ "a repaired Intel CPU to come", CPU_INTEL, 19, 1,
	  .caps = GOLDEN | BIT(27) | BIT(20) | BIT(24), .std = UPDATED, .std2 = 0x17,
	  .bugs = SPEC_V2, .actions = DO(EIBRS) | DO(IBPB_SWITCH), .ctrl = 1,
	  .ctrl_valid = 0x4ff },
	{ "an unknown Intel CPU that says nothing", CPU_INTEL, 6, 0xfe, .features = RTM,
	  .bugs = INTEL_ALL & ~(u32)(SPEC_BHI | SPEC_PBRSB | SPEC_ITS),
	  .open = INTEL_ALL & ~(u32)(SPEC_BHI | SPEC_PBRSB | SPEC_ITS),
	  .actions = RSB32 },
	{ "an unknown Intel CPU that only has the means", CPU_INTEL, 6, 0xfe, .features = RTM,
	  .caps = BIT(1) | BIT(17) | BIT(25) | BIT(28), .std = UPDATED,
	  .bugs = INTEL_ALL & ~(u32)SPEC_BTC,
	  .actions = BASE | DO(EIBRS) | DO(BHB) | DO(VERW) | DO(L1D), .ctrl = 1,
	  .ctrl_valid = 7 },
	{ "Zen 1, no update", CPU_AMD, 0x17, 1, .bugs = SPEC_V2 | SPEC_BTC | SPEC_SRSO,
	  .open = SPEC_V2 | SPEC_BTC | SPEC_SRSO, .actions = RSB32 },
	{ "Zen 1", CPU_AMD, 0x17, 1, .ext = BIT(12), .bugs = SPEC_V2 | SPEC_BTC | SPEC_SRSO,
	  .actions = BASE | DO(IBPB) },
	{ "Zen 2", CPU_AMD, 0x17, 0x31, .ext = EXT_ZEN, .bugs = SPEC_V2 | SPEC_BTC | SPEC_SRSO,
	  .actions = BASE | DO(IBPB), .ctrl_valid = 7 },
	{ "Zen 3", CPU_AMD, 0x19, 1, .ext = EXT_ZEN | BIT(29) | BIT(28),
	  .amd_a = BIT(28) | BIT(5), .bugs = SPEC_V2 | SPEC_SRSO | SPEC_TSA,
	  .actions = BASE | DO(IBPB) | DO(VERW), .ctrl_valid = 0x87 },
	{ "Zen 3, old microcode", CPU_AMD, 0x19, 1, .ext = EXT_ZEN | BIT(29),
	  .bugs = SPEC_V2 | SPEC_SRSO | SPEC_TSA, .open = SPEC_SRSO | SPEC_TSA,
	  .actions = BASE, .ctrl_valid = 7 },
	{ "Zen 3 that denies half of TSA", CPU_AMD, 0x19, 1, .ext = EXT_ZEN | BIT(29),
	  .amd_a = BIT(28) | BIT(5), .amd_c = BIT(1), .bugs = SPEC_V2 | SPEC_SRSO | SPEC_TSA,
	  .actions = BASE | DO(IBPB) | DO(VERW), .ctrl_valid = 7 },
	{ "Zen 4", CPU_AMD, 0x19, 0x11, .ext = EXT_ZEN | BIT(29),
	  .amd_a = BIT(8) | BIT(28) | BIT(5),
	  .bugs = SPEC_V2 | SPEC_SRSO | SPEC_TSA,
	  .actions = DO(AIBRS) | DO(IBPB_SWITCH) | DO(IBPB) | DO(RSB) | DO(RSB_MORE) | DO(VERW),
	  .ctrl_valid = 7 },
	{ "Zen 5", CPU_AMD, 0x1a, 2, .ext = EXT_ZEN | BIT(29),
	  .amd_a = BIT(8) | BIT(28) | BIT(30) | BIT(31), .bugs = SPEC_V2 | SPEC_SRSO,
	  .actions = DO(AIBRS) | DO(IBPB_SWITCH) | DO(BP_REDUCE), .ctrl_valid = 7 },
	{ "a repaired AMD CPU to come", CPU_AMD, 0x1c, 2, .ext = EXT_ZEN | BIT(29),
	  .amd_a = BIT(8) | BIT(29), .amd_c = BIT(1) | BIT(2), .bugs = SPEC_V2,
	  .actions = DO(AIBRS) | DO(IBPB_SWITCH), .ctrl_valid = 7 },
	{ "an unknown AMD CPU that says nothing", CPU_AMD, 0x1c, 2, .bugs = AMD_ALL,
	  .open = AMD_ALL, .actions = RSB32 },
	{ "QEMU's TCG", CPU_AMD, 6, 6, .features = TCG },
};

struct cpu_info cpu_info;
u64 cpu_features;
static const struct row *row;

struct cpuid_regs cpuid_or_zero(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r = { 0 };

	if (leaf == 7)
		r.edx = subleaf == 0 ? row->std : subleaf == 2 ? row->std2 : 0;
	else if (leaf == 0x80000008)
		r.ebx = row->ext;
	else if (leaf == 0x80000021)
		r = (struct cpuid_regs){ .eax = row->amd_a, .ecx = row->amd_c };
	else if (leaf == 0x40000000 && (row->features & TCG))
		memcpy(&r.ebx, "TCGT", 4);
	return r;
}

static struct spec_plan decide(const struct row *of)
{
	struct spec_plan plan;

	row = of;
	cpu_info = (struct cpu_info){ .vendor = of->vendor, .family = of->family,
				      .model = of->model };
	cpu_features = of->features & RTM ? BIT(CPU_FEATURE_rtm) : 0;
	cpu_features |= of->features & TCG ? BIT(CPU_FEATURE_hypervisor) : 0;
	spec_decide(of->caps, &plan);
	return plan;
}

static void models(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spec_plan p = decide(&rows[i]);

#define SAME(field)                                                                                \
	if (p.field != rows[i].field) {                                                            \
		print_error("%s: " #field " is %x, not %x\n", row->name, p.field, row->field);     \
		wrong++;                                                                           \
	}
		SAME(bugs)
		SAME(open)
		SAME(actions)
		SAME(ctrl)
		SAME(ctrl_valid)
	}
	assert_int_equal(wrong, 0);
}

/* With all means a CPU has nothing open, and without any it has no fault that is not open. */
static void all_models(void **state)
{
	(void)state;
	for (u32 vendor = CPU_INTEL; vendor <= CPU_AMD; vendor++)
		for (u32 n = 0; n < 0x2000; n++) {
			struct row all = { "with all", vendor, n >> 8, n & 0xff,
					   .caps = BIT(17) | BIT(25) | BIT(28), .std = UPDATED,
					   .std2 = 0x1f, .ext = EXT_ZEN,
					   .amd_a = BIT(28) | BIT(5), .features = RTM };
			struct row none = { "without", vendor, n >> 8, n & 0xff, .features = RTM };
			struct spec_plan p = decide(&all);

			assert_int_equal(p.open, 0);
			assert_true(p.actions & DO(IBPB_SWITCH));
			assert_false(p.ctrl & ~p.ctrl_valid);
			p = decide(&none);
			assert_int_equal(p.open, p.bugs);
			assert_true(p.bugs & SPEC_V2);
			assert_int_equal(p.actions | DO(RSB_MORE), RSB32);
			/* Only those that are known have a small RSB. */
			assert_true((p.actions & DO(RSB_MORE)) || (p.bugs & SPEC_L1TF));
			assert_int_equal(p.ctrl | p.ctrl_valid, 0);
		}
}

/* Each bit that denies a fault takes away that fault, and no other. */
static void denials(void **state)
{
	static const struct {
		u64 caps;
		u32 bug;
	} by[] = { { BIT(0), SPEC_L1TF },    { BIT(5), SPEC_MDS },   { BIT(8), SPEC_TAA },
		   { MASK(15, 13), SPEC_MMIO }, { BIT(27), SPEC_RFDS }, { BIT(26), SPEC_GDS },
		   { BIT(20), SPEC_BHI },    { BIT(24), SPEC_PBRSB }, { BIT(62), SPEC_ITS },
		   { BIT(13) | BIT(15), 0 } };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(by); i++) {
		struct row r = { "unknown", CPU_INTEL, 6, 0xfe, .caps = BIT(1) | by[i].caps,
				 .std = UPDATED, .features = RTM };

		assert_int_equal(decide(&r).bugs, INTEL_ALL & ~(u32)(SPEC_BTC | by[i].bug));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models),
		cmocka_unit_test(all_models),
		cmocka_unit_test(denials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
