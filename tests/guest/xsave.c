/* SPDX-License-Identifier: BSD-2-Clause */
/* Floating-point and vector registers survive every kind of exit; XCR0 takes what it may. */
#include "lib/guest.h"

const char guest_name[] = "xsave";

static u64 in[4] = { 0x0123456789abcdef, 0x1122334455667788, 0xdeadbeefcafef00d,
		     0x5555aaaa5555aaaa };

static u32 xsetbv_fault(u32 index, u64 value)
{
	return FAULT_OF("xsetbv", : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)));
}

static void exit_cpuid(void)
{
	cpuid(0, 0);
}

static void exit_io(void)
{
	in8(0x21);
}

static void exit_mmio(void)
{
	ioapic_read(1);
}

static void exit_msr(void)
{
	rdmsr(0x1b);
}

static void survives(const char *name, void (*make_exit)(void), bool has_avx)
{
	u64 out[4] = { 0 };

	if (has_avx) {
		__asm__ volatile("vmovdqu %0, %%ymm7" : : "m"(in));
		make_exit();
		__asm__ volatile("vmovdqu %%ymm7, %0" : "=m"(out));
		check(out[0] == in[0] && out[1] == in[1] && out[2] == in[2] && out[3] == in[3],
		      "YMM over %s", name);
	}
	__asm__ volatile("movdqu %0, %%xmm3" : : "m"(in));
	make_exit();
	__asm__ volatile("movdqu %%xmm3, %0" : "=m"(out));
	check(out[0] == in[0] && out[1] == in[1], "XMM over %s", name);
}

void guest_main(void)
{
	bool has_xsave = cpuid(1, 0).c & BIT(26);
	bool has_avx = has_xsave && (cpuid(1, 0).c & BIT(28));
	u64 value = 0;

	__asm__ volatile("fninit; fld1; fldpi");
	if (has_xsave) {
		check(xsetbv_fault(0, 3) == 6, "XSETBV is undefined without OSXSAVE");
		write_cr4(read_cr4() | BIT(18));
		check(xsetbv_fault(0, has_avx ? 7 : 3) == NO_FAULT, "XCR0 takes x87, SSE, AVX");
		check(xsetbv_fault(0, 2) == 13, "XCR0 needs x87");
		check(xsetbv_fault(0, 5) == 13, "AVX needs SSE");
		check(xsetbv_fault(0, BIT(63) | 1) == 13, "XCR0 refuses what is reserved");
		check(xsetbv_fault(1, 1) == 13, "there is no XCR1 to write");
		check(cpuid(0xd, 0).b == (has_avx ? 832u : 576u), "CPUID knows the size: %u",
		      cpuid(0xd, 0).b);
	}
	survives("CPUID", exit_cpuid, has_avx);
	survives("I/O", exit_io, has_avx);
	survives("MMIO", exit_mmio, has_avx);
	survives("RDMSR", exit_msr, has_avx);
	__asm__ volatile("fmulp; fistpll %0" : "=m"(value)); /* 1 * pi, rounded */
	check(value == 3, "x87 over all of them: %llu", value);
}
