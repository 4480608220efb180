/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/pit.h"

#include "core/clock.h"
#include "core/dev/ticks.h"
#include "core/irq.h"
#include "core/lib/bits.h"
#include "core/vm.h"

#define PIT_SPEAKER 2 /* the channel whose gate port 0x61 drives */

#define COUNT_MAX_BINARY 0x10000u
#define COUNT_MAX_BCD 10000u

#define CONTROL_CHANNEL_SHIFT 6
#define CONTROL_READ_BACK 3
#define CONTROL_NO_COUNT 0x20 /* read-back: bit clear latches */
#define CONTROL_NO_STATUS 0x10
#define CONTROL_BCD 0x01

#define ACCESS_LATCH 0
#define ACCESS_LOW 1
#define ACCESS_HIGH 2
#define ACCESS_BOTH 3

#define STATUS_OUT 0x80
#define STATUS_NULL_COUNT 0x40

#define PORT61_GATE 0x01
#define PORT61_WRITABLE 0x0f
#define PORT61_REFRESH 0x10
#define PORT61_OUT 0x20
#define REFRESH_NS 15085u

enum pit_mode {
	MODE_TERMINAL_COUNT = 0,
	MODE_ONE_SHOT = 1,
	MODE_RATE = 2,
	MODE_SQUARE = 3,
	MODE_SOFT_STROBE = 4,
	MODE_HARD_STROBE = 5,
};

static bool is_periodic(const struct pit_channel *c)
{
	return c->mode == MODE_RATE || c->mode == MODE_SQUARE;
}

/* Does the gate start this mode, rather than allow it? */
static bool is_triggered(const struct pit_channel *c)
{
	return c->mode == MODE_ONE_SHOT || c->mode == MODE_HARD_STROBE;
}

/* Is the next byte of a count its high one? Where both are used, `high_is_next` says so. */
static bool takes_high(const struct pit_channel *c, bool high_is_next)
{
	return c->access == ACCESS_BOTH ? high_is_next : c->access == ACCESS_HIGH;
}

/* Ticks since the present count was loaded. The TSCs of two CPUs may differ a little. */
static u64 channel_elapsed(const struct pit_channel *c)
{
	u64 now = clock_tsc();

	if (!c->is_started || now < c->start_tsc)
		return 0;
	if (!c->gate && !is_triggered(c))
		return c->paused_ticks;
	return ticks_from_ns(clock_ns_from_tsc(now - c->start_tsc), PIT_HZ);
}

static bool channel_out(const struct pit_channel *c)
{
	u64 elapsed = channel_elapsed(c);

	if (!c->is_started)
		return c->mode != MODE_TERMINAL_COUNT;
	switch ((enum pit_mode)c->mode) {
	case MODE_TERMINAL_COUNT:
	case MODE_ONE_SHOT:
		return elapsed >= c->initial;
	case MODE_RATE:
		return !c->gate || elapsed % c->initial != c->initial - 1;
	case MODE_SQUARE:
		return !c->gate || elapsed % c->initial < (c->initial + 1) / 2;
	case MODE_SOFT_STROBE:
	case MODE_HARD_STROBE:
		break;
	}
	return elapsed != c->initial;
}

/* The counting element as the guest reads it. After its end a count that is not reloaded wraps. */
static u16 channel_count(const struct pit_channel *c)
{
	u32 range = c->is_bcd ? COUNT_MAX_BCD : COUNT_MAX_BINARY;
	u64 elapsed = channel_elapsed(c);
	u32 n;

	if (c->mode == MODE_RATE)
		n = c->initial - (u32)(elapsed % c->initial);
	else if (c->mode == MODE_SQUARE)
		n = c->initial - (u32)(2 * (elapsed % c->initial) % c->initial);
	else
		n = (c->initial + range - (u32)(elapsed % range)) % range;
	n %= range;
	if (!c->is_bcd)
		return (u16)n;
	return (u16)(n / 1000 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10);
}

static u8 channel_status(const struct pit_channel *c)
{
	return (u8)((channel_out(c) ? STATUS_OUT : 0) | (c->is_loaded ? 0 : STATUS_NULL_COUNT) |
		    c->access << 4 | c->mode << 1 | c->is_bcd);
}

/* Host TSC of tick `ticks`. */
static u64 channel_tsc_of(const struct pit_channel *c, u64 ticks)
{
	return c->start_tsc + clock_tsc_from_ns(ticks_to_ns(ticks, PIT_HZ)) + 1;
}

/* Ask for the next edge of channel 0, not before `earliest_tsc`. */
static void edge_arm(struct vm *vm, u64 earliest_tsc)
{
	struct pit *p = &vm->pit;

	if (p->next_edge_ticks)
		timer_arm(&p->timer,
			  MAX(channel_tsc_of(&p->channel[0], p->next_edge_ticks), earliest_tsc));
	else
		timer_cancel(&p->timer);
}

/* Channel 0 has a new mode or count: when does its output rise for the first time? */
static void edge_restart(struct vm *vm)
{
	struct pit *p = &vm->pit;
	const struct pit_channel *c = &p->channel[0];

	p->next_edge_ticks = 0;
	if (c->is_started)
		p->next_edge_ticks = c->initial + (c->mode == MODE_SOFT_STROBE ? 1 : 0);
	/* Only this mode's output is low while it counts; no other raises an edge by its start. */
	if (c->mode == MODE_TERMINAL_COUNT)
		irq_line_set(vm, IRQ_LINE_PIT, false);
	edge_arm(vm, 0);
}

/* Step to the edge after the one that has just been delivered. */
static void edge_advance(struct pit *p)
{
	const struct pit_channel *c = &p->channel[0];
	u64 elapsed = channel_elapsed(c);

	if (!is_periodic(c)) {
		p->next_edge_ticks = 0;
		return;
	}
	p->next_edge_ticks += c->initial;
	if (elapsed >= p->next_edge_ticks + (u64)PIT_BEHIND_MAX * c->initial)
		p->next_edge_ticks = (elapsed / c->initial + 1) * c->initial;
}

void pit_fire(struct timer *t)
{
	struct vm *vm = container_of(t, struct vm, pit.timer);
	struct pit *p = &vm->pit;
	u64 now = clock_tsc();

	lock_acquire(&vm->dev_lock);
	/* The guest may have changed its mind since the timer was due. */
	if (p->next_edge_ticks && now >= channel_tsc_of(&p->channel[0], p->next_edge_ticks)) {
		irq_line_set(vm, IRQ_LINE_PIT, false);
		irq_line_set(vm, IRQ_LINE_PIT, true);
		edge_advance(p);
	}
	if (p->next_edge_ticks)
		edge_arm(vm, now + clock_tsc_from_ns(PIT_EDGE_MIN_NS));
	lock_release(&vm->dev_lock);
}

static u32 count_from_bcd(u32 value)
{
	u32 n = (value >> 12) * 1000 + (value >> 8 & 0xf) * 100 + (value >> 4 & 0xf) * 10 +
		(value & 0xf);

	return MIN(n, COUNT_MAX_BCD);
}

/*
 * A whole count has been written. In the periodic modes it takes effect at once instead of at the
 * end of the period; the triggered modes wait for their gate.
 */
static void channel_load(struct vm *vm, unsigned n, u32 value)
{
	struct pit_channel *c = &vm->pit.channel[n];

	if (c->is_bcd)
		value = count_from_bcd(value);
	c->initial = value ? value : c->is_bcd ? COUNT_MAX_BCD : COUNT_MAX_BINARY;
	c->is_loaded = true;
	if (!is_triggered(c)) {
		c->start_tsc = clock_tsc();
		c->paused_ticks = 0;
		c->is_started = true;
	}
	if (n == 0)
		edge_restart(vm);
}

static void channel_write(struct vm *vm, unsigned n, u8 value)
{
	struct pit_channel *c = &vm->pit.channel[n];
	bool is_high = takes_high(c, c->writes_high);

	c->writes_high = !is_high;
	if (c->access == ACCESS_BOTH && !is_high)
		c->low_byte = value;
	else
		channel_load(vm, n, is_high ? (u32)value << 8 | c->low_byte : value);
}

/* The byte of `count` whose turn it is, for a live or latched read of two bytes. */
static u8 channel_byte(struct pit_channel *c, u16 count)
{
	bool is_high = takes_high(c, c->reads_high);

	c->reads_high = !is_high;
	return (u8)(is_high ? count >> 8 : count);
}

static u8 channel_read(struct pit_channel *c)
{
	if (c->has_status) {
		c->has_status = false;
		return c->latched_status;
	}
	if (c->latched_bytes) {
		c->latched_bytes--;
		return channel_byte(c, c->latched_count);
	}
	return channel_byte(c, channel_count(c));
}

static void channel_latch(struct pit_channel *c)
{
	if (c->latched_bytes)
		return;
	c->latched_count = channel_count(c);
	c->latched_bytes = c->access == ACCESS_BOTH && !c->reads_high ? 2 : 1;
}

static void control_read_back(struct pit *p, u8 value)
{
	for (unsigned n = 0; n < PIT_NR_CHANNELS; n++) {
		struct pit_channel *c = &p->channel[n];

		if (!(value & BIT(n + 1)))
			continue;
		if (!(value & CONTROL_NO_STATUS) && !c->has_status) {
			c->latched_status = channel_status(c);
			c->has_status = true;
		}
		if (!(value & CONTROL_NO_COUNT))
			channel_latch(c);
	}
}

static void control_write(struct vm *vm, u8 value)
{
	unsigned n = value >> CONTROL_CHANNEL_SHIFT;
	struct pit_channel *c = &vm->pit.channel[n % PIT_NR_CHANNELS];
	u8 mode = value >> 1 & 7;

	if (n == CONTROL_READ_BACK) {
		control_read_back(&vm->pit, value);
		return;
	}
	if ((value >> 4 & 3) == ACCESS_LATCH) {
		channel_latch(c);
		return;
	}
	*c = (struct pit_channel){
		.initial = value & CONTROL_BCD ? COUNT_MAX_BCD : COUNT_MAX_BINARY,
		.mode = mode > MODE_HARD_STROBE ? mode & 3 : mode, /* bit 2 is "don't care" */
		.access = value >> 4 & 3,
		.is_bcd = value & CONTROL_BCD,
		.gate = c->gate,
	};
	if (n == 0)
		edge_restart(vm);
}

u32 pit_read(struct vm *vm, u16 port, unsigned width_bytes __unused_arg)
{
	unsigned n = port & 3;

	return n < PIT_NR_CHANNELS ? channel_read(&vm->pit.channel[n]) : 0xff;
}

void pit_write(struct vm *vm, u16 port, unsigned width_bytes __unused_arg, u32 value)
{
	unsigned n = port & 3;

	if (n < PIT_NR_CHANNELS)
		channel_write(vm, n, (u8)value);
	else
		control_write(vm, (u8)value);
}

static void gate_set(struct pit_channel *c, bool gate)
{
	u64 elapsed = channel_elapsed(c);
	bool rises = gate && !c->gate;

	c->gate = gate;
	if (rises && (is_periodic(c) || is_triggered(c))) {
		/* Start from the initial count, if there is one. */
		c->start_tsc = clock_tsc();
		c->is_started = c->is_loaded;
	} else if (rises) {
		c->start_tsc = clock_tsc() - clock_tsc_from_ns(ticks_to_ns(elapsed, PIT_HZ));
	} else if (!gate) {
		c->paused_ticks = is_periodic(c) ? 0 : elapsed;
	}
}

u32 pit_port61_read(struct vm *vm, u16 port __unused_arg, unsigned width_bytes __unused_arg)
{
	struct pit *p = &vm->pit;
	u32 value = p->port61;

	if (clock_ns_from_tsc(clock_tsc()) / REFRESH_NS & 1)
		value |= PORT61_REFRESH;
	if (channel_out(&p->channel[PIT_SPEAKER]))
		value |= PORT61_OUT;
	return value;
}

void pit_port61_write(struct vm *vm, u16 port __unused_arg, unsigned width_bytes __unused_arg,
		      u32 value)
{
	vm->pit.port61 = value & PORT61_WRITABLE;
	gate_set(&vm->pit.channel[PIT_SPEAKER], value & PORT61_GATE);
}

void pit_reset(struct vm *vm)
{
	struct pit *p = &vm->pit;

	timer_cancel(&p->timer);
	for (unsigned n = 0; n < PIT_NR_CHANNELS; n++)
		p->channel[n] = (struct pit_channel){
			.initial = COUNT_MAX_BINARY,
			.mode = MODE_SQUARE,
			.access = ACCESS_BOTH,
			.gate = n != PIT_SPEAKER,
		};
	p->next_edge_ticks = 0;
	p->port61 = 0;
	irq_line_set(vm, IRQ_LINE_PIT, false);
}
