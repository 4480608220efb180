/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes small ELF images of both widths, field by field, so that tests can spoil each field. */
#ifndef TESTS_HOST_ELF_FIXTURE_H
#define TESTS_HOST_ELF_FIXTURE_H

#include "tests/host/load_fixture.h"

enum { PT_LOAD = 1, PT_NOTE = 4 };

struct elf_spec {
	bool is_64;
	u64 entry;
	u32 nr;
	struct {
		u32 type;
		u64 offset, vaddr, paddr, filesz, memsz, align;
	} seg[40];
};

static inline u32 elf_header_bytes(bool is_64)
{
	return is_64 ? 64 : 52;
}

static inline void elf_put_segment(u8 *p, const struct elf_spec *s, u32 i)
{
	put32(p, s->seg[i].type);
	if (s->is_64) {
		put64(p + 8, s->seg[i].offset);
		put64(p + 16, s->seg[i].vaddr);
		put64(p + 24, s->seg[i].paddr);
		put64(p + 32, s->seg[i].filesz);
		put64(p + 40, s->seg[i].memsz);
		put64(p + 48, s->seg[i].align);
	} else {
		put32(p + 4, (u32)s->seg[i].offset);
		put32(p + 8, (u32)s->seg[i].vaddr);
		put32(p + 12, (u32)s->seg[i].paddr);
		put32(p + 16, (u32)s->seg[i].filesz);
		put32(p + 20, (u32)s->seg[i].memsz);
		put32(p + 28, (u32)s->seg[i].align);
	}
}

/* Write the headers to the start of `p`; the rest of the image stays as it is. */
static inline void elf_make(u8 *p, const struct elf_spec *s)
{
	u32 ehsize = elf_header_bytes(s->is_64);
	u32 phsize = s->is_64 ? 56 : 32;

	memset(p, 0, ehsize + s->nr * phsize);
	memcpy(p, "\177ELF", 4);
	p[4] = s->is_64 ? 2 : 1;
	p[5] = 1;
	p[6] = 1;
	put16(p + 16, 2);
	put16(p + 18, s->is_64 ? 62 : 3);
	put32(p + 20, 1);
	if (s->is_64) {
		put64(p + 24, s->entry);
		put64(p + 32, ehsize);
		put16(p + 52, ehsize);
		put16(p + 54, phsize);
		put16(p + 56, s->nr);
	} else {
		put32(p + 24, (u32)s->entry);
		put32(p + 28, ehsize);
		put16(p + 40, ehsize);
		put16(p + 42, phsize);
		put16(p + 44, s->nr);
	}
	for (u32 i = 0; i < s->nr; i++)
		elf_put_segment(p + ehsize + i * phsize, s, i);
}

#endif
