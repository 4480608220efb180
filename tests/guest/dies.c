/* SPDX-License-Identifier: BSD-2-Clause */
/* An instruction on a device that nobody emulates: its VM is killed. For e2e/lastwords.py. */
#include "lib/guest.h"

const char guest_name[] = "dies";

void guest_main(void)
{
	__asm__ volatile("fxsave (%0)" : : "r"(0xfd000000ull) : "memory");
}
