/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For assembly: the two doors between the full tables and this CPU's isolated ones; ISO-5 knows no
 * others. GS is the host's and nothing interrupts at either. RCX is lost. See arch/x86/iso.h.
 */
#ifndef ARCH_X86_ISO_DOORS_H
#define ARCH_X86_ISO_DOORS_H

/* One PML4 entry of the isolated tables only: this CPU's struct percpu, and the window. */
#define ISO_SELF 0xffffcb0000000000

#ifdef __ASSEMBLER__
#include "gen/arch/x86/offsets.h"

#ifdef WITHOUT_ISOLATION /* a build for comparison only */
#define ISO_ENTER
#define ISO_LEAVE
#else
#define ISO_ENTER movq %gs:PERCPU_ISO_CR3, %rcx; movq %rcx, %cr3
#define ISO_LEAVE movq %gs:PERCPU_FULL_CR3, %rcx; movq %rcx, %cr3
#endif
#endif

#endif
