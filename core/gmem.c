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

/* Copy guest memory to `to`, or `from` to guest memory; with neither of them clear it. */
static enum err gmem_move(struct vm *vm, u64 gpa, u8 *to, const u8 *from, u64 len_bytes)
{
	if (!gmem_is_ram(vm, gpa, len_bytes))
		return ERR_FAULT;
	for (u64 done = 0, piece; done < len_bytes; done += piece) {
		gpa_t at = { gpa + done };
		const struct memslot *slot = memslot_find(&vm->slots, at);
		void *ram;

		piece = MIN(len_bytes - done, slot->gpa + slot->size_bytes - at.v);
		ram = memslot_ptr(&vm->slots, at, piece);
		if (to)
			memcpy(to + done, ram, piece);
		else if (from)
			memcpy(ram, from + done, piece);
		else
			memset(ram, 0, piece);
	}
	return ERR_NONE;
}

enum err gmem_read(struct vm *vm, gpa_t gpa, void *buf, u64 len_bytes)
{
	return gmem_move(vm, gpa.v, buf, NULL, len_bytes);
}

enum err gmem_write(struct vm *vm, gpa_t gpa, const void *buf, u64 len_bytes)
{
	return gmem_move(vm, gpa.v, NULL, buf, len_bytes);
}

enum err gmem_zero(struct vm *vm, gpa_t gpa, u64 len_bytes)
{
	return gmem_move(vm, gpa.v, NULL, NULL, len_bytes);
}
