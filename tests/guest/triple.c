/* SPDX-License-Identifier: BSD-2-Clause */
/* A triple fault restarts this VM; a mark in CMOS RAM, which is reset too, would break the test. */
#include "lib/guest.h"

const char guest_name[] = "triple";

/* Loaded anew at every start, but RAM beyond the image keeps its content over a reset. */
#define MARK (*(volatile u64 *)0x7000000)
#define MARK_VALUE 0x74726970

void guest_main(void)
{
	struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} none = { 0, 0 };

	if (MARK == MARK_VALUE) {
		check(true, "started again after the triple fault");
		return;
	}
	MARK = MARK_VALUE;
	__asm__ volatile("lidt %0; int3" : : "m"(none));
	check(false, "the CPU survived a triple fault");
}
