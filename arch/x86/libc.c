/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What newlib's functions want from below. Each CPU has its own struct _reent, so that errno and
 * printf's state are never shared; there is no heap, and no format that the core uses needs one.
 */
#include "arch/x86/percpu.h"

#include <locale.h>
#include <malloc.h>
#include <reent.h>

static struct _reent reents[CPUS_MAX]; /* [o] */

struct _reent *__getreent(void)
{
	return &reents[cpu_index()];
}

void *_malloc_r(struct _reent *reent __unused_arg, size_t size __unused_arg)
{
	return NULL;
}

void *_calloc_r(struct _reent *reent __unused_arg, size_t count __unused_arg,
		size_t size __unused_arg)
{
	return NULL;
}

void *_realloc_r(struct _reent *reent __unused_arg, void *memory __unused_arg,
		 size_t size __unused_arg)
{
	return NULL;
}

void _free_r(struct _reent *reent __unused_arg, void *memory __unused_arg)
{
}

/* Only the decimal point is ever read, and only by formats with floating point. */
struct lconv *_localeconv_r(struct _reent *reent __unused_arg)
{
	static char point[] = ".";
	static struct lconv c_locale = { .decimal_point = point };

	return &c_locale;
}
