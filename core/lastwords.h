/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Last words: the log, and with it each panic's report and traces, in the record of
 * boot/lastwords.h. Written through to memory line by line, so it survives a warm reset.
 */
#ifndef CORE_LASTWORDS_H
#define CORE_LASTWORDS_H

#include "core/lib/types.h"

/*
 * Log what the record at `memory` says of the run before, if that did not end as somebody wanted,
 * and begin a new one. A damaged record is reported and left out. Boot CPU, once.
 */
void lastwords_init(void *memory);

/* The lines from here on are those of a panic. Any context. */
void lastwords_panic(void);

/* This run ends as somebody wanted: there will be nothing to tell. */
void lastwords_end(void);

#endif
