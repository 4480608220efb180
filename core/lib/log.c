/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/lib/log.h"

#include <stdio.h>
#include <string.h>

#include "core/lib/bits.h"

#define LOCK_TRIES 20000000u

static struct {
	u32 locked; /* [a] */
	u32 is_broken; /* [a] nobody waits any more */
	enum log_level level; /* [a] what goes to the sinks */
	struct log_hooks hooks; /* [c] */
	struct log_sink sinks[LOG_SINKS_MAX]; /* [L:log] */
	u32 nr_sinks; /* [L:log] */
	u64 head; /* [a] bytes ever written; the ring holds the last LOG_RING_BYTES */
	char ring[LOG_RING_BYTES]; /* [L:log] */
} state = { .level = LOG_INFO };

void log_hooks_set(const struct log_hooks *hooks)
{
	state.hooks = *hooks;
}

void log_level_set(enum log_level level)
{
	__atomic_store_n(&state.level, level, __ATOMIC_RELAXED);
}

void log_break_lock(void)
{
	__atomic_store_n(&state.is_broken, 1, __ATOMIC_RELEASE);
}

struct held {
	u64 flags;
	bool is_locked; /* else the line has to go out without */
};

static bool lock_take(void)
{
	for (u32 tries = 0; tries < LOCK_TRIES; tries++) {
		if (!__atomic_exchange_n(&state.locked, 1, __ATOMIC_ACQUIRE))
			return true;
		if (__atomic_load_n(&state.is_broken, __ATOMIC_ACQUIRE))
			return false;
		if (state.hooks.pause)
			state.hooks.pause();
	}
	return false;
}

/* Interrupts off, then the lock. */
static struct held log_enter(void)
{
	struct held h = { .flags = state.hooks.irq_save ? state.hooks.irq_save() : 0 };

	h.is_locked = lock_take();
	return h;
}

static void log_leave(struct held h)
{
	if (h.is_locked)
		__atomic_store_n(&state.locked, 0, __ATOMIC_RELEASE);
	if (state.hooks.irq_restore)
		state.hooks.irq_restore(h.flags);
}

static void ring_append(const char *text, u32 len_bytes)
{
	u32 at = (u32)(state.head % LOG_RING_BYTES);
	u32 first = MIN(LOG_RING_BYTES - at, len_bytes);

	memcpy(&state.ring[at], text, first);
	memcpy(state.ring, text + first, len_bytes - first);
	__atomic_store_n(&state.head, state.head + len_bytes, __ATOMIC_RELEASE);
}

static void line_emit(enum log_level level, const char *line, u32 len_bytes)
{
	struct held h = log_enter();

	ring_append(line, len_bytes);
	if (level <= __atomic_load_n(&state.level, __ATOMIC_RELAXED))
		for (u32 i = 0; i < state.nr_sinks; i++)
			state.sinks[i].write(line, len_bytes);
	log_leave(h);
}

static u32 prefix_format(enum log_level level, char *line, u32 size_bytes)
{
	static const char *const mark[] = { "error: ", "warning: ", "", "" };
	u64 us = state.hooks.time_us ? state.hooks.time_us() : 0;
	u32 cpu = state.hooks.cpu ? state.hooks.cpu() : 0;

	return (u32)snprintf(line, size_bytes, "[%5llu.%06llu] (lamina) [cpu%u] %s",
			     (unsigned long long)(us / 1000000),
			     (unsigned long long)(us % 1000000), cpu, mark[level]);
}

void log_vwrite(enum log_level level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	u32 len = prefix_format(level, line, sizeof(line));
	int text = vsnprintf(line + len, sizeof(line) - len, fmt, ap);

	if (text > 0)
		len += (u32)text;
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	while (len && line[len - 1] == '\n')
		len--;
	line[len++] = '\n';
	line_emit(level, line, len);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vwrite(level, fmt, ap);
	va_end(ap);
}

void log_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vwrite(LOG_ERROR, fmt, ap);
	va_end(ap);
}

/* Where reading may start: the oldest whole line that the ring still has, from `from` on. */
static u64 position_valid(u64 from, u64 head)
{
	if (from > head)
		return head;
	if (head - from <= LOG_RING_BYTES)
		return from;
	from = head - LOG_RING_BYTES;
	while (from < head && state.ring[from % LOG_RING_BYTES] != '\n')
		from++;
	return from < head ? from + 1 : head;
}

/* Copies without the lock: the caller has it, or knows that nobody writes. */
static u32 ring_copy(u64 *position, char *out, u32 size_bytes)
{
	u64 head = __atomic_load_n(&state.head, __ATOMIC_ACQUIRE);
	u32 n = 0;

	*position = position_valid(*position, head);
	while (n < size_bytes && *position < head)
		out[n++] = state.ring[(*position)++ % LOG_RING_BYTES];
	return n;
}

u32 log_read(u64 *position, char *out, u32 size_bytes)
{
	struct held h = log_enter();
	u32 n = ring_copy(position, out, size_bytes);

	log_leave(h);
	return n;
}

static void sink_replay(const struct log_sink *sink)
{
	char part[128];
	u64 position = 0;
	u32 n;

	while ((n = ring_copy(&position, part, sizeof(part))))
		sink->write(part, n);
}

bool log_sink_add(const struct log_sink *sink)
{
	struct held h = log_enter();
	bool fits = state.nr_sinks < LOG_SINKS_MAX;

	if (fits) {
		sink_replay(sink);
		state.sinks[state.nr_sinks++] = *sink;
	}
	log_leave(h);
	return fits;
}
