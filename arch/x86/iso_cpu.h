/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This CPU on its isolated tables: which pages they show, and what a fault on them means. The only
 * ways between them and the full ones are the doors of iso_doors.h, which the vendors' enter.S
 * uses, and the stubs in entry.S. Functions run on the full tables, on the CPU concerned, where
 * nothing else is said.
 */
#ifndef ARCH_X86_ISO_CPU_H
#define ARCH_X86_ISO_CPU_H

#include "arch/x86/iso.h"

struct trap_frame;

/* Make this CPU's tables, without a VM yet. Each CPU, once. ERR_NOMEM, ERR_RANGE. */
enum err iso_cpu_init(void) __must_check;

/* CR3 as it is to be behind the way out of a guest. */
u64 iso_root_cr3(void);

/*
 * Show `count` pages of the direct map, writable, instead of what that part shows now; if that is
 * `owner`'s already, nothing is to do. ERR_NOMEM, ERR_RANGE.
 */
enum err iso_show(enum iso_part part, const void *owner, void *const *pages,
		  u32 count) __must_check;

/* Close the window that a fault has left open. */
void iso_window_drop(void);

/* Compare the live tables of CPU `index` with their list. Any CPU. */
struct iso_report iso_cpu_check(u32 index);

/*
 * From entry.S: an interrupt or exception on the isolated tables. The first come only where SVM's
 * entry code lets them in. An exception is a bug of ours, unless the exception table knows the
 * instruction; `fn`, set once by core, may then give up the vCPU by changing the frame
 * and return true, or else it is a panic.
 */
void iso_trap(struct trap_frame *frame);
void iso_fault_handler_set(bool (*fn)(struct trap_frame *frame));

#endif
