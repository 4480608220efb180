/* SPDX-License-Identifier: BSD-2-Clause */
/* Wild accesses to every port, every MSR range and the devices' memory: only this VM may notice. */
#include "lib/guest.h"

const char guest_name[] = "hostile";

static u64 seed = 0x123456789abcdef;

static u64 noise(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Ports that end or restart the VM by design, and the console. */
static bool is_spared(u32 port)
{
	return port == 0xf4 || port == 0x64 || port == 0x92 || port == 0xcf9 || port == 0x8900 ||
	       (port >= 0x3f1 && port <= 0x3ff) || (port >= 0x600 && port <= 0x607) ||
	       (port >= 0xcf6 && port <= 0xcff) || (port >= 0x5fd && port < 0x600) ||
	       (port >= 0xf1 && port < 0xf4) || port == 0x61 || port == 0x8f ||
	       (port >= 0x89 && port < 0x93) || (port >= 0x61 && port < 0x65) ||
	       (port >= 0x88fd && port <= 0x8903) || port == 0xe4;
}

static void ports(void)
{
	for (u32 port = 0; port < 0x10000; port += port < 0x1000 ? 1 : 7) {
		if (is_spared(port))
			continue;
		in8((u16)port), in16((u16)port), in32((u16)port);
		out8((u16)port, (u8)noise());
		out16((u16)port, (u16)noise());
		out32((u16)port, (u32)noise());
	}
	check(true, "all ports");
}

/* What this program itself cannot live without. */
static bool is_vital(u32 msr)
{
	return msr == 0xc0000080 || msr == 0x1b || (msr >= 0xc0000100 && msr <= 0xc0000101) ||
	       msr == 0x10 || msr == 0x3b;
}

static void msrs(u32 first, u32 last)
{
	u64 value;

	for (u32 msr = first; msr < last; msr++) {
		rdmsr_fault(msr, &value);
		if (is_vital(msr))
			continue;
		wrmsr_fault(msr, noise());
		wrmsr_fault(msr, ~0ull);
		wrmsr_fault(msr, 0);
		wrmsr_fault(msr, value);
	}
	check(true, "MSRs from %x", first);
}

static void memory(u64 base)
{
	for (u64 offset = 0; offset < 4096; offset += 4) {
		/* The ICR would send INIT to ourselves. */
		if (base == APIC_BASE && (offset & ~0xfull) == 0x300)
			continue;
		mmio_read(base + offset);
		mmio_write(base + offset, (u32)noise());
		*(volatile u8 *)(base + offset + 1) = (u8)noise();
		*(volatile u64 *)((base + offset) & ~7ull) = noise();
	}
	check(true, "memory from %llx", base);
}

static void ignore(struct frame *f)
{
	(void)f;
}

void guest_main(void)
{
	handler_set(2, ignore);
	ports();
	msrs(0, 0x2000);
	msrs(0x40000000, 0x40000200);
	msrs(0x4b564d00, 0x4b564d10);
	msrs(0xc0000000, 0xc0002000);
	msrs(0xc0010000, 0xc0012000);
	memory(IOAPIC_BASE);
	memory(APIC_BASE);
	memory(0xd0000000);
	memory(0xff000000);
	memory(0xfffff000);
	check(true, "still here");
}
