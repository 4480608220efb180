/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/load/legacy.h"

#include "core/load/layout.h"

#define VECTORS 256u
#define ROM_SEGMENT 0xf000u
#define RESET_VECTOR 0xffff0ull

/* Offsets of the handlers within `code`. */
enum { HANDLER_NONE = 0, HANDLER_MASTER = 1, HANDLER_SLAVE = 8 };

/* 16-bit code at GPA_ROM_CODE. */
static const u8 code[] = {
	0xcf, /* HANDLER_NONE: iret */
	0x50, /* HANDLER_MASTER: push ax */
	0xb0, 0x20, /* mov al, 0x20: end of interrupt */
	0xe6, 0x20, /* out 0x20, al */
	0x58, /* pop ax */
	0xcf, /* iret */
	0x50, /* HANDLER_SLAVE: push ax */
	0xb0, 0x20, /* mov al, 0x20 */
	0xe6, 0xa0, /* out 0xa0, al */
	0xe6, 0x20, /* out 0x20, al */
	0x58, /* pop ax */
	0xcf, /* iret */
};

/* What a real-mode jump to F000:FFF0 runs. */
static const u8 reset_code[] = {
	0xba, IO_RESET & 0xff, IO_RESET >> 8, /* mov dx, IO_RESET */
	0xb0, RESET_VALUE, /* mov al, RESET_VALUE */
	0xee, /* out dx, al */
	0xf4, /* hlt */
	0xeb, 0xfd, /* jmp to the hlt */
};
_Static_assert(sizeof(reset_code) <= 16, "reset vector fits below 1 MiB");

static u32 vector_handler(u32 vector)
{
	if (vector >= PIC_VECTOR_MASTER && vector < PIC_VECTOR_MASTER + 8)
		return HANDLER_MASTER;
	if (vector >= PIC_VECTOR_SLAVE && vector < PIC_VECTOR_SLAVE + 8)
		return HANDLER_SLAVE;
	return HANDLER_NONE;
}

enum err legacy_write(const struct guest_mem *mem)
{
	u32 table[VECTORS];
	enum err e;

	for (u32 i = 0; i < VECTORS; i++)
		table[i] = ROM_SEGMENT << 16 | (GPA_ROM_CODE & 0xffff) | vector_handler(i);
	e = guest_mem_write(mem, 0, table, sizeof(table));
	if (!e)
		e = guest_mem_write(mem, GPA_ROM_CODE, code, sizeof(code));
	return e ? e : guest_mem_write(mem, RESET_VECTOR, reset_code, sizeof(reset_code));
}
