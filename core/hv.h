/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vendor interface: every operation that VMX and SVM do differently, listed once. HV_OPS
 * expands to the prototypes of both vendors and to one inline function each, which tests one bit
 * set at boot and calls directly: no function pointers, so no indirect branch, and an operation
 * that a vendor lacks is a link error. The one file that names both vendors.
 *
 * Operations on a vCPU run on the CPU where it is loaded (between hv_vcpu_load() and
 * hv_vcpu_unload()), on the full tables, unless a comment says otherwise.
 */
#ifndef CORE_HV_H
#define CORE_HV_H

#include "core/dev/lapic_hw.h"
#include "core/lib/err.h"
#include "core/npf.h"
#include "core/vcpu.h"

/* Registers outside the GPR array, and MSRs that the hardware switches with the guest. */
enum reg {
	REG_RIP, REG_RSP, REG_RFLAGS,
	REG_CR0, REG_CR2, REG_CR3, REG_CR4, REG_EFER, REG_DR6, REG_DR7,
	REG_PAT, /* the guest's IA32_PAT in hardware */
	REG_FS_BASE, REG_GS_BASE, REG_KERNEL_GS_BASE,
	REG_STAR, REG_LSTAR, REG_CSTAR, REG_SFMASK,
	REG_SYSENTER_CS, REG_SYSENTER_ESP, REG_SYSENTER_EIP,
	REG_DEBUGCTL,
	NR_REGS
};

/* What decides how 64-bit code is fetched. */
struct code64 {
	u64 rip;
	u64 rflags;
	u64 cr3;
	bool is_user; /* CPL 3 */
	bool has_smep;
};

/* MSR bitmap: who may touch an MSR without an exit. */
#define MSR_EXIT_READ 1u
#define MSR_EXIT_WRITE 2u

/*
 * X(type, name, (parameters), (arguments))
 *
 * probe         Is this vendor usable here? Says in the log which optional features are used or
 *               missing. Boot CPU, once. ERR_UNSUPPORTED, ERR_DISABLED (message already logged).
 * cpu_on        Turn virtualization on on this CPU. ERR_*.
 * npt_max_leaf  Highest level of nested leaves that pt_init() may use. After probe, any CPU.
 * vm_init       Set up vm->vendor (MSR and I/O bitmaps, nested root format). ERR_NOMEM.
 * vcpu_init     Allocate and fill control structures for a vCPU. ERR_NOMEM.
 * vcpu_load     Make this CPU the vCPU's home: VMPTRLD, host state, per-CPU addresses.
 * vcpu_unload   Leave no trace of it on this CPU (VMCLEAR, saved MSRs, AVIC's IsRunning).
 * vcpu_reset    Control state after RESET or INIT (intercepts, injections, blocking cleared);
 *               registers are core's business through reg_set and seg_set.
 * run           Enter the guest and stay in it, fast exits included, until a request is set
 *               (NEXT_AGAIN), an exit needs the slow half (NEXT_SLOW) or the VM died (NEXT_KILL).
 *               Interrupts are on when it is called and when it returns.
 * npf_serve     Serve a nested page fault on the spot, if the last exit is one and can be.
 * exit_decode   Fill hot->exit with the last exit.
 * reg_get/set   One register of enum reg. Values were checked by the caller; EFER as the guest
 *               sees it (no SVME). Setting CR0, CR4 or EFER keeps what the vendor needs set.
 * seg_get/set   One segment or table register.
 * code64_get    Fill `out`; false if the guest is not in 64-bit mode with 4-level paging.
 * inject        Put `event` into the entry fields.
 * injection_take An event that the last run() did not deliver: abandoned entry or interrupted
 *               delivery. Clears it; is_valid says whether there was one.
 * blocking_get/set  BLOCK_* bits.
 * window        Exit as soon as an interrupt (irq) or an NMI (nmi) could be injected.
 * insn_skip     Advance RIP past the exiting instruction and clear STI and MOV SS blocking. With
 *               hot->exit.insn_len set it uses that; else the CPU has told the length.
 * insn_done     An instruction was carried out for the guest: RIP is `rip`, blocking by STI and
 *               MOV SS is over.
 * msr_exits     Choose MSR_EXIT_* for one MSR of this VM; 0 passes it through.
 * tsc_offset    Apply hot->tsc_offset.
 * pause_exits   Exit (EXIT_PAUSE) when the guest spins with PAUSE, or do not.
 * debug_exits   Exit for #BP (is_on), and for accesses to debug registers (has_dr), or not.
 * tlb_flush     Drop this vCPU's guest-physical and combined translations before next entry.
 * dump          Log control structures, for reports.
 * exit_name     Name of the exit that the trace has `code` for, or NULL. Any CPU.
 *
 * The local APIC's part, see core/dev/lapic_hw.h:
 *
 * apic_paths    Set of enum lapic_path that this CPU offers; bit LAPIC_SOFTWARE is always set.
 * apic_vm_init  Tables for vm->lapic_path; its vCPUs exist. ERR_NOMEM.
 * apic_update   From the next entry on the hardware has `view` of the APIC; what it keeps outside
 *               the register page (SVI, EOI-exit bitmap) is made anew from there.
 * apic_post     Make `vector` pending, without an exit if v is in the guest; wake it if it is
 *               parked. Any CPU, any locks held.
 * apic_notify   The second half of apic_post alone: the vector stands in IRR already.
 * apic_sync     What others have posted is in the IRR of the page now.
 * apic_enter    Last thing before entry: what the hardware must be told of IRR and TPR.
 * apic_load     The vCPU has been loaded on this CPU, or goes on after apic_block().
 * apic_block    It is about to sleep, RUN_PARKED is visible: interrupts posted by the hardware must
 *               wake it from now on. The caller looks at IRR and requests afterwards.
 */
#define HV_OPS(X)                                                                                  \
	X(enum err, probe, (void), ())                                                             \
	X(enum err, cpu_on, (void), ())                                                            \
	X(unsigned, npt_max_leaf, (void), ())                                                      \
	X(enum err, vm_init, (struct vm * vm), (vm))                                               \
	X(enum err, vcpu_init, (struct vcpu * v), (v))                                             \
	X(void, vcpu_load, (struct vcpu * v), (v))                                                 \
	X(void, vcpu_unload, (struct vcpu * v), (v))                                               \
	X(void, vcpu_reset, (struct vcpu * v), (v))                                                \
	X(enum next, run, (struct vcpu * v), (v))                                                  \
	X(enum npf, npf_serve, (struct vcpu * v), (v))                                             \
	X(void, exit_decode, (struct vcpu * v), (v))                                               \
	X(u64, reg_get, (struct vcpu * v, enum reg r), (v, r))                                     \
	X(void, reg_set, (struct vcpu * v, enum reg r, u64 value), (v, r, value))                  \
	X(void, seg_get, (struct vcpu * v, enum seg s, struct segment * out), (v, s, out))         \
	X(void, seg_set, (struct vcpu * v, enum seg s, const struct segment *seg), (v, s, seg))    \
	X(bool, code64_get, (struct vcpu * v, struct code64 *out), (v, out))                       \
	X(void, inject, (struct vcpu * v, const struct event *event), (v, event))                  \
	X(struct event, injection_take, (struct vcpu * v), (v))                                    \
	X(u32, blocking_get, (struct vcpu * v), (v))                                               \
	X(void, blocking_set, (struct vcpu * v, u32 blocking), (v, blocking))                      \
	X(void, window, (struct vcpu * v, bool irq, bool nmi), (v, irq, nmi))                      \
	X(void, insn_skip, (struct vcpu * v), (v))                                                 \
	X(void, insn_done, (struct vcpu * v, u64 rip), (v, rip))                                   \
	X(void, msr_exits, (struct vm * vm, u32 msr, u32 exits), (vm, msr, exits))                 \
	X(void, tsc_offset, (struct vcpu * v), (v))                                                \
	X(void, pause_exits, (struct vcpu * v, bool is_on), (v, is_on))                            \
	X(void, debug_exits, (struct vcpu * v, bool is_on, bool has_dr), (v, is_on, has_dr))       \
	X(void, tlb_flush, (struct vcpu * v), (v))                                                 \
	X(void, dump, (struct vcpu * v), (v))                                                      \
	X(const char *, exit_name, (u32 code), (code))                                             \
	X(u32, apic_paths, (void), ())                                                             \
	X(enum err, apic_vm_init, (struct vm * vm), (vm))                                          \
	X(void, apic_update, (struct vcpu * v, enum lapic_view view), (v, view))                   \
	X(void, apic_post, (struct vcpu * v, u8 vector), (v, vector))                              \
	X(void, apic_notify, (struct vcpu * v), (v))                                               \
	X(void, apic_sync, (struct vcpu * v), (v))                                                 \
	X(void, apic_enter, (struct vcpu * v), (v))                                                \
	X(void, apic_load, (struct vcpu * v), (v))                                                 \
	X(void, apic_block, (struct vcpu * v), (v))

/* Set once by hv_select() at boot, before any other CPU runs; constant afterwards. */
extern bool hv_is_vmx;

/* Choose the vendor by CPUID. */
void hv_select(void);

#define X(type, name, params, args)                                                                \
	type vmx_##name params;                                                                    \
	type svm_##name params;                                                                    \
	static inline type hv_##name params                                                        \
	{                                                                                          \
		return hv_is_vmx ? vmx_##name args : svm_##name args;                              \
	}
HV_OPS(X)
#undef X

/* Where run() goes on, with its stack, after a fault on the isolated tables. */
extern const u8 vmx_aborted[], svm_aborted[];
static inline const u8 *hv_stay_abort(void)
{
	return hv_is_vmx ? vmx_aborted : svm_aborted;
}

#endif
