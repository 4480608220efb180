/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vcpu.h"

#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/fpu.h"
#include "arch/x86/percpu.h"
#include "arch/x86/regs.h"
#include "core/hv.h"
#include "core/msr.h"
#include "core/vm.h"

#define SIPI_CS_SHIFT 8 /* vector to selector; another 4 to the base */

static enum err vcpu_parts_create(struct vcpu *v)
{
	v->hot->cpuid = page_alloc();
	v->fpu = page_alloc_contig(fpu_area_bytes(), 64, true);
	if (!v->hot->cpuid || !v->fpu || lapic_create(v))
		return ERR_NOMEM;
	/* Loaded before it is reset. */
	v->xcr0 = XCR0_X87;
	fpu_area_init(v->fpu);
	cpuid_build(v);
	return msr_create(v) ? ERR_NOMEM : hv_vcpu_init(v);
}

enum err vcpu_create(struct vm *vm, u32 index, struct vcpu **out)
{
	struct vcpu *v = page_alloc_contig(sizeof(*v), PAGE_SIZE, true);
	struct vcpu_hot *hot = page_alloc();
	u32 pin = vm->config->pin;

	if (!v || !hot)
		return ERR_NOMEM;
	v->vm = vm;
	v->index = index;
	v->last_cpu = SCHED_ANY_CPU;
	v->hot = hot;
	hot->vcpu = v;
	sched_add(v, vm->config->weight, pin == CONFIG_PIN_NONE ? SCHED_ANY_CPU : pin + index);
	*out = v;
	return vcpu_parts_create(v);
}

/* Access rights after RESET and INIT, in the layout of AR_*. */
#define AR_DATA (AR_P | AR_S | 3)
#define AR_CODE (AR_P | AR_S | 0xb)
#define AR_LDT (AR_P | 2)
#define AR_TSS32_BUSY (AR_P | 0xb)
#define LIMIT_64K 0xffffu
#define RESET_CS_BASE 0xffff0000ull
#define RESET_CS_SEL 0xf000
#define RESET_RIP 0xfff0
#define RESET_CR0 (CR0_ET | CR0_NW | CR0_CD)

static void segments_reset(struct vcpu *v)
{
	static const u8 rights[NR_SEGS] = {
		AR_DATA, AR_CODE, AR_DATA, AR_DATA, AR_DATA, AR_DATA, AR_LDT, AR_TSS32_BUSY
	};

	for (enum seg s = SEG_ES; s < NR_SEGS; s++) {
		struct segment seg = { .limit = LIMIT_64K, .ar = rights[s] };

		if (s == SEG_CS) {
			seg.base = RESET_CS_BASE;
			seg.sel = RESET_CS_SEL;
		}
		hv_seg_set(v, s, &seg);
	}
}

/* SDM "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
static void registers_reset(struct vcpu *v)
{
	static const struct {
		u32 reg, value;
	} regs[] = { { REG_EFER, 0 },	     { REG_CR0, RESET_CR0 }, { REG_CR2, 0 },
		     { REG_CR3, 0 },	     { REG_CR4, 0 },	     { REG_RFLAGS, RFLAGS_FIXED },
		     { REG_RIP, RESET_RIP }, { REG_RSP, 0 },	     { REG_DR6, DR6_FIXED },
		     { REG_DR7, DR7_FIXED } };
	u64 *gprs = v->hot->gprs;
	u32 signature;

	gprs[GPR_RAX] = 1;
	gprs[GPR_RCX] = 0;
	cpuid_emulate(v->hot, 0);
	signature = (u32)gprs[GPR_RAX];
	memset(gprs, 0, sizeof(v->hot->gprs));
	gprs[GPR_RDX] = signature;
	for (u32 i = 0; i < ARRAY_SIZE(regs); i++)
		hv_reg_set(v, (enum reg)regs[i].reg, regs[i].value);
	segments_reset(v);
}

/* MSRs that the hardware holds and RESET clears, but INIT keeps. */
static void hardware_msrs_reset(struct vcpu *v)
{
	static const u8 regs[] = { REG_FS_BASE,	     REG_GS_BASE,     REG_KERNEL_GS_BASE,
				   REG_STAR,	     REG_LSTAR,	      REG_CSTAR,
				   REG_SFMASK,	     REG_SYSENTER_CS, REG_SYSENTER_ESP,
				   REG_SYSENTER_EIP, REG_DEBUGCTL };

	for (u32 i = 0; i < ARRAY_SIZE(regs); i++)
		hv_reg_set(v, (enum reg)regs[i], 0);
	hv_reg_set(v, REG_PAT, v->pat);
	hv_tsc_offset(v);
}

static void state_reset(struct vcpu *v, bool is_init)
{
	hv_vcpu_reset(v);
	v->pause_exits = false;
	event_reset(v);
	registers_reset(v);
	debug_reset(v);
	lapic_reset(v, is_init);
	lapic_hw_update(v);
	hv_tlb_flush(v);
	v->state = VCPU_WAIT_SIPI;
}

/* Flat segments and registers as the image loader wants them. */
static void boot_apply(struct vcpu *v, const struct load_result *boot)
{
	bool is_long = boot->mode == BOOT_LONG64;
	const struct segment code = { .limit = ~0u,
				      .ar = AR_CODE | AR_G | (is_long ? AR_L : AR_DB),
				      .sel = BOOT_CS };
	const struct segment data = { .limit = ~0u, .ar = AR_DATA | AR_G | AR_DB, .sel = BOOT_DS };
	const struct segment gdt = { .base = boot->gdt_base, .limit = boot->gdt_limit };

	for (enum seg s = SEG_ES; s <= SEG_GS; s++)
		hv_seg_set(v, s, s == SEG_CS ? &code : &data);
	hv_seg_set(v, SEG_GDTR, &gdt);
	if (is_long) {
		hv_reg_set(v, REG_CR4, CR4_PAE);
		hv_reg_set(v, REG_CR3, boot->cr3);
		hv_reg_set(v, REG_EFER, EFER_LME | EFER_LMA);
	}
	hv_reg_set(v, REG_CR0, CR0_PE | CR0_ET | CR0_NE | (is_long ? CR0_PG : 0));
	hv_reg_set(v, REG_RIP, boot->rip);
	v->hot->gprs[GPR_RAX] = boot->rax;
	v->hot->gprs[GPR_RBX] = boot->rbx;
	v->hot->gprs[GPR_RDX] = 0;
	v->hot->gprs[GPR_RSI] = boot->rsi;
	v->state = VCPU_RUNNING;
}

void vcpu_reset(struct vcpu *v)
{
	state_reset(v, false);
	v->xcr0 = XCR0_X87;
	fpu_xcr0_load(fpu_xcr0_max());
	fpu_area_init(v->fpu);
	fpu_restore(v->fpu);
	fpu_xcr0_load(v->xcr0);
	cpuid_xcr0_changed(v);
	msr_reset(v);
	msr_load(v);
	hardware_msrs_reset(v);
	if (v->index)
		return;
	boot_apply(v, &v->vm->boot);
	if (v->vm->config->testdev)
		testdev_lapic_start(v);
}

/*
 * vcpu->startup: INIT, then the start-up IPI behind it. One word, so that the receiver takes both
 * in the order in which they were sent.
 */
#define STARTUP_VECTOR MASK(7, 0)
#define STARTUP_SIPI BIT(8)
#define STARTUP_INIT BIT(9)

void vcpu_signal_init(struct vcpu *v)
{
	atomic_xchg_u32(&v->startup, STARTUP_INIT);
	vcpu_request(v, REQ_INIT);
}

void vcpu_signal_sipi(struct vcpu *v, u8 vector)
{
	u32 old = atomic_load_u32(&v->startup);

	while (!(old & STARTUP_SIPI) &&
	       !atomic_cas_u32(&v->startup, old, old | STARTUP_SIPI | vector))
		old = atomic_load_u32(&v->startup);
	vcpu_request(v, REQ_SIPI);
}

static void init_serve(struct vcpu *v)
{
	/* There is no firmware that could take the first CPU in again: a PC would restart. */
	if (v->index == 0)
		vm_stop(v->vm, VM_END_RESET);
	else
		state_reset(v, true);
}

/* SDM "MP Initialization Protocol Algorithm": outside wait-for-SIPI the IPI is lost. */
static void sipi_serve(struct vcpu *v, u8 vector)
{
	struct segment cs;

	if (v->state != VCPU_WAIT_SIPI)
		return;
	event_nmi_merge(v);
	/* What was sent before the INIT may have arrived behind it. */
	lapic_reset(v, true);
	hv_seg_get(v, SEG_CS, &cs);
	cs.sel = (u16)(vector << SIPI_CS_SHIFT);
	cs.base = (u64)cs.sel << 4;
	hv_seg_set(v, SEG_CS, &cs);
	hv_reg_set(v, REG_RIP, 0);
	v->state = VCPU_RUNNING;
}

void vcpu_startup_serve(struct vcpu *v)
{
	u32 startup = atomic_xchg_u32(&v->startup, 0);

	if (startup & STARTUP_INIT)
		init_serve(v);
	if (startup & STARTUP_SIPI)
		sipi_serve(v, startup & STARTUP_VECTOR);
}

void vcpu_regs_print(struct vcpu *v, void (*say)(const char *fmt, ...))
{
	static const char gprs[][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					"r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15" };
	static const char segs[][5] = { "es", "cs", "ss", "ds", "fs",
					"gs", "ldtr", "tr", "gdtr", "idtr" };
	const u64 *g = v->hot->gprs;
	struct segment s;

	say("  rip %016llx rflags %08llx cr0 %08llx cr2 %016llx\n", (ull)hv_reg_get(v, REG_RIP),
	    (ull)hv_reg_get(v, REG_RFLAGS), (ull)hv_reg_get(v, REG_CR0),
	    (ull)hv_reg_get(v, REG_CR2));
	say("  cr3 %016llx cr4 %08llx efer %08llx\n", (ull)hv_reg_get(v, REG_CR3),
	    (ull)hv_reg_get(v, REG_CR4), (ull)hv_reg_get(v, REG_EFER));
	v->hot->gprs[GPR_RSP] = hv_reg_get(v, REG_RSP);
	for (u32 i = 0; i < NR_GPRS; i += 4)
		say("  %s %016llx %s %016llx %s %016llx %s %016llx\n", gprs[i], (ull)g[i],
		    gprs[i + 1], (ull)g[i + 1], gprs[i + 2], (ull)g[i + 2], gprs[i + 3],
		    (ull)g[i + 3]);
	for (enum seg i = SEG_ES; i < NR_SEGS; i++) {
		hv_seg_get(v, i, &s);
		say("  %-4s sel %04x ar %05x limit %08x base %016llx\n", segs[i], s.sel, s.ar,
		    s.limit, (ull)s.base);
	}
}
