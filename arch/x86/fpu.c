/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/fpu.h"

#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/panic.h"
#include "core/lib/log.h"

#define AVX512 (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)
/* MPX is gone from new CPUs, AMX needs IA32_XFD: both are left out. */
#define XCR0_KNOWN (XCR0_X87 | XCR0_SSE | XCR0_AVX | AVX512 | XCR0_PKRU)

#define FXSAVE_BYTES 512
#define AREA_FCW 0
#define AREA_FTW 4
#define AREA_MXCSR 24
#define AREA_XSTATE_BV 512

/* State after RESET: SDM "Processor State After Reset". */
#define RESET_FCW 0x0040
#define RESET_FTW 0xff /* abridged: all valid, all zero */
#define RESET_MXCSR 0x1f80

static u64 xcr0_max; /* [c] */
static u32 area_bytes = FXSAVE_BYTES; /* [c] */

void fpu_enable(void)
{
	u64 cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
	write_cr4(cpu_has_xsave() ? cr4 | CR4_OSXSAVE : cr4);
	fpu_xcr0_load(xcr0_max);
	fninit();
}

void fpu_init(void)
{
	struct cpuid_regs r = cpuid_or_zero(0xd, 0);

	if (cpu_has_xsave())
		xcr0_max = ((u64)r.edx << 32 | r.eax) & XCR0_KNOWN;
	/* Never part of a set: a hypervisor below us may have masked carelessly. */
	if (xcr0_max && (xcr0_max & AVX512) != AVX512)
		xcr0_max &= ~AVX512;
	fpu_enable();
	if (xcr0_max)
		area_bytes = cpuid(0xd, 0).ebx; /* for the XCR0 just loaded */
	log_info("FPU: %s, XCR0 %#llx, %u bytes", xcr0_max ? "XSAVE" : "FXSAVE",
		 (unsigned long long)xcr0_max, area_bytes);
}

u64 fpu_xcr0_max(void)
{
	return xcr0_max;
}

u32 fpu_area_bytes(void)
{
	return area_bytes;
}

void fpu_area_init(void *area)
{
	u8 *bytes = area;

	memset(area, 0, area_bytes);
	*(u16 *)(bytes + AREA_FCW) = RESET_FCW;
	bytes[AREA_FTW] = RESET_FTW;
	*(u32 *)(bytes + AREA_MXCSR) = RESET_MXCSR;
	if (xcr0_max)
		*(u64 *)(bytes + AREA_XSTATE_BV) = XCR0_X87;
}

void fpu_save(void *area)
{
	if (xcr0_max)
		insn_xsave(area, xcr0_max);
	else
		insn_fxsave(area);
}

void fpu_restore(const void *area)
{
	enum err err = xcr0_max ? insn_xrstor_safe(area, xcr0_max) : insn_fxrstor_safe(area);

	if (err)
		panic("FPU area %p is damaged", area);
}

bool fpu_xcr0_is_valid(u64 value)
{
	u64 avx512 = value & AVX512;

	if ((value & ~xcr0_max) || !(value & XCR0_X87))
		return false;
	if ((value & XCR0_AVX) && !(value & XCR0_SSE))
		return false;
	return !avx512 || (avx512 == AVX512 && (value & XCR0_AVX));
}

void fpu_xcr0_load(u64 value)
{
	if (xcr0_max && xsetbv_safe(0, value))
		panic("XCR0 refuses %#llx", (unsigned long long)value);
}
