/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a vCPU's CPUID table: the shape of its leaves, the policy rows, the computed contents. */
#include "core/cpuid.h"

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/panic.h"
#include "arch/x86/regs.h"
#include "arch/x86/tsc.h"
#include "core/cpuid_priv.h"
#include "core/dev/lapic.h"
#include "core/vm.h"

#define MAX_BASIC_INTEL 0x16u
#define MAX_BASIC_AMD 0xdu
#define MAX_EXT_INTEL 0x80000008u
#define MAX_EXT_AMD 0x80000021u

/* Nested paging with four levels translates this many bits. */
#define NESTED_PHYS_BITS 48u
#define GUEST_VIRT_BITS 48u /* no LA57 */

#define XSAVE_AREA_MIN 576u /* legacy region and header */
#define XSAVE_ALIGN 64u
#define XSAVE_ECX_ALIGNED BIT(1)

/* Bits of leaf 1 EDX that AMD repeats in 0x80000001 EDX. */
#define AMD_EDX_COPIES 0x0183f3ffu

/* Bits of KVM's feature leaf. */
#define KVM_NOP_IO_DELAY BIT(1)
#define KVM_CLOCKSOURCE2 BIT(3)
#define KVM_STEAL_TIME BIT(5)
#define KVM_CLOCKSOURCE_STABLE BIT(24)

#define TOPO_SMT 1u
#define TOPO_CORE 2u

const struct cpuid_row cpuid_rows[] = {
#define CPUID_BIT(name, leaf, subleaf, reg, bit, policy)                                           \
	{ leaf, subleaf, CPUID_##reg, CPUID_##policy, 1u << (bit) },
#include "core/cpuid.def"
#define CPUID_FIELD(leaf, subleaf, reg, hi, lo)                                                    \
	{ leaf, subleaf, CPUID_##reg, CPUID_HOST, (u32)MASK(hi, lo) },
#include "core/cpuid.def"
};
const u32 cpuid_nr_rows = ARRAY_SIZE(cpuid_rows);

/* A table in the making. */
struct build {
	struct cpuid_table *t;
	u32 next; /* first free entry */
	u32 max_ext;
	u32 nr_vcpus;
	u32 apic_id;
	bool is_intel;
	bool is_amd;
};

static unsigned log2_ceil(u32 n)
{
	return n <= 1 ? 0 : bit_last(n - 1) + 1;
}

static struct cpuid_leaf *leaf_at(struct cpuid_table *t, u32 leaf)
{
	return leaf < CPUID_BASIC_LEAVES ? &t->basic[leaf] : &t->ext[leaf - CPUID_EXT_BASE];
}

/* Give `l` room for `count` subleaves. */
static struct cpuid_regs *leaf_open(struct build *b, struct cpuid_leaf *l, u32 count)
{
	ASSERT(b->next + count <= CPUID_MAX_ENTRIES);
	l->first = (u8)b->next;
	l->count = (u8)count;
	b->next += count;
	return &b->t->entry[l->first];
}

/* The same for a leaf without subleaves: it ignores ECX. */
static struct cpuid_regs *single_open(struct build *b, struct cpuid_leaf *l)
{
	struct cpuid_regs *e = leaf_open(b, l, 1);

	l->other = l->first;
	return e;
}

static struct cpuid_regs *leaf_single(struct build *b, u32 leaf)
{
	return single_open(b, leaf_at(b->t, leaf));
}

static void row_apply(struct build *b, const struct cpuid_row *row, struct cpuid_regs host)
{
	static const u64 xcr0_needed[] = {
		[CPUID_AVX] = XCR0_AVX,
		[CPUID_AVX512] = XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM,
		[CPUID_PKRU] = XCR0_PKRU,
		[CPUID_XSAVE] = XCR0_X87,
	};
	const struct cpuid_leaf *l = leaf_at(b->t, row->leaf);
	bool is_emulated = row->policy == CPUID_ALWAYS || row->policy == CPUID_INTEL;
	u32 has = is_emulated ? ~0u : *cpuid_reg_of(&host, row->reg);

	if (row->subleaf >= l->count || (row->policy == CPUID_INTEL && !b->is_intel) ||
	    (xcr0_needed[row->policy] & ~fpu_xcr0_max()))
		return;
	*cpuid_reg_of(&b->t->entry[l->first + row->subleaf], row->reg) |= has & row->mask;
}

static void rows_apply(struct build *b)
{
	struct cpuid_regs host = { 0 };
	const struct cpuid_row *last = NULL;

	for (u32 i = 0; i < cpuid_nr_rows; i++) {
		const struct cpuid_row *row = &cpuid_rows[i];

		if (!last || last->leaf != row->leaf || last->subleaf != row->subleaf)
			host = cpuid_or_zero(row->leaf, row->subleaf);
		row_apply(b, row, host);
		last = row;
	}
}

/* Leaves whose contents are only policy rows. */
static void plain_leaves_open(struct build *b)
{
	static const u8 ext[] = { 1, 2, 3, 4, 5, 6, 7, 8, 0x19, 0x1a, 0x21 };

	(void)leaf_single(b, 1);
	(void)leaf_single(b, 6);
	if (b->is_intel)
		(void)leaf_single(b, 2);
	for (size_t i = 0; i < ARRAY_SIZE(ext) && CPUID_EXT_BASE + ext[i] <= b->max_ext; i++)
		(void)leaf_single(b, CPUID_EXT_BASE + ext[i]);
	leaf_at(b->t, 1)->patch = CPUID_PATCH_LEAF_1;
	if (b->is_amd)
		leaf_at(b->t, CPUID_EXT_BASE + 1)->patch = CPUID_PATCH_APIC;
}

static void leaf_7_open(struct build *b)
{
	struct cpuid_leaf *l = leaf_at(b->t, 7);
	struct cpuid_regs *e = leaf_open(b, l, 3);

	l->patch = CPUID_PATCH_LEAF_7;
	e->eax = MIN(cpuid_or_zero(7, 0).eax, 2u);
}

static void vendor_leaves_make(struct build *b)
{
	struct cpuid_regs host = cpuid_or_zero(0, 0);
	struct cpuid_regs *basic = leaf_single(b, 0);
	struct cpuid_regs *ext = leaf_single(b, CPUID_EXT_BASE);

	*basic = host;
	basic->eax = b->is_amd ? MAX_BASIC_AMD : MAX_BASIC_INTEL;
	if (b->is_amd)
		*ext = *basic;
	ext->eax = b->max_ext;
}

/* SDM leaves 4 and APM 0x8000001d agree: who shares a cache, in EAX[25:14]. */
static void cache_leaf_make(struct build *b, u32 leaf)
{
	u32 shared = (1u << log2_ceil(b->nr_vcpus)) - 1;
	struct cpuid_regs *e;
	u32 count = 0;

	while (count < 7 && (cpuid_or_zero(leaf, count).eax & 0x1f))
		count++;
	e = leaf_open(b, leaf_at(b->t, leaf), count);
	for (u32 i = 0; i < count; i++) {
		e[i] = cpuid_or_zero(leaf, i);
		e[i].eax &= 0x3fff;
		if (bits_get(e[i].eax, 7, 5) >= 3)
			e[i].eax |= shared << 14;
		if (b->is_intel)
			e[i].eax |= shared << 26;
	}
}

/* Leaf 0xb: one thread per core, all cores in one package. */
static void topology_make(struct build *b)
{
	struct cpuid_leaf *l = leaf_at(b->t, 0xb);
	struct cpuid_regs *e = leaf_open(b, l, 3);

	l->patch = CPUID_PATCH_SUBLEAF;
	l->other = (u8)(l->first + l->count - 1);
	e[0] = (struct cpuid_regs){ 0, 1, TOPO_SMT << 8, b->apic_id };
	e[1] = (struct cpuid_regs){ log2_ceil(b->nr_vcpus), b->nr_vcpus, TOPO_CORE << 8,
				     b->apic_id };
	e[2] = (struct cpuid_regs){ 0, 0, 0, b->apic_id };
}

/* Bytes of an XSAVE area for `xcr0`, from the component subleaves `e` of leaf 0xd. */
static u32 xsave_bytes(const struct cpuid_regs *e, u64 xcr0, bool is_compacted)
{
	u32 bytes = XSAVE_AREA_MIN;

	for (unsigned i = 2; i < 63 && xcr0 >> i; i++) {
		if (!(xcr0 & BIT(i)))
			continue;
		if (is_compacted && (e[i].ecx & XSAVE_ECX_ALIGNED))
			bytes = ALIGN_UP(bytes, XSAVE_ALIGN);
		bytes = is_compacted ? bytes + e[i].eax : MAX(bytes, e[i].ebx + e[i].eax);
	}
	return bytes;
}

static void xsave_make(struct build *b)
{
	u64 xcr0 = fpu_xcr0_max();
	struct cpuid_regs *e;

	if (!xcr0)
		return;
	e = leaf_open(b, leaf_at(b->t, 0xd), MAX(bit_last(xcr0) + 1, 2u));
	for (unsigned i = 2; i <= bit_last(xcr0); i++) {
		struct cpuid_regs host = cpuid_or_zero(0xd, i);

		if (xcr0 & BIT(i))
			e[i] = (struct cpuid_regs){ host.eax, host.ebx, host.ecx & 3, 0 };
	}
	e[0] = (struct cpuid_regs){ (u32)xcr0, 0, xsave_bytes(e, xcr0, false),
				     (u32)(xcr0 >> 32) };
}

void cpuid_xcr0_changed(struct vcpu *v)
{
	struct cpuid_table *t = v->hot->cpuid;
	const struct cpuid_leaf *l = leaf_at(t, 0xd);
	struct cpuid_regs *e = &t->entry[l->first];
	u64 xcr0 = v->xcr0;

	if (!l->count)
		return;
	xcr0 &= (u64)e[0].edx << 32 | e[0].eax;
	e[0].ebx = xsave_bytes(e, xcr0, false);
	/* The compacted size is only defined together with the instructions that use it. */
	if (cpuid_has(v->hot, GUEST_XSAVEC))
		e[1].ebx = xsave_bytes(e, xcr0, true);
}

/* The TSC as a multiple of the "crystal", which is the clock of our local APIC timer. */
static void frequency_make(struct build *b)
{
	u32 mhz = (u32)(tsc_khz / 1000);

	*leaf_single(b, 0x15) = (struct cpuid_regs){ LAPIC_TIMER_HZ / 1000, (u32)tsc_khz,
						      LAPIC_TIMER_HZ, 0 };
	*leaf_single(b, 0x16) = (struct cpuid_regs){ mhz & 0xffff, mhz & 0xffff, 100, 0 };
}

static void hypervisor_make(struct build *b)
{
	/* "KVMKVMKVM" and "LaminaLamina" in memory order of EBX, ECX, EDX. */
	*single_open(b, &b->t->kvm[0]) =
		(struct cpuid_regs){ CPUID_KVM_BASE + 1, 0x4b4d564b, 0x564b4d56, 0x0000004d };
	single_open(b, &b->t->kvm[1])->eax = KVM_NOP_IO_DELAY | KVM_CLOCKSOURCE2 | KVM_STEAL_TIME |
					     KVM_CLOCKSOURCE_STABLE;
	*single_open(b, &b->t->lamina) =
		(struct cpuid_regs){ CPUID_LAMINA_BASE, 0x696d614c, 0x614c616e, 0x616e696d };
}

static struct cpuid_regs *entry_of(struct build *b, u32 leaf)
{
	return &b->t->entry[leaf_at(b->t, leaf)->first];
}

static void leaf_1_finish(struct build *b)
{
	struct cpuid_regs *e = entry_of(b, 1);
	u32 count = b->is_amd ? b->nr_vcpus : 1u << log2_ceil(b->nr_vcpus);

	e->ebx |= count << 16 | b->apic_id << 24;
	if (b->nr_vcpus > 1)
		e->edx |= BIT(28); /* HTT: the count above is valid */
}

static void address_sizes_finish(struct build *b)
{
	struct cpuid_regs *e = entry_of(b, CPUID_EXT_BASE + 8);

	e->eax = MIN(cpu_info.phys_bits, NESTED_PHYS_BITS) | GUEST_VIRT_BITS << 8;
	if (b->is_amd)
		e->ecx = (b->nr_vcpus - 1) | log2_ceil(b->nr_vcpus) << 12;
}

static void amd_finish(struct build *b)
{
	struct cpuid_regs *e = entry_of(b, CPUID_EXT_BASE + 1);

	e->edx |= entry_of(b, 1)->edx & AMD_EDX_COPIES;
	if (b->nr_vcpus > 1)
		e->ecx |= BIT(1); /* CMP_LEGACY: cores, not threads */
	if (b->max_ext < CPUID_EXT_BASE + 0x1e || !(e->ecx & BIT(22)))
		return;
	cache_leaf_make(b, CPUID_EXT_BASE + 0x1d);
	*leaf_single(b, CPUID_EXT_BASE + 0x1e) =
		(struct cpuid_regs){ b->apic_id, b->apic_id & 0xff, 0, 0 };
}

/* Leaves above Intel's maxima, once everything else is there. */
static void beyond_make(struct build *b)
{
	struct cpuid_table *t = b->t;

	t->beyond = t->basic[MAX_BASIC_INTEL];
	for (u32 i = MAX_BASIC_INTEL + 1; i < CPUID_BASIC_LEAVES; i++)
		t->basic[i] = t->beyond;
	for (u32 i = b->max_ext - CPUID_EXT_BASE + 1; i < CPUID_EXT_LEAVES; i++)
		t->ext[i] = t->beyond;
}

/* A leaf that ignores the subleaf need not compare it: any is past the last. */
static void singles_settle(struct cpuid_table *t)
{
	struct cpuid_leaf *end = (struct cpuid_leaf *)t->entry;

	for (struct cpuid_leaf *l = t->basic; l < end; l++)
		if (l->count == 1 && l->other == l->first)
			l->count = 0;
}

void cpuid_build(struct vcpu *v)
{
	bool is_amd = cpu_info.vendor == CPU_AMD;
	u32 max_ext = MIN(cpu_info.max_extended_leaf, is_amd ? MAX_EXT_AMD : MAX_EXT_INTEL);
	struct build b = {
		.t = v->hot->cpuid,
		.next = 1, /* entry 0 stays zero: the answer of absent leaves */
		.max_ext = MAX(max_ext, CPUID_EXT_BASE + 8),
		.nr_vcpus = v->vm->nr_vcpus,
		.apic_id = lapic_id(v),
		.is_intel = cpu_info.vendor == CPU_INTEL,
		.is_amd = is_amd,
	};

	vendor_leaves_make(&b);
	plain_leaves_open(&b);
	leaf_7_open(&b);
	topology_make(&b);
	xsave_make(&b);
	if (!is_amd) {
		cache_leaf_make(&b, 4);
		frequency_make(&b);
	}
	hypervisor_make(&b);
	rows_apply(&b);
	leaf_1_finish(&b);
	address_sizes_finish(&b);
	if (is_amd)
		amd_finish(&b);
	else
		beyond_make(&b);
	singles_settle(b.t);
	cpuid_xcr0_changed(v);
}
