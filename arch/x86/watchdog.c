/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/watchdog.h"

#include "arch/x86/atomic.h"
#include "arch/x86/ipi.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

#define CALLS_MAX 16
#define ANSWER_WAIT_US 100000
#define LATE_US 3000000 /* a watcher that was away itself cannot judge */
#define SILENT_US (WATCHDOG_SECONDS * 1000000ull)

enum answer { ANSWER_NONE, ANSWER_WANTED, ANSWER_HOST, ANSWER_GUEST };

static struct watch {
	u64 beats; /* [a] 0: has not begun */
	u64 beat_tsc; /* [o] */
	u64 seen; /* [a] beats at since_tsc, as the watcher saw them */
	u64 since_tsc; /* [a] */
	u32 is_silent; /* [a] and reported */
	u32 answer; /* [a] enum answer */
	u64 calls[CALLS_MAX]; /* [o] until it has answered */
	u32 nr_calls;
} watches[CPUS_MAX];

static u32 is_reporting; /* [a] */

/* No fault may happen here: its IRET would let the next NMI in. Only this CPU's stack is read. */
bool watchdog_nmi(const struct trap_frame *frame)
{
	struct percpu *cpu = this_cpu();
	struct watch *w = &watches[cpu->index];
	bool is_stack;

	if (atomic_load_u32(&w->answer) != ANSWER_WANTED)
		return false;
	if (frame) {
		is_stack = frame->rsp < cpu->stack_top && cpu->stack_top - frame->rsp < STACK_BYTES;
		w->nr_calls = backtrace_take(frame->rip, frame->rbp, is_stack ? frame->rsp : ~0ull,
					     cpu->stack_top, w->calls, CALLS_MAX);
	}
	atomic_store_u32(&w->answer, frame ? ANSWER_HOST : ANSWER_GUEST);
	return true;
}

/* Where CPU `i` is: its answer is waited for until `end`. */
static void answer_log(u32 i, u64 end)
{
	static const char *const where[] = { "?", "deaf to NMIs", "here:", "in a guest" };
	struct watch *w = &watches[i];

	while (atomic_load_u32(&w->answer) == ANSWER_WANTED && !tsc_is_past(end))
		cpu_pause();
	log_err("cpu%u is %s", i, where[atomic_load_u32(&w->answer)]);
	if (atomic_load_u32(&w->answer) == ANSWER_HOST)
		backtrace_log(w->calls, w->nr_calls);
}

static void silent_report(u32 silent)
{
	u64 end = tsc_after_us(ANSWER_WAIT_US);

	if (atomic_xchg_u32(&is_reporting, 1))
		return;
	atomic_store_u32(&watches[silent].is_silent, 1);
	log_err("WATCHDOG: cpu%u has not answered for %u seconds; where each CPU is:", silent,
		WATCHDOG_SECONDS);
	for (u32 i = 0; i < cpus_known(); i++) {
		atomic_store_u32(&watches[i].answer, ANSWER_WANTED);
		ipi_nmi(percpu_of(i)->apic_id); /* this CPU, too */
	}
	for (u32 i = 0; i < cpus_known(); i++)
		answer_log(i, end);
	panic_report(silent);
	atomic_store_u32(&is_reporting, 0);
}

/* Look at CPU `i`. False if it is known to be silent: who is behind it has no other watcher. */
static bool neighbour_check(u32 i, bool was_away)
{
	struct watch *w = &watches[i];
	u64 beats = atomic_load_u64(&w->beats);

	if (beats != w->seen || was_away || !beats) {
		w->seen = beats;
		w->since_tsc = rdtsc();
		if (atomic_xchg_u32(&w->is_silent, 0))
			log_err("WATCHDOG: cpu%u answers again", i);
	} else if (!atomic_load_u32(&w->is_silent) &&
		   us_from_tsc(rdtsc() - w->since_tsc) > SILENT_US) {
		silent_report(i);
	}
	return !atomic_load_u32(&w->is_silent);
}

void watchdog_beat(void)
{
	u32 me = cpu_index(), n = cpus_known();
	struct watch *w = &watches[me];
	bool was_away = us_from_tsc(rdtsc() - w->beat_tsc) > LATE_US;

	w->beat_tsc = rdtsc();
	atomic_store_u64(&w->beats, w->beats + 1);
	for (u32 i = 1; i < n && !neighbour_check((me + i) % n, was_away); i++)
		;
}
