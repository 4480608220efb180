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

/*
 * Prefixes change nothing but the length. Where the CPU does not tell where the next instruction
 * is, as QEMU's AMD does not, Lamina does not look for any.
 */
static void prefixed(void)
{
	struct cpuid plain = cpuid(0, 0);
	u32 a = 0, c = 0, b, d;

	__asm__ volatile(".byte 0x66, 0x2e, 0x48; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	check(a == plain.a && b == plain.b && c == plain.c && d == plain.d, "CPUID with prefixes");
	check(a >= 1 && b, "leaf 0 has a maximum and a vendor");
}

/* The upper halves of all four registers are cleared. */
static void upper_halves(void)
{
	u64 a = 0xffffffff00000000, b = a, c = a, d = a;

	__asm__ volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	check(!((a | b | c | d) >> 32), "CPUID clears the upper halves");
}

static bool is_equal(struct cpuid x, struct cpuid y)
{
	return x.a == y.a && x.b == y.b && x.c == y.c && x.d == y.d;
}

/* SDM "CPUID": above the maximum the last basic leaf; AMD: zeros. */
static void beyond(u32 max)
{
	struct cpuid none = { 0, 0, 0, 0 };
	struct cpuid last = is_intel() ? cpuid(max, 0) : none;
	u32 max_ext = cpuid(0x80000000, 0).a;

	check(is_equal(cpuid(max + 1, 0), last), "the leaf above the maximum");
	check(is_equal(cpuid(0x3fffffff, 0), last), "leaf 0x3fffffff");
	check(is_equal(cpuid(max_ext + 1, 0), last), "above the extended maximum");
	check(is_equal(cpuid(0xffffffff, 0), last), "leaf 0xffffffff");
	check(is_equal(cpuid(7, 77), none), "a subleaf that leaf 7 does not have");
	check(is_equal(cpuid(0xd, 63), none), "a component that XSAVE does not have");
	check(cpuid(0xb, 9).a == 0 && (cpuid(0xb, 9).c & 0xff) == 9, "a level that does not exist");
}

static volatile u64 other_done;
static struct cpuid other[3];

static void other_cpu(void)
{
	other[0] = cpuid(1, 0);
	other[1] = cpuid(0xb, 0);
	other[2] = cpuid(0xb, 1);
	other_done = 1;
}

static void topology(void)
{
	check(cpuid(1, 0).b >> 24 == 0 && cpuid(0xb, 0).d == 0, "CPU 0 has APIC ID 0");
	check(cpu_start(1, other_cpu) && wait_for(&other_done, 1), "CPU 1 starts");
	check(other[0].b >> 24 == 1 && other[1].d == 1, "and has APIC ID 1");
	check((cpuid(0xb, 0).c >> 8 & 0xff) == 1 && (other[2].c >> 8 & 0xff) == 2,
	      "levels: threads, then cores");
	check((cpuid(1, 0).b >> 16 & 0xff) >= 2, "leaf 1 has room for them");
}

/* Each component of XCR0 lies behind the legacy region, and they fit in what is promised. */
static void xsave_sizes(void)
{
	struct cpuid all = cpuid(0xd, 0);
	bool good = true;

	for (u32 i = 2; i < 63; i++) {
		struct cpuid one = cpuid(0xd, i);
		bool is_there = ((u64)all.d << 32 | all.a) & BIT(i);

		good = good && is_there == (one.a != 0);
		good = good && (!is_there || (one.b >= 576 && one.b + one.a <= all.c));
	}
	check(good, "the components of XSAVE fit");
	check((all.a & 3) == 3, "x87 and SSE are among them");
}

void guest_main(void)
{
	char text[12];
	u64 cr4 = read_cr4();
	u32 max = cpuid(0, 0).a;

	apic_enable();
	if (is_intel())
		prefixed();
	upper_halves();
	check(max >= 7 && max <= 0x20, "the highest basic leaf is sane: %x", max);
	check(cpuid(1, 0).c & BIT(31), "the hypervisor bit is set");
	check(!(cpuid(1, 0).c & BIT(5)), "VMX is not offered");
	check(!(cpuid(0x80000001, 0).c & BIT(2)), "SVM is not offered");
	text_of(cpuid(0x40000000, 0), text);
	check(is_same(text, "KVMKVMKVM\0\0\0", 12), "KVM's signature is at 0x40000000");
	check(cpuid(0x40000001, 0).a & BIT(24), "the KVM clock is stable");
	check(!(cpuid(1, 0).c & BIT(27)), "OSXSAVE is clear while CR4.OSXSAVE is");
	if (cpuid(1, 0).c & BIT(26)) {
		write_cr4(cr4 | BIT(18));
		check(cpuid(1, 0).c & BIT(27), "OSXSAVE follows CR4.OSXSAVE");
		check(cpuid(0xd, 0).b >= 576, "XSAVE needs at least 576 bytes: %u",
		      cpuid(0xd, 0).b);
		write_cr4(cr4);
		check(!(cpuid(1, 0).c & BIT(27)), "in both directions");
		xsave_sizes();
	}
	check((cpuid(0x80000000, 0).a & ~0xffu) == 0x80000000, "there are extended leaves");
	check((cpuid(0x80000008, 0).a & 0xff) >= 36, "physical addresses have 36 bits or more");
	check(!(cpuid(0x50000000, 0).a >> 30 == 1), "a leaf beyond all is no hypervisor leaf");
	check(cpuid(1, 0).d & BIT(9), "there is a local APIC");
	wrmsr(0x1b, rdmsr(0x1b) & ~BIT(11));
	check(!(cpuid(1, 0).d & BIT(9)), "the APIC bit follows APIC_BASE");
	wrmsr(0x1b, rdmsr(0x1b) | BIT(11));
	apic_enable();
	beyond(max);
	check((cpuid(0xb, 1).b & 0xffff) >= 1 && (cpuid(0xb, 1).b & 0xffff) <= 2,
	      "leaf 0xb counts the CPUs: %u", cpuid(0xb, 1).b & 0xffff);
	if ((cpuid(0xb, 1).b & 0xffff) == 2)
		topology();
}
