/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an exit handler asks the dispatcher to do. Only the dispatcher advances RIP and only the
 * dispatcher counts; a handler never does either. Never mixed with enum err.
 */
#ifndef CORE_NEXT_H
#define CORE_NEXT_H

enum next {
	NEXT_AGAIN, /* resume at the same RIP */
	NEXT_SKIP, /* advance RIP past the instruction, then resume */
	NEXT_SLOW, /* leave the isolated tables and let core/slow.c handle the exit record */
	NEXT_KILL, /* this VM is over; the handler has called vm_kill() */
	NEXT_OPEN, /* SVM, on the isolated tables: let the host's interrupts in, then resume */
};

#endif
