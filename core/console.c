/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/console.h"

#include <stdarg.h>
#include <stdio.h>

#include "arch/x86/insn.h"
#include "arch/x86/lock.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"
#include "core/lib/ring.h"
#include "core/timer.h"
#include "core/vm.h"

#define GUEST_BUFFER_BYTES 8192
#define INPUT_BATCH 64

/* Polling: soon again while somebody types or pastes, seldom otherwise. */
#define POLL_ACTIVE_US 1000
#define POLL_IDLE_US 10000
#define POLL_ACTIVE_ROUNDS 100

/* How often a writer looks at the lock before it writes without: a panic must get through. */
#define LOCK_TRIES 10000000u

static struct lock console_lock;
static struct console_line line; /* [c] */
static u8 escape; /* [c] */
static console_reader_fn monitor; /* [c] */

static bool in_monitor; /* [L:console] */
static u32 selected; /* [L:console] VM that has the console */
static bool is_mid_line; /* [L:console] the line's cursor is not in column 0 */

/* What VMs print while they are not shown. */
static u8 buffers[BOOT_MAX_VMS][GUEST_BUFFER_BYTES];
static struct ring rings[BOOT_MAX_VMS]; /* [L:console] */

static struct timer poll_timer;
static u32 active_rounds; /* [o] boot CPU: polls left at the quick pace */

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

static void put(u8 byte)
{
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
	for (u32 i = 0; i < BOOT_MAX_VMS; i++)
		ring_init(&rings[i], buffers[i], GUEST_BUFFER_BYTES);
	log_sink_add(&sink);
}

static bool is_shown(u32 index)
{
	return !in_monitor && index == selected;
}

void console_guest_output(struct vm *vm, u8 byte)
{
	struct held h;

	if (!line.put)
		return;
	h = console_enter();
	if (is_shown(vm->index))
		put(byte);
	else
		ring_force(&rings[vm->index], byte);
	console_leave(h);
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

/* Show what the selected guest has printed meanwhile. */
static void replay(void)
{
	u8 byte;

	while (ring_get(&rings[selected], &byte))
		put(byte);
}

bool console_select(u32 index)
{
	struct held h;

	if (!vm_of(index))
		return false;
	h = console_enter();
	selected = index;
	in_monitor = false;
	replay();
	console_leave(h);
	return true;
}

static void monitor_enter(void)
{
	struct held h = console_enter();

	in_monitor = true;
	console_leave(h);
	monitor(escape);
}

static void guest_input(u8 byte)
{
	struct vm *vm = vm_of(selected);

	if (!vm || vm->is_over)
		return;
	lock_acquire(&vm->dev_lock);
	uart_input(vm, &byte, 1);
	lock_release(&vm->dev_lock);
}

static void input(u8 byte)
{
	if (in_monitor && byte == escape)
		console_select(selected);
	else if (in_monitor)
		monitor(byte);
	else if (byte == escape)
		monitor_enter();
	else
		guest_input(byte);
}

static int line_get(void)
{
	struct held h = console_enter();
	int byte = line.get();

	console_leave(h);
	return byte;
}

static void poll(struct timer *t)
{
	u32 period_us;
	int byte;

	for (u32 i = 0; i < INPUT_BATCH && (byte = line_get()) >= 0; i++) {
		input((u8)byte);
		active_rounds = POLL_ACTIVE_ROUNDS;
	}
	period_us = active_rounds ? POLL_ACTIVE_US : POLL_IDLE_US;
	if (active_rounds)
		active_rounds--;
	timer_arm(t, tsc_after_us(period_us));
}

void console_start(console_reader_fn reader)
{
	monitor = reader;
	if (!line.get)
		return;
	timer_init(&poll_timer, 0, poll);
	timer_arm(&poll_timer, rdtsc());
}
