/* SPDX-License-Identifier: BSD-2-Clause */
/* Posted interrupts, interrupt delivery and IPI virtualization, on the fake CPU: NAP-12, NAP-13. */
/* FLAGS: -Itests/host/fake */
/* LINK: tests/host/fake_cpu.c tests/host/fake_machine.c tests/host/fake_avic.c */
/* LINK: tests/host/fake_posted.c svm/avic.c svm/event.c vmx/apicv.c vmx/event.c */
/* LINK: core/dev/lapic.c core/dev/lapic_msg.c core/dev/lapic_timer.c core/dev/lapic_hw.c */
/* LINK: core/request.c core/event.c */
#include "tests/host/fake_runs.h"

#include <string.h>

#include "arch/x86/regs.h"
#include "vmx/vmx.h"

#define ON BIT(0)

static const struct fake_config base = {
	.is_vmx = true, .path = LAPIC_APICV, .nr_cpus = 3, .nr_vcpus = 5, .host_id_first = 3
};

static void test_random(void **state)
{
	struct fake_config config = base;
	struct fake_result sum = runs_right("APICv", config);

	(void)state;
	assert_true(sum.notifications && sum.wakes && sum.eoi_exits);
	config.is_x2apic = true;
	runs_right("APICv, x2APIC", config);
	config.has_extint = true;
	sum = runs_right("APICv, x2APIC, ExtINT", config);
	assert_true(sum.extints);
	config.has_inhibitor = true;
	sum = runs_right("APICv, x2APIC, ExtINT, inhibited on and off", config);
	assert_true(sum.notifications && sum.kicks);
	config.is_x2apic = false;
	runs_right("APICv, ExtINT, inhibited on and off", config);
}

static void test_random_ipiv(void **state)
{
	struct fake_config config = base;

	(void)state;
	config.has_ipiv = true;
	runs_right("IPI virtualization", config);
	config.is_x2apic = true;
	runs_right("IPI virtualization, x2APIC", config);
	config.has_inhibitor = true;
	runs_right("IPI virtualization, x2APIC, inhibited on and off", config);
}

static void test_random_software(void **state)
{
	struct fake_config config = base;
	struct fake_result sum;

	(void)state;
	config.path = LAPIC_TPR_SHADOW;
	sum = runs_right("TPR shadow only", config);
	assert_int_equal(sum.notifications, 0);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *name;
		enum fake_wrong wrong;
		bool has_ipiv, inhibits;
	} cases[] = {
		{ "ON before PIR", WRONG_PIR_LATE, false, false },
		{ "PIR taken before ON is cleared", WRONG_ON_LATE, false, false },
		{ "the wake-up vector comes late", WRONG_NV_LATE, true, false },
		{ "parked late", WRONG_PARKED_LATE, false, false },
		{ "the word is marked late", WRONG_MODE_LATE, false, false },
		{ "no look before sleep", WRONG_NO_LOOK, false, false },
		{ "entry does not test ON", WRONG_NO_ON_TEST, false, false },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_config config = base;

		config.wrong = cases[i].wrong;
		config.has_ipiv = cases[i].has_ipiv;
		config.has_inhibitor = cases[i].inhibits;
		config.is_x2apic = true;
		runs_wrong(cases[i].name, config, false);
	}
}

static struct fake_vcpu *const f0 = &machine.fakes[0], *const f1 = &machine.fakes[1];

static void machine_start(bool has_ipiv)
{
	struct fake_config config = base;

	config.nr_vcpus = 2;
	config.nr_cpus = 2;
	config.is_x2apic = true;
	config.has_ipiv = has_ipiv;
	fake_machine_make(&config);
	for (u32 i = 2; i--;) {
		machine.cpu = &machine.cpus[0];
		fake_load(machine.cpu, &machine.fakes[i]);
		hv_apic_load(machine.fakes[i].v);
		fake_requests_serve(&machine.fakes[i]);
		if (i)
			fake_unload(&machine.fakes[i]);
	}
	memset(&machine.result, 0, sizeof(machine.result));
}

static void machine_end(void)
{
	const char *fault = machine.result.fault;

	machine.cpu = NULL;
	fake_machine_drop();
	if (fault)
		fail_msg("%s", fault);
}

static u64 control(const struct fake_vcpu *f)
{
	return f->v->hot->posted.control;
}

/* NV and NDST; SN stays 0, ON is nobody's but senders'. */
static void test_descriptor(void **state)
{
	(void)state;
	machine_start(false);
	assert_int_equal(control(f0), 3ull << 32 | IRQ_POSTED << 16);
	hv_apic_block(f0->v);
	assert_int_equal(control(f0), 3ull << 32 | IRQ_WAKE << 16);
	f0->v->hot->posted.control |= ON;
	fake_unload(f0);
	machine.cpu = &machine.cpus[1];
	fake_load(machine.cpu, f0);
	hv_apic_load(f0->v);
	assert_int_equal(control(f0), 4ull << 32 | IRQ_POSTED << 16 | ON);
	machine_end();
}

static void test_post(void **state)
{
	(void)state;
	machine_start(false);
	/* In the host: ON alone, which entry tests. */
	hv_apic_post(f0->v, 0x51);
	assert_true(control(f0) & ON);
	assert_int_equal(f0->v->hot->posted.pir[2], 1u << 17);
	assert_int_equal(machine.result.notifications, 0);
	/* The next one is told of by the same ON. */
	f0->v->hot->mode = MODE_IN_GUEST | 3ull << 32;
	hv_apic_post(f0->v, 0x52);
	assert_int_equal(machine.result.notifications, 0);
	hv_apic_sync(f0->v);
	assert_false(control(f0) & ON);
	assert_int_equal(f0->v->hot->posted.pir[2], 0);
	assert_int_equal(lapic_highest(f0->v, APIC_IRR), 0x52);
	/* In the guest: a notification to where it is. */
	hv_apic_post(f0->v, 0x53);
	assert_int_equal(machine.result.notifications, 1);
	assert_true(machine.cpus[0].has_irq[IRQ_POSTED]);
	/* Parked: woken. */
	f0->v->hot->mode = 0;
	hv_apic_sync(f0->v);
	f0->v->hot->run_state = RUN_PARKED;
	hv_apic_post(f0->v, 0x54);
	assert_int_equal(f0->v->hot->run_state, RUN_LOOP);
	machine_end();
}

/* Without a look at ON before entry the guest would never be entered again. */
static void test_entry_syncs(void **state)
{
	(void)state;
	machine_start(false);
	hv_apic_post(f0->v, 0x51);
	event_deliver(f0->v);
	assert_false(control(f0) & ON);
	assert_int_equal(*fake_vmcs_field(VMCS_GUEST_INTR_STATUS) & 0xff, 0x51);
	machine_end();
}

static void test_level_eoi(void **state)
{
	(void)state;
	machine_start(false);
	lapic_set_irr(f0->v, 0x71, true);
	assert_int_equal(control(f0) & ON, 0);
	fake_requests_serve(f0);
	event_deliver(f0->v);
	f0->cpu->in_guest = true;
	posted_enter(f0);
	assert_int_equal(f0->known, 0x71);
	f0->sent[0x71]++;
	fake_accept(f0);
	assert_true(posted_write(f0, APIC_EOI, 0, 0));
	fake_exit_handle(f0);
	assert_int_equal(machine.eois[0x71], 1);
	/* An edge interrupt of the same vector: its EOI exits once more and then no longer. */
	for (u32 i = 0; i < 2; i++) {
		lapic_set_irr(f0->v, 0x71, false);
		event_deliver(f0->v);
		posted_enter(f0);
		f0->sent[0x71]++;
		fake_accept(f0);
		assert_int_equal(posted_write(f0, APIC_EOI, 0, 0), i == 0);
		if (i == 0)
			fake_exit_handle(f0);
		assert_int_equal(machine.eois[0x71], 1);
	}
	machine_end();
}

/* NAP-12: hardware posts by the table; entries stay valid while the vCPU is elsewhere. */
static void test_ipiv(void **state)
{
	const struct vmx_vm *vm;

	(void)state;
	machine_start(true);
	vm = machine.vm.vendor;
	for (u32 i = 0; i < 2; i++)
		assert_int_equal(vm->pid_table[i], (u64)&machine.fakes[i].v->hot->posted | 1);
	assert_false(posted_msr_exits(f0, LAPIC_MSR_FIRST + APIC_ICR / 16, true));
	assert_false(posted_write(f0, APIC_ICR, 0x4055, 1));
	assert_true(control(f1) & ON);
	assert_int_equal(f1->v->hot->posted.pir[2], 1u << 21);
	assert_int_equal(machine.result.notifications, 1);
	/* What it does not do comes out: NMI, logical, shorthand, nobody, bad vector. */
	assert_true(posted_write(f0, APIC_ICR, 0x4400, 1));
	fake_exit_handle(f0);
	assert_int_equal(f1->v->nmi_pending, 1);
	assert_true(posted_write(f0, APIC_ICR, 0x4856, 3));
	fake_exit_handle(f0);
	assert_int_equal(f1->v->hot->posted.pir[2], 1u << 21 | 1u << 22);
	assert_int_equal(f0->v->hot->posted.pir[2], 1u << 22);
	assert_true(posted_write(f0, APIC_ICR, 0xc4057, 0));
	fake_exit_handle(f0);
	assert_true(f1->v->hot->posted.pir[2] & 1u << 23);
	assert_true(posted_write(f0, APIC_ICR, 0x4055, 7));
	fake_exit_handle(f0);
	assert_true(posted_write(f0, APIC_ICR, 0x4005, 1));
	fake_exit_handle(f0);
	assert_int_equal(f0->v->lapic.esr_pending, 0x20);
	machine_end();
}

static void test_inhibit(void **state)
{
	(void)state;
	machine_start(true);
	hv_apic_post(f0->v, 0x51);
	lapic_hw_inhibit(&machine.vm, LAPIC_INHIBIT_TEST, true);
	fake_requests_serve(f0);
	assert_int_equal(f0->v->hot->apic_live, 0);
	assert_false(*fake_vmcs_field(VMCS_PIN_CONTROLS) & PIN_POSTED);
	assert_true(posted_msr_exits(f0, LAPIC_MSR_FIRST + APIC_EOI / 16, true));
	/* PIR is taken over and injected. */
	event_deliver(f0->v);
	assert_int_equal(*fake_vmcs_field(VMCS_ENTRY_INTR_INFO), 0x51 | INTR_VALID);
	lapic_hw_inhibit(&machine.vm, LAPIC_INHIBIT_TEST, false);
	fake_requests_serve(f0);
	assert_int_equal(f0->v->hot->apic_live, 1);
	/* In service: SVI has it. */
	assert_int_equal(*fake_vmcs_field(VMCS_GUEST_INTR_STATUS), 0x5100);
	machine_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_post),
		cmocka_unit_test(test_entry_syncs),
		cmocka_unit_test(test_level_eoi),
		cmocka_unit_test(test_ipiv),
		cmocka_unit_test(test_inhibit),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_random_ipiv),
		cmocka_unit_test(test_random_software),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
