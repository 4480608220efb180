/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/insn.h"
#include "arch/x86/lock.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"
#include "core/lib/ring.h"
#include "core/timer.h"
#include "core/vm.h"

#define SCROLLBACK_BYTES 65536u
#define INPUT_BYTES 4096
#define INPUT_BATCH 64

/*
 * The FIFO's 16 bytes take 1.4 ms to arrive at 115200 baud: one look in that time loses none. But
 * each look takes a guest's CPU away from it, so they come seldom while nobody types, and yet more
 * seldom when the line has an interrupt that wakes us.
 */
#define POLL_US 1000
#define IDLE_POLL_US 10000
#define IRQ_FACTOR 5
#define IDLE_AFTER_US 5000000

/* How often a writer looks at the lock before it writes without: a panic must get through. */
#define LOCK_TRIES 10000000u

static struct lock console_lock;
static struct console_line line; /* [c] */
static u8 escape; /* [c] */
static const struct console_reader *monitor; /* [c] */

static bool in_monitor; /* [L:console] */
static u32 selected; /* [L:console] VM that has the console */
static bool is_mid_line; /* [L:console] the line's cursor is not in column 0 */

/* What each VM has printed last. */
static struct scrollback {
	u64 head; /* bytes ever printed */
	u64 seen; /* of those, how many were shown */
	char text[SCROLLBACK_BYTES];
} scrollbacks[BOOT_MAX_VMS]; /* [L:console] */

/* What the line has received; the guest, or the monitor, may not be able to take it yet. */
static u8 input_bytes[INPUT_BYTES];
static struct ring inputs = { input_bytes, INPUT_BYTES, 0, 0 }; /* [L:console] */

static struct timer poll_timer;
static bool has_irq; /* [o] boot CPU: one has come */
static u64 awake_until; /* [o] boot CPU */

struct held {
	u64 flags;
	bool is_locked;
};

static struct held console_enter(void)
{
	struct held h = { .flags = irq_save() };

	for (u32 i = 0; i < LOCK_TRIES && !h.is_locked; i++) {
		h.is_locked = !lock_is_mine(&console_lock) && lock_try(&console_lock);
		if (!h.is_locked)
			cpu_pause();
	}
	return h;
}

static void console_leave(struct held h)
{
	if (h.is_locked)
		lock_release(&console_lock);
	irq_restore(h.flags);
}

static void receive(void)
{
	int byte;

	while (line.get && !ring_is_full(&inputs) && (byte = line.get()) >= 0)
		ring_put(&inputs, (u8)byte);
}

/* Sending takes as long as receiving, so nothing is lost meanwhile. */
static void put(u8 byte)
{
	receive();
	line.put(byte);
	is_mid_line = byte != '\n';
}

static void put_text(const char *text, u32 len_bytes)
{
	for (u32 i = 0; i < len_bytes; i++) {
		if (text[i] == '\n')
			put('\r');
		put((u8)text[i]);
	}
}

/* The log never continues a line that a guest has begun. */
static void sink_write(const char *text, u32 len_bytes)
{
	struct held h = console_enter();

	if (is_mid_line)
		put_text("\n", 1);
	put_text(text, len_bytes);
	console_leave(h);
}

void console_init(const struct console_line *to, u8 escape_char)
{
	static const struct log_sink sink = { sink_write };

	line = *to;
	escape = escape_char;
	log_sink_add(&sink);
}

static bool is_shown(u32 index)
{
	return !in_monitor && index == selected;
}

void console_guest_output(struct vm *vm, u8 byte)
{
	struct scrollback *s = &scrollbacks[vm->index];
	struct held h;

	if (!line.put)
		return;
	h = console_enter();
	s->text[s->head++ % SCROLLBACK_BYTES] = (char)byte;
	/* Unless console_select() is still at what came before. */
	if (is_shown(vm->index) && s->seen + 1 == s->head) {
		s->seen = s->head;
		put(byte);
	}
	console_leave(h);
}

/* Show all from *at on, byte by byte, so that nobody waits long; `mark` begins each line. */
static void show(const struct scrollback *s, u64 *at, const char *mark)
{
	bool is_start = mark;

	for (bool is_more = true; is_more;) {
		struct held h = console_enter();

		*at = MAX(*at, s->head - MIN(s->head, (u64)SCROLLBACK_BYTES));
		is_more = *at < s->head;
		if (is_more) {
			char c = s->text[(*at)++ % SCROLLBACK_BYTES];

			if (is_start)
				put_text(mark, (u32)strlen(mark));
			put((u8)c);
			is_start = mark && c == '\n';
		}
		console_leave(h);
	}
}

void console_lines(const struct vm *vm, u64 nr_lines)
{
	const struct scrollback *s = &scrollbacks[vm->index];
	u64 at = s->head;
	char mark[64];

	/* The newline that ends the line before is one too many. */
	for (; at && s->head - at < SCROLLBACK_BYTES; at--)
		if (s->text[(at - 1) % SCROLLBACK_BYTES] == '\n' && !nr_lines--)
			break;
	snprintf(mark, sizeof(mark), "(%s) ", vm->config->name);
	show(s, &at, mark);
	console_print(is_mid_line ? "\n" : "");
}

void console_print(const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	struct held h;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!line.put || len <= 0)
		return;
	h = console_enter();
	put_text(text, MIN((u32)len, (u32)sizeof(text) - 1));
	console_leave(h);
}

bool console_select(u32 index)
{
	struct held h;

	if (!vm_of(index))
		return false;
	h = console_enter();
	selected = index;
	in_monitor = false;
	console_leave(h);
	show(&scrollbacks[index], &scrollbacks[index].seen, NULL);
	return true;
}

bool console_select_last(void)
{
	return console_select(selected);
}

static void monitor_enter(void)
{
	struct held h = console_enter();

	in_monitor = true;
	console_leave(h);
	monitor->enter();
}

/* False if the guest's queue is full: later, then. */
static bool guest_input(u8 byte)
{
	struct vm *vm = vm_of(selected);
	bool is_taken = true;

	if (!vm || vm->is_over)
		return true;
	lock_acquire(&vm->dev_lock);
	is_taken = uart_input(vm, &byte, 1);
	lock_release(&vm->dev_lock);
	return is_taken;
}

static bool input(u8 byte)
{
	if (in_monitor)
		return monitor->input(byte);
	if (byte != escape)
		return guest_input(byte);
	monitor_enter();
	return true;
}

/* The oldest byte that was received, or -1; it stays there. */
static int input_peek(void)
{
	struct held h = console_enter();
	int byte;

	receive();
	byte = ring_used(&inputs) ? ring_peek(&inputs, 0) : -1;
	console_leave(h);
	return byte;
}

static void poll(struct timer *t)
{
	bool is_input = input_peek() >= 0;
	u64 us;
	int byte;

	for (u32 i = 0; i < INPUT_BATCH && (byte = input_peek()) >= 0 && input((u8)byte); i++) {
		struct held h = console_enter();

		inputs.tail++;
		console_leave(h);
	}
	for (u32 i = 0; i < BOOT_MAX_VMS; i++)
		if (vm_of(i))
			uart_flush(vm_of(i));
	if (is_input)
		awake_until = tsc_after_us(IDLE_AFTER_US);
	monitor->tick();
	us = tsc_is_past(awake_until) ? IDLE_POLL_US : POLL_US;
	/* What could not be taken now waits here and raises no interrupt. */
	timer_arm(t, tsc_after_us(has_irq && input_peek() < 0 ? us * IRQ_FACTOR : us));
}

void console_interrupt(void)
{
	has_irq = true;
	if (input_peek() >= 0)
		timer_hasten(&poll_timer);
}

void console_start(const struct console_reader *reader)
{
	monitor = reader;
	if (!line.get)
		return;
	timer_init(&poll_timer, 0, poll);
	timer_arm(&poll_timer, rdtsc());
}
