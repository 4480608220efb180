/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The neutral exit record. Vendor code decodes an exit into it, core acts on it; core never sees an
 * exit reason, a VMCS or a VMCB. The record lies in the vCPU's hot page and is valid from the exit
 * until the next entry, on the vCPU's own CPU only.
 */
#ifndef CORE_EXIT_H
#define CORE_EXIT_H

#include "core/lib/types.h"

/* One row per kind: name, text for the log, which fields of struct exit are valid. */
#define EXIT_KINDS(X)                                                                              \
	X(EXIT_NONE, "none")                                                                       \
	X(EXIT_INTR, "external interrupt") /* vector, or 0 when it was not acknowledged */         \
	X(EXIT_NMI, "NMI")                                                                         \
	X(EXIT_MC, "machine check")                                                                \
	X(EXIT_EXCEPTION, "exception") /* vector, err, info = CR2 or DR6 bits */                   \
	X(EXIT_NPF, "nested page fault") /* gpa, access, gva if gva_valid */                       \
	X(EXIT_IO, "port access") /* port, width, is_in, is_string */                              \
	X(EXIT_MSR_READ, "RDMSR") /* number in RCX */                                              \
	X(EXIT_MSR_WRITE, "WRMSR")                                                                 \
	X(EXIT_CPUID, "CPUID")                                                                     \
	X(EXIT_HLT, "HLT")                                                                         \
	X(EXIT_PAUSE, "PAUSE")                                                                     \
	X(EXIT_MONITOR, "MONITOR")                                                                 \
	X(EXIT_MWAIT, "MWAIT")                                                                     \
	X(EXIT_HYPERCALL, "hypercall")                                                             \
	X(EXIT_CR_WRITE, "CR write") /* cr, info = value to write; clts/lmsw come decoded */       \
	X(EXIT_CR_READ, "CR read") /* cr, gpr */                                                   \
	X(EXIT_DR, "DR access")                                                                    \
	X(EXIT_XSETBV, "XSETBV")                                                                   \
	X(EXIT_CACHE, "INVD or WBINVD")                                                            \
	X(EXIT_RDPMC, "RDPMC")                                                                     \
	X(EXIT_UNDEFINED, "instruction not offered") /* answered with #UD */                       \
	X(EXIT_IRQ_WINDOW, "interrupt window")                                                     \
	X(EXIT_NMI_WINDOW, "NMI window")                                                           \
	X(EXIT_TIMER, "deadline of this CPU's timers")                                             \
	X(EXIT_TASK_SWITCH, "task switch")                                                         \
	X(EXIT_TRIPLE_FAULT, "triple fault")                                                       \
	X(EXIT_INIT, "INIT signal")                                                                \
	X(EXIT_APIC_WRITE, "APIC register written") /* info = offset; the page has the value */    \
	X(EXIT_APIC_EOI, "level interrupt ended") /* vector */                                     \
	X(EXIT_APIC_ACCESS, "APIC page") /* gpa, access: emulate the instruction */                \
	X(EXIT_APIC_IPI, "IPI left to software") /* info = destination:ICR, is_sent */             \
	X(EXIT_APIC_TPR, "task priority below threshold")                                          \
	X(EXIT_ENTRY_FAILED, "VM entry failed") /* raw, info = qualification or error number */    \
	X(EXIT_UNKNOWN, "unknown exit") /* raw */

enum exit_kind {
#define X(name, text) name,
	EXIT_KINDS(X)
#undef X
	NR_EXIT_KINDS
};

/* struct exit.access: what the guest tried at exit->gpa. */
#define ACCESS_READ 1u
#define ACCESS_WRITE 2u
#define ACCESS_FETCH 4u

struct exit {
	u16 kind; /* enum exit_kind */
	u8 vector;
	u8 width_bytes; /* port access: 1, 2 or 4 */
	u16 port;
	u8 access; /* ACCESS_* */
	u8 insn_len; /* bytes; 0 = unknown, ask hv_insn_skip() or the decoder */
	bool is_in;
	bool is_string;
	bool is_sent; /* every target has the vector of the IPI in its IRR */
	bool gva_valid;
	bool is_final; /* gpa is what the guest's access goes to, not a table on its way there */
	u8 cr; /* control or debug register number */
	u8 gpr; /* general register that takes part in a CR or DR access */
	u32 err; /* error code of an exception */
	u32 raw; /* vendor's reason, for messages only */
	u64 gpa;
	u64 gva;
	u64 info;
};

#endif
