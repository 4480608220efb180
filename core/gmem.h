/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to guest memory by guest-physical and by guest-linear address. Everything read is a
 * private copy. On the full tables; physical access from any CPU, linear access on the vCPU's.
 */
#ifndef CORE_GMEM_H
#define CORE_GMEM_H

#include "core/exit.h"
#include "core/lib/err.h"
#include "core/types.h"

struct vm;
struct vcpu;
struct code64;

/* Copy out of or into guest RAM. ERR_FAULT if any byte is not RAM; nothing is written then. */
enum err gmem_read(struct vm *vm, gpa_t gpa, void *buf, u64 len_bytes) __must_check;
enum err gmem_write(struct vm *vm, gpa_t gpa, const void *buf, u64 len_bytes) __must_check;
enum err gmem_zero(struct vm *vm, gpa_t gpa, u64 len_bytes) __must_check;

/*
 * Walk the guest's page tables for an access of kind `access` (ACCESS_*) at privilege `is_user`,
 * with all checks and accessed/dirty updates of SDM "Paging". ERR_FAULT: a #PF would report
 * `*pf_err`.
 */
enum err gmem_translate(struct vcpu *v, gva_t gva, u32 access, bool is_user, gpa_t *out,
			u32 *pf_err) __must_check;

/*
 * Copy GMEM_FETCH64_BYTES at code->rip in one go. False if anything is not as it nearly always is:
 * the end of the page is near, the code is not in RAM, the walk meets an entry that is absent, not
 * accessed yet or odd, or the page may not be executed. gmem_translate() tells what is wrong.
 */
#define GMEM_FETCH64_BYTES 16
bool gmem_fetch64(struct vm *vm, const struct code64 *code, u8 *buf) __must_check;

#endif
