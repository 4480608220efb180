/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page of a VM that its vCPUs' exits see on the isolated tables: who its vCPUs are, where its
 * memory is, and the part of its serial port that needs no lock.
 *
 * Owners as in core/vm.h.
 */
#ifndef CORE_VM_ISO_H
#define CORE_VM_ISO_H

#include "core/memslot.h"

struct vcpu_hot;

#define VM_MAX_VCPUS 64
#define UART_RING_SLOTS 1024u /* power of two */

/* Bytes that the guest has sent and nobody has printed. A slot is 0, or a byte with UART_SENT. */
struct uart_fast {
	u32 lsr; /* [a] what reading LSR gives; 0: only the device knows */
	u32 is_plain; /* [a] a byte sent has no effect but to appear */
	u32 next; /* [a] slot of the next byte sent */
	u32 first; /* [L:dev] oldest slot */
	u16 ring[UART_RING_SLOTS]; /* [a] */
};

/* What filling the nested tables takes, see arch/x86/pt.h. */
struct npt_iso {
	u64 root; /* [c] physical */
	u64 empty, present, leaf; /* [c] bits of entries */
	u32 max_leaf; /* [c] */
};

struct vm_iso {
	u32 nr_vcpus; /* [c] */
	struct vcpu_hot *hot[VM_MAX_VCPUS]; /* [c] by index, which is the x2APIC ID */
	struct npt_iso npt;
	struct memslots slots; /* [p] a copy */
	struct uart_fast uart;
};
_Static_assert(sizeof(struct vm_iso) <= 4096, "one page");

#endif
