/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory type range registers. SDM "Memory Type Range Registers (MTRRs)". */
#include "core/msr_state.h"

#include "arch/x86/regs.h"
#include "core/cpuid.h"
#include "core/load/layout.h"
#include "core/vm.h"

#define MTRR_UC 0u
#define MTRR_WB 6u

#define MTRR_TYPE MASK(7, 0)
#define MTRR_BASE_RESERVED MASK(11, 8)
#define MTRR_MASK_RESERVED MASK(10, 0)
#define MTRR_MASK_VALID BIT(11)
#define MTRR_DEF_FIXED_ENABLE BIT(10)
#define MTRR_DEF_ENABLE BIT(11)

#define ALL_WB 0x0606060606060606ull

/* Fixed registers in address order: where the two PC regions lie among them. */
#define FIXED_A0000 2u
#define FIXED_E0000 7u

bool memory_types_are_valid(u64 types, u8 max)
{
	for (unsigned i = 0; i < 8; i++, types >>= 8)
		if ((u8)types > max || (u8)types == 2 || (u8)types == 3)
			return false;
	return true;
}

static u64 address_mask(const struct vcpu *v)
{
	return MASK(cpuid_phys_bits(v->hot) - 1, 0);
}

enum err mtrr_variable_write(struct vcpu *v, u32 msr, u64 value)
{
	u32 index = msr - MSR_MTRR_VARIABLE;
	bool is_mask = index % 2;

	if (value & (~address_mask(v) | (is_mask ? MTRR_MASK_RESERVED : MTRR_BASE_RESERVED)))
		return ERR_INVAL;
	if (!is_mask && !memory_types_are_valid(value & MTRR_TYPE, MTRR_WB))
		return ERR_INVAL;
	v->msr->mtrr_variable[index] = value;
	return ERR_NONE;
}

u64 *mtrr_fixed(struct vcpu *v, u32 msr)
{
	u64 *fixed = v->msr->mtrr_fixed;

	if (msr == MSR_MTRR_FIX64K_00000)
		return fixed;
	if (msr <= MSR_MTRR_FIX16K_LAST)
		return fixed + 1 + (msr - MSR_MTRR_FIX16K);
	return fixed + 3 + (msr - MSR_MTRR_FIX4K);
}

enum err mtrr_fixed_write(struct vcpu *v, u32 msr, u64 value)
{
	if (!memory_types_are_valid(value, MTRR_WB))
		return ERR_INVAL;
	*mtrr_fixed(v, msr) = value;
	return ERR_NONE;
}

enum err mtrr_def_type_write(struct vcpu *v, u32 msr __unused_arg, u64 value)
{
	if ((value & ~(MTRR_TYPE | MTRR_DEF_FIXED_ENABLE | MTRR_DEF_ENABLE)) ||
	    !memory_types_are_valid(value & MTRR_TYPE, MTRR_WB))
		return ERR_INVAL;
	v->msr->mtrr_def_type = value;
	return ERR_NONE;
}

void mtrr_reset(struct vcpu *v)
{
	struct msr_state *m = v->msr;

	for (unsigned i = 0; i < MTRR_NR_FIXED; i++)
		m->mtrr_fixed[i] = i < FIXED_A0000 || i >= FIXED_E0000 ? ALL_WB : 0;
	/* Devices between the end of low RAM and 4 GiB; everything else is RAM. */
	m->mtrr_variable[0] = GPA_BELOW_4G_MAX | MTRR_UC;
	m->mtrr_variable[1] =
		(address_mask(v) & ~(GPA_ABOVE_4G - GPA_BELOW_4G_MAX - 1)) | MTRR_MASK_VALID;
	m->mtrr_def_type = MTRR_WB | MTRR_DEF_FIXED_ENABLE | MTRR_DEF_ENABLE;
}
