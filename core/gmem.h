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

/* Copy out of or into guest RAM. ERR_FAULT if any byte is not RAM; nothing is written then. */
enum err gmem_read(struct vm *vm, gpa_t gpa, void *buf, u64 len_bytes) __must_check;
enum err gmem_write(struct vm *vm, gpa_t gpa, const void *buf, u64 len_bytes) __must_check;
enum err gmem_zero(struct vm *vm, gpa_t gpa, u64 len_bytes) __must_check;

/* Why a linear address does not translate: what #PF would report. */
struct gmem_fault {
	u64 gva;
	u32 err;
};

/*
 * Walk the guest's page tables for an access of kind `access` (ACCESS_*) at privilege `is_user`,
 * with all checks and accessed/dirty updates of SDM "Paging". ERR_FAULT fills `fault`.
 */
enum err gmem_translate(struct vcpu *v, gva_t gva, u32 access, bool is_user, gpa_t *out,
			struct gmem_fault *fault) __must_check;

/* Fetch up to `len_bytes` instruction bytes at CS:RIP; returns how many could be read. */
unsigned gmem_fetch(struct vcpu *v, u64 rip_linear, void *buf, unsigned len_bytes);

#endif
