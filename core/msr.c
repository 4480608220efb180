/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/msr.h"

#include "arch/x86/cpu.h"
#include "arch/x86/page.h"
#include "arch/x86/regs.h"
#include "arch/x86/spec.h"
#include "arch/x86/tsc.h"
#include "core/clock.h"
#include "core/dev/lapic.h"
#include "core/hv.h"
#include "core/msr_hw.h"
#include "core/msr_state.h"
#include "core/vm.h"

_Static_assert(sizeof(struct msr_state) <= PAGE_SIZE, "allocated as a page");

#define MTRRCAP_VALUE (MTRR_NR_VARIABLE | BIT(8) | BIT(10)) /* fixed ranges, WC */
#define MCG_CAP_CTL_P BIT(8)
#define MCG_CAP_VALUE (MCE_NR_BANKS | MCG_CAP_CTL_P)

/* IA32_MISC_ENABLE: no BTS, no PEBS, fast strings; and all bits that the SDM does not reserve. */
#define MISC_ENABLE_RESET (BIT(0) | BIT(11) | BIT(12))
#define MISC_ENABLE_WRITABLE                                                                       \
	(BIT(0) | BIT(3) | BIT(7) | BIT(11) | BIT(12) | BIT(16) | BIT(18) | BIT(22) | BIT(23) |    \
	 BIT(34))

#define DE_CFG_LFENCE_SERIALIZING BIT(1)

/* A core thread count register has cores in 31:16 and threads in 15:0; all threads are cores. */
static u64 core_thread_count(const struct vcpu *v)
{
	return v->vm->nr_vcpus << 16 | v->vm->nr_vcpus;
}

/* Ratio to the 100 MHz bus clock in bits 15:8, as PLATFORM_INFO and PERF_STATUS have it. */
static u64 platform_info(void)
{
	return MIN(tsc_khz / 100000, 0xffull) << 8;
}

/* AMD's register is the host's own where LBR virtualization is missing. */
static u64 debugctl_get(struct vcpu *v)
{
	return cpu_info.vendor == CPU_AMD ? 0 : hv_reg_get(v, REG_DEBUGCTL);
}

/* Revision 1, so that no guest takes the microcode for missing. AMD has it in the low half. */
static u64 microcode_revision(void)
{
	return cpu_info.vendor == CPU_AMD ? 1 : BIT(32);
}

static u64 arch_capabilities(void)
{
	return arch_capabilities_filter(msr_hw_arch_capabilities());
}

enum msr_vendor { VENDOR_BOTH = -1, VENDOR_INTEL = CPU_INTEL, VENDOR_AMD = CPU_AMD };

static enum err vendor_check(enum msr_vendor vendor)
{
	return vendor == VENDOR_BOTH || (int)vendor == (int)cpu_info.vendor ? ERR_NONE : ERR_INVAL;
}

enum pass_check { CHECK_ANY, CHECK_LOW32, CHECK_CANONICAL };

static enum err pass_write(struct vcpu *v, enum reg reg, enum pass_check check, u64 value)
{
	if (check == CHECK_LOW32 && value >> 32)
		return ERR_INVAL;
	if (check == CHECK_CANONICAL && value != (u64)((s64)(value << 16) >> 16))
		return ERR_INVAL;
	hv_reg_set(v, reg, value);
	return ERR_NONE;
}

enum const_write { ON_WRITE_GP, ON_WRITE_IGNORE, ON_WRITE_ZERO };

static enum err const_write(enum msr_vendor vendor, enum const_write on_write, u64 value)
{
	if (on_write == ON_WRITE_GP || (on_write == ON_WRITE_ZERO && value))
		return ERR_INVAL;
	return vendor_check(vendor);
}

static enum err state_write(enum msr_vendor vendor, u64 *field, u64 writable, u64 value)
{
	if (vendor_check(vendor) || (value & ~writable))
		return ERR_INVAL;
	*field = value;
	return ERR_NONE;
}

static enum err msr_get(struct vcpu *v, u32 msr, u64 *out)
{
	*out = 0;
	switch (msr) {
#define MSR_PASS(number, reg, check)                                                               \
	case number:                                                                               \
		*out = hv_reg_get(v, reg);                                                         \
		return ERR_NONE;
#define MSR_CONST(first, last, vendor, value, on_write)                                            \
	case (first)...(last):                                                                     \
		*out = (value);                                                                    \
		return vendor_check(VENDOR_##vendor);
#define MSR_VALUE(first, last, vendor, value, name) MSR_CONST(first, last, vendor, value, name)
#define MSR_STATE(number, vendor, field, reset, writable)                                          \
	case number:                                                                               \
		*out = v->msr->field;                                                              \
		return vendor_check(VENDOR_##vendor);
#define MSR_SINK(number, vendor)                                                                   \
	case number:                                                                               \
		return ERR_INVAL;
#define MSR_CALL(first, last, vendor, name)                                                        \
	case (first)...(last):                                                                     \
		return vendor_check(VENDOR_##vendor) ? ERR_INVAL : name##_read(v, msr, out);
#include "core/msr.def"
	default:
		return ERR_INVAL;
	}
}

static enum err msr_set(struct vcpu *v, u32 msr, u64 value)
{
	switch (msr) {
#define MSR_PASS(number, reg, check)                                                               \
	case number:                                                                               \
		return pass_write(v, reg, CHECK_##check, value);
#define MSR_CONST(first, last, vendor, value_, on_write)                                           \
	case (first)...(last):                                                                     \
		return const_write(VENDOR_##vendor, ON_WRITE_##on_write, value);
#define MSR_STATE(number, vendor, field, reset, writable)                                          \
	case number:                                                                               \
		return state_write(VENDOR_##vendor, &v->msr->field, writable, value);
#define MSR_SINK(number, vendor)                                                                   \
	case number:                                                                               \
		return vendor_check(VENDOR_##vendor);
#define MSR_VALUE(first, last, vendor, value_, name) MSR_CALL(first, last, vendor, name)
#define MSR_CALL(first, last, vendor, name)                                                        \
	case (first)...(last):                                                                     \
		return vendor_check(VENDOR_##vendor) ? ERR_INVAL : name##_write(v, msr, value);
#include "core/msr.def"
	default:
		return ERR_INVAL;
	}
}

enum next msr_read(struct vcpu *v)
{
	u64 *gprs = v->hot->gprs;
	u64 value;

	if (msr_get(v, (u32)gprs[GPR_RCX], &value))
		return event_gp(v);
	gprs[GPR_RAX] = (u32)value;
	gprs[GPR_RDX] = value >> 32;
	return NEXT_SKIP;
}

enum next msr_write(struct vcpu *v)
{
	u64 *gprs = v->hot->gprs;
	u64 value = gprs[GPR_RDX] << 32 | (u32)gprs[GPR_RAX];

	return msr_set(v, (u32)gprs[GPR_RCX], value) ? event_gp(v) : NEXT_SKIP;
}

ISO_TEXT enum next msr_read_fast(struct vcpu_hot *hot)
{
	u64 value;
	enum next next = lapic_fast_read(hot, (u32)hot->gprs[GPR_RCX], &value);

	if (next == NEXT_SKIP) {
		hot->gprs[GPR_RAX] = (u32)value;
		hot->gprs[GPR_RDX] = value >> 32;
	}
	return next;
}

ISO_TEXT enum next msr_write_fast(struct vcpu_hot *hot)
{
	u64 value = hot->gprs[GPR_RDX] << 32 | (u32)hot->gprs[GPR_RAX];
	u32 msr = (u32)hot->gprs[GPR_RCX];

	if (msr == MSR_TSC_DEADLINE)
		return lapic_fast_deadline(hot, value, rdtsc() + hot->tsc_offset);
	return lapic_fast_write(hot, msr, value);
}

enum err msr_create(struct vcpu *v)
{
	v->msr = page_alloc();
	if (!v->msr)
		return ERR_NOMEM;
	msr_reset(v);
	return ERR_NONE;
}

void msr_reset(struct vcpu *v)
{
	*v->msr = (struct msr_state){ 0 };
#define MSR_STATE(number, vendor, field, reset, writable) v->msr->field = (reset);
#include "core/msr.def"
	v->msr->hwcr = HWCR_RESET;
	v->pat = PAT_RESET;
	v->tsc_adjust = 0;
	v->hot->tsc_offset = v->vm->tsc_offset;
	mtrr_reset(v);
}

void msr_load(struct vcpu *v)
{
	msr_hw_tsc_aux_load((u32)v->msr->tsc_aux);
	spec_ctrl_set(v->msr->spec_ctrl);
}

void msr_unload(struct vcpu *v)
{
	v->msr->spec_ctrl = spec_ctrl_get();
	spec_ctrl_set(0);
}

void msr_passthrough(struct vm *vm)
{
#define MSR_PASS(number, reg, check) hv_msr_exits(vm, number, 0);
#include "core/msr.def"
	/* These only command. SPEC_CTRL is the guest's own alone if each exit saves it. */
	if (cpu_has_spec_ctrl() || cpu_has_amd_ibpb())
		hv_msr_exits(vm, MSR_PRED_CMD, MSR_EXIT_READ);
	if (cpu_has_l1d_flush())
		hv_msr_exits(vm, MSR_FLUSH_CMD, MSR_EXIT_READ);
	if (spec_plan.actions & SPEC_DO_IBRS)
		hv_msr_exits(vm, MSR_SPEC_CTRL, 0);
}
