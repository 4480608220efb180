/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fake machine for the local APIC's hardware paths: CPUs that run vCPUs, send and take IPIs, and
 * have AVIC (fake_avic.c) or APICv, posted interrupts and IPI virtualization (fake_posted.c) as the
 * manuals describe them. The hypervisor's own code is linked against it. Everybody (each CPU, each
 * device) is a coroutine; at each atomic operation, and at each step of the hardware that another
 * CPU can see, a pseudo-random choice says who goes on.
 *
 * Each vector has one sender and is not sent again before every target has taken it, so that the
 * numbers of sent and taken ones must agree. After every step the machine is looked at: an
 * interrupt that can be taken, while nothing is on its way to make the target look, is lost.
 */
#ifndef TESTS_HOST_FAKE_CPU_H
#define TESTS_HOST_FAKE_CPU_H

#include "arch/x86/apic.h"
#include "arch/x86/atomic.h"
#include "arch/x86/percpu.h"
#include "core/dev/lapic_regs.h"
#include "core/hv.h"
#include "core/vm.h"

#define FAKE_CPUS 4
#define FAKE_VCPUS 6
#define FAKE_DEVICES 3

/* What is wrong on purpose in a run, by the name of the step that comes too late or not at all. */
enum fake_wrong {
	WRONG_NOTHING,
	WRONG_RUNNING_LATE, /* IsRunning is still set when IRR is looked at for the last time */
	WRONG_LIVE_LATE,    /* apic_live is still set then */
	WRONG_IRR_LATE,	    /* apic_live and the guest-mode word are read before IRR is set */
	WRONG_PIR_LATE,	    /* ON is set before PIR */
	WRONG_ON_LATE,	    /* PIR is taken before ON is cleared */
	WRONG_NV_LATE, /* the wake-up vector stands in the descriptor after the last look at ON */
	WRONG_PARKED_LATE,   /* RUN_PARKED is visible after the last look at IRR */
	WRONG_MODE_LATE,     /* the guest-mode word is marked after the last look at requests */
	WRONG_NO_LOOK,	     /* no look at IRR before sleep */
	WRONG_NO_ON_TEST,    /* entry does not test ON */
	WRONG_STALE_RUNNING, /* IsRunning is set on a CPU with erratum 1235 */
	WRONG_SENT_AGAIN,    /* exit 401h, target not running: IRR is set once more */
	WRONG_NOT_SENT,	     /* exit 401h, no target: taken as sent */
	WRONG_HOST_ID,	     /* the physical ID table keeps the host APIC ID of the CPU before */
};

struct fake_config {
	u64 seed;
	bool is_vmx;
	u32 path;	/* enum lapic_path that the CPU has */
	bool is_x2apic; /* the guests switch to it */
	bool has_ipiv;
	bool has_erratum; /* 1235 */
	bool clears_isr;  /* before the exit of a level interrupt's EOI */
	bool has_inhibitor;
	bool has_extint;
	u32 logical; /* guests' LDRs: one of FAKE_LOGICAL_* */
	u32 nr_cpus, nr_vcpus;
	u32 host_id_first; /* APIC ID of the first CPU */
	u64 steps;
	enum fake_wrong wrong;
};

#define FAKE_FLAT 0u
#define FAKE_CLUSTER 1u
#define FAKE_ALIASED 2u

struct fake_result {
	const char *fault; /* what has been found, or NULL */
	u64 sent, taken, lost, duplicated;
	u64 steps;
	u64 doorbells, notifications, kicks, wakes, exits, ipi_exits, eoi_exits, entries, extints;
};

/* Let the machine run; after config->steps the senders stop and everything has to be taken. */
struct fake_result fake_run(const struct fake_config *config);

/* The rest is for fake_*.c and for tests that walk the machine through one case by hand. */

/* Why the guest came out, for the fake run loop. */
enum fake_exit {
	FAKE_OUT,   /* nothing to do */
	FAKE_WRITE, /* an APIC write of the guest that software carries out whole */
	FAKE_NPF,   /* ... that found no page there */
	FAKE_HLT,
	FAKE_DECODED, /* hot->exit says it */
};

struct fake_vcpu {
	struct vcpu *v;
	struct fake_cpu *cpu; /* where it is loaded */
	bool has_if;
	bool is_asleep;	    /* nobody will look at it before it is woken */
	bool is_delivering; /* an event is on its way into the guest */
	int known;	    /* the vector that the hardware has found deliverable; -1 */
	bool is_evaluating;
	bool has_tlb; /* a translation of the APIC page is cached */
	enum fake_exit exit;
	u32 offset, value, value_high; /* of the write that exits */
	bool has_retry;		       /* ... or that has to be tried again */
	u32 in_service;		       /* taken and not yet ended */
	u32 sending;		       /* vector of the IPI that is being sent, 0: none */
	u64 *vmcs;		       /* VMX */
	u64 sent[256], taken[256];     /* to this vCPU */
};

struct fake_cpu {
	struct percpu *percpu;
	struct fake_vcpu *f; /* loaded, or NULL */
	bool in_guest;
	bool has_irq[256];		/* latched */
	bool is_waking;			/* handles IRQ_WAKE */
	bool has_doorbell;		/* arrived in guest mode */
	u64 cached_running[FAKE_VCPUS]; /* erratum 1235 */
};

struct fake_machine {
	struct fake_config config;
	struct fake_result result;
	struct vm vm;
	struct vm_config vm_config;
	struct vcpu *vcpus; /* FAKE_VCPUS */
	struct fake_vcpu fakes[FAKE_VCPUS];
	struct fake_cpu cpus[FAKE_CPUS];
	struct fake_cpu *cpu;	 /* whose code runs */
	bool is_draining;	 /* nothing new is sent */
	bool is_inhibiting;	 /* half made */
	bool has_page;		 /* the APIC page is mapped */
	bool has_pic;		 /* the 8259's output */
	u32 nr_held[FAKE_VCPUS]; /* sends under way to each */
	u64 extints_raised;
	struct {
		u32 nmis, inits, sipis;
		u8 sipi_vector;
	} signals[FAKE_VCPUS];
	u64 eois[256];
};

extern struct fake_machine machine;

void fake_fault(const char *what);
u32 fake_random(u32 n); /* 0 .. n-1 */
void fake_machine_make(const struct fake_config *config);
void fake_machine_drop(void);

/* Sender's side of the numbers. */
bool fake_may_send(u32 targets, u8 vector);
void fake_send_begin(u32 targets, u8 vector);
void fake_send_end(u32 targets);
void fake_take(struct fake_vcpu *f, u8 vector, bool is_injected);

/* Load a vCPU on a CPU, take it off, let it serve its requests. */
void fake_load(struct fake_cpu *cpu, struct fake_vcpu *f);
void fake_unload(struct fake_vcpu *f);
void fake_requests_serve(struct fake_vcpu *f);
void fake_enter(struct fake_vcpu *f);
bool fake_park(struct fake_vcpu *f);
void fake_exit_handle(struct fake_vcpu *f);

/* The guest writes to a register of its APIC. True if it came out for it. */
bool fake_guest_write(struct fake_vcpu *f, u32 offset, u32 value, u32 value_high);
u32 fake_targets(const struct fake_vcpu *f, u32 icr, u32 dest);

/* IRR, of the highest vector above the priority; -1. */
int fake_deliverable(const struct fake_vcpu *f);
void fake_evaluate(struct fake_vcpu *f);
void fake_accept(struct fake_vcpu *f);

/* An IPI by the CPU's own doing. */
void fake_notify(u32 apic_id, u8 vector);

/* The vendors' hardware. */
void avic_vm_make(void);
void avic_vm_drop(void);
void avic_vcpu_make(struct fake_vcpu *f);
void avic_vcpu_drop(struct fake_vcpu *f);
void avic_enter(struct fake_vcpu *f); /* VMRUN up to the guest's first instruction */
bool avic_is_on(const struct fake_vcpu *f);
bool avic_window_opens(struct fake_vcpu *f);
bool avic_msr_exits(struct fake_vcpu *f, u32 msr, bool is_write);
bool avic_write(struct fake_vcpu *f, u32 offset, u32 value, u32 value_high);
void avic_decode(struct fake_vcpu *f);

void posted_vm_make(void);
void posted_vm_drop(void);
void posted_vcpu_start(struct fake_vcpu *f);
void posted_vcpu_make(struct fake_vcpu *f);
void posted_vcpu_drop(struct fake_vcpu *f);
void posted_enter(struct fake_vcpu *f);
bool posted_is_on(const struct fake_vcpu *f);
bool posted_window_opens(struct fake_vcpu *f);
bool posted_msr_exits(struct fake_vcpu *f, u32 msr, bool is_write);
bool posted_write(struct fake_vcpu *f, u32 offset, u32 value, u32 value_high);
void posted_notified(struct fake_vcpu *f);
void posted_accept(struct fake_vcpu *f);

#endif
