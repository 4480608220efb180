/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/mon/gdb.c */
/*
 * Any bytes on the debugger's line, and the same bytes as packets with right checksums, split at
 * newlines: the protocol must stay within its memory, ask the target only while it stands, and
 * answer in whole packets. The fixture traps on threads and points that do not exist.
 */
#include <stdlib.h>

#include "tests/host/gdb_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Answers are packets and acknowledgements, nothing else. */
static void check_sent(void)
{
	bool is_inside = false;

	if (fix_nr_sent >= sizeof(fix_sent))
		return;
	for (u32 i = 0; i < fix_nr_sent; i++) {
		if (fix_sent[i] == '$' && is_inside)
			abort();
		if (fix_sent[i] == '$')
			is_inside = true;
		else if (fix_sent[i] == '#')
			is_inside = false, i += 2;
		else if (!is_inside && fix_sent[i] != '+' && fix_sent[i] != '-')
			abort();
	}
	if (is_inside)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	u8 sum = 0;

	fix_start();
	fix_stops_at_once = size & 1;
	for (size_t i = 0; i < size; i++)
		gdb_input(data[i]);
	check_sent();
	fix_start();
	gdb_input('$');
	for (size_t i = 0; i < size; i++) {
		if (data[i] != '\n') {
			gdb_input(data[i]);
			sum = data[i] == '$' ? 0 : (u8)(sum + data[i]);
			continue;
		}
		gdb_input('#');
		gdb_input((u8)digits[sum >> 4]);
		gdb_input((u8)digits[sum & 15]);
		if (fix_going && !fix_stops_at_once)
			gdb_stopped(1 + fix_going % FIX_THREADS, GDB_SIGTRAP, "");
		gdb_input('$');
		sum = 0;
	}
	check_sent();
	return 0;
}
