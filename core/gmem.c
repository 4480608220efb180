/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/gmem.h"

#include <string.h>

#include "arch/x86/types.h"
#include "core/vm.h"

/*
 * All of gpa .. gpa+len-1 is RAM? Checked whole before the first byte moves, so that a failing
 * write changes nothing.
 */
static bool gmem_is_ram(struct vm *vm, u64 gpa, u64 len_bytes)
{
	u64 end = gpa + len_bytes;

	if (end < gpa)
		return false;
	while (gpa < end) {
		const struct memslot *slot = memslot_find(&vm->slots, (gpa_t){ gpa });

		if (!slot)
			return false;
		gpa = slot->gpa + slot->size_bytes;
	}
	return true;
}

/* The largest piece of a range that lies in one slot. */
static u64 gmem_piece(struct vm *vm, u64 gpa, u64 len_bytes, u8 **out)
{
	const struct memslot *slot = memslot_find(&vm->slots, (gpa_t){ gpa });
	u64 piece = MIN(len_bytes, slot->gpa + slot->size_bytes - gpa);

	*out = memslot_ptr(&vm->slots, (gpa_t){ gpa }, piece);
	return piece;
}

enum err gmem_read(struct vm *vm, gpa_t gpa, void *buf, u64 len_bytes)
{
	u8 *to = buf;

	if (!gmem_is_ram(vm, gpa.v, len_bytes))
		return ERR_FAULT;
	while (len_bytes) {
		u8 *from;
		u64 piece = gmem_piece(vm, gpa.v, len_bytes, &from);

		memcpy(to, from, piece);
		to += piece;
		gpa.v += piece;
		len_bytes -= piece;
	}
	return ERR_NONE;
}

enum err gmem_write(struct vm *vm, gpa_t gpa, const void *buf, u64 len_bytes)
{
	const u8 *from = buf;

	if (!gmem_is_ram(vm, gpa.v, len_bytes))
		return ERR_FAULT;
	while (len_bytes) {
		u8 *to;
		u64 piece = gmem_piece(vm, gpa.v, len_bytes, &to);

		memcpy(to, from, piece);
		from += piece;
		gpa.v += piece;
		len_bytes -= piece;
	}
	return ERR_NONE;
}

enum err gmem_zero(struct vm *vm, gpa_t gpa, u64 len_bytes)
{
	if (!gmem_is_ram(vm, gpa.v, len_bytes))
		return ERR_FAULT;
	while (len_bytes) {
		u8 *to;
		u64 piece = gmem_piece(vm, gpa.v, len_bytes, &to);

		memset(to, 0, piece);
		gpa.v += piece;
		len_bytes -= piece;
	}
	return ERR_NONE;
}
