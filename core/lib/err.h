/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one kind of failure result: 0 is success, everything else says what went wrong. Never mixed
 * with enum next (what the run loop does) in one integer.
 */
#ifndef CORE_LIB_ERR_H
#define CORE_LIB_ERR_H

#define ERR_LIST(X)                                                                                \
	X(ERR_NONE, "no error")                                                                    \
	X(ERR_NOMEM, "out of memory")                                                              \
	X(ERR_INVAL, "invalid value")                                                              \
	X(ERR_RANGE, "out of range")                                                               \
	X(ERR_NOENT, "not found")                                                                  \
	X(ERR_FORMAT, "bad format")                                                                \
	X(ERR_UNSUPPORTED, "not supported")                                                        \
	X(ERR_DISABLED, "disabled by firmware")                                                    \
	X(ERR_BUSY, "busy")                                                                        \
	X(ERR_TIMEOUT, "timed out")                                                                \
	X(ERR_FAULT, "bad address")                                                                \
	X(ERR_IO, "input/output error")

enum err {
#define X(name, text) name,
	ERR_LIST(X)
#undef X
};

/* A constant text for a message; never NULL. */
static inline const char *err_text(enum err e)
{
#define X(name, text) text,
	static const char *const texts[] = { ERR_LIST(X) };
#undef X

	return (unsigned)e < sizeof(texts) / sizeof(texts[0]) ? texts[e] : "unknown error";
}

#endif
