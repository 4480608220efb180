/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No single source is believed: CPUID may describe another clock than the one that the emulator
 * or hypervisor below runs on, and a measurement may be disturbed. A stated rate that agrees with
 * the measurement is exact and wins; one that does not agree is left out.
 */
#include "arch/x86/tsc.h"

#include "arch/x86/cpu.h"
#include "core/lib/log.h"

#define PIT_HZ 1193182
#define PM_TIMER_HZ 3579545
#define PM_TIMER_MASK 0xffffffu /* 24 bits are always there */

#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_CH2_MODE0 0xb0 /* channel 2, both bytes, mode 0 */
#define PORT_B 0x61
#define PORT_B_GATE2 0x01
#define PORT_B_SPEAKER 0x02
#define PORT_B_OUT2 0x20

#define PIT_WAIT_TICKS 23864 /* 20 ms */
#define POLLS_MAX 4000000u
#define ROUNDS 3
#define PM_READS_MAX 16
#define AGREE_PERMILLE 10
#define FALLBACK_KHZ 1000000

u64 tsc_khz ISO_SHARED = FALLBACK_KHZ;

/* One rate, and who says so; khz 0: no opinion. */
struct source {
	const char *name;
	u64 khz;
};

u64 tsc_from_us(u64 us)
{
	return mul_div_u64(us, tsc_khz, 1000);
}

u64 tsc_from_ns(u64 ns)
{
	return mul_div_u64(ns, tsc_khz, 1000000);
}

u64 us_from_tsc(u64 ticks)
{
	return mul_div_u64(ticks, 1000, tsc_khz);
}

u64 ns_from_tsc(u64 ticks)
{
	return mul_div_u64(ticks, 1000000, tsc_khz);
}

void tsc_wait_us(u64 us)
{
	u64 end = tsc_after_us(us);

	while (!tsc_is_past(end))
		cpu_pause();
}

enum { PIT, PM_TIMER, NR_MEASURED };
enum { CPUID15, HYPERVISOR, CPUID16, FIRMWARE, NR_STATED };

/* The rates that both clocks showed over one wait of the PIT. */
struct sample {
	u64 khz[NR_MEASURED]; /* 0: there is no such clock, or the wait never ended */
	u64 noise; /* TSC ticks by which the PIT's may be wrong */
};

/* Read the PM timer and the TSC as close together as a few tries allow. */
static u32 pm_read(u16 port, u64 *tsc)
{
	u64 best = ~0ull;
	u32 count = 0;

	for (unsigned i = 0; i < PM_READS_MAX; i++) {
		u64 before = rdtsc_ordered();
		u32 now = in32(port) & PM_TIMER_MASK;
		u64 width = rdtsc_ordered() - before;

		if (width < best) {
			best = width;
			count = now;
			*tsc = before + width / 2;
		}
	}
	return count;
}

/* Start channel 2 as a one-shot; the TSC of the start, and its uncertainty in *noise. */
static u64 pit_start(u64 *noise)
{
	u64 before;

	out8(PORT_B, (u8)((in8(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE2));
	out8(PIT_COMMAND, PIT_CH2_MODE0);
	out8(PIT_CHANNEL2, PIT_WAIT_TICKS & 0xff);
	before = rdtsc_ordered();
	out8(PIT_CHANNEL2, PIT_WAIT_TICKS >> 8);
	*noise = rdtsc_ordered() - before;
	return before + *noise / 2;
}

/* Wait for the end of the one-shot; its TSC, or 0. The last poll's length adds to *noise. */
static u64 pit_wait(u64 *noise)
{
	u64 last = rdtsc_ordered();

	for (u32 polls = 0; polls < POLLS_MAX; polls++) {
		bool done = in8(PORT_B) & PORT_B_OUT2;
		u64 now = rdtsc_ordered();

		if (done) {
			*noise += now - last;
			return polls ? last + (now - last) / 2 : 0;
		}
		last = now;
	}
	return 0;
}

static struct sample sample_take(u16 pm_port)
{
	struct sample s = { 0 };
	u64 pm_tsc0 = 0, pm_tsc1 = 0;
	u32 pm0 = pm_port ? pm_read(pm_port, &pm_tsc0) : 0;
	u64 start = pit_start(&s.noise);
	u64 end = pit_wait(&s.noise);
	u32 pm_count = pm_port ? (pm_read(pm_port, &pm_tsc1) - pm0) & PM_TIMER_MASK : 0;

	if (end)
		s.khz[PIT] = mul_div_u64(end - start, PIT_HZ, PIT_WAIT_TICKS) / 1000;
	if (pm_count)
		s.khz[PM_TIMER] = mul_div_u64(pm_tsc1 - pm_tsc0, PM_TIMER_HZ, pm_count) / 1000;
	return s;
}

/* The quietest of some samples. */
static struct sample sample_best(u16 pm_port)
{
	struct sample best = sample_take(pm_port);

	for (unsigned i = 1; i < ROUNDS && best.khz[PIT]; i++) {
		struct sample s = sample_take(pm_port);

		if (s.khz[PIT] && s.noise < best.noise)
			best = s;
	}
	return best;
}

/* CPUID "Time Stamp Counter and Nominal Core Crystal Clock Information Leaf". */
static u64 cpuid15_khz(void)
{
	struct cpuid_regs r = cpuid_or_zero(0x15, 0);

	if (cpu_info.vendor != CPU_INTEL || !r.eax || !r.ebx || !r.ecx)
		return 0;
	return mul_div_u64(r.ecx, r.ebx, r.eax) / 1000;
}

/* The base frequency in MHz: a rounded figure, for want of a better one. */
static u64 cpuid16_khz(void)
{
	if (cpu_info.vendor != CPU_INTEL)
		return 0;
	return (u64)(cpuid_or_zero(0x16, 0).eax & 0xffff) * 1000;
}

/* The leaf that VMware defined and others adopted: TSC kHz. */
static u64 hypervisor_khz(void)
{
	return cpu_has_hypervisor() ? cpuid_or_zero(0x40000010, 0).eax : 0;
}

static bool agree(u64 a, u64 b)
{
	u64 difference = a > b ? a - b : b - a;

	return difference * 1000 <= MAX(a, b) * AGREE_PERMILLE;
}

/* The PM timer is read at both ends with a known error, the PIT only polled: prefer the former. */
static const struct source *choose(const struct source *measured, const struct source *stated)
{
	const struct source *m = &measured[measured[PM_TIMER].khz ? PM_TIMER : PIT];

	if (measured[PIT].khz && !agree(m->khz, measured[PIT].khz)) {
		log_warn("TSC: the PIT says %llu kHz, the PM timer %llu kHz",
			 (unsigned long long)measured[PIT].khz, (unsigned long long)m->khz);
		/* Whom do the others confirm? */
		for (unsigned i = 0; i < NR_STATED; i++)
			if (stated[i].khz && agree(stated[i].khz, measured[PIT].khz))
				m = &measured[PIT];
	}
	for (unsigned i = 0; i < NR_STATED; i++) {
		if (!stated[i].khz)
			continue;
		if (!m->khz || (i <= HYPERVISOR && agree(stated[i].khz, m->khz)))
			return &stated[i];
		if (!agree(stated[i].khz, m->khz))
			log_info("TSC: %s states %llu kHz, which the measurement does not confirm",
				 stated[i].name, (unsigned long long)stated[i].khz);
	}
	return m;
}

void tsc_init(u64 hint_hz, u16 pm_timer_port)
{
	struct source stated[NR_STATED] = {
		[CPUID15] = { "CPUID 15h", cpuid15_khz() },
		[HYPERVISOR] = { "the hypervisor", hypervisor_khz() },
		[CPUID16] = { "CPUID 16h", cpuid16_khz() },
		[FIRMWARE] = { "firmware", hint_hz / 1000 },
	};
	struct sample s = sample_best(pm_timer_port);
	struct source measured[NR_MEASURED] = { { "the PIT", s.khz[PIT] },
						{ "the PM timer", s.khz[PM_TIMER] } };
	const struct source *best = choose(measured, stated);

	if (best->khz)
		tsc_khz = best->khz;
	else
		log_warn("TSC: no source tells its rate; times will be wrong");
	log_info("TSC: %llu.%03llu MHz by %s (PIT %llu, PM timer %llu kHz)%s",
		 (unsigned long long)(tsc_khz / 1000), (unsigned long long)(tsc_khz % 1000),
		 best->khz ? best->name : "default", (unsigned long long)s.khz[PIT],
		 (unsigned long long)s.khz[PM_TIMER],
		 cpu_has_invariant_tsc() ? "" : ", not stated to be invariant");
}
