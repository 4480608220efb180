/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: lines with time and CPU, kept in a ring for the monitor and handed to every sink.
 *
 *   [    1.234567] (lamina) [cpu0] text
 *
 * From any CPU and any context, also from a panic: the lock that keeps lines whole is waited for
 * only so long, then the line goes out without it. Lines are cut at LOG_LINE_MAX. Time and CPU
 * come through hooks, since this file knows no machine; without hooks both are 0.
 */
#ifndef CORE_LIB_LOG_H
#define CORE_LIB_LOG_H

#include <stdarg.h>

#include "core/lib/types.h"

#define LOG_LINE_MAX 256 /* with prefix and newline */
#define LOG_RING_BYTES 65536
#define LOG_SINKS_MAX 4

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * Where lines go. `write` gets whole lines with newline, and when the sink is added the older ones
 * in pieces. Called from any context, never by two CPUs at once (but in a panic); must not log.
 */
struct log_sink {
	void (*write)(const char *text, u32 len_bytes);
};

/* The machine behind the log; any may be NULL. */
struct log_hooks {
	u64 (*time_us)(void); /* microseconds since start */
	u32 (*cpu)(void);
	void (*pause)(void); /* one turn of a waiting loop */
	u64 (*irq_save)(void); /* interrupts off while a line is written */
	void (*irq_restore)(u64 flags);
};

void log_hooks_set(const struct log_hooks *hooks);

/* Add a sink. It gets the lines that came before, too. False if there are LOG_SINKS_MAX. */
bool log_sink_add(const struct log_sink *sink);

/* Lines above `level` go into the ring only. LOG_INFO at first. */
void log_level_set(enum log_level level);

void log_write(enum log_level level, const char *fmt, ...) __printf(2, 3);
void log_vwrite(enum log_level level, const char *fmt, va_list ap);

/* An error, too, for those who want a function that prints lines. */
void log_say(const char *fmt, ...) __printf(1, 2);

#define log_err(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/*
 * Copy up to `size_bytes` of the ring from *position on into `out` and move *position on; start
 * with 0. Returns the bytes copied, 0 at the end. Lines lost meanwhile are skipped.
 */
u32 log_read(u64 *position, char *out, u32 size_bytes);

/* From now on lines do not wait for the lock: everybody else is stopped. Panic only. */
void log_break_lock(void);

#endif
