/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/cpuid.c core/cpuid_build.c */
/* What guests see of the host's CPUID, and what they must not see. */
#include "tests/host/cpuid_fixture.h"

#include "core/cpuid.h"
#include "core/vm.h"

static struct vm vm;
static struct vcpu v;
static struct vcpu_hot hot;
static struct cpuid_table table;

u32 lapic_id(const struct vcpu *of)
{
	return of->index;
}

static void guest_make(enum cpu_vendor vendor, u32 nr_vcpus, u32 index)
{
	cpu_info.vendor = vendor;
	memset(&table, 0, sizeof(table));
	hot = (struct vcpu_hot){ .cpuid = &table, .apic_base = APIC_BASE_EN };
	v = (struct vcpu){ .hot = &hot, .vm = &vm, .index = index, .xcr0 = 1 };
	vm.nr_vcpus = nr_vcpus;
	cpuid_build(&v);
}

static int setup_intel(void **state)
{
	(void)state;
	host_set(CPU_INTEL);
	guest_make(CPU_INTEL, 4, 2);
	return 0;
}

static int setup_amd(void **state)
{
	(void)state;
	host_set(CPU_AMD);
	guest_make(CPU_AMD, 4, 2);
	return 0;
}

static struct cpuid_regs ask_with(u32 leaf, u32 subleaf, u64 cr4)
{
	/* High halves of the inputs are ignored, those of the outputs cleared. */
	hot.gprs[GPR_RAX] = 0xdead00000000ull | leaf;
	hot.gprs[GPR_RCX] = 0xbeef00000000ull | subleaf;
	cpuid_emulate(&hot, cr4);
	for (unsigned i = GPR_RAX; i <= GPR_RBX; i++)
		assert_int_equal(hot.gprs[i] >> 32, 0);
	return (struct cpuid_regs){ (u32)hot.gprs[GPR_RAX], (u32)hot.gprs[GPR_RBX],
				     (u32)hot.gprs[GPR_RCX], (u32)hot.gprs[GPR_RDX] };
}

static struct cpuid_regs ask(u32 leaf, u32 subleaf)
{
	return ask_with(leaf, subleaf, 0);
}

static void assert_entry(struct cpuid_regs e, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	assert_int_equal(e.eax, eax);
	assert_int_equal(e.ebx, ebx);
	assert_int_equal(e.ecx, ecx);
	assert_int_equal(e.edx, edx);
}

static void assert_zero(u32 leaf, u32 subleaf)
{
	assert_entry(ask(leaf, subleaf), 0, 0, 0, 0);
}

static void vendor_and_maxima(void **state)
{
	(void)state;
	assert_entry(ask(0, 0), 0x16, 0x756e6547, 0x6c65746e, 0x49656e69);
	assert_entry(ask(0x80000000, 7), 0x80000008, 0, 0, 0);
	host_set(CPU_AMD);
	guest_make(CPU_AMD, 1, 0);
	assert_entry(ask(0, 0), 0xd, 0x68747541, 0x444d4163, 0x69746e65);
	assert_entry(ask(0x80000000, 0), 0x80000021, 0x68747541, 0x444d4163, 0x69746e65);
}

/* Every bit of leaf 1 that the host has and the policy hides. */
static void leaf_1_hides(void **state)
{
	static const u8 ecx[] = { 2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 16, 18, 27 };
	static const u8 edx[] = { 10, 18, 20, 21, 22, 29, 30, 31 };
	struct cpuid_regs e = ask(1, 0);

	(void)state;
	assert_int_equal(e.eax, HOST_SIGNATURE);
	for (size_t i = 0; i < sizeof(ecx); i++)
		assert_false(e.ecx & BIT(ecx[i]));
	for (size_t i = 0; i < sizeof(edx); i++)
		assert_false(e.edx & BIT(edx[i]));
	/* Nothing else is missing. */
	assert_int_equal(__builtin_popcount(e.ecx), 32 - sizeof(ecx));
	assert_int_equal(__builtin_popcount(e.edx), 32 - sizeof(edx));
}

static void leaf_1_follows_state(void **state)
{
	(void)state;
	assert_true(ask_with(1, 0, CR4_OSXSAVE).ecx & BIT(27));
	assert_false(ask_with(1, 0, ~CR4_OSXSAVE).ecx & BIT(27));
	assert_true(ask(1, 0).edx & BIT(9));
	hot.apic_base = 0;
	assert_false(ask(1, 0).edx & BIT(9));
}

static void leaf_7_hides(void **state)
{
	static const u8 ebx[] = { 2, 12, 14, 15, 22, 25 };
	static const u8 ecx[] = { 4,  5,  7,  13, 15, 16, 17, 18, 19, 20,
				  21, 23, 24, 26, 29, 30, 31 };
	static const u8 edx_shown[] = { 2,  3,	4,  8,	10, 11, 14,
				       16, 23, 26, 27, 28, 29, 31 };
	struct cpuid_regs e = ask(7, 0);
	u32 edx = 0;

	(void)state;
	assert_int_equal(e.eax, 2);
	for (size_t i = 0; i < sizeof(ebx); i++)
		assert_false(e.ebx & BIT(ebx[i]));
	assert_int_equal(__builtin_popcount(e.ebx), 32 - sizeof(ebx));
	for (size_t i = 0; i < sizeof(ecx); i++)
		assert_false(e.ecx & BIT(ecx[i]));
	assert_int_equal(__builtin_popcount(e.ecx), 32 - sizeof(ecx));
	for (size_t i = 0; i < sizeof(edx_shown); i++)
		edx |= (u32)BIT(edx_shown[i]);
	assert_int_equal(e.edx, edx);
	/* LASS, FRED, LAM and their like need what Lamina does not switch. */
	assert_int_equal(ask(7, 1).eax & (BIT(6) | BIT(17) | BIT(18) | BIT(26)), 0);
	assert_int_equal(ask(7, 1).ebx | ask(7, 1).ecx, 0);
	assert_int_equal(ask(7, 2).edx, MASK(5, 0) | BIT(7));
	assert_zero(7, 3);
	assert_zero(7, 0xffffffff);
}

static void leaf_7_follows_state(void **state)
{
	(void)state;
	assert_true(ask_with(7, 0, CR4_PKE).ecx & BIT(4));
	assert_false(ask_with(7, 0, 0).ecx & BIT(4));
	assert_false(ask_with(7, 1, CR4_PKE).ecx & BIT(4));
}

static void emulated_features_need_no_host(void **state)
{
	struct cpuid_regs e;

	(void)state;
	host_is_bare = true;
	host_xcr0 = 0;
	guest_make(CPU_INTEL, 1, 0);
	e = ask(1, 0);
	assert_int_equal(e.ecx, BIT(21) | BIT(24) | BIT(31));
	assert_int_equal(e.edx, BIT(7) | BIT(9) | BIT(12) | BIT(14));
	assert_int_equal(ask(6, 0).eax, BIT(2));
	assert_int_equal(ask(7, 0).ebx, BIT(1));
	assert_int_equal(ask(7, 0).edx, BIT(29));
	assert_zero(0xd, 0);
	assert_zero(0xd, 1);
	assert_int_equal(ask(0x80000007, 0).edx, BIT(8));
	guest_make(CPU_AMD, 1, 0);
	assert_int_equal(ask(7, 0).edx, 0);
}

/* Without the state in XCR0 there are no instructions on it. */
static void vector_features_follow_xcr0(void **state)
{
	(void)state;
	host_xcr0 = 3;
	guest_make(CPU_INTEL, 1, 0);
	assert_false(cpuid_has(&hot, GUEST_AVX) || cpuid_has(&hot, GUEST_FMA) ||
		     cpuid_has(&hot, GUEST_F16C) || cpuid_has(&hot, GUEST_AVX2) ||
		     cpuid_has(&hot, GUEST_VAES) || cpuid_has(&hot, GUEST_AVX512F) ||
		     cpuid_has(&hot, GUEST_AVX_VNNI) || cpuid_has(&hot, GUEST_PKU));
	assert_true(cpuid_has(&hot, GUEST_XSAVE));
	host_xcr0 = 7 | XCR0_OPMASK;
	guest_make(CPU_INTEL, 1, 0);
	assert_true(cpuid_has(&hot, GUEST_AVX2));
	assert_false(cpuid_has(&hot, GUEST_AVX512F));
	host_xcr0 = 0xe7;
	guest_make(CPU_INTEL, 1, 0);
	assert_true(cpuid_has(&hot, GUEST_AVX512F));
	assert_false(cpuid_has(&hot, GUEST_PKU));
}

static void xsave_sizes(void **state)
{
	(void)state;
	assert_entry(ask(0xd, 0), 0x2e7, 576, 2696, 0);
	assert_entry(ask(0xd, 1), 7, 576, 0, 0);
	v.xcr0 = 7;
	cpuid_xcr0_changed(&v);
	assert_int_equal(ask(0xd, 0).ebx, 832);
	assert_int_equal(ask(0xd, 1).ebx, 832);
	v.xcr0 = 0xe7;
	cpuid_xcr0_changed(&v);
	assert_int_equal(ask(0xd, 0).ebx, 2688);
	assert_int_equal(ask(0xd, 1).ebx, 832 + 64 + 512 + 1024);
	/* Bits that the guest cannot have do not count. */
	v.xcr0 = ~0ull;
	cpuid_xcr0_changed(&v);
	assert_int_equal(ask(0xd, 0).ebx, 2696);
	assert_entry(ask(0xd, 2), 256, 576, 0, 0);
	assert_entry(ask(0xd, 9), 8, 2688, 0, 0);
	assert_zero(0xd, 8);
	assert_zero(0xd, 10);
	assert_zero(0xd, 11);
	assert_zero(0xd, 18);
	assert_zero(0xd, 63);
}

static void compacted_components_are_aligned(void **state)
{
	(void)state;
	host_xcr0 = 7 | XCR0_PKRU | XCR0_TILEDATA;
	guest_make(CPU_INTEL, 1, 0);
	v.xcr0 = host_xcr0;
	cpuid_xcr0_changed(&v);
	/* 832 and 8 bytes of PKRU, then 64-byte alignment for the aligned component. */
	assert_int_equal(ask(0xd, 1).ebx, 896 + 8192);
	assert_int_equal(ask(0xd, 0).ebx, 2816 + 8192);
}

static void topology(void **state)
{
	(void)state;
	assert_entry(ask(0xb, 0), 0, 1, 0x100, 2);
	assert_entry(ask(0xb, 1), 2, 4, 0x201, 2);
	assert_entry(ask(0xb, 2), 0, 0, 2, 2);
	assert_entry(ask(0xb, 0x1ff), 0, 0, 0xff, 2);
	assert_int_equal(ask(1, 0).ebx, 0x02040800);
	assert_true(ask(1, 0).edx & BIT(28));
	guest_make(CPU_INTEL, 5, 4);
	assert_entry(ask(0xb, 1), 3, 5, 0x201, 4);
	assert_int_equal(ask(1, 0).ebx >> 16, 0x0408);
	guest_make(CPU_INTEL, 1, 0);
	assert_entry(ask(0xb, 1), 0, 1, 0x201, 0);
	assert_int_equal(ask(1, 0).ebx >> 16, 1);
	assert_false(ask(1, 0).edx & BIT(28));
	guest_make(CPU_INTEL, 64, 63);
	assert_entry(ask(0xb, 1), 6, 64, 0x201, 63);
}

static void caches(void **state)
{
	(void)state;
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(bits_get(ask(4, i).eax, 25, 14), 0);
	assert_int_equal(bits_get(ask(4, 3).eax, 25, 14), 3);
	assert_int_equal(bits_get(ask(4, 0).eax, 31, 26), 3);
	assert_int_equal(ask(4, 0).ebx, 0x02c0003f);
	assert_zero(4, 4);
	assert_zero(4, 100);
}

static void frequencies(void **state)
{
	struct cpuid_regs e = ask(0x15, 0);

	(void)state;
	assert_int_equal((u64)e.ecx * e.ebx / e.eax, TSC_KHZ * 1000ull);
	assert_int_equal(e.ecx, LAPIC_TIMER_HZ);
	assert_entry(ask(0x16, 0), 2100, 2100, 100, 0);
}

static void hypervisor_leaves(void **state)
{
	struct cpuid_regs e = ask(0x40000000, 0);
	char text[13] = { 0 };

	(void)state;
	memcpy(text, &e.ebx, 12);
	assert_string_equal(text, "KVMKVMKVM");
	assert_int_equal(e.eax, 0x40000001);
	assert_entry(ask(0x40000001, 99), BIT(1) | BIT(3) | BIT(5) | BIT(24), 0, 0, 0);
	e = ask(0x40000100, 0);
	memcpy(text, &e.ebx, 12);
	assert_string_equal(text, "LaminaLamina");
	assert_int_equal(e.eax, 0x40000100);
}

/* Above a maximum Intel repeats the highest basic leaf, and AMD answers zeroes. */
static void out_of_range(void **state)
{
	static const u32 leaves[] = {
		0x17,	    0x1f,	0x20,	    0x21,	0x3fffffff,
		0x40000002, 0x400000ff, 0x40000101, 0x7fffffff, 0x80000009,
		0x8000001e, 0x8000003f, 0x80000040, 0xc0000000, 0xffffffff,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		assert_entry(ask(leaves[i], 0), 2100, 2100, 100, 0);
	host_set(CPU_AMD);
	guest_make(CPU_AMD, 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		if (leaves[i] != 0x8000001e && leaves[i] != 0x80000009)
			assert_zero(leaves[i], 0);
	}
}

static void hidden_leaves(void **state)
{
	static const u32 leaves[] = { 3,    5,	  8,	9,    0xa,  0xc,  0xe,
				      0xf,  0x10, 0x11, 0x12, 0x13, 0x14 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		assert_zero(leaves[i], 0);
		assert_zero(leaves[i], 1);
	}
	assert_int_equal(ask(6, 0).eax, BIT(2));
	assert_int_equal(ask(6, 0).ecx, 0);
}

static void address_sizes(void **state)
{
	(void)state;
	assert_int_equal(ask(0x80000008, 0).eax, 0x3030);
	assert_int_equal(cpuid_phys_bits(&hot), 48);
	cpu_info.phys_bits = 39;
	guest_make(CPU_INTEL, 1, 0);
	assert_int_equal(ask(0x80000008, 0).eax, 0x3027);
	assert_int_equal(cpuid_phys_bits(&hot), 39);
}

static void amd_extended(void **state)
{
	struct cpuid_regs e = ask(0x80000001, 0);
	u32 hidden = BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(17) |
		     BIT(19) | BIT(23) | BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(30);

	(void)state;
	assert_int_equal(e.ecx & hidden, 0);
	assert_true(e.ecx & BIT(1));
	/* The copy of leaf 1's bits, and its APIC bit. */
	assert_int_equal(e.edx & 0x0183f3ff, ask(1, 0).edx & 0x0183f3ff);
	hot.apic_base = 0;
	assert_false(ask(0x80000001, 0).edx & BIT(9));
	assert_int_equal(ask(0x80000007, 0).edx, BIT(8));
	assert_int_equal(ask(0x80000007, 0).ebx, 0);
	assert_int_equal(ask(0x80000008, 0).ecx, 2 << 12 | 3);
	assert_zero(0x8000000a, 0);
	assert_zero(0x8000001b, 0);
	assert_zero(0x8000001f, 0);
	assert_zero(0x80000020, 0);
	assert_entry(ask(0x8000001e, 0), 2, 2, 0, 0);
	assert_int_equal(ask(0x80000021, 0).eax &
				 (BIT(3) | BIT(7) | BIT(13) | BIT(17) | BIT(31)),
			 0);
	assert_int_equal(ask(0x80000021, 0).ebx, 0);
	assert_int_equal(ask(1, 0).ebx >> 16, 0x0204);
	assert_int_equal(bits_get(ask(0x8000001d, 3).eax, 25, 14), 3);
	assert_int_equal(bits_get(ask(0x8000001d, 2).eax, 31, 14), 0);
	assert_zero(0x8000001d, 4);
}

/* SPEC_CTRL and PRED_CMD, but not VIRT_SPEC_CTRL. */
static void amd_speculation_controls(void **state)
{
	u32 ebx = ask(0x80000008, 0).ebx;

	(void)state;
	assert_int_equal(ebx, BIT(0) | BIT(2) | BIT(9) | BIT(12) | MASK(20, 14) | BIT(24) |
				      BIT(26) | MASK(30, 28));
	assert_int_equal(ask(0x80000021, 0).eax & (BIT(8) | MASK(30, 27)), BIT(8) | MASK(30, 27));
}

static void intel_extended_shows_no_amd_state(void **state)
{
	struct cpuid_regs e = ask(0x80000001, 0);

	(void)state;
	assert_int_equal(e.edx & 0x0183f3ff, 0);
	assert_int_equal(e.ecx & BIT(1), 0);
	hot.apic_base = 0;
	assert_int_equal(ask(0x80000001, 0).edx, e.edx);
}

static void has_agrees_with_answers(void **state)
{
	(void)state;
	assert_true(cpuid_has(&hot, GUEST_NX));
	assert_true(cpuid_has(&hot, GUEST_RDTSCP));
	host_is_bare = true;
	guest_make(CPU_INTEL, 1, 0);
	assert_false(cpuid_has(&hot, GUEST_NX));
	assert_false(cpuid_has(&hot, GUEST_RDTSCP));
	assert_true(cpuid_has(&hot, GUEST_X2APIC));
}

/* Old CPUs have fewer extended leaves. */
static void small_amd(void **state)
{
	(void)state;
	cpu_info.max_extended_leaf = 0x8000001a;
	guest_make(CPU_AMD, 2, 1);
	assert_int_equal(ask(0x80000000, 0).eax, 0x8000001a);
	assert_zero(0x8000001d, 0);
	assert_zero(0x8000001e, 0);
	assert_zero(0x80000021, 0);
	cpu_info.max_extended_leaf = 0;
	guest_make(CPU_AMD, 2, 1);
	assert_int_equal(ask(0x80000000, 0).eax, 0x80000008);
}

/* All leaves times many subleaves, to be read under the sanitizers. */
static void sweep(void **state)
{
	static const u32 bases[] = { 0, 0x40000000, 0x40000100, 0x80000000, 0xc0000000 };

	(void)state;
	for (size_t b = 0; b < ARRAY_SIZE(bases); b++) {
		for (u32 leaf = 0; leaf < 0x100; leaf++) {
			for (u32 sub = 0; sub < 70; sub++)
				(void)ask_with(bases[b] + leaf, sub, ~0ull);
			(void)ask(bases[b] + leaf, 0x7fffffff);
			(void)ask(bases[b] + leaf, 0xffffffff);
		}
	}
}

int main(void)
{
#define I(f) cmocka_unit_test_setup_teardown(f, setup_intel, NULL)
#define A(f) cmocka_unit_test_setup_teardown(f, setup_amd, NULL)
	const struct CMUnitTest tests[] = {
		I(vendor_and_maxima),
		I(leaf_1_hides),
		I(leaf_1_follows_state),
		I(leaf_7_hides),
		I(leaf_7_follows_state),
		I(emulated_features_need_no_host),
		I(vector_features_follow_xcr0),
		I(xsave_sizes),
		I(compacted_components_are_aligned),
		I(topology),
		I(caches),
		I(frequencies),
		I(hypervisor_leaves),
		I(out_of_range),
		I(hidden_leaves),
		I(address_sizes),
		A(amd_extended),
		A(amd_speculation_controls),
		I(intel_extended_shows_no_amd_state),
		I(has_agrees_with_answers),
		A(small_amd),
		I(sweep),
		A(sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
