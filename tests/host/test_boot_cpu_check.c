/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: boot/cpu_check.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/cpu_check.h"

#define BIT(n) (UINT64_C(1) << (n))

/* A CPU with VMX whose controls may all be set, and one with SVM. */
static struct cpu_facts vmx_cpu(void)
{
	struct cpu_facts f = {
		.is_intel = true,
		.cpuid_1_ecx = BIT(5),
		.cpuid_80000001_edx = BIT(20),
		.feature_control = 5,
		.procbased_ctls = UINT64_MAX << 32,
		.procbased_ctls2 = UINT64_MAX << 32,
	};

	return f;
}

static struct cpu_facts svm_cpu(void)
{
	struct cpu_facts f = {
		.cpuid_80000001_ecx = BIT(2),
		.cpuid_80000001_edx = BIT(20),
		.cpuid_8000000a_edx = 1,
	};

	return f;
}

static void test_good(void **state)
{
	struct cpu_facts vmx = vmx_cpu(), svm = svm_cpu();

	(void)state;
	assert_int_equal(cpu_check(&vmx).error, E_NONE);
	assert_int_equal(cpu_check(&svm).error, E_NONE);
	vmx.is_intel = false; /* other vendors have VMX, too */
	assert_int_equal(cpu_check(&vmx).error, E_NONE);
}

static void test_feature_control(void **state)
{
	struct cpu_facts f = vmx_cpu();

	(void)state;
	f.feature_control = 0; /* not locked: the core sets it */
	assert_int_equal(cpu_check(&f).error, E_NONE);
	f.feature_control = 4;
	assert_int_equal(cpu_check(&f).error, E_NONE);
	f.feature_control = 1;
	assert_int_equal(cpu_check(&f).error, E_VMXOFF);
	f.feature_control = 3; /* only inside SMX operation */
	assert_int_equal(cpu_check(&f).error, E_VMXOFF);
	f.feature_control = 0xff07;
	assert_int_equal(cpu_check(&f).error, E_NONE);
}

static void test_vmx_controls(void **state)
{
	struct cpu_facts f = vmx_cpu();

	(void)state;
	f.procbased_ctls2 = UINT64_MAX & ~BIT(33);
	assert_int_equal(cpu_check(&f).error, E_NOEPT);
	f.procbased_ctls2 = UINT64_MAX & ~BIT(39);
	assert_int_equal(cpu_check(&f).error, E_NOUG);
	f.procbased_ctls2 = 0xffffffff; /* the lower half says what must be 1 */
	assert_int_equal(cpu_check(&f).error, E_NOEPT);
}

static uint64_t without; /* the bits that no MSR has */

static uint64_t fake_rdmsr(uint32_t msr)
{
	return (msr | UINT64_MAX << 32) & ~without;
}

static void test_msrs(void **state)
{
	struct cpu_facts vmx = { .cpuid_1_ecx = BIT(5) }, old = vmx;
	struct cpu_facts svm = { .cpuid_80000001_ecx = BIT(2) };

	(void)state;
	cpu_read_msrs(&vmx, fake_rdmsr);
	assert_int_equal((uint32_t)vmx.feature_control, 0x3a);
	assert_int_equal((uint32_t)vmx.procbased_ctls2, 0x48b);
	assert_int_equal((uint32_t)vmx.procbased_ctls3, 0x492);
	assert_int_equal((uint32_t)vmx.ept_vpid_cap, 0x48c);
	assert_int_equal(vmx.vm_cr, 0);
	without = BIT(63) | BIT(49);
	cpu_read_msrs(&old, fake_rdmsr);
	assert_int_equal((uint32_t)old.procbased_ctls, 0x482);
	assert_int_equal(old.procbased_ctls2 | old.procbased_ctls3 | old.ept_vpid_cap, 0);
	cpu_read_msrs(&svm, fake_rdmsr);
	assert_int_equal((uint32_t)svm.vm_cr, 0xc0010114);
	assert_int_equal(svm.feature_control | svm.procbased_ctls, 0);
}

static void test_svm(void **state)
{
	struct cpu_facts f = svm_cpu();

	(void)state;
	f.vm_cr = BIT(3); /* locked, but on */
	assert_int_equal(cpu_check(&f).error, E_NONE);
	f.vm_cr = BIT(4);
	assert_int_equal(cpu_check(&f).error, E_SVMOFF);
	f.vm_cr = BIT(4) | BIT(3);
	assert_int_equal(cpu_check(&f).error, E_SVMOFF);
	f = svm_cpu();
	f.cpuid_8000000a_edx = 0xfffffffe;
	assert_int_equal(cpu_check(&f).error, E_NONPT);
}

static void test_neither(void **state)
{
	struct cpu_facts vmx = vmx_cpu(), svm = svm_cpu();

	(void)state;
	vmx.cpuid_1_ecx = ~BIT(5);
	assert_int_equal(cpu_check(&vmx).error, E_NOVMX);
	svm.cpuid_80000001_ecx = ~BIT(2);
	assert_int_equal(cpu_check(&svm).error, E_NOSVM);
}

static void test_paging(void **state)
{
	struct cpu_facts f = vmx_cpu();

	(void)state;
	f.cr4 = BIT(12);
	assert_int_equal(cpu_check(&f).error, E_LA57);
	f.cr4 = ~BIT(12);
	assert_int_equal(cpu_check(&f).error, E_NONE);
	f.cpuid_80000001_edx = ~BIT(20);
	assert_int_equal(cpu_check(&f).error, E_NONX);
}

static void test_texts(void **state)
{
	struct cpu_facts f = vmx_cpu();

	(void)state;
	f.feature_control = 1;
	assert_string_equal(cpu_check(&f).text, "VMX is disabled by the firmware");
	f.cpuid_80000001_edx = 0; /* comes first */
	assert_string_equal(cpu_check(&f).text, "this CPU offers no NX bit");
	f = (struct cpu_facts){ .cpuid_80000001_edx = BIT(20) };
	assert_string_equal(cpu_check(&f).text, "this CPU offers no SVM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	     cmocka_unit_test(test_feature_control),
		cmocka_unit_test(test_vmx_controls), cmocka_unit_test(test_svm),
		cmocka_unit_test(test_neither),	     cmocka_unit_test(test_paging),
		cmocka_unit_test(test_texts),	     cmocka_unit_test(test_msrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
