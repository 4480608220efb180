/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: svm/event.c */
/* NMIs on SVM with the CPU's virtual NMIs, which no emulator has, and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/regs.h"
#include "svm/svm.h"

struct svm_caps svm_caps;
static struct vmcb vmcb;
static struct svm_vcpu svm;
static struct vcpu_hot hot = { .vmcb = &vmcb };
static struct vcpu v = { .hot = &hot, .vendor = &svm };
static const struct event nmi = { .is_valid = true, .type = EVENT_NMI, .vector = EXC_NMI };

/* Only where AVIC delivers. */
void lapic_hw_pause(struct vcpu *of, bool is_on)
{
	(void)of;
	(void)is_on;
	fail_msg("there is no AVIC here");
}

static int setup(bool has_vnmi)
{
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&svm, 0, sizeof(svm));
	svm_caps.has_vnmi = has_vnmi;
	return 0;
}

static int with_vnmi(void **state)
{
	(void)state;
	return setup(true);
}

static int without_vnmi(void **state)
{
	(void)state;
	return setup(false);
}

static bool iret_exits(void)
{
	return svm_intercepts(&vmcb, SVM_EXIT_IRET);
}

/* What the CPU does when nothing blocks the pending one. */
static void cpu_delivers(void)
{
	assert_true(vmcb.vintr & VINTR_NMI);
	assert_false(vmcb.vintr & VINTR_NMI_MASK);
	vmcb.vintr = (vmcb.vintr & ~VINTR_NMI) | VINTR_NMI_MASK;
}

static void the_cpu_keeps_one(void **state)
{
	(void)state;
	svm_inject(&v, &nmi);
	assert_true(vmcb.vintr & VINTR_NMI);
	assert_false(vmcb.event_inj & EVENT_VALID);
	assert_true(svm_blocking_get(&v) & BLOCK_NMI);
	/* An entry that did not take place leaves it where it is. */
	assert_false(svm_injection_take(&v).is_valid);
	assert_true(vmcb.vintr & VINTR_NMI);
	cpu_delivers();
	assert_true(svm_blocking_get(&v) & BLOCK_NMI);
	assert_false(iret_exits());
}

static void the_next_comes_behind_iret(void **state)
{
	(void)state;
	svm_inject(&v, &nmi);
	cpu_delivers();
	svm_window(&v, false, true);
	assert_true(iret_exits());
	vmcb.rip = 0x1000;
	svm_nmi_iret(&v);
	assert_false(svm_blocking_get(&v) & BLOCK_NMI);
	svm_inject(&v, &nmi);
	svm_window(&v, false, false);
	assert_false(iret_exits());
	vmcb.vintr &= ~VINTR_NMI_MASK; /* IRET */
	cpu_delivers();
}

static void interrupted_delivery_is_repeated(void **state)
{
	struct event e;

	(void)state;
	svm_inject(&v, &nmi);
	cpu_delivers();
	vmcb.exit_int_info = EXC_NMI | (u64)EVENT_NMI << EVENT_TYPE_SHIFT | EVENT_VALID;
	e = svm_injection_take(&v);
	assert_true(e.is_valid && e.type == EVENT_NMI);
	assert_false(svm_blocking_get(&v) & BLOCK_NMI);
	svm_inject(&v, &e);
	cpu_delivers();
}

static void blocking_is_settable(void **state)
{
	(void)state;
	svm_blocking_set(&v, BLOCK_NMI);
	assert_true(svm_blocking_get(&v) & BLOCK_NMI);
	svm_blocking_set(&v, 0);
	assert_false(svm_blocking_get(&v) & BLOCK_NMI);
}

static void software_intercepts_iret(void **state)
{
	(void)state;
	svm_inject(&v, &nmi);
	assert_true(vmcb.event_inj & EVENT_VALID);
	assert_false(vmcb.vintr & VINTR_NMI);
	assert_true(iret_exits());
	assert_true(svm_blocking_get(&v) & BLOCK_NMI);
	vmcb.event_inj = 0;
	vmcb.rip = 0x1000;
	svm_nmi_iret(&v);
	assert_true(svm_blocking_get(&v) & BLOCK_NMI);
	vmcb.rip = 0x2000;
	assert_false(svm_blocking_get(&v) & BLOCK_NMI);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_cpu_keeps_one, with_vnmi),
		cmocka_unit_test_setup(the_next_comes_behind_iret, with_vnmi),
		cmocka_unit_test_setup(interrupted_delivery_is_repeated, with_vnmi),
		cmocka_unit_test_setup(blocking_is_settable, with_vnmi),
		cmocka_unit_test_setup(blocking_is_settable, without_vnmi),
		cmocka_unit_test_setup(software_intercepts_iret, without_vnmi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
