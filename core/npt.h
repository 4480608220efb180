/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nested page table of a VM: filled on demand from the memory slots with the largest pages
 * that fit, emptied on request. On the full tables.
 */
#ifndef CORE_NPT_H
#define CORE_NPT_H

#include "arch/x86/types.h"
#include "core/lib/err.h"
#include "core/types.h"

struct vm;
struct vcpu;

/*
 * Make an empty table in the vendor's format, and show it and the slots, which are there already,
 * to the isolated code. ERR_NOMEM.
 */
enum err npt_create(struct vm *vm) __must_check;

/*
 * Map the page behind `gpa` if it is RAM. ERR_NOENT: not RAM, so a device's business;
 * ERR_NOMEM: no page for the tables.
 */
enum err npt_fault(struct vm *vm, gpa_t gpa) __must_check;

/*
 * Map the 4 KiB page at `gpa` to `hpa`, if `is_allowed(vm)` says so under the table's lock, which
 * npt_unmap_page() takes. ERR_BUSY if not; ERR_NOMEM.
 */
enum err npt_map_page(struct vm *vm, gpa_t gpa, hpa_t hpa,
		      bool (*is_allowed)(void *vm)) __must_check;

/* Forget the 4 KiB page at `gpa`; every vCPU drops its cached translations before this returns. */
void npt_unmap_page(struct vm *vm, gpa_t gpa);

#endif
