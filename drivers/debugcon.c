/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/debugcon.h"

#include "arch/x86/insn.h"

#define PORT 0xe9

bool debugcon_is_present(void)
{
	return in8(PORT) == PORT;
}

void debugcon_write(const char *text, u32 len_bytes)
{
	while (len_bytes--)
		out8(PORT, (u8)*text++);
}
