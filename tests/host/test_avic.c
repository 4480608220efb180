/* SPDX-License-Identifier: BSD-2-Clause */
/* AVIC and x2AVIC, on the fake CPU: NAP-4 to NAP-6, NAP-15, NAP-17, NAP-19, FLG-10, FLG-12. */
/* FLAGS: -Itests/host/fake */
/* LINK: tests/host/fake_cpu.c tests/host/fake_machine.c tests/host/fake_avic.c */
/* LINK: tests/host/fake_posted.c svm/avic.c svm/event.c vmx/apicv.c vmx/event.c */
/* LINK: core/dev/lapic.c core/dev/lapic_msg.c core/dev/lapic_timer.c core/dev/lapic_hw.c */
/* LINK: core/request.c core/event.c */
#include "tests/host/fake_runs.h"

#include <string.h>

#include "arch/x86/regs.h"
#include "svm/svm.h"

#define RUNNING BIT(62)
#define VALID BIT(63)

static const struct fake_config xapic = {
	.path = LAPIC_AVIC, .nr_cpus = 3, .nr_vcpus = 5, .host_id_first = 3
};

static struct fake_config x2apic(void)
{
	struct fake_config config = xapic;

	config.path = LAPIC_X2AVIC;
	config.is_x2apic = true;
	return config;
}

static void test_random_xapic(void **state)
{
	struct fake_config config = xapic;
	struct fake_result sum = runs_right("AVIC", config);

	(void)state;
	assert_true(sum.doorbells && sum.wakes && sum.ipi_exits);
	config.clears_isr = true;
	sum = runs_right("AVIC, level EOI exits with ISR clear", config);
	assert_true(sum.eoi_exits);
	config.logical = FAKE_CLUSTER;
	runs_right("AVIC, cluster model", config);
	config.logical = FAKE_ALIASED;
	runs_right("AVIC, aliased logical IDs", config);
}

static void test_random_x2apic(void **state)
{
	struct fake_config config = x2apic();
	struct fake_result sum = runs_right("x2AVIC", config);

	(void)state;
	assert_true(sum.doorbells && sum.wakes && sum.ipi_exits);
	config.is_x2apic = false;
	runs_right("x2AVIC, guests in xAPIC mode", config);
	config = x2apic();
	config.path = LAPIC_AVIC;
	sum = runs_right("AVIC, guests in x2APIC mode", config);
	assert_int_equal(sum.doorbells, 0);
}

static void test_random_inhibit(void **state)
{
	struct fake_config config = xapic;
	struct fake_result sum;

	(void)state;
	config.has_inhibitor = true;
	sum = runs_right("AVIC, inhibited on and off", config);
	assert_true(sum.doorbells && sum.kicks);
	config.has_extint = true;
	sum = runs_right("AVIC, inhibited, ExtINT", config);
	assert_true(sum.extints);
	config = x2apic();
	config.has_inhibitor = true;
	config.has_extint = true;
	runs_right("x2AVIC, inhibited, ExtINT", config);
}

static void test_random_extint(void **state)
{
	struct fake_config config = xapic;
	struct fake_result sum;

	(void)state;
	config.has_extint = true;
	sum = runs_right("AVIC, ExtINT", config);
	assert_true(sum.extints && sum.doorbells);
}

/* NAP-17: every IPI exits, and no interrupt is lost though senders see a stale IsRunning. */
static void test_random_erratum(void **state)
{
	struct fake_config config = xapic;
	struct fake_result sum;

	(void)state;
	config.has_erratum = true;
	sum = runs_right("AVIC with erratum 1235", config);
	assert_true(sum.ipi_exits > 4 * SEEDS);
	config.has_inhibitor = true;
	runs_right("AVIC with erratum 1235, inhibited", config);
}

/* FLG-12: no doorbell beyond APIC ID 255. */
static void test_random_large_ids(void **state)
{
	struct fake_config config = xapic;
	struct fake_result sum;

	(void)state;
	config.host_id_first = 256;
	sum = runs_right("AVIC on CPUs with large APIC IDs", config);
	assert_int_equal(sum.doorbells, 0);
	assert_true(sum.kicks);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *name;
		enum fake_wrong wrong;
		bool inhibits, has_erratum, as_duplicate;
	} cases[] = {
		{ "IsRunning falls late", WRONG_RUNNING_LATE, false, false, false },
		{ "IsRunning falls late at inhibition", WRONG_RUNNING_LATE, true, false, false },
		{ "live falls late", WRONG_LIVE_LATE, true, false, false },
		{ "live and the word are read before IRR is set", WRONG_IRR_LATE, false, false,
		  false },
		{ "parked late", WRONG_PARKED_LATE, false, false, false },
		{ "the word is marked late", WRONG_MODE_LATE, true, false, false },
		{ "no look at IRR before sleep", WRONG_NO_LOOK, false, false, false },
		{ "IsRunning set despite erratum 1235", WRONG_STALE_RUNNING, false, true, false },
		{ "401h ID 1: IRR set again", WRONG_SENT_AGAIN, false, false, true },
		{ "401h ID 2: taken as sent", WRONG_NOT_SENT, false, false, false },
		{ "host APIC ID of another CPU", WRONG_HOST_ID, false, false, false },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_config config = cases[i].inhibits ? x2apic() : xapic;

		/* Unmapping the xAPIC page would stop the senders' hardware before IsRunning does.
		 */
		config.wrong = cases[i].wrong;
		/* Only then does the hardware find nobody for what has targets. */
		if (config.wrong == WRONG_NOT_SENT)
			config.logical = FAKE_ALIASED;
		config.has_inhibitor = cases[i].inhibits;
		config.has_erratum = cases[i].has_erratum;
		runs_wrong(cases[i].name, config, cases[i].as_duplicate);
	}
}

/* --- one case at a time --- */

static struct fake_vcpu *const f0 = &machine.fakes[0], *const f1 = &machine.fakes[1];

static u64 *entry_of(const struct fake_vcpu *f)
{
	return &((struct svm_vm *)machine.vm.vendor)->physical_ids[f->v->index];
}

static u32 *reg(const struct fake_vcpu *f, u32 offset)
{
	return &f->v->lapic.regs[offset / 4];
}

static bool has_irr(const struct fake_vcpu *f, u8 vector)
{
	return vector_is_set(f->v->lapic.regs, APIC_IRR, vector);
}

/* Two vCPUs, the first one loaded on CPU 0. */
static void machine_start(const struct fake_config *base)
{
	struct fake_config config = *base;

	config.nr_vcpus = 2;
	config.nr_cpus = 2;
	fake_machine_make(&config);
	for (u32 i = 2; i--;) {
		machine.cpu = &machine.cpus[0];
		fake_load(machine.cpu, &machine.fakes[i]);
		hv_apic_load(machine.fakes[i].v);
		fake_requests_serve(&machine.fakes[i]);
		if (i)
			fake_unload(&machine.fakes[i]);
	}
	machine.has_page = true;
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

static void in_guest_set(struct fake_vcpu *f, struct fake_cpu *cpu)
{
	f->v->hot->mode = f->v->hot->entry_word = MODE_IN_GUEST | (u64)cpu->percpu->apic_id << 32;
	f->cpu = cpu;
	cpu->f = f;
	cpu->in_guest = true;
}

static void test_paths(void **state)
{
	(void)state;
	svm_caps = (struct svm_caps){ .has_x2avic = true };
	assert_int_equal(svm_apic_paths(), BIT(LAPIC_SOFTWARE));
	svm_caps.has_avic = true;
	assert_int_equal(svm_apic_paths(),
			 BIT(LAPIC_SOFTWARE) | BIT(LAPIC_AVIC) | BIT(LAPIC_X2AVIC));
	svm_caps.has_x2avic = false;
	assert_int_equal(svm_apic_paths(), BIT(LAPIC_SOFTWARE) | BIT(LAPIC_AVIC));
}

static void test_is_running(void **state)
{
	(void)state;
	machine_start(&xapic);
	assert_int_equal(*entry_of(f0), VALID | RUNNING | (u64)f0->v->lapic.regs | 3);
	assert_int_equal(*entry_of(f1), VALID | (u64)f1->v->lapic.regs);
	hv_apic_block(f0->v);
	assert_int_equal(*entry_of(f0), VALID | (u64)f0->v->lapic.regs);
	assert_int_equal(f0->v->hot->apic_live, 1);
	hv_apic_load(f0->v);
	assert_true(*entry_of(f0) & RUNNING);
	lapic_hw_inhibit(&machine.vm, LAPIC_INHIBIT_TEST, true);
	assert_true(f0->v->hot->requests & REQ_APIC);
	fake_requests_serve(f0);
	assert_int_equal(f0->v->hot->apic_live, 0);
	assert_false(*entry_of(f0) & RUNNING);
	assert_false(f0->v->hot->vmcb->vintr & (VINTR_AVIC | VINTR_X2AVIC));
	assert_false(machine.has_page);
	hv_apic_load(f0->v);
	assert_false(*entry_of(f0) & RUNNING);
	lapic_hw_inhibit(&machine.vm, LAPIC_INHIBIT_TEST, false);
	fake_requests_serve(f0);
	assert_int_equal(f0->v->hot->apic_live, 1);
	assert_true(*entry_of(f0) & RUNNING);
	fake_unload(f0);
	assert_false(*entry_of(f0) & RUNNING);
	machine_end();
}

static void test_erratum(void **state)
{
	struct fake_config config = xapic;

	(void)state;
	config.has_erratum = true;
	machine_start(&config);
	assert_true(svm_caps.has_stale_is_running);
	assert_int_equal(*entry_of(f0), VALID | (u64)f0->v->lapic.regs | 3);
	assert_true(svm_vcpu(f0->v)->physical_id & RUNNING);
	machine_end();
	config.has_erratum = false;
	config.host_id_first = 300;
	machine_start(&config);
	assert_false(*entry_of(f0) & RUNNING);
	machine_end();
}

static void test_post(void **state)
{
	(void)state;
	machine_start(&xapic);
	/* In the host: VMRUN will look. */
	hv_apic_post(f1->v, 0x55);
	assert_true(has_irr(f1, 0x55));
	assert_int_equal(f1->v->hot->requests & REQ_EVENT, 0);
	assert_int_equal(machine.result.doorbells + machine.result.wakes, 0);
	/* In the guest: the doorbell of the CPU that the word names. */
	in_guest_set(f1, &machine.cpus[1]);
	hv_apic_post(f1->v, 0x56);
	assert_true(machine.cpus[1].has_doorbell);
	assert_int_equal(machine.result.kicks, 0);
	/* In the guest on a CPU that no doorbell reaches: a kick. */
	f1->v->hot->mode = MODE_IN_GUEST | 4ull << 32;
	machine.config.host_id_first = 256 + 4 - 1;
	f1->v->hot->mode = MODE_IN_GUEST | 260ull << 32;
	hv_apic_post(f1->v, 0x57);
	assert_int_equal(machine.result.doorbells, 1);
	assert_int_equal(machine.result.kicks, 1);
	machine.config.host_id_first = 3;
	/* Parked: woken. */
	f1->v->hot->mode = 0;
	f1->v->hot->run_state = RUN_PARKED;
	hv_apic_post(f1->v, 0x58);
	assert_int_equal(f1->v->hot->run_state, RUN_LOOP);
	/* Not live: a request. */
	f1->v->hot->requests = 0;
	f1->v->hot->apic_live = 0;
	hv_apic_post(f1->v, 0x59);
	assert_int_equal(f1->v->hot->requests, REQ_EVENT);
	f1->v->hot->apic_live = 1;
	machine.cpus[1].f = NULL;
	machine_end();
}

/* Write ICR on the fake hardware, and have the exit handled. */
static bool icr_write(u32 icr, u32 dest)
{
	bool is_out = avic_write(f0, APIC_ICR, icr, dest);

	if (is_out)
		fake_exit_handle(f0);
	assert_false(*reg(f0, APIC_ICR) & APIC_ICR_BUSY);
	return is_out;
}

static u32 exit_id(void)
{
	return (u32)(f0->v->hot->vmcb->exit_info2 >> 32);
}

static void test_ipi_exits(const struct fake_config *config)
{
	machine_start(config);
	/* To a vCPU that does not run: IRR is set by the hardware, once. */
	assert_true(icr_write(0x4061, 1));
	assert_int_equal(exit_id(), 1);
	assert_true(f0->v->hot->exit.is_sent);
	assert_true(has_irr(f1, 0x61));
	assert_false(has_irr(f0, 0x61));
	/* Software does not set it again: it has been taken meanwhile. */
	*vector_word(f1->v->lapic.regs, APIC_IRR, 0x62) = 0;
	assert_true(avic_write(f0, APIC_ICR, 0x4062, 1));
	*vector_word(f1->v->lapic.regs, APIC_IRR, 0x62) = 0;
	f1->v->hot->run_state = RUN_PARKED;
	fake_exit_handle(f0);
	assert_false(has_irr(f1, 0x62));
	assert_int_equal(f1->v->hot->run_state, RUN_LOOP);
	/* To one that runs: no exit. */
	in_guest_set(f1, &machine.cpus[1]);
	*entry_of(f1) |= RUNNING | 4;
	assert_false(icr_write(0x4063, 1));
	assert_true(machine.cpus[1].has_doorbell);
	/* Not fixed: NMI, INIT, SIPI and lowest priority, by what ICR says. */
	f1->v->hot->mode = 0;
	assert_true(icr_write(0x4400, 1));
	assert_int_equal(exit_id(), 0);
	assert_int_equal(f1->v->nmi_pending, 1);
	assert_true(icr_write(0x4500, 1));
	assert_true(icr_write(0x4612, 1));
	assert_int_equal(machine.signals[1].inits, 1);
	assert_int_equal(machine.signals[1].sipi_vector, 0x12);
	assert_true(icr_write(0x4164, 1));
	assert_int_equal(exit_id(), 0);
	assert_true(has_irr(f1, 0x64));
	/* Nobody there. */
	assert_true(icr_write(0x4065, 77));
	assert_int_equal(exit_id(), 2);
	assert_false(has_irr(f0, 0x65) || has_irr(f1, 0x65));
	/* Logical, and not all there: those that are get it, by software. */
	assert_true(icr_write(0x4866, 0xe));
	assert_int_equal(exit_id(), 2);
	assert_true(has_irr(f1, 0x66));
	assert_false(has_irr(f0, 0x66));
	/* A bad vector. */
	assert_true(icr_write(0x4005, 1));
	assert_int_equal(exit_id(), 4);
	assert_int_equal(f0->v->lapic.esr_pending, 0x20);
	machine.cpus[1].f = NULL;
	machine_end();
}

static void test_ipi_exits_xapic(void **state)
{
	(void)state;
	test_ipi_exits(&xapic);
}

static void test_ipi_exits_x2apic(void **state)
{
	struct fake_config config = x2apic();

	(void)state;
	test_ipi_exits(&config);
}

/* Entries that are wrong are a bug of Lamina: not taken for anything else. */
static void test_ipi_bad_page(void **state)
{
	struct exit x;

	(void)state;
	machine_start(&xapic);
	for (u32 id = 0; id < 8; id++) {
		x = (struct exit){ .kind = EXIT_APIC_IPI };
		f0->v->hot->vmcb->exit_info1 = 0x0100000000004061;
		f0->v->hot->vmcb->exit_info2 = (u64)id << 32;
		svm_apic_ipi_decode(f0->v, &x);
		assert_int_equal(x.kind, id == 3 || id > 4 ? EXIT_UNKNOWN : EXIT_APIC_IPI);
		assert_int_equal(x.is_sent, id == 1);
		assert_int_equal(x.info, 0x100004061);
	}
	machine_end();
}

/* The hardware stores what the guest writes; what it means is software's. */
static void trap(u32 offset, u32 value)
{
	assert_true(avic_write(f0, offset, value, 0));
	fake_exit_handle(f0);
	assert_int_equal(f0->v->hot->exit.kind, EXIT_APIC_WRITE);
}

static void test_traps(void **state)
{
	(void)state;
	machine_start(&xapic);
	trap(APIC_ID, 0x55000000);
	assert_int_equal(*reg(f0, APIC_ID), 0);
	trap(APIC_RRD, 1);
	assert_int_equal(*reg(f0, APIC_RRD), 0);
	trap(APIC_LDR, 0x04ffffff);
	assert_int_equal(*reg(f0, APIC_LDR), 0x04000000);
	assert_true(f0->v->hot->requests & REQ_APIC);
	trap(APIC_DFR, 0);
	assert_int_equal(*reg(f0, APIC_DFR), 0x0fffffff);
	trap(APIC_LVT_TIMER, 0xffffffff);
	assert_int_equal(*reg(f0, APIC_LVT_TIMER) & 0x1000, 0);
	trap(APIC_LVT_TIMER, 0x30);
	trap(APIC_TIMER_DIVIDE, 0xffffffff);
	assert_int_equal(*reg(f0, APIC_TIMER_DIVIDE), 0xb);
	trap(APIC_TIMER_INITIAL, 1000);
	assert_true(f0->v->lapic.timer_deadline_tsc);
	/* Another mode stops the count, though the page has the new mode already. */
	trap(APIC_LVT_TIMER, APIC_LVT_DEADLINE | 0x30);
	assert_int_equal(f0->v->lapic.timer_deadline_tsc, 0);
	trap(APIC_TIMER_INITIAL, 1000);
	assert_int_equal(*reg(f0, APIC_TIMER_INITIAL), 0);
	f0->v->lapic.esr_pending = 0x40;
	trap(APIC_ESR, 0xffffffff);
	assert_int_equal(*reg(f0, APIC_ESR), 0x40);
	for (u32 offset = APIC_LVT_THERMAL; offset <= APIC_LVT_ERROR; offset += 16) {
		trap(offset, 0x1040);
		assert_int_equal(*reg(f0, offset), 0x40);
	}
	trap(APIC_SVR, 0xff);
	assert_true(*reg(f0, APIC_LVT_ERROR) & APIC_LVT_MASKED);
	machine_end();
}

static void test_faults(void **state)
{
	static const u32 offsets[] = { APIC_VERSION,	   APIC_APR, APIC_PPR,
				       APIC_ISR + 0x30,	   APIC_TMR, APIC_IRR,
				       APIC_TIMER_CURRENT, 0x400,    0xff0 };

	(void)state;
	machine_start(&xapic);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(offsets); i++) {
		bool is_write = i % 2;
		struct exit x = { .kind = EXIT_APIC_ACCESS };

		f0->v->hot->vmcb->exit_info1 = offsets[i / 2] | (is_write ? BIT(32) : 0);
		svm_apic_access_decode(f0->v, &x);
		assert_int_equal(x.kind, EXIT_APIC_ACCESS);
		assert_int_equal(x.gpa, LAPIC_BASE_RESET + offsets[i / 2]);
		assert_int_equal(x.access, is_write ? ACCESS_WRITE : ACCESS_READ);
	}
	/* Reads of what only writes trap, too. */
	f0->v->hot->vmcb->exit_info1 = APIC_EOI;
	svm_apic_access_decode(f0->v, &(struct exit){ 0 });
	machine_end();
}

/* Whether or not the hardware has cleared the bit in ISR: one EOI, and the I/O APIC hears of it. */
static void test_level_eoi(void **state)
{
	(void)state;
	for (u32 clears = 0; clears < 2; clears++) {
		struct fake_config config = xapic;

		config.clears_isr = clears;
		machine_start(&config);
		lapic_set_irr(f0->v, 0x71, true);
		assert_false(has_irr(f0, 0x71));
		fake_requests_serve(f0);
		assert_true(has_irr(f0, 0x71));
		/* On top of an edge interrupt that stays in service. */
		*vector_word(f0->v->lapic.regs, APIC_ISR, 0x61) |= vector_bit(0x61);
		fake_evaluate(f0);
		assert_int_equal(f0->known, 0x71);
		f0->sent[0x71]++;
		fake_accept(f0);
		assert_true(avic_write(f0, APIC_EOI, 0, 0));
		fake_exit_handle(f0);
		assert_int_equal(machine.eois[0x71], 1);
		assert_int_equal(vector_highest(f0->v->lapic.regs, APIC_ISR), 0x61);
		/* An edge interrupt of that vector afterwards does not exit. */
		assert_false(avic_write(f0, APIC_EOI, 0, 0));
		assert_int_equal(machine.eois[0x61], 0);
		assert_int_equal(vector_highest(f0->v->lapic.regs, APIC_ISR), -1);
		machine_end();
	}
}

static void logical_set(struct fake_vcpu *f, u32 dfr, u32 ldr)
{
	machine.cpu = &machine.cpus[0];
	fake_unload(machine.cpu->f);
	fake_load(machine.cpu, f);
	lapic_mmio_write(f->v, APIC_DFR, 4, dfr);
	lapic_mmio_write(f->v, APIC_LDR, 4, ldr << 24);
	fake_requests_serve(f);
}

static void logical_expect(u32 index0, u32 index1)
{
	const u32 *table = ((struct svm_vm *)machine.vm.vendor)->logical_ids;

	for (u32 i = 0; i < 64; i++) {
		u32 want = i == index0 ? 0x80000000u : i == index1 ? 0x80000001u : 0;

		if (table[i] != want)
			fail_msg("logical ID table, entry %u: 0x%x", i, table[i]);
	}
}

static void test_logical(void **state)
{
	enum { NONE = 99 };

	(void)state;
	machine_start(&xapic);
	logical_expect(0, 1);
	logical_set(f1, ~0u, 0x80);
	logical_expect(0, 7);
	/* Two bits, the bit of another, different models, x2APIC: everything exits. */
	logical_set(f1, ~0u, 0x81);
	logical_expect(NONE, NONE);
	logical_set(f1, ~0u, 0x01);
	logical_expect(NONE, NONE);
	logical_set(f1, 0, 0x31);
	logical_expect(NONE, NONE);
	logical_set(f0, 0, 0x32);
	logical_expect(13, 12);
	logical_set(f1, 0, 0xe8);
	logical_expect(13, 59);
	logical_set(f1, 0, 0xf1);
	logical_expect(NONE, NONE);
	logical_set(f1, 0x50000000, 0x31);
	logical_expect(NONE, NONE);
	/* Nobody's logical ID, and an APIC that is off, do not disturb. */
	logical_set(f1, 0, 0x30);
	logical_expect(13, NONE);
	logical_set(f1, 0, 0x31);
	assert_int_equal(lapic_base_write(f1->v, LAPIC_BASE_RESET), ERR_NONE);
	fake_requests_serve(f1);
	logical_expect(13, NONE);
	assert_int_equal(f1->v->hot->apic_live, 0);
	machine_end();
}

/* AVIC ignores V_IRQ: it is off while ExtINT waits for IF = 1, and on again behind it. */
static void test_window(void **state)
{
	struct vmcb *vmcb;

	(void)state;
	machine_start(&xapic);
	vmcb = f0->v->hot->vmcb;
	machine.has_pic = true;
	f0->has_if = false;
	event_deliver(f0->v);
	assert_int_equal(f0->v->hot->apic_live, 0);
	assert_false(vmcb->vintr & VINTR_AVIC);
	assert_true((vmcb->vintr & VINTR_IRQ) && svm_intercepts(vmcb, SVM_EXIT_VINTR));
	assert_false(*entry_of(f0) & RUNNING);
	/* What is sent meanwhile waits in IRR and is not injected in front. */
	hv_apic_post(f0->v, 0x77);
	assert_true(f0->v->hot->requests & REQ_EVENT);
	fake_requests_serve(f0);
	f0->has_if = true;
	event_deliver(f0->v);
	assert_int_equal(vmcb->event_inj, 0x21 | EVENT_VALID);
	assert_true(has_irr(f0, 0x77));
	assert_int_equal(f0->v->hot->apic_live, 1);
	assert_true(vmcb->vintr & VINTR_AVIC);
	assert_false(vmcb->vintr & VINTR_IRQ);
	assert_true(*entry_of(f0) & RUNNING);
	/* Inhibited while it waited: software takes over at once. */
	vmcb->event_inj = 0;
	machine.has_pic = true;
	f0->has_if = false;
	event_deliver(f0->v);
	machine.vm.lapic_inhibits = LAPIC_INHIBIT_TEST;
	f0->has_if = true;
	f0->v->hot->requests = 0;
	event_deliver(f0->v);
	assert_int_equal(vmcb->event_inj, 0x21 | EVENT_VALID);
	assert_true(f0->v->hot->requests & REQ_EVENT);
	vmcb->event_inj = 0;
	event_deliver(f0->v);
	assert_int_equal(vmcb->event_inj, 0x77 | EVENT_VALID);
	machine_end();
}

static void test_x2apic_map(void **state)
{
	struct fake_config config = x2apic();

	(void)state;
	machine_start(&config);
	assert_int_equal(f0->v->hot->vmcb->vintr & (VINTR_AVIC | VINTR_X2AVIC),
			 VINTR_AVIC | VINTR_X2AVIC);
	for (u32 offset = 0; offset < 0x1000; offset += 16) {
		u32 msr = LAPIC_MSR_FIRST + offset / 16;
		bool may_write = offset == APIC_TPR || offset == APIC_EOI || offset == APIC_ICR ||
				 offset == APIC_SELF_IPI;

		if (avic_msr_exits(f0, msr, true) == may_write)
			fail_msg("writes of 0x%x", msr);
		if (avic_msr_exits(f0, msr, false) == lapic_msr_is_plain(msr))
			fail_msg("reads of 0x%x", msr);
	}
	assert_true(avic_msr_exits(f0, LAPIC_MSR_FIRST + APIC_TIMER_CURRENT / 16, false));
	assert_true(avic_msr_exits(f0, 0x10, false));
	/* Inhibited: everything exits. */
	lapic_hw_inhibit(&machine.vm, LAPIC_INHIBIT_TEST, true);
	fake_requests_serve(f0);
	assert_true(avic_msr_exits(f0, LAPIC_MSR_FIRST + APIC_EOI / 16, true));
	/* ICR's upper half stands where either kind of hardware looks for it. */
	assert_int_equal(lapic_msr_write(f0->v, LAPIC_MSR_FIRST + APIC_ICR / 16, 0x100004055),
			 ERR_NONE);
	assert_int_equal(*reg(f0, APIC_ICR2), 1);
	assert_int_equal(*reg(f0, APIC_X2_ICR_HIGH), 1);
	machine_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_is_running),
		cmocka_unit_test(test_erratum),
		cmocka_unit_test(test_post),
		cmocka_unit_test(test_ipi_exits_xapic),
		cmocka_unit_test(test_ipi_exits_x2apic),
		cmocka_unit_test(test_ipi_bad_page),
		cmocka_unit_test(test_traps),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_level_eoi),
		cmocka_unit_test(test_logical),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_x2apic_map),
		cmocka_unit_test(test_random_xapic),
		cmocka_unit_test(test_random_x2apic),
		cmocka_unit_test(test_random_inhibit),
		cmocka_unit_test(test_random_extint),
		cmocka_unit_test(test_random_erratum),
		cmocka_unit_test(test_random_large_ids),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
