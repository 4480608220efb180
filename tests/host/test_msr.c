/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/msr.c core/msr_handlers.c core/mtrr.c core/kvm_pv.c core/cpuid.c core/cpuid_build.c */
/* LINK: core/dev/lapic.c core/dev/lapic_msg.c core/dev/lapic_timer.c core/dev/lapic_fast.c */
/* RDMSR and WRMSR of guests, over the real local APIC and CPUID. */
#include "tests/host/cpuid_fixture.h"
#include "tests/host/lapic_fixture.h"

#include "arch/x86/spec.h"
#include "core/cpuid.h"
#include "core/gmem.h"
#include "core/hv.h"
#include "core/msr.h"
#include "core/msr_hw.h"
#include "core/msr_state.h"
#include "tests/host/fake_lapic_hw.h"

#define RAM_BYTES 0x1000u

bool hv_is_vmx;
static u64 regs[NR_REGS];
static unsigned faults; /* #GPs queued */
static unsigned tsc_offset_calls;
static u64 host_arch_caps;
static u32 hw_tsc_aux;
static u8 ram[RAM_BYTES];
static u32 passed[64];
static unsigned nr_passed;

u64 vmx_reg_get(struct vcpu *v, enum reg r)
{
	(void)v;
	return regs[r];
}

void vmx_reg_set(struct vcpu *v, enum reg r, u64 value)
{
	(void)v;
	regs[r] = value;
}

void vmx_tsc_offset(struct vcpu *v)
{
	(void)v;
	tsc_offset_calls++;
}

void vmx_msr_exits(struct vm *of, u32 msr, u32 exits)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(exits, 0);
	assert_true(nr_passed < ARRAY_SIZE(passed));
	passed[nr_passed++] = msr;
}

u64 svm_reg_get(struct vcpu *v, enum reg r)
{
	return vmx_reg_get(v, r);
}

void svm_reg_set(struct vcpu *v, enum reg r, u64 value)
{
	vmx_reg_set(v, r, value);
}

void svm_tsc_offset(struct vcpu *v)
{
	vmx_tsc_offset(v);
}

void svm_msr_exits(struct vm *of, u32 msr, u32 exits)
{
	vmx_msr_exits(of, msr, exits);
}

void event_exception(struct vcpu *v, u8 vector, u32 err)
{
	(void)v;
	assert_int_equal(vector, EXC_GP);
	assert_int_equal(err, 0);
	faults++;
}

u64 msr_hw_arch_capabilities(void)
{
	return host_arch_caps;
}

struct spec_plan spec_plan;
static u64 hw_spec_ctrl;

void spec_ctrl_set(u64 guest)
{
	hw_spec_ctrl = guest;
}

u64 spec_ctrl_get(void)
{
	return hw_spec_ctrl;
}

void msr_hw_tsc_aux_load(u32 value)
{
	hw_tsc_aux = value;
}

enum err gmem_read(struct vm *of, gpa_t gpa, void *buf, u64 len_bytes)
{
	(void)of;
	if (gpa.v > RAM_BYTES || len_bytes > RAM_BYTES - gpa.v)
		return ERR_FAULT;
	memcpy(buf, ram + gpa.v, len_bytes);
	return ERR_NONE;
}

enum err gmem_write(struct vm *of, gpa_t gpa, const void *buf, u64 len_bytes)
{
	(void)of;
	if (gpa.v > RAM_BYTES || len_bytes > RAM_BYTES - gpa.v)
		return ERR_FAULT;
	memcpy(ram + gpa.v, buf, len_bytes);
	return ERR_NONE;
}

static struct cpuid_table tables[FIXTURE_CPUS];
static struct vcpu *const v = &vcpus[0];

static void guest_make(enum cpu_vendor vendor)
{
	host_set(vendor);
	hv_is_vmx = vendor == CPU_INTEL;
	memset(regs, 0, sizeof(regs));
	memset(ram, 0, sizeof(ram));
	memset(tables, 0, sizeof(tables));
	host_arch_caps = 0;
	faults = 0;
	nr_passed = 0;
	vm_make(FIXTURE_CPUS);
	vm.tsc_offset = -fake_tsc;
	vm.wallclock_boot_ns = 1700000000123456789ull;
	for (u32 i = 0; i < FIXTURE_CPUS; i++) {
		vcpus[i].hot->cpuid = &tables[i];
		cpuid_build(&vcpus[i]);
		assert_int_equal(msr_create(&vcpus[i]), ERR_NONE);
	}
}

static int setup_intel(void **state)
{
	(void)state;
	guest_make(CPU_INTEL);
	return 0;
}

static int setup_amd(void **state)
{
	(void)state;
	guest_make(CPU_AMD);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (u32 i = 0; i < FIXTURE_CPUS; i++)
		page_free(vcpus[i].msr);
	vm_drop();
	return 0;
}

static bool rd_on(struct vcpu *on, u32 msr, u64 *out)
{
	unsigned before = faults;
	enum next next;

	on->hot->gprs[GPR_RCX] = 0xabcd00000000ull | msr;
	next = msr_read(on);
	*out = on->hot->gprs[GPR_RDX] << 32 | on->hot->gprs[GPR_RAX];
	assert_int_equal(next, faults == before ? NEXT_SKIP : NEXT_AGAIN);
	return next == NEXT_SKIP;
}

static bool wr_on(struct vcpu *on, u32 msr, u64 value)
{
	unsigned before = faults;
	enum next next;

	/* High halves of the registers do not count. */
	on->hot->gprs[GPR_RCX] = 0xabcd00000000ull | msr;
	on->hot->gprs[GPR_RAX] = 0xffffffff00000000ull | (u32)value;
	on->hot->gprs[GPR_RDX] = 0xffffffff00000000ull | value >> 32;
	next = msr_write(on);
	assert_int_equal(next, faults == before ? NEXT_SKIP : NEXT_AGAIN);
	return next == NEXT_SKIP;
}

static bool wr(u32 msr, u64 value)
{
	return wr_on(v, msr, value);
}

static u64 rd(u32 msr)
{
	u64 value;

	assert_true(rd_on(v, msr, &value));
	return value;
}

static bool rd_faults(u32 msr)
{
	u64 value;

	return !rd_on(v, msr, &value);
}

static void unknown_msrs_fault(void **state)
{
	static const u32 numbers[] = {
		0x2,	    0x11,	0x12,	    0x48,	0x49,
		0x10b,	    0x122,	0x19b,	    0x1c4,	0x345,
		0x480,	    0x48b,	0x600,	    0x6a0,	0xda0,
		0x40000000, 0x4b564cff, 0x4b564d02, 0x4b564d04, 0x4b564d07,
		0xc0000104, 0xc0010115, 0xc0010117, 0xc001011f, 0xc0011020,
		0x80000000, 0xffffffff,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_true(rd_faults(numbers[i]));
		assert_false(wr(numbers[i], 0));
	}
}

static void steal_time(void **state)
{
	u64 value;

	(void)state;
	assert_true(wr(0x4b564d03, 0));
	assert_true(rd_on(v, 0x4b564d03, &value));
	assert_int_equal(value, 0);
	/* Only the enable bit may be set below the address. */
	assert_false(wr(0x4b564d03, 0x1003));
	assert_false(wr(0x4b564d03, 0x1021));
}

static void hardware_msrs_pass(void **state)
{
	static const u32 expected[] = {
		0x174,	    0x175,	0x176,	    0xc0000081, 0xc0000082,
		0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
	};

	(void)state;
	msr_passthrough(&vm);
	assert_int_equal(nr_passed, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(passed[i], expected[i]);
}

static void hardware_msrs_by_exit(void **state)
{
	static const u32 addresses[] = { 0x175,	     0x176,	 0xc0000082, 0xc0000083,
					 0xc0000100, 0xc0000101, 0xc0000102 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		assert_true(wr(addresses[i], 0xffff800000001000));
		assert_int_equal(rd(addresses[i]), 0xffff800000001000);
		assert_true(wr(addresses[i], 0x00007fffffffffff));
		assert_false(wr(addresses[i], 0x0000800000000000));
		assert_false(wr(addresses[i], 0x8000000000000000));
		assert_false(wr(addresses[i], 0xfffe800000000000));
		assert_int_equal(rd(addresses[i]), 0x00007fffffffffff);
	}
	assert_true(wr(0xc0000081, 0x0023001000000001));
	assert_int_equal(regs[REG_STAR], 0x0023001000000001);
	assert_true(wr(0xc0000084, 0x47700));
	assert_false(wr(0xc0000084, 0x100000000));
	assert_false(wr(0x174, 0x100000000));
}

static void efer(void **state)
{
	u64 good = EFER_SCE | EFER_LME | EFER_NXE;

	(void)state;
	assert_true(wr(0xc0000080, good));
	assert_int_equal(regs[REG_EFER], good);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool valid = bit == 0 || bit == 8 || bit == 10 || bit == 11 || bit == 14;

		assert_int_equal(wr(0xc0000080, BIT(bit)), valid);
	}
	/* LMA is the processor's. */
	regs[REG_EFER] = good | EFER_LMA;
	regs[REG_CR0] = CR0_PG | CR0_PE;
	assert_true(wr(0xc0000080, good & ~EFER_NXE));
	assert_int_equal(regs[REG_EFER], EFER_SCE | EFER_LME | EFER_LMA);
	/* LME does not change while paging is on. */
	assert_false(wr(0xc0000080, EFER_SCE));
	regs[REG_EFER] = 0;
	assert_false(wr(0xc0000080, EFER_LME));
	assert_true(wr(0xc0000080, EFER_SCE));
}

static void efer_follows_cpuid(void **state)
{
	(void)state;
	host_is_bare = true;
	memset(&tables[0], 0, sizeof(tables[0]));
	cpuid_build(v);
	assert_false(wr(0xc0000080, EFER_SCE));
	assert_false(wr(0xc0000080, EFER_NXE));
	assert_false(wr(0xc0000080, EFER_LME));
	assert_false(wr(0xc0000080, EFER_FFXSR));
	assert_true(wr(0xc0000080, 0));
}

static void pat(void **state)
{
	(void)state;
	assert_int_equal(rd(0x277), 0x0007040600070406);
	for (unsigned type = 0; type < 256; type++) {
		bool valid = type == 0 || type == 1 || (type >= 4 && type <= 7);

		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(wr(0x277, (u64)type << (8 * i)), valid);
	}
	assert_true(wr(0x277, 0x0707070707070707));
	assert_int_equal(rd(0x277), 0x0707070707070707);
	assert_int_equal(regs[REG_PAT], 0x0707070707070707);
}

static void debugctl(void **state)
{
	bool amd = cpu_info.vendor == CPU_AMD;

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++)
		assert_int_equal(wr(0x1d9, BIT(bit)), bit < 2 || (amd && bit < 6));
	assert_true(wr(0x1d9, 3));
	assert_int_equal(rd(0x1d9), amd ? 0 : 2);
	assert_int_equal(regs[REG_DEBUGCTL], amd ? 0 : 2);
	assert_int_equal(rd(0x1db), 0);
	assert_false(wr(0x1db, 0));
}

static void tsc_and_adjust_move_together(void **state)
{
	(void)state;
	assert_int_equal(rd(0x10), 0);
	fake_tsc += 5000;
	assert_int_equal(rd(0x10), 5000);
	assert_true(wr(0x10, 1000000));
	assert_int_equal(rd(0x10), 1000000);
	assert_int_equal(rd(0x3b), 995000);
	assert_int_equal(tsc_offset_calls, 1);
	assert_true(wr(0x3b, 995000 + 100));
	assert_int_equal(rd(0x10), 1000100);
	assert_true(wr(0x3b, 0));
	assert_int_equal(rd(0x10), 5000);
	assert_true(wr(0x3b, (u64)-1000));
	assert_int_equal(rd(0x10), 4000);
	/* The others have clocks of their own. */
	assert_int_equal(vcpus[1].hot->tsc_offset, vm.tsc_offset);
}

static void tsc_deadline(void **state)
{
	(void)state;
	assert_true(wr(0x6e0, 1234));
	assert_int_equal(rd(0x6e0), 0);
	assert_true(wr(0x1b, 0xfee00d00));
	assert_true(wr(0x80f, 0x1ff));
	assert_true(wr(0x832, 0x40055));
	assert_true(wr(0x6e0, 5000));
	assert_int_equal(rd(0x6e0), 5000);
	/* Setting the clock forward makes it due. */
	assert_true(wr(0x10, 6000));
	assert_int_equal(rd(0x6e0), 0);
	assert_int_equal(lapic_pending(v), 0x55);
}

static void tsc_aux(void **state)
{
	bool amd = cpu_info.vendor == CPU_AMD;

	(void)state;
	assert_true(wr(0xc0000103, 0x12345));
	assert_int_equal(rd(0xc0000103), 0x12345);
	assert_int_equal(hw_tsc_aux, 0x12345);
	assert_int_equal(wr(0xc0000103, 0x700000001), amd);
	assert_int_equal(rd(0xc0000103), amd ? 1 : 0x12345);
	hw_tsc_aux = 0;
	msr_load(v);
	assert_int_equal(hw_tsc_aux, amd ? 1 : 0x12345);
	host_is_bare = true;
	memset(&tables[0], 0, sizeof(tables[0]));
	cpuid_build(v);
	assert_true(rd_faults(0xc0000103));
	assert_false(wr(0xc0000103, 0));
}

static void apic_base_and_x2apic(void **state)
{
	(void)state;
	assert_int_equal(rd(0x1b), 0xfee00900);
	assert_true(rd_faults(0x802));
	assert_false(wr(0x1b, 0xfee00500));
	assert_false(wr(0x1b, 0xfee00901));
	assert_false(wr(0x1b, BIT(48) | 0xfee00900));
	assert_true(wr(0x1b, 0xfee00d00));
	assert_int_equal(rd(0x802), 0);
	assert_false(wr(0x802, 0));
	assert_false(wr(0x80e, 0));
	assert_false(wr(0x831, 0));
	assert_true(rd_faults(0x8ff));
	assert_true(wr(0x83f, 0x44));
}

static void fast_paths(void **state)
{
	(void)state;
	assert_true(wr(0x1b, 0xfee00d00));
	v->hot->gprs[GPR_RCX] = 0x803;
	assert_int_equal(msr_read_fast(v->hot), NEXT_SKIP);
	assert_int_equal(v->hot->gprs[GPR_RAX], 0x1050014);
	assert_int_equal(v->hot->gprs[GPR_RDX], 0);
	v->hot->gprs[GPR_RCX] = 0x808;
	v->hot->gprs[GPR_RAX] = 0xffffffff00000040ull;
	v->hot->gprs[GPR_RDX] = 0xffffffff00000000ull;
	assert_int_equal(msr_write_fast(v->hot), NEXT_SKIP);
	assert_int_equal(rd(0x808), 0x40);
	v->hot->gprs[GPR_RCX] = 0x10;
	v->hot->gprs[GPR_RAX] = 77;
	assert_int_equal(msr_read_fast(v->hot), NEXT_SLOW);
	assert_int_equal(msr_write_fast(v->hot), NEXT_SLOW);
	assert_int_equal(v->hot->gprs[GPR_RAX], 77);
}

static void fast_deadline(void **state)
{
	(void)state;
	assert_true(wr(0x1b, 0xfee00d00));
	assert_true(wr(0x80f, 0x1ff));
	assert_true(wr(0x832, 0x40055));
	v->hot->gprs[GPR_RCX] = 0x6e0;
	v->hot->gprs[GPR_RAX] = 0xffffffff;
	v->hot->gprs[GPR_RDX] = 0xffffffff;
	/* Without a timer of its own the run loop has to know. */
	assert_int_equal(msr_write_fast(v->hot), NEXT_SLOW);
	assert_int_equal(rd(0x6e0), 0);
	v->hot->has_fast_deadline = true;
	v->hot->gprs[GPR_RCX] = 0x6e0;
	v->hot->gprs[GPR_RAX] = 0xffffffff;
	v->hot->gprs[GPR_RDX] = 0xffffffff;
	assert_int_equal(msr_write_fast(v->hot), NEXT_SKIP);
	assert_true(v->hot->is_deadline_noted);
	assert_int_equal(rd(0x6e0), ~0ull);
}

static void mtrr_power_on(void **state)
{
	(void)state;
	assert_int_equal(rd(0xfe), 0x508);
	assert_false(wr(0xfe, 0x508));
	assert_int_equal(rd(0x2ff), 0xc06);
	assert_int_equal(rd(0x200), 0xc0000000);
	assert_int_equal(rd(0x201), 0xffffc0000800);
	assert_int_equal(rd(0x202) | rd(0x203), 0);
	assert_int_equal(rd(0x250), 0x0606060606060606);
	assert_int_equal(rd(0x258), 0x0606060606060606);
	assert_int_equal(rd(0x259), 0);
	assert_int_equal(rd(0x26b), 0);
	assert_int_equal(rd(0x26c), 0x0606060606060606);
	assert_int_equal(rd(0x26f), 0x0606060606060606);
}

static bool is_mtrr_type(unsigned type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static void mtrr_checks(void **state)
{
	static const u32 fixed[] = { 0x250, 0x258, 0x259, 0x268, 0x26b, 0x26f };

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		assert_int_equal(wr(0x204, type), is_mtrr_type(type));
		assert_int_equal(wr(0x2ff, type), is_mtrr_type(type));
		for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
			assert_int_equal(wr(fixed[i], (u64)type << (8 * i)), is_mtrr_type(type));
	}
	for (unsigned bit = 8; bit < 64; bit++) {
		assert_int_equal(wr(0x204, BIT(bit)), bit >= 12 && bit < 48);
		assert_int_equal(wr(0x205, BIT(bit)), bit >= 11 && bit < 48);
		assert_int_equal(wr(0x2ff, BIT(bit)), bit == 10 || bit == 11);
	}
	assert_false(wr(0x205, 1));
	assert_true(wr(0x20f, 0x800));
	assert_int_equal(rd(0x20f), 0x800);
	assert_true(rd_faults(0x210));
	assert_false(wr(0x251, 0));
	assert_false(wr(0x25a, 0));
	assert_false(wr(0x267, 0));
	assert_false(wr(0x270, 0));
	for (u32 i = 0; i < 8; i++)
		assert_true(wr(0x268 + i, 0x0101010101010101 * (i % 2)));
	for (u32 i = 0; i < 8; i++)
		assert_int_equal(rd(0x268 + i), 0x0101010101010101 * (i % 2));
}

static void machine_check_banks(void **state)
{
	(void)state;
	assert_int_equal(rd(0x179), 0x10a);
	assert_false(wr(0x179, 0));
	assert_true(wr(0x17a, 7));
	assert_int_equal(rd(0x17a), 7);
	assert_false(wr(0x17a, 8));
	assert_true(wr(0x17b, ~0ull));
	assert_true(wr(0x17b, 0));
	assert_false(wr(0x17b, 1));
	for (u32 bank = 0; bank < 32; bank++) {
		u32 msr = 0x400 + 4 * bank;
		bool there = bank < 10;

		assert_int_equal(wr(msr, ~0ull), there);
		assert_int_equal(wr(msr, 0), there);
		assert_int_equal(wr(msr, ~0ull ^ BIT(10)), there);
		assert_false(wr(msr, 2));
		assert_int_equal(wr(msr + 1, 0), there);
		assert_false(wr(msr + 1, 1));
		assert_int_equal(wr(msr + 2, 0xdeadbeef), there);
		assert_int_equal(wr(msr + 3, ~0ull), there);
		assert_int_equal(rd_faults(msr + 2), !there);
	}
	assert_int_equal(rd(0x402), 0xdeadbeef);
	assert_int_equal(rd(0) | rd(1), 0);
	assert_true(rd_faults(0x280));
}

static void amd_status_writable_by_hwcr(void **state)
{
	(void)state;
	assert_false(wr(0x401, 1));
	assert_true(wr(0xc0010015, BIT(18)));
	assert_true(wr(0x401, 1));
	assert_true(wr(0xc0010015, 0));
	assert_false(wr(0x401, 1));
}

static void hwcr(void **state)
{
	(void)state;
	assert_int_equal(rd(0xc0010015), BIT(24));
	for (unsigned bit = 0; bit < 64; bit++) {
		bool ok = bit == 3 || bit == 6 || bit == 8 || bit == 18 || bit == 24;

		assert_int_equal(wr(0xc0010015, BIT(bit)), ok);
	}
	assert_true(wr(0xc0010015, 0x148));
	assert_int_equal(rd(0xc0010015), 0);
}

/* Rows of the other vendor do not exist. */
static void amd_rows(void **state)
{
	static const u32 rw[] = { 0xc0010000, 0xc0010003, 0xc0010004, 0xc0010007, 0xc0010200,
				  0xc001020b, 0xc0010010, 0xc0010016, 0xc0010019, 0xc001001a,
				  0xc001001d, 0xc001001f, 0xc0010044, 0xc0010055, 0xc0010058,
				  0xc0010112, 0xc0010113, 0xc0011021, 0xc0011022, 0xc001102a };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rw); i++) {
		assert_true(wr(rw[i], ~0ull));
		assert_int_equal(rd(rw[i]), 0);
	}
	assert_int_equal(rd(0xc0011029), 2);
	assert_true(wr(0xc0011029, 0));
	assert_int_equal(rd(0xc0011029), 2);
	assert_int_equal(rd(0xc0010114), 0x18);
	assert_false(wr(0xc0010114, 0));
	assert_int_equal(rd(0x8b), 1);
	assert_false(wr(0x8b, 0));
	assert_true(wr(0xc0010020, 0xffff888000000000));
	assert_true(rd_faults(0xc0010020));
	assert_true(rd_faults(0x3a));
	assert_true(rd_faults(0x1a0));
	assert_false(wr(0x1a0, 1));
	assert_true(rd_faults(0x10a));
	assert_true(rd_faults(0xce));
	assert_false(wr(0x79, 0));
}

static void intel_rows(void **state)
{
	(void)state;
	assert_int_equal(rd(0x3a), 1);
	assert_false(wr(0x3a, 5));
	assert_int_equal(rd(0x17), 0);
	assert_int_equal(rd(0x35), 0x40004);
	assert_int_equal(rd(0xce), 21 << 8);
	assert_int_equal(rd(0x8b), BIT(32));
	assert_true(wr(0x8b, 0));
	assert_true(wr(0x79, 0x1000));
	assert_true(rd_faults(0x79));
	assert_int_equal(rd(0x140), 0);
	assert_true(wr(0x140, 0));
	assert_false(wr(0x140, 1));
	assert_true(wr(0x199, 0x1500));
	assert_true(rd_faults(0xc0010000));
	assert_false(wr(0xc0010015, 0));
	assert_false(wr(0xc0010020, 0));
	assert_true(rd_faults(0xc0011029));
}

static void misc_enable(void **state)
{
	(void)state;
	assert_int_equal(rd(0x1a0), 0x1801);
	assert_true(wr(0x1a0, 0x400c51889));
	assert_int_equal(rd(0x1a0), 0x400c51889);
	for (unsigned bit = 0; bit < 64; bit++)
		assert_int_equal(wr(0x1a0, BIT(bit)), (0x400c51889 >> bit) & 1);
}

/* Only "not affected" and the like pass: what announces an MSR would make guests write it. */
static void arch_capabilities(void **state)
{
	u64 shown;

	(void)state;
	assert_int_equal(rd(0x10a), 0);
	host_arch_caps = ~0ull;
	shown = rd(0x10a);
	assert_true(shown & BIT(0));
	assert_int_equal(shown & (BIT(7) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(18) |
				  BIT(21) | BIT(23) | BIT(25)),
			 0);
	host_arch_caps = BIT(0) | BIT(1);
	assert_int_equal(rd(0x10a), BIT(0) | BIT(1));
	assert_false(wr(0x10a, 0));
}

/* There is SPEC_CTRL if the host has one, with the host's bits; each vCPU has its own value. */
static void spec_ctrl(void **state)
{
	struct vcpu *other = &vcpus[1];

	(void)state;
	spec_plan.ctrl_valid = 0;
	assert_false(wr(0x48, 0));
	assert_int_equal(rd_faults(0x48), 1);
	spec_plan.ctrl_valid = 0x87;
	for (unsigned bit = 0; bit < 64; bit++)
		assert_int_equal(wr(0x48, BIT(bit)), BIT(bit) & 0x87 ? 1 : 0);
	assert_int_equal(rd(0x48), 0x80);
	msr_unload(v);
	assert_int_equal(hw_spec_ctrl, 0);
	msr_load(other);
	assert_int_equal(hw_spec_ctrl, 0);
	msr_unload(other);
	msr_load(v);
	assert_int_equal(rd(0x48), 0x80);
	msr_reset(v);
	msr_load(v);
	assert_int_equal(rd(0x48), 0);
	/* Nobody reads the commands, and those that may write them never exit. */
	assert_int_equal(rd_faults(0x49) + rd_faults(0x10b), 2);
	assert_false(wr(0x49, 1) || wr(0x10b, 1));
	spec_plan.ctrl_valid = 0;
}

static u32 ram32(u32 at)
{
	u32 value;

	memcpy(&value, ram + at, sizeof(value));
	return value;
}

static u64 ram64(u32 at)
{
	u64 value;

	memcpy(&value, ram + at, sizeof(value));
	return value;
}

/* What a guest makes of the structure at `at` and its own TSC. */
static u64 guest_ns(const struct vcpu *on, u32 at)
{
	u64 delta = fake_tsc + on->hot->tsc_offset - ram64(at + 8);
	s8 shift = (s8)ram[at + 28];

	assert_int_equal(ram32(at) & 1, 0);
	delta = shift < 0 ? delta >> -shift : delta << shift;
	return ram64(at + 16) + (u64)(((unsigned __int128)delta * ram32(at + 24)) >> 32);
}

static void assert_close(u64 a, u64 b)
{
	assert_true((a > b ? a - b : b - a) <= 2);
}

static void kvm_clock_counts_nanoseconds(void **state)
{
	static const u64 khz[] = { 3000, 999999, 1000000, 1000001, 2000000, 2100000, 5999999 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(khz); i++) {
		fake_tsc = -vm.tsc_offset;
		tsc_khz = khz[i];
		assert_true(wr(0x4b564d01, 0x101));
		assert_int_equal(rd(0x4b564d01), 0x101);
		assert_int_equal(guest_ns(v, 0x100), 0);
		fake_tsc += khz[i] * 1000;
		assert_close(guest_ns(v, 0x100), 1000000000);
		fake_tsc += khz[i];
		assert_close(guest_ns(v, 0x100), 1001000000);
		assert_int_equal(ram[0x100 + 29], 1);
	}
	tsc_khz = TSC_KHZ;
}

static void kvm_clocks_agree_whatever_the_tsc(void **state)
{
	u64 before;
	u32 version;

	(void)state;
	assert_true(wr_on(&vcpus[0], 0x4b564d01, 0x101));
	assert_true(wr_on(&vcpus[1], 0x4b564d01, 0x141));
	fake_tsc += 123456789;
	before = guest_ns(&vcpus[0], 0x100);
	assert_int_equal(before, guest_ns(&vcpus[1], 0x140));
	version = ram32(0x140);
	assert_true(wr_on(&vcpus[1], 0x10, 42));
	assert_int_equal(guest_ns(&vcpus[1], 0x140), before);
	assert_true(wr_on(&vcpus[0], 0x3b, (u64)-1000000));
	assert_int_equal(guest_ns(&vcpus[0], 0x100), before);
	assert_int_equal(ram32(0x140), version + 2);
	/* Switched off, it is left alone. */
	assert_true(wr_on(&vcpus[1], 0x4b564d01, 0));
	assert_true(wr_on(&vcpus[1], 0x10, 0));
	assert_int_equal(ram32(0x140), version + 2);
}

static void kvm_clock_outside_ram(void **state)
{
	(void)state;
	assert_false(wr(0x4b564d01, 0x103));
	assert_true(wr(0x4b564d01, 0xfee00001));
	assert_int_equal(rd(0x4b564d01) & 1, 0);
	assert_true(wr(0x4b564d01, ~0ull ^ 2));
	assert_true(wr(0x4b564d01, RAM_BYTES - 32 + 1));
	assert_int_equal(rd(0x4b564d01) & 1, 1);
	assert_true(wr(0x4b564d01, RAM_BYTES - 28 + 1));
	assert_int_equal(rd(0x4b564d01) & 1, 0);
	assert_true(wr(0x4b564d00, ~0ull));
	assert_true(wr(0x4b564d00, RAM_BYTES - 4));
}

static void kvm_wall_clock(void **state)
{
	(void)state;
	assert_true(wr(0x4b564d00, 0x200));
	assert_int_equal(rd(0x4b564d00), 0x200);
	assert_int_equal(ram32(0x200) & 1, 0);
	assert_int_equal(ram32(0x204), 1700000000);
	assert_int_equal(ram32(0x208), 123456789);
	ram[0x200] = 7;
	assert_true(wr(0x4b564d00, 0x200));
	assert_int_equal(ram32(0x200), 8);
}

static void reset_forgets(void **state)
{
	(void)state;
	assert_true(wr(0x4b564d01, 0x101));
	assert_true(wr(0xc0000103, 5));
	assert_true(wr(0x2ff, 0));
	assert_true(wr(0x277, 0));
	assert_true(wr(0x3b, 99));
	msr_reset(v);
	assert_int_equal(rd(0x4b564d01), 0);
	assert_int_equal(rd(0xc0000103), 0);
	assert_int_equal(rd(0x2ff), 0xc06);
	assert_int_equal(rd(0x277), PAT_RESET);
	assert_int_equal(rd(0x3b), 0);
	assert_int_equal(v->hot->tsc_offset, vm.tsc_offset);
}

static void out_of_memory(void **state)
{
	(void)state;
	page_free(v->msr);
	fake_no_memory = true;
	assert_int_equal(msr_create(v), ERR_NOMEM);
	fake_no_memory = false;
	assert_int_equal(msr_create(v), ERR_NONE);
}

/* Every MSR number of the usual ranges, with values of every kind. */
static void fuzz(void **state)
{
	static const u32 bases[] = { 0,		 0x40000000, 0x4b564d00,
				     0xc0000000, 0xc0010000, 0xc0011000 };
	static const u32 sizes[] = { 0x2000, 0x200, 0x20, 0x200, 0x400, 0x200 };

	(void)state;
	srand(2);
	for (unsigned pass = 0; pass < 8; pass++) {
		for (size_t b = 0; b < ARRAY_SIZE(bases); b++) {
			for (u32 i = 0; i < sizes[b]; i++) {
				u64 value = (u64)rand() << 42 ^ (u64)rand() << 21 ^ (u64)rand();
				struct vcpu *on = &vcpus[rand() % FIXTURE_CPUS];

				value = pass == 0 ? 0 : pass == 1 ? ~0ull : value >> rand() % 64;
				(void)wr_on(on, bases[b] + i, value);
				(void)rd_on(on, bases[b] + i, &value);
				(void)msr_read_fast(on->hot);
			}
		}
		ns_pass(1000000);
	}
	for (unsigned i = 0; i < 100000; i++) {
		u64 value;

		(void)wr(((u32)rand() << 16 ^ (u32)rand()), (u64)rand());
		(void)rd_on(v, (u32)rand() << 16 ^ (u32)rand(), &value);
	}
	assert_false(dev_locked);
}

int main(void)
{
#define I(f) cmocka_unit_test_setup_teardown(f, setup_intel, teardown)
#define A(f) cmocka_unit_test_setup_teardown(f, setup_amd, teardown)
	const struct CMUnitTest tests[] = {
		I(unknown_msrs_fault),
		I(steal_time),
		A(steal_time),
		A(unknown_msrs_fault),
		I(hardware_msrs_pass),
		I(hardware_msrs_by_exit),
		I(efer),
		A(efer_follows_cpuid),
		I(pat),
		I(debugctl),
		A(debugctl),
		I(tsc_and_adjust_move_together),
		I(tsc_deadline),
		I(tsc_aux),
		A(tsc_aux),
		I(apic_base_and_x2apic),
		I(fast_paths),
		I(fast_deadline),
		I(mtrr_power_on),
		I(mtrr_checks),
		I(machine_check_banks),
		A(machine_check_banks),
		A(amd_status_writable_by_hwcr),
		A(hwcr),
		A(amd_rows),
		I(intel_rows),
		I(misc_enable),
		I(arch_capabilities),
		I(spec_ctrl),
		I(kvm_clock_counts_nanoseconds),
		I(kvm_clocks_agree_whatever_the_tsc),
		I(kvm_clock_outside_ram),
		I(kvm_wall_clock),
		A(reset_forgets),
		I(out_of_memory),
		I(fuzz),
		A(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
