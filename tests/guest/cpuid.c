/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUID promises, and that it follows the state of the CPU. */
#include "lib/guest.h"

const char guest_name[] = "cpuid";

static void text_of(struct cpuid r, char *to)
{
	u32 words[3] = { r.b, r.c, r.d };

	for (u32 i = 0; i < 12; i++)
		to[i] = (char)(words[i / 4] >> (8 * (i % 4)));
}

static bool is_same(const char *a, const char *b, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

static void prefixed(void)
{
	u32 a = 0, c = 0, b, d;

	/* The operand-size prefix changes nothing but the length. */
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	check(a >= 1 && b, "CPUID leaf 0 has a maximum and a vendor");
}

void guest_main(void)
{
	char text[12];
	u64 cr4 = read_cr4();
	u32 max = cpuid(0, 0).a;

	prefixed();
	check(max >= 7 && max <= 0x20, "the highest basic leaf is sane: %x", max);
	check(cpuid(1, 0).c & BIT(31), "the hypervisor bit is set");
	check(!(cpuid(1, 0).c & BIT(5)), "VMX is not offered");
	check(!(cpuid(0x80000001, 0).c & BIT(2)), "SVM is not offered");
	text_of(cpuid(0x40000000, 0), text);
	check(is_same(text, "KVMKVMKVM\0\0\0", 12), "KVM's signature is at 0x40000000");
	check(cpuid(0x40000001, 0).a & BIT(24), "the KVM clock is stable");
	check(cpuid(1, 0).b >> 24 == 0, "the initial APIC ID is 0");
	check(!(cpuid(1, 0).c & BIT(27)), "OSXSAVE is clear while CR4.OSXSAVE is");
	if (cpuid(1, 0).c & BIT(26)) {
		write_cr4(cr4 | BIT(18));
		check(cpuid(1, 0).c & BIT(27), "OSXSAVE follows CR4.OSXSAVE");
		check(cpuid(0xd, 0).b >= 576, "XSAVE needs at least 576 bytes: %u",
		      cpuid(0xd, 0).b);
		write_cr4(cr4);
	}
	check(cpuid(0xb, 0).d == 0, "leaf 0xb has the x2APIC ID");
	check((cpuid(0x80000000, 0).a & ~0xffu) == 0x80000000, "there are extended leaves");
	check((cpuid(0x80000008, 0).a & 0xff) >= 36, "physical addresses have 36 bits or more");
	check(!(cpuid(0x50000000, 0).a >> 30 == 1), "a leaf beyond all is no hypervisor leaf");
}
