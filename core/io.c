/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/io.h"

#include "core/lib/bits.h"
#include "core/load/layout.h"
#include "core/vm.h"

/* Does a row take an access whole? What none does goes byte by byte, each to its port's row. */
#define IS_WHOLE(port, width, max_width) ((width) <= (max_width) && IS_ALIGNED(port, width))

static u32 ones(unsigned width_bytes)
{
	return (u32)MASK(8 * width_bytes - 1, 0);
}

static u32 port_read(struct vm *vm, u16 port, unsigned width_bytes)
{
	u32 value = 0;

	switch (port) {
#define X(first, last, max_width, read, write)                                                     \
	case (first)...(last):                                                                     \
		if (IS_WHOLE(port, width_bytes, max_width))                                        \
			return read(vm, port, width_bytes) & ones(width_bytes);                    \
		break;
#include "core/dev/ports.def"
#undef X
	default:
		if (width_bytes == 1)
			return 0xff;
	}
	for (unsigned i = 0; i < width_bytes; i++)
		value |= port_read(vm, (u16)(port + i), 1) << (8 * i);
	return value;
}

static void port_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value)
{
	switch (port) {
#define X(first, last, max_width, read, write)                                                     \
	case (first)...(last):                                                                     \
		if (IS_WHOLE(port, width_bytes, max_width)) {                                      \
			write(vm, port, width_bytes, value);                                       \
			return;                                                                    \
		}                                                                                  \
		break;
#include "core/dev/ports.def"
#undef X
	default:
		break;
	}
	for (unsigned i = 0; width_bytes > 1 && i < width_bytes; i++)
		port_write(vm, (u16)(port + i), 1, value >> (8 * i) & 0xff);
}

u32 io_read(struct vcpu *v, u16 port, unsigned width_bytes)
{
	u32 value;

	lock_acquire(&v->vm->dev_lock);
	value = port_read(v->vm, port, width_bytes);
	lock_release(&v->vm->dev_lock);
	return value;
}

void io_write(struct vcpu *v, u16 port, unsigned width_bytes, u32 value)
{
	lock_acquire(&v->vm->dev_lock);
	port_write(v->vm, port, width_bytes, value & ones(width_bytes));
	lock_release(&v->vm->dev_lock);
}

static u64 device_read(struct vm *vm, u64 gpa, unsigned width_bytes)
{
#define X(base, size_bytes, read, write)                                                           \
	if (gpa - (base) < (size_bytes))                                                           \
		return read(vm, (u32)(gpa - (base)), width_bytes);
#include "core/dev/mmio.def"
#undef X
	return ~0ull;
}

static void device_write(struct vm *vm, u64 gpa, unsigned width_bytes, u64 value)
{
#define X(base, size_bytes, read, write)                                                           \
	if (gpa - (base) < (size_bytes)) {                                                         \
		write(vm, (u32)(gpa - (base)), width_bytes, value);                                \
		return;                                                                            \
	}
#include "core/dev/mmio.def"
#undef X
}

#define PAGE_OFFSET(gpa) ((u32)((gpa)&MASK(11, 0)))

u64 mmio_read(struct vcpu *v, gpa_t gpa, unsigned width_bytes)
{
	u64 value;

	if (lapic_mmio_hit(v, gpa.v)) {
		value = lapic_mmio_read(v, PAGE_OFFSET(gpa.v), width_bytes);
	} else {
		lock_acquire(&v->vm->dev_lock);
		value = device_read(v->vm, gpa.v, width_bytes);
		lock_release(&v->vm->dev_lock);
	}
	return value & MASK(8 * width_bytes - 1, 0);
}

void mmio_write(struct vcpu *v, gpa_t gpa, unsigned width_bytes, u64 value)
{
	value &= MASK(8 * width_bytes - 1, 0);
	if (lapic_mmio_hit(v, gpa.v)) {
		lapic_mmio_write(v, PAGE_OFFSET(gpa.v), width_bytes, value);
		return;
	}
	lock_acquire(&v->vm->dev_lock);
	device_write(v->vm, gpa.v, width_bytes, value);
	lock_release(&v->vm->dev_lock);
}
