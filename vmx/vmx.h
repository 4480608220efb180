/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of vmx/ share: capabilities, the vCPU's VMX side, the bits of VMCS fields.
 * Everything on a vCPU runs on the CPU where it is loaded, that is where its VMCS is current.
 */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include "arch/x86/insn.h"
#include "arch/x86/regs.h"
#include "core/hv.h"
#include "vmx/insn.h"

/* SDM "VM-Execution Control Fields", "VM-Exit Controls", "VM-Entry Controls". */
enum vmx_controls {
	PIN_EXT_INTR = BIT(0), PIN_NMI = BIT(3), PIN_VIRTUAL_NMI = BIT(5),
	PIN_PREEMPTION_TIMER = BIT(6), PIN_POSTED = BIT(7),

	PROC_INTR_WINDOW = BIT(2), PROC_TSC_OFFSET = BIT(3), PROC_HLT = BIT(7),
	PROC_INVLPG = BIT(9), PROC_MWAIT = BIT(10), PROC_RDPMC = BIT(11), PROC_RDTSC = BIT(12),
	PROC_CR3_LOAD = BIT(15), PROC_CR3_STORE = BIT(16), PROC_TERTIARY = BIT(17),
	PROC_CR8_LOAD = BIT(19), PROC_CR8_STORE = BIT(20),
	PROC_CR8 = PROC_CR8_LOAD | PROC_CR8_STORE,
	PROC_TPR_SHADOW = BIT(21), PROC_NMI_WINDOW = BIT(22), PROC_MOV_DR = BIT(23),
	PROC_IO = BIT(24), PROC_MSR_BITMAP = BIT(28), PROC_MONITOR = BIT(29),
	PROC_PAUSE = BIT(30), PROC_SECONDARY = BIT(31),

	PROC2_APIC_ACCESS = BIT(0), PROC2_EPT = BIT(1), PROC2_RDTSCP = BIT(3),
	PROC2_X2APIC = BIT(4), PROC2_VPID = BIT(5), PROC2_WBINVD = BIT(6),
	PROC2_UNRESTRICTED = BIT(7), PROC2_APIC_REGS = BIT(8), PROC2_VID = BIT(9),
	PROC2_PAUSE_LOOP = BIT(10), PROC2_INVPCID = BIT(12),

	PROC3_IPIV = BIT(4),

	EXIT_SAVE_DEBUG = BIT(2), EXIT_HOST_64 = BIT(9), EXIT_ACK_INTR = BIT(15),
	EXIT_SAVE_PAT = BIT(18), EXIT_LOAD_PAT = BIT(19), EXIT_SAVE_EFER = BIT(20),
	EXIT_LOAD_EFER = BIT(21), EXIT_SAVE_TIMER = BIT(22),

	ENTRY_LOAD_DEBUG = BIT(2), ENTRY_GUEST_64 = BIT(9), ENTRY_LOAD_PAT = BIT(14),
	ENTRY_LOAD_EFER = BIT(15),
};

/* Interruption information, in and out. */
#define INTR_TYPE_SHIFT 8
#define INTR_HAS_ERR BIT(11)
#define INTR_NMI_UNBLOCKED BIT(12) /* by an IRET that then faulted */
#define INTR_VALID BIT(31)

enum vmx_exit_reason {
#define X(number, name, kind, decode, class) VMX_EXIT_##name = (number),
#include "vmx/exits.def"
#undef X
};

#define EXIT_REASON_MASK 0xffffu
#define EXIT_REASON_ENTRY_FAILED BIT(31)
#define PENDING_DEBUG_BS BIT(14)

/* Read once at boot, the same on every CPU. [c] after vmx_probe() */
struct vmx_caps {
	u32 revision; /* of VMCS and VMXON regions */
	u32 pin, proc, proc2, exit, entry; /* controls in use */
	u32 pin_may, proc_may, proc2_may; /* controls that may be used */
	u64 ept_vpid; /* IA32_VMX_EPT_VPID_CAP */
	bool has_vpid;
	bool has_ipiv; /* IPI virtualization */
	bool has_timer; /* VMX-preemption timer */
	unsigned timer_shift; /* it counts TSC >> timer_shift */
};

extern struct vmx_caps vmx_caps;

struct vmx_vm {
	u8 *msr_bitmap; /* [c] after creation */
	u8 *x2apic_bitmap; /* [c] the same for vCPUs whose x2APIC is the hardware's */
	u64 *pid_table; /* [c] descriptors by APIC ID, for IPI virtualization; or NULL */
};

#define VMX_SWITCHED_MSRS 5

struct vmx_vcpu {
	u32 *vmcs; /* [c] page */
	u64 eptp; /* [o] */
	u16 vpid; /* [c] */
	bool was_abandoned; /* [o] the last try to enter ended before the guest */
	u64 cr2; /* [o] while not loaded, as all below */
	u64 dr[4];
	u64 dr6;
	u64 msr[VMX_SWITCHED_MSRS];
};

static inline struct vmx_vcpu *vmx_vcpu(struct vcpu *v)
{
	return v->vendor;
}

/*
 * enter.S: into the guest, and stay there while its exits are handled on the spot. Interrupts off.
 * NEXT_SLOW: an exit for the full code, or VMfail (hot->exit_reason); NEXT_AGAIN: a request is set.
 */
enum next vmx_stay(struct vcpu_hot *hot);
extern const u8 vmx_exit[]; /* where exits arrive */

/* Handle an exit that needs nothing but the hot page; NEXT_AGAIN: enter again, NEXT_SLOW. */
enum next vmx_exit_fast(struct vcpu_hot *hot);

/* An entry was abandoned for a request: NEXT_AGAIN if that is served now, else NEXT_SLOW. */
enum next vmx_request_fast(struct vcpu_hot *hot);

/*
 * Leave the guest at its TSC deadline or when another timer of this CPU is due, whichever is first;
 * at the latest when the counter runs out.
 */
VMCS_INLINE void vmx_timer_write(const struct vcpu_hot *hot)
{
	u64 now = rdtsc();
	u64 guest_now = now + hot->tsc_offset;
	u64 others = hot->others_deadline_tsc;
	u64 guest = hot->tsc_deadline;
	u64 ticks = others > now ? others - now : 0;

	if (guest)
		ticks = MIN(ticks, guest > guest_now ? guest - guest_now : 0);
	vmwrite32(VMCS_PREEMPTION_TIMER, (u32)MIN(ticks >> hot->timer_shift, (u64)UINT32_MAX));
}

/* EPTP for tables with `root`. */
u64 vmx_eptp(hpa_t root);

/* Does the guest run 64-bit code? */
VMCS_INLINE bool vmx_is_code64(void)
{
	return (vmread64(VMCS_GUEST_EFER) & EFER_LMA) && (vmread32(VMCS_GUEST_CS_AR) & AR_L);
}

/* MSR_EXIT_* of `msr` in one bitmap; others than the two ranges of bitmaps always exit. */
void vmx_bitmap_set(u8 *bitmap, u32 msr, u32 exits);

/* The addresses and vectors that APIC virtualization needs, into the current VMCS. */
void vmx_apic_fields_write(struct vcpu *v);

#endif
