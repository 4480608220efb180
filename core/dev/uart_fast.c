/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that prints asks for the line status, and sends a byte: neither needs the device while
 * its interrupts are off. Bytes wait in a ring until somebody on the full tables prints them, the
 * console's timer at the latest.
 */
#include "arch/x86/atomic.h"
#include "core/dev/uart.h"
#include "core/vcpu.h"
#include "core/vm_iso.h"

#define PORT_DATA 0x3f8
#define PORT_LSR 0x3fd
#define UART_SENT 0x100u

ISO_TEXT static bool byte_send(struct uart_fast *u, u8 byte)
{
	u32 at = atomic_load_u32(&u->next);

	/* Another vCPU may be sending too: then the device sorts it out. */
	if (!atomic_load_u32(&u->is_plain) ||
	    atomic_load_relaxed_u16(&u->ring[at % UART_RING_SLOTS]) ||
	    !atomic_cas_u32(&u->next, at, at + 1))
		return false;
	atomic_store_u16(&u->ring[at % UART_RING_SLOTS], (u16)(UART_SENT | byte));
	return true;
}

ISO_TEXT enum next uart_fast_io(struct vcpu_hot *hot, u16 port, bool is_in)
{
	struct uart_fast *u = &hot->vm_iso->uart;
	u32 lsr;

	if (port == PORT_DATA && !is_in)
		return byte_send(u, (u8)hot->gprs[GPR_RAX]) ? NEXT_SKIP : NEXT_SLOW;
	if (port != PORT_LSR || !is_in)
		return NEXT_SLOW;
	lsr = atomic_load_u32(&u->lsr);
	if (!lsr)
		return NEXT_SLOW;
	hot->gprs[GPR_RAX] = (hot->gprs[GPR_RAX] & ~0xffull) | lsr;
	return NEXT_SKIP;
}

bool uart_fast_is_waiting(const struct uart_fast *u)
{
	u32 first = atomic_load_relaxed_u32(&u->first);

	return atomic_load_relaxed_u16(&u->ring[first % UART_RING_SLOTS]);
}

int uart_fast_take(struct uart_fast *u)
{
	u16 *slot = &u->ring[u->first % UART_RING_SLOTS];
	u16 sent = atomic_load_relaxed_u16(slot);

	if (!sent)
		return -1;
	atomic_store_u16(slot, 0);
	u->first++;
	return sent & 0xff;
}
