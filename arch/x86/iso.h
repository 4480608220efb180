/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The isolated page tables of one CPU, and the list of what they may map (ISO-3). V0 maps the
 * isolated code and its constants, this CPU's own pages, and the pages of the VM whose vCPU it has
 * loaded: no guest memory, no devices but an xAPIC, no tables but the window's, so that a handler
 * that is tricked, or guesses wrongly, has no secret in reach. V1 is V0 with a page of the same VM
 * in the window. V2 are the full tables of pt_host.h.
 *
 * Pure, like pt.h: the same code runs in tests over memory of theirs. Not locked: the CPU that the
 * tables are for is the only one to change or load them, so a change needs no shootdown (ISO-2).
 * Translations that a change leaves behind are the caller's business.
 */
#ifndef ARCH_X86_ISO_H
#define ARCH_X86_ISO_H

#include "arch/x86/iso_doors.h"
#include "arch/x86/pt.h"

#define ISO_WINDOW (ISO_SELF + MiB(2))

/* Parts of the list; the last two change with the loaded vCPU. */
enum iso_part { ISO_CPU, ISO_VM, ISO_VCPU, ISO_PARTS };

#define ISO_AREAS_MAX 160u /* of one part: two pages for each vCPU of a VM, and then some */

/* A line of the list: whole pages. */
struct iso_area {
	u64 va;
	hpa_t pa;
	u64 size_bytes;
	u64 attr; /* PT_* */
};

struct iso {
	struct pt pt;
	u64 *window; /* the entries of ISO_WINDOW, in the direct map */
	const void *owner[ISO_PARTS]; /* whose pages these are */
	u32 changes; /* [a] odd while they change */
	u32 count[ISO_PARTS];
	struct iso_area area[ISO_PARTS][ISO_AREAS_MAX];
};

/* What iso_check() has found. */
struct iso_report {
	u32 mapped; /* pages */
	u32 extra; /* not on the list, or with other rights */
	u32 missing; /* on the list */
	u64 first_wrong; /* address of one of them */
};

/* Tables with an empty list and an empty window. ERR_NOMEM. */
enum err iso_init(struct iso *iso, const struct pt_mem *mem) __must_check;

/* Add a line to a part, and map it. ERR_NOMEM, ERR_RANGE: too many; then it is not there. */
enum err iso_add(struct iso *iso, enum iso_part part, const struct iso_area *area) __must_check;

/* Empty a part; it is `owner`'s from now on. */
void iso_clear(struct iso *iso, enum iso_part part, const void *owner);

/* Walk the tables and compare them with the list. */
struct iso_report iso_check(const struct iso *iso);

#endif
