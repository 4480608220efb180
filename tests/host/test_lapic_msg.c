/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/dev/lapic.c core/dev/lapic_msg.c core/dev/lapic_timer.c */
/* Messages between local APICs, and from devices to them. */
#include "tests/host/lapic_fixture.h"

unsigned cpuid_phys_bits(const struct vcpu_hot *hot)
{
	(void)hot;
	return 40;
}

/* xAPICs 0 to 3, enabled, flat logical IDs 1, 2, 4, 8. */
static int setup(void **state)
{
	(void)state;
	vm_make(FIXTURE_CPUS);
	for (u32 i = 0; i < FIXTURE_CPUS; i++) {
		xapic_enable(&vcpus[i]);
		mmio_set(&vcpus[i], APIC_LDR, 1u << (24 + i));
	}
	return 0;
}

static int setup_x2(void **state)
{
	(void)state;
	vm_make(20);
	for (u32 i = 0; i < vm.nr_vcpus; i++) {
		x2apic_enter(&vcpus[i]);
		x2_set(&vcpus[i], APIC_SVR, 0x1ff);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_drop();
	return 0;
}

/* Take the pending interrupt of every CPU; the set of CPUs that had `vector`. */
static u64 collect(int vector)
{
	u64 who = 0;

	for (u32 i = 0; i < vm.nr_vcpus; i++) {
		struct vcpu *v = &vcpus[i];
		int pending = lapic_pending(v);

		if (pending < 0)
			continue;
		assert_int_equal(pending, vector);
		lapic_ack(v, (u8)pending);
		if (v->hot->apic_base & APIC_BASE_EXTD)
			x2_set(v, APIC_EOI, 0);
		else
			mmio_set(v, APIC_EOI, 0);
		assert_int_equal(lapic_pending(v), -1);
		who |= BIT(i);
	}
	return who;
}

static u64 deliver(u32 dest, bool is_logical, u8 vector)
{
	struct lapic_msg msg = { .dest = dest, .is_logical = is_logical, .vector = vector };
	bool taken = lapic_deliver(&vm, &msg);
	u64 who = collect(vector);

	assert_int_equal(taken, who != 0);
	return who;
}

static u64 deliver_x2(u32 dest, bool is_logical, u8 vector)
{
	struct lapic_msg msg = {
		.dest = dest, .is_x2apic = true, .is_logical = is_logical, .vector = vector
	};
	bool taken = lapic_deliver(&vm, &msg);
	u64 who = collect(vector);

	assert_int_equal(taken, who != 0);
	return who;
}

static void icr(struct vcpu *v, u32 dest, u32 low)
{
	mmio_set(v, APIC_ICR2, dest << 24);
	mmio_set(v, APIC_ICR, low);
	assert_int_equal(mmio_get(v, APIC_ICR), low & ~0x1000u);
}

static void physical(void **state)
{
	(void)state;
	for (u32 i = 0; i < FIXTURE_CPUS; i++)
		assert_int_equal(deliver(i, false, 0x40), BIT(i));
	assert_int_equal(deliver(4, false, 0x40), 0);
	assert_int_equal(deliver(0xff, false, 0x40), 0xf);
}

static void logical_flat(void **state)
{
	(void)state;
	for (u32 mask = 0; mask < 0xff; mask++)
		assert_int_equal(deliver(mask, true, 0x41), mask & 0xf);
	assert_int_equal(deliver(0xff, true, 0x41), 0xf);
	assert_int_equal(deliver_x2(0x101, true, 0x41), 0);
}

static void logical_cluster(void **state)
{
	(void)state;
	for (u32 i = 0; i < FIXTURE_CPUS; i++) {
		mmio_set(&vcpus[i], APIC_DFR, 0x0fffffff);
		mmio_set(&vcpus[i], APIC_LDR, (i / 2) << 28 | 1u << (24 + i % 2));
	}
	assert_int_equal(deliver(0x01, true, 0x42), 1);
	assert_int_equal(deliver(0x03, true, 0x42), 3);
	assert_int_equal(deliver(0x13, true, 0x42), 0xc);
	assert_int_equal(deliver(0x12, true, 0x42), 8);
	assert_int_equal(deliver(0x23, true, 0x42), 0);
	assert_int_equal(deliver(0x1c, true, 0x42), 0);
	assert_int_equal(deliver(0xff, true, 0x42), 0xf);
	/* A model that does not exist matches nobody. */
	for (u32 i = 0; i < FIXTURE_CPUS; i++)
		mmio_set(&vcpus[i], APIC_DFR, 0x7fffffff);
	assert_int_equal(deliver(0x03, true, 0x42), 0);
}

static void disabled_apics_refuse(void **state)
{
	struct lapic_msg nmi = { .dest = 1, .delivery_mode = LAPIC_NMI };

	(void)state;
	mmio_set(&vcpus[1], APIC_SVR, 0xff);
	assert_int_equal(deliver(1, false, 0x43), 0);
	assert_int_equal(deliver(0xff, false, 0x43), 0xd);
	/* Software-disabled APICs still take NMI, INIT and start-up. */
	assert_true(lapic_deliver(&vm, &nmi));
	assert_int_equal(nmis[1], 1);
	base_set(&vcpus[1], LAPIC_BASE_RESET);
	assert_false(lapic_deliver(&vm, &nmi));
	icr(&vcpus[0], 0, 0xc0000 | 0x4500);
	assert_int_equal(inits[1], 0);
	assert_int_equal(inits[2], 1);
}

static void level_and_edge(void **state)
{
	struct lapic_msg msg = { .dest = 2, .vector = 0x51, .is_level = true };

	(void)state;
	assert_true(lapic_deliver(&vm, &msg));
	assert_int_equal(requests[2], 1);
	assert_int_equal(collect(0x51), 4);
	assert_int_equal(last_eoi, 0x51);
	msg.is_level = false;
	assert_true(lapic_deliver(&vm, &msg));
	assert_int_equal(collect(0x51), 4);
	assert_int_equal(nr_eois, 1);
}

static void lowest_priority(void **state)
{
	struct lapic_msg msg = {
		.dest = 0xf, .is_logical = true, .delivery_mode = LAPIC_LOWEST, .vector = 0x60
	};

	(void)state;
	assert_true(lapic_deliver(&vm, &msg));
	assert_int_equal(collect(0x60), 1);
	mmio_set(&vcpus[0], APIC_TPR, 0x20);
	mmio_set(&vcpus[1], APIC_TPR, 0x20);
	mmio_set(&vcpus[2], APIC_TPR, 0x10);
	mmio_set(&vcpus[3], APIC_SVR, 0xff);
	assert_true(lapic_deliver(&vm, &msg));
	assert_int_equal(collect(0x60), 4);
	msg.dest = 8;
	assert_false(lapic_deliver(&vm, &msg));
	assert_int_equal(collect(0x60), 0);
}

static void illegal_vectors(void **state)
{
	struct lapic_msg msg = { .dest = 1, .vector = 0x0f };

	(void)state;
	assert_true(lapic_deliver(&vm, &msg));
	assert_int_equal(collect(-1), 0);
	mmio_set(&vcpus[1], APIC_ESR, 0);
	assert_int_equal(mmio_get(&vcpus[1], APIC_ESR), 0x40);
	/* An IPI is refused at its sender. */
	icr(&vcpus[0], 2, 0x0f);
	mmio_set(&vcpus[0], APIC_ESR, 0);
	mmio_set(&vcpus[2], APIC_ESR, 0);
	assert_int_equal(mmio_get(&vcpus[0], APIC_ESR), 0x20);
	assert_int_equal(mmio_get(&vcpus[2], APIC_ESR), 0);
	/* NMIs have no vector that could be wrong. */
	icr(&vcpus[0], 2, 0x400);
	assert_int_equal(nmis[2], 1);
}

static void modes_that_cannot_be_sent(void **state)
{
	static const u8 modes[] = { LAPIC_SMI, 3, LAPIC_EXTINT };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct lapic_msg msg = { .dest = 1, .delivery_mode = modes[i], .vector = 0x33 };

		assert_false(lapic_deliver(&vm, &msg));
		icr(&vcpus[0], 1, (u32)modes[i] << 8 | 0x33);
	}
	assert_false(lapic_deliver(&vm, &(struct lapic_msg){ .delivery_mode = 0xff }));
	icr(&vcpus[0], 0, 0x80200 | 0x33);
	assert_int_equal(collect(0x33), 0);
	assert_int_equal(inits[1] + nmis[1], 0);
	assert_int_equal(sipis[1], -1);
}

static void shorthands(void **state)
{
	(void)state;
	icr(&vcpus[1], 3, 0x40000 | 0x70);
	assert_int_equal(collect(0x70), 2);
	icr(&vcpus[1], 3, 0x80000 | 0x70);
	assert_int_equal(collect(0x70), 0xf);
	icr(&vcpus[1], 3, 0xc0000 | 0x70);
	assert_int_equal(collect(0x70), 0xd);
	icr(&vcpus[1], 3, 0x70);
	assert_int_equal(collect(0x70), 8);
	icr(&vcpus[1], 9, 0x800 | 0x1070);
	assert_int_equal(collect(0x70), 9);
	icr(&vcpus[1], 0, 0xc0000 | 0x400);
	for (u32 i = 0; i < FIXTURE_CPUS; i++)
		assert_int_equal(nmis[i], i != 1);
}

static void starting_processors(void **state)
{
	(void)state;
	icr(&vcpus[0], 0, 0xc4500);
	for (u32 i = 0; i < FIXTURE_CPUS; i++)
		assert_int_equal(inits[i], i != 0);
	/* The de-assert that follows on old software's advice. */
	icr(&vcpus[0], 0, 0xc8500);
	assert_int_equal(inits[1], 1);
	icr(&vcpus[0], 2, 0x4600 | 0x9a);
	assert_int_equal(sipis[1], -1);
	assert_int_equal(sipis[2], 0x9a);
	icr(&vcpus[0], 0, 0xc4600);
	assert_int_equal(sipis[3], 0);
	assert_int_equal(sipis[0], -1);
}

/* IPIs are edges, whatever their trigger mode says. */
static void ipis_are_edges(void **state)
{
	(void)state;
	icr(&vcpus[0], 1, 0xc000 | 0x77);
	assert_int_equal(collect(0x77), 2);
	assert_int_equal(nr_eois, 0);
}

static void x2_physical(void **state)
{
	(void)state;
	for (u32 i = 0; i < vm.nr_vcpus; i++)
		assert_int_equal(deliver_x2(i, false, 0x80), BIT(i));
	assert_int_equal(deliver_x2(0xff, false, 0x80), 0);
	assert_int_equal(deliver_x2(0x100, false, 0x80), 0);
	assert_int_equal(deliver_x2(0xffffffff, false, 0x80), MASK(19, 0));
	/* From eight bits of a device. */
	assert_int_equal(deliver(0xff, false, 0x80), MASK(19, 0));
	assert_int_equal(deliver(17, false, 0x80), BIT(17));
}

static void x2_logical(void **state)
{
	(void)state;
	assert_int_equal(deliver_x2(0x0000ffff, true, 0x81), 0xffff);
	assert_int_equal(deliver_x2(0x0001ffff, true, 0x81), 0xf0000);
	assert_int_equal(deliver_x2(0x00010005, true, 0x81), 0x50000);
	assert_int_equal(deliver_x2(0x0002ffff, true, 0x81), 0);
	assert_int_equal(deliver_x2(0x00010000, true, 0x81), 0);
	assert_int_equal(deliver_x2(0xffffffff, true, 0x81), MASK(19, 0));
	assert_int_equal(deliver(0xff, true, 0x81), 0xff);
}

static void x2_icr(void **state)
{
	(void)state;
	x2_set(&vcpus[0], APIC_ICR, 18ull << 32 | 0x82);
	assert_int_equal(x2_get(&vcpus[0], APIC_ICR), 18ull << 32 | 0x82);
	assert_int_equal(collect(0x82), BIT(18));
	x2_set(&vcpus[0], APIC_ICR, 0x00010003ull << 32 | 0x882);
	assert_int_equal(collect(0x82), 0x30000);
	x2_set(&vcpus[0], APIC_ICR, 0xffull << 32 | 0x82);
	assert_int_equal(collect(0x82), 0);
	x2_set(&vcpus[5], APIC_ICR, 0xc0082);
	assert_int_equal(collect(0x82), MASK(19, 0) & ~BIT(5));
	assert_int_equal(lapic_msr_write(&vcpus[0], 0x830, 0x1082), ERR_INVAL);
	assert_int_equal(collect(0x82), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T2(f) cmocka_unit_test_setup_teardown(f, setup_x2, teardown)
	const struct CMUnitTest tests[] = {
		T(physical),
		T(logical_flat),
		T(logical_cluster),
		T(disabled_apics_refuse),
		T(level_and_edge),
		T(lowest_priority),
		T(illegal_vectors),
		T(modes_that_cannot_be_sent),
		T(shorthands),
		T(starting_processors),
		T(ipis_are_edges),
		T2(x2_physical),
		T2(x2_logical),
		T2(x2_icr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
