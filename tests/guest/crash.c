/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs into memory that is not there: its VM is killed. Not in guests.toml; see e2e/linux.py. */
#include "lib/guest.h"

const char guest_name[] = "crash";

void guest_main(void)
{
	__asm__ volatile("jmp *%0" : : "r"(0xfd000000ull));
}
