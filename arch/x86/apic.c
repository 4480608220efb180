/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/apic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/percpu.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

#define ICR_POLLS_MAX 1000000u
#define TIMER_DIVIDE_16 3u
#define ID_SHIFT 24 /* in the xAPIC's ID and ICR2 registers */
#define CALIBRATE_US 10000

#define PIC1_PORT 0x20
#define PIC2_PORT 0xa0

static volatile u8 *regs ISO_SHARED; /* [c] xAPIC registers; NULL: x2APIC */
static bool has_deadline ISO_SHARED; /* [c] the timer takes a TSC deadline */
static u64 timer_khz ISO_SHARED; /* [c] counts per ms after the divider; 0: TSC deadline */

bool apic_is_x2apic(void)
{
	return !regs;
}

const void *apic_page(void)
{
	return (const void *)regs;
}

ISO_TEXT u32 apic_read(u32 reg)
{
	return regs ? mmio_read32(regs + reg) : (u32)rdmsr(MSR_X2APIC + reg / 16);
}

ISO_TEXT void apic_write(u32 reg, u32 value)
{
	if (regs)
		mmio_write32(regs + reg, value);
	else
		wrmsr(MSR_X2APIC + reg / 16, value);
}

u32 apic_id(void)
{
	return regs ? apic_read(APIC_ID) >> ID_SHIFT : apic_read(APIC_ID);
}

ISO_TEXT void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

/*
 * Two registers make one command on an xAPIC, so nothing may come between them. An x2APIC write is
 * not ordered after earlier stores (SDM "MSR Access in x2APIC Mode"), so a fence stands before it.
 */
ISO_TEXT void apic_icr_write(u32 apic_id, u32 low)
{
	u64 flags = irq_save();

	if (!regs) {
		mfence();
		lfence();
		wrmsr(MSR_X2APIC + APIC_ICR / 16, (u64)apic_id << 32 | low);
	} else {
		for (u32 polls = 0; polls < ICR_POLLS_MAX; polls++) {
			if (!(apic_read(APIC_ICR) & APIC_ICR_BUSY))
				break;
			cpu_pause();
		}
		apic_write(APIC_ICR2, apic_id << ID_SHIFT);
		apic_write(APIC_ICR, low);
	}
	irq_restore(flags);
}

/* The legacy controllers: move their vectors away from the exceptions, then mask every line. */
static void pic_off(void)
{
	static const u8 steps[][3] = { /* offset of the port, value for each of the two */
		{ 0, 0x11, 0x11 }, { 1, IRQ_FIRST, IRQ_FIRST + 8 },
		{ 1, 4, 2 }, { 1, 1, 1 }, { 1, 0xff, 0xff },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		out8(PIC1_PORT + steps[i][0], steps[i][1]);
		out8(PIC2_PORT + steps[i][0], steps[i][2]);
	}
}

/* Firmware may have left without ending an interrupt, which would hold back all lower ones. */
static void leftovers_end(void)
{
	for (unsigned tries = 0; tries < 256; tries++) {
		u32 in_service = 0;

		for (unsigned i = 0; i < 8; i++)
			in_service |= apic_read(APIC_ISR + 16 * i);
		if (!in_service)
			return;
		apic_eoi();
	}
}

void apic_enable(void)
{
	static const u16 lvts[] = { APIC_LVT_TIMER, APIC_LVT_LINT0, APIC_LVT_LINT1 };
	u64 base = rdmsr(MSR_APIC_BASE);

	/* EN is never cleared: that resets the APIC, and some emulators never come back. */
	if (!regs && !(base & APIC_BASE_EXTD))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_EN | APIC_BASE_EXTD);
	for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
		apic_write(lvts[i], APIC_LVT_MASKED);
	/* A vector below 16 is an error even when masked. */
	apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED | IRQ_SPURIOUS);
	if (regs) {
		apic_write(APIC_DFR, 0xffffffff);
		apic_write(APIC_LDR, 0);
	}
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, APIC_SVR_ENABLE | IRQ_SPURIOUS);
	leftovers_end();
	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_16);
	apic_timer_stop();
}

enum err apic_init(void)
{
	u64 base;

	if (!cpu_has_apic()) {
		log_err("this CPU has no local APIC, or firmware has switched it off");
		return ERR_UNSUPPORTED;
	}
	pic_off();
	has_deadline = cpu_has_tsc_deadline();
	base = rdmsr(MSR_APIC_BASE);
	if (!(base & APIC_BASE_EN)) {
		log_err("the local APIC is disabled: enable it in the firmware's set-up");
		return ERR_DISABLED;
	}
	if (!cpu_has_x2apic() && !(base & APIC_BASE_EXTD)) {
		regs = mmio_map((hpa_t){ base & MASK(51, 12) }, PAGE_SIZE, PT_UC);
		if (!regs)
			return ERR_NOMEM;
	}
	apic_enable();
	return ERR_NONE;
}

void apic_timer_calibrate(void)
{
	u64 start, ticks;
	u32 counts;

	if (!cpu_has_tsc_deadline()) {
		apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | IRQ_TIMER);
		apic_write(APIC_TIMER_INITIAL, ~0u);
		start = rdtsc_ordered();
		tsc_wait_us(CALIBRATE_US);
		counts = ~0u - apic_read(APIC_TIMER_CURRENT);
		ticks = rdtsc_ordered() - start;
		apic_timer_stop();
		timer_khz = MAX(mul_div_u64(counts, tsc_khz, ticks), 1ull);
	}
	log_info("local APIC: %s, timer by %s", apic_is_x2apic() ? "x2APIC" : "xAPIC",
		 cpu_has_tsc_deadline() ? "TSC deadline" : "one-shot count");
	if (timer_khz)
		log_info("local APIC: timer at %llu kHz", (unsigned long long)timer_khz);
}

/* The count for a deadline: rounded up, so that it does not fire early; 0 would stop the timer. */
ISO_TEXT static u32 count_until(u64 deadline_tsc)
{
	u64 now = rdtsc();
	u64 left;

	if (deadline_tsc <= now)
		return 1;
	/* If it is far away, come back in a second. */
	left = MIN(deadline_tsc - now, tsc_khz * 1000);
	return (u32)MIN(mul_div_u64(left, timer_khz, tsc_khz) + 1, (u64)~0u);
}

/* Program the timer; `masked` is 0 or APIC_LVT_MASKED, and a deadline of 0 stops it. */
ISO_TEXT static void timer_set(struct percpu *cpu, u64 deadline_tsc, u32 masked)
{
	cpu->deadline_tsc = deadline_tsc;
	if (has_deadline) {
		apic_write(APIC_LVT_TIMER, APIC_LVT_DEADLINE | masked | IRQ_TIMER);
		/* Without it the xAPIC's mode change may come after the MSR write. */
		mfence();
		wrmsr(MSR_TSC_DEADLINE, deadline_tsc);
	} else {
		apic_write(APIC_LVT_TIMER, masked | IRQ_TIMER);
		apic_write(APIC_TIMER_INITIAL, deadline_tsc ? count_until(deadline_tsc) : 0);
	}
}

void apic_timer_arm(u64 deadline_tsc)
{
	timer_set(this_cpu(), deadline_tsc ? deadline_tsc : 1, 0);
}

ISO_TEXT void apic_timer_hasten(struct percpu *cpu, u64 deadline_tsc)
{
	if (!cpu->deadline_tsc || deadline_tsc < cpu->deadline_tsc)
		timer_set(cpu, deadline_tsc ? deadline_tsc : 1, 0);
}

void apic_timer_stop(void)
{
	timer_set(this_cpu(), 0, APIC_LVT_MASKED);
}
