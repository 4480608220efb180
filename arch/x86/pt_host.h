/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own page tables, shared by all CPUs. The core's image at its linked address: code
 * readable and executable, constants readable, data writable; nothing is both writable and
 * executable, and everything else is not executable: the direct map of RAM (large pages), device
 * registers (uncached) and stacks (a hole below each).
 *
 * Functions may be called from any CPU after pt_host_init(), interrupts on, no lock held.
 */
#ifndef ARCH_X86_PT_HOST_H
#define ARCH_X86_PT_HOST_H

#include "arch/x86/pt.h"

/* Where device registers and stacks appear; one PML4 entry each. */
#define MMIO_START 0xffffc90000000000ull
#define STACKS_START 0xffffca0000000000ull
#define STACK_BYTES (16 * PAGE_SIZE)
#define IST_STACK_BYTES (4 * PAGE_SIZE)

/*
 * Build the tables and switch the boot CPU to them. `ranges` as for page_init(): everything but
 * MEM_OTHER is mapped. Needs page_init() and page_image_set(). Boot CPU, once.
 * ERR_NOMEM, and ERR_INVAL for a range that does not fit.
 */
enum err pt_host_init(const struct mem_range *ranges, u32 nr_ranges) __must_check;

/* Set this CPU's CR0, CR4 and EFER bits that the tables rely on, and load CR3. Every CPU. */
void pt_host_activate(void);

/* Physical address of the root table; below 4 GiB, so that starting CPUs can load it. */
hpa_t pt_host_root(void);

/*
 * Map device registers [pa, pa + size_bytes), writable: PT_UC, or PT_WC, which gathers stores on
 * their way to a framebuffer. Any alignment. NULL: no memory or address space left, or the range is
 * RAM. Mappings stay for ever: call it at set-up.
 */
void *mmio_map(hpa_t pa, u64 size_bytes, u64 memtype) __must_check;

/*
 * Map firmware's memory read-only (ACPI tables, which may lie outside the memory map): the direct
 * map's address where there is one. NULL as above.
 */
const void *mem_map_ro(hpa_t pa, u64 size_bytes) __must_check;

/* A stack with a guard page below; returns its top, 0 without memory. Never freed. */
u64 stack_create(u64 size_bytes) __must_check;

/* Map one page at virtual = physical, executable and read-only, for starting CPUs; and undo it. */
enum err pt_host_map_identity(hpa_t page) __must_check;
void pt_host_unmap_identity(hpa_t page);

/* How the host maps `va`: for tests of the rights. */
struct pt_leaf pt_host_lookup(const void *va);

#endif
