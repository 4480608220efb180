/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/npf.c core/emul/mov.c core/gwalk.c core/gmem.c core/memslot.c */
/*
 * Nested page faults served between two entries, on a guest of a few pages with page tables of its
 * own: what is served, and all that is left to the slow path with nothing changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/page.h"
#include "arch/x86/regs.h"
#include "arch/x86/percpu.h"
#include "core/gmem.h"
#include "core/hv.h"
#include "core/io.h"
#include "core/npf.h"
#include "core/npt.h"
#include "core/vm.h"

/* Guest-physical pages: four tables, then code; a second slot a hole apart. */
#define ROOT 0x0000ull
#define PDPT 0x1000ull
#define PD 0x2000ull
#define PT 0x3000ull
#define CODE 0x4000ull
#define PAGES 8u
#define FAR_SLOT 0x100000ull
#define DEV 0xfec00000ull

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_A BIT(5)
#define PTE_PS BIT(7)
#define PTE_NX BIT(63)
#define PLAIN (PTE_P | PTE_W | PTE_U | PTE_A)

#define RIP 0x8000123ull /* a linear address; its page is CODE */
#define LINEAR 0xffffc000fec00010ull /* where the guest has the device */

static u8 ram[PAGES][PAGE_SIZE] __aligned(4096);
static u8 far_ram[PAGE_SIZE] __aligned(4096);
static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_hot hot;
static struct percpu percpu;
static struct code64 now; /* the guest's state as the vendor has it */
static u64 cr0, cr4, efer;
static bool is_code64;

static u64 device; /* what a read gives, then what was written */
static unsigned nr_reads, nr_writes, nr_fills;
static bool is_apic_mapped; /* by hardware, from now on */
static gpa_t device_gpa;
static unsigned device_width;
static u64 done_rip;
static enum err fault_result;

bool hv_is_vmx;

bool vmx_code64_get(struct vcpu *v, struct code64 *out)
{
	(void)v;
	*out = now;
	return is_code64;
}

bool svm_code64_get(struct vcpu *v, struct code64 *out)
{
	return vmx_code64_get(v, out);
}

void vmx_insn_done(struct vcpu *v, u64 rip)
{
	(void)v;
	done_rip = rip;
}

void svm_insn_done(struct vcpu *v, u64 rip)
{
	vmx_insn_done(v, rip);
}

u64 vmx_reg_get(struct vcpu *v, enum reg r)
{
	(void)v;
	switch (r) {
	case REG_CR0:
		return cr0;
	case REG_CR3:
		return now.cr3;
	case REG_CR4:
		return cr4;
	case REG_EFER:
		return efer;
	case REG_RFLAGS:
		return now.rflags;
	default:
		return 0;
	}
}

u64 svm_reg_get(struct vcpu *v, enum reg r)
{
	return vmx_reg_get(v, r);
}

void vmx_seg_get(struct vcpu *v, enum seg s, struct segment *out)
{
	(void)v;
	(void)s;
	*out = (struct segment){ .ar = now.is_user ? 0x60 : 0 };
}

void svm_seg_get(struct vcpu *v, enum seg s, struct segment *out)
{
	vmx_seg_get(v, s, out);
}

enum err npt_fault(struct vm *v, gpa_t gpa)
{
	(void)gpa;
	assert_ptr_equal(v, &vm);
	nr_fills++;
	return fault_result;
}

bool lapic_hw_map(struct vcpu *v, gpa_t gpa)
{
	assert_int_equal(gpa.v, v->hot->exit.gpa);
	return is_apic_mapped;
}

u64 mmio_read(struct vcpu *v, gpa_t gpa, unsigned width_bytes)
{
	assert_ptr_equal(v, &vcpu);
	nr_reads++;
	device_gpa = gpa;
	device_width = width_bytes;
	return device & ~0ull >> (64 - 8 * width_bytes);
}

void mmio_write(struct vcpu *v, gpa_t gpa, unsigned width_bytes, u64 value)
{
	assert_ptr_equal(v, &vcpu);
	nr_writes++;
	device_gpa = gpa;
	device_width = width_bytes;
	device = value & ~0ull >> (64 - 8 * width_bytes);
}

static u64 *entry_at(u64 table, u64 va, unsigned shift)
{
	return (u64 *)(void *)ram[table / PAGE_SIZE] + (va >> shift) % 512;
}

static void code_put(const u8 *bytes, size_t len_bytes)
{
	memset(ram[CODE / PAGE_SIZE], 0xcc, PAGE_SIZE);
	memcpy(ram[CODE / PAGE_SIZE] + (RIP & 0xfff), bytes, len_bytes);
}

#define CODE_PUT(...) code_put((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* mov eax, [rbx] reads the device, with everything in order. */
static int setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	memset(&vm, 0, sizeof(vm));
	memset(&hot, 0, sizeof(hot));
	vcpu = (struct vcpu){ .hot = &hot, .vm = &vm };
	assert_int_equal(memslot_add(&vm.slots, (gpa_t){ 0 }, sizeof(ram), (hpa_t){ (u64)ram }),
			 ERR_NONE);
	assert_int_equal(memslot_add(&vm.slots, (gpa_t){ FAR_SLOT }, PAGE_SIZE,
				     (hpa_t){ (u64)far_ram }),
			 ERR_NONE);
	*entry_at(ROOT, RIP, 39) = PDPT | PLAIN;
	*entry_at(PDPT, RIP, 30) = PD | PLAIN;
	*entry_at(PD, RIP, 21) = PT | PLAIN;
	*entry_at(PT, RIP, 12) = CODE | PLAIN;
	now = (struct code64){ .rip = RIP, .rflags = 2, .cr3 = ROOT };
	cr0 = CR0_PE | CR0_PG | CR0_WP;
	cr4 = CR4_PAE;
	efer = EFER_LME | EFER_LMA | EFER_NXE;
	is_code64 = true;
	is_apic_mapped = false;
	fault_result = ERR_NOENT;
	device = 0x1122334455667788;
	nr_reads = nr_writes = nr_fills = 0;
	done_rip = 0;
	hot.percpu = &percpu;
	hot.gprs[GPR_RBX] = LINEAR;
	hot.gprs[GPR_RAX] = ~0ull;
	hot.exit = (struct exit){ .kind = EXIT_NPF,
				  .gpa = DEV + 0x10,
				  .gva = LINEAR,
				  .gva_valid = true,
				  .is_final = true,
				  .access = ACCESS_READ };
	CODE_PUT(0x8b, 0x03);
	return 0;
}

static void expect_slow(void)
{
	struct vcpu_hot before = hot;

	assert_int_equal(npf_serve(&vcpu), NPF_SLOW);
	assert_memory_equal(&before, &hot, sizeof(hot));
	assert_int_equal(nr_reads + nr_writes, 0);
	assert_int_equal(done_rip, 0);
}

static void expect_read(void)
{
	hot.gprs[GPR_RAX] = ~0ull;
	nr_reads = 0;
	assert_int_equal(npf_serve(&vcpu), NPF_AGAIN);
	assert_int_equal(nr_reads, 1);
	assert_int_equal(hot.gprs[GPR_RAX], 0x55667788);
}

static void test_fill(void **state)
{
	(void)state;
	hot.exit.gpa = FAR_SLOT;
	fault_result = ERR_NONE;
	assert_int_equal(npf_serve(&vcpu), NPF_AGAIN);
	assert_int_equal(nr_fills, 1);
	assert_int_equal(hot.exit_counts[EXIT_NPF], 1);
	assert_int_equal(done_rip, 0);
	fault_result = ERR_NOMEM;
	setup(state);
	hot.exit.gpa = FAR_SLOT;
	fault_result = ERR_NOMEM;
	expect_slow();
}

static void test_read(void **state)
{
	(void)state;
	expect_read();
	assert_int_equal(device_gpa.v, DEV + 0x10);
	assert_int_equal(device_width, 4);
	assert_int_equal(done_rip, RIP + 2);
	assert_int_equal(hot.exit_counts[EXIT_NPF], 1);
	assert_int_equal(hot.slow_exits, 1);
	CODE_PUT(0x0f, 0xb6, 0x03); /* movzx eax, byte [rbx] */
	assert_int_equal(npf_serve(&vcpu), NPF_AGAIN);
	assert_int_equal(device_width, 1);
	assert_int_equal(hot.gprs[GPR_RAX], 0x88);
}

/* What others post to the local APIC may have been taken over: its view by hardware is checked. */
static void test_local_apic(void **state)
{
	(void)state;
	hot.apic_base = (DEV & ~0xfffull) | 0x900;
	assert_int_equal(npf_serve(&vcpu), NPF_LEAVE);
	assert_int_equal(hot.gprs[GPR_RAX], 0x55667788);
	is_apic_mapped = true;
	assert_int_equal(npf_serve(&vcpu), NPF_AGAIN);
	assert_int_equal(nr_reads, 1);
}

static void test_write(void **state)
{
	(void)state;
	hot.exit.access = ACCESS_WRITE;
	CODE_PUT(0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff); /* mov qword [rbx], -2 */
	assert_int_equal(npf_serve(&vcpu), NPF_LEAVE);
	assert_int_equal(nr_writes, 1);
	assert_int_equal(device, ~0ull - 1);
	assert_int_equal(device_width, 8);
	assert_int_equal(done_rip, RIP + 7);
}

/* The instruction at RIP is not the one that has made the access, or does more. */
static void test_other_access(void **state)
{
	(void)state;
	hot.exit.access = ACCESS_WRITE; /* a reader of a page that was written, and the reverse */
	expect_slow();
	CODE_PUT(0x89, 0x03);
	hot.exit.access = ACCESS_READ;
	expect_slow();
	hot.exit.access = ACCESS_READ | ACCESS_WRITE;
	expect_slow();
	hot.exit.access = ACCESS_FETCH;
	expect_slow();
	setup(state);
	hot.gprs[GPR_RBX] += PAGE_SIZE; /* elsewhere, as far as the exit tells */
	expect_slow();
	hot.exit.gva_valid = false;
	expect_read();
	setup(state);
	hot.exit.gva_valid = false;
	hot.gprs[GPR_RBX]++;
	expect_slow();
	setup(state);
	CODE_PUT(0x03, 0x03); /* add eax, [rbx] */
	expect_slow();
	CODE_PUT(0x8b, 0x03);
	hot.exit.is_final = false; /* a table of the guest's lies there */
	expect_slow();
	setup(state);
	hot.exit.gpa = DEV + 0xffe;
	hot.exit.gva = hot.gprs[GPR_RBX] = (LINEAR & ~0xfffull) | 0xffe;
	expect_slow(); /* over the end of the page */
	hot.exit.gpa -= 2;
	hot.exit.gva = hot.gprs[GPR_RBX] -= 2;
	expect_read();
}

static void test_modes(void **state)
{
	(void)state;
	is_code64 = false;
	expect_slow();
	is_code64 = true;
	now.rflags |= RFLAGS_TF;
	expect_slow();
}

/* The code's page went away, or lost its rights, between the exit and now. */
static void test_code_is_gone(void **state)
{
	static const struct {
		u64 table;
		unsigned shift;
	} levels[] = { { ROOT, 39 }, { PDPT, 30 }, { PD, 21 }, { PT, 12 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		u64 *entry = entry_at(levels[i].table, RIP, levels[i].shift);
		u64 good = *entry;

		*entry = good & ~PTE_P;
		expect_slow();
		*entry = good & ~PTE_A;
		expect_slow();
		*entry = good | PTE_NX;
		expect_slow();
		*entry = (good & 0xfff) | DEV; /* not RAM */
		expect_slow();
		*entry = (good & 0xfff) | MASK(51, 12);
		expect_slow();
		*entry = good;
		expect_read();
		now.is_user = true;
		expect_read();
		*entry = good & ~PTE_U;
		nr_reads = done_rip = 0;
		expect_slow();
		now.is_user = false;
		expect_read();
		*entry = good;
		nr_reads = done_rip = 0;
	}
	now.has_smep = true;
	expect_slow();
	*entry_at(PD, RIP, 21) &= ~PTE_U;
	expect_read();
	setup(state);
	now.cr3 = PAGES * PAGE_SIZE;
	expect_slow();
}

/* The slow path knows to look at the next page only if the instruction goes on there. */
static void test_code_at_page_end(void **state)
{
	(void)state;
	memcpy(ram[CODE / PAGE_SIZE] + 0xff0, "\x8b\x03", 2);
	memcpy(ram[CODE / PAGE_SIZE] + 0xff1, "\x8b\x03", 2);
	now.rip = (RIP & ~0xfffull) | 0xff1;
	expect_slow();
	memcpy(ram[CODE / PAGE_SIZE] + 0xff0, "\x8b\x03", 2);
	now.rip--;
	expect_read();
}

static void test_large_pages(void **state)
{
	u64 *entry = entry_at(PD, RIP, 21);

	(void)state;
	/* The page at 0 of 2 MiB: the code is where the low bits of RIP say. */
	*entry = PLAIN | PTE_PS;
	now.rip = (RIP & ~MASK(20, 0)) | CODE | (RIP & 0xfff);
	expect_read();
	*entry |= BIT(12); /* PAT */
	expect_read();
	nr_reads = done_rip = 0;
	*entry |= BIT(13); /* reserved */
	expect_slow();
	*entry = PLAIN | PTE_PS | MASK(51, 21);
	expect_slow();
	/* The top level has none. */
	*entry = PT | PLAIN;
	*entry_at(ROOT, RIP, 39) |= PTE_PS;
	expect_slow();
}

static void test_second_slot(void **state)
{
	(void)state;
	memcpy(far_ram + (RIP & 0xfff), "\x8b\x03", 2);
	CODE_PUT(0xf4);
	*entry_at(PT, RIP, 12) = FAR_SLOT | PLAIN;
	expect_read();
	expect_read(); /* again, from where it was found */
	*entry_at(PT, RIP, 12) = (FAR_SLOT + PAGE_SIZE) | PLAIN;
	nr_reads = done_rip = 0;
	expect_slow();
	*entry_at(PT, RIP, 12) = FAR_SLOT | PLAIN;
	expect_read();
}

static u64 random_state = 88172645463325252;

static u64 noise(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Nearly right entries that lead anywhere in the guest. */
static u64 entry_random(void)
{
	static const u64 flips[] = { PTE_P, PTE_U, PTE_A, PTE_PS, PTE_NX, BIT(40), BIT(12) };
	u64 entry = (noise() % (PAGES + 1)) * PAGE_SIZE | PLAIN;

	if (noise() % 4 == 0)
		entry ^= flips[noise() % ARRAY_SIZE(flips)];
	return entry;
}

/* By the full walk: up to `len_bytes` at a linear address; returns how many could be read. */
static unsigned fetch_walking(struct vcpu *v, u64 rip_linear, void *buf, unsigned len_bytes)
{
	struct segment ss;
	unsigned done = 0;
	u8 *to = buf;

	hv_seg_get(v, SEG_SS, &ss);
	while (done < len_bytes) {
		u64 gva = rip_linear + done;
		unsigned piece =
			(unsigned)MIN(len_bytes - done, PAGE_SIZE - (gva & (PAGE_SIZE - 1)));
		gpa_t gpa;
		u32 pf_err;

		if (gmem_translate(v, (gva_t){ gva }, ACCESS_FETCH,
				   bits_get(ss.ar, 6, 5) == 3, &gpa, &pf_err))
			break;
		if (gmem_read(v->vm, gpa, to + done, piece))
			break;
		done += piece;
	}
	return done;
}

/* What is fetched in one go is what the full walk finds, with no fault on the way. */
static void test_against_full_walk(void **state)
{
	unsigned nr_good = 0;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		u8 fast[GMEM_FETCH64_BYTES], slow[GMEM_FETCH64_BYTES];

		if (i % 16 == 0)
			for (unsigned page = 0; page < PAGES; page++)
				for (unsigned n = 0; n < 512; n++)
					((u64 *)(void *)ram[page])[n] = entry_random();
		now.rip = (u64)((s64)(noise() << 16) >> 16);
		now.is_user = noise() % 2;
		now.has_smep = noise() % 2;
		cr4 = CR4_PAE | (now.has_smep ? CR4_SMEP : 0);
		if (!gmem_fetch64(&vm, &now, fast))
			continue;
		nr_good++;
		assert_int_equal(fetch_walking(&vcpu, now.rip, slow, sizeof(slow)), sizeof(slow));
		assert_memory_equal(fast, slow, sizeof(fast));
	}
	assert_true(nr_good > 10000);
}

static void test_slots(void **state)
{
	struct memslots s = { 0 };

	(void)state;
	assert_null(memslot_find(&s, (gpa_t){ 0 }));
	for (u64 i = 0; i < MEMSLOT_MAX; i++) {
		u64 at = i * 7 % MEMSLOT_MAX;

		assert_int_equal(memslot_add(&s, (gpa_t){ at * 0x10000 }, 0x3000,
					     (hpa_t){ at << 32 }),
				 ERR_NONE);
		for (u64 n = 0; n < MEMSLOT_MAX; n++) {
			gpa_t last = { n * 0x10000 + 0x2fff };
			const struct memslot *slot = memslot_find(&s, last);

			assert_null(memslot_find(&s, (gpa_t){ last.v + 1 }));
			assert_true(!slot || slot->gpa == n * 0x10000);
		}
		assert_non_null(memslot_find(&s, (gpa_t){ at * 0x10000 }));
	}
	assert_null(memslot_find(&s, (gpa_t){ ~0ull }));
	assert_int_equal(memslot_add(&s, (gpa_t){ BIT(40) }, 0x1000, (hpa_t){ 0 }), ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_fill, setup),
		cmocka_unit_test_setup(test_read, setup),
		cmocka_unit_test_setup(test_local_apic, setup),
		cmocka_unit_test_setup(test_write, setup),
		cmocka_unit_test_setup(test_other_access, setup),
		cmocka_unit_test_setup(test_modes, setup),
		cmocka_unit_test_setup(test_code_is_gone, setup),
		cmocka_unit_test_setup(test_code_at_page_end, setup),
		cmocka_unit_test_setup(test_large_pages, setup),
		cmocka_unit_test_setup(test_second_slot, setup),
		cmocka_unit_test_setup(test_against_full_walk, setup),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
