/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FLG-5, FLG-18: every kind of entry that the CPU refuses. On a core built for it (see
 * tests/variant/inject.h) a port asks for one, while an interrupt is about to be injected and a
 * kick comes too late to stop the entry.
 */
#include "lib/guest.h"

const char guest_name[] = "waysout";

#define PORT_KIND 0x2080
#define PORT_ERROR 0x2084
#define PORT_FLAGS 0x2088
#define VECTOR 0x60

#define TRIED BIT(0)
#define MARKED BIT(1)
#define KICKED BIT(2)
#define REQUESTED BIT(3)
#define EARLY BIT(4)
#define SERVED BIT(5)
#define ONE_KICK BIT(6)
#define ALL_WELL (TRIED | KICKED | REQUESTED | SERVED | ONE_KICK)

#define REFUSED 0xffffffffu /* VMEXIT_INVALID */
#define VMX_FAILED BIT(31)
#define ROUNDS 20

struct kind {
	const char *name;
	u32 number, reason, error;
};

static const struct kind vmx_kinds[] = {
	{ "VMRESUME of a clear VMCS, error 5; VMLAUNCH enters, the kick ends it", 1, 1, 5 },
	{ "VMLAUNCH of a launched VMCS, error 4", 2, 0, 4 },
	{ "bad controls, error 7", 3, 0, 7 },
	{ "bad host state, error 8", 4, 0, 8 },
	{ "bad guest state, exit 33", 5, (u32)VMX_FAILED | 33, 0 },
	{ "bad MSR in the list for entries, exit 34", 6, (u32)VMX_FAILED | 34, 0 },
};

static const struct kind svm_kinds[] = {
	{ "ASID 0", 1, REFUSED, 0 },
	{ "EFER.SVME = 0", 2, REFUSED, 0 },
	{ "VMRUN not intercepted", 3, REFUSED, 0 },
	{ "CR0.NW without CR0.CD", 4, REFUSED, 0 },
	{ "VMCB not on a page of its own: VMRUN faults", 5, REFUSED, 0 },
};

static u64 nr_taken;

static void on_irq(struct frame *f)
{
	(void)f;
	nr_taken++;
	apic_eoi();
}

/* The port access is in the shadow of STI: at the entry behind it the interrupt is injected. */
static void ask(u32 number)
{
	apic_icr(0, 0x44000 | VECTOR);
	__asm__ volatile("sti; outl %0, %1; nop; nop; cli"
			 :
			 : "a"(number), "d"((u16)PORT_KIND)
			 : "memory");
}

static void try(const struct kind *k)
{
	u32 reason = 0, error = 0, flags = 0, good = 0;

	nr_taken = 0;
	for (u32 i = 0; i < ROUNDS; i++) {
		ask(k->number);
		reason = in32(PORT_KIND);
		error = in32(PORT_ERROR);
		flags = in32(PORT_FLAGS);
		if (reason != k->reason || error != k->error || flags != ALL_WELL)
			break;
		good++;
	}
	if (!is_intel() && reason == 0x60 && (flags & ~SERVED) == (ALL_WELL & ~SERVED)) {
		/* The guest was entered, and left again for the kick. */
		print("skip %s: this CPU does not check it\n", k->name);
		return;
	}
	check(good == ROUNDS && nr_taken == ROUNDS,
	      "%s: %u of %u refused, seen %x, error %u, flags %x; %llu interrupts taken", k->name,
	      good, ROUNDS, reason, error, flags, nr_taken);
}

void guest_main(void)
{
	const struct kind *kinds = is_intel() ? vmx_kinds : svm_kinds;
	u32 n = is_intel() ? ARRAY_SIZE(vmx_kinds) : ARRAY_SIZE(svm_kinds);

	pic_mask_all();
	apic_enable();
	handler_set(VECTOR, on_irq);
	check(!(in32(PORT_FLAGS) & BIT(31)), "a core that refuses entries");
	for (u32 i = 0; i < n; i++)
		try(&kinds[i]);
	/* And the same state is entered again and again. */
	for (u32 i = 0; i < ROUNDS; i++)
		cpuid(0, 0);
	ask(0);
	check(nr_taken == ROUNDS + 1 && in32(PORT_FLAGS) == 0, "the vCPU lives on");
}
