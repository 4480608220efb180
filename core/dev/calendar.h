/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dates of the Gregorian calendar. Pure; from any context.
 */
#ifndef CORE_DEV_CALENDAR_H
#define CORE_DEV_CALENDAR_H

#include "core/lib/types.h"

#define SECONDS_PER_DAY 86400

struct date {
	s32 year;
	u8 month; /* 1 to 12 */
	u8 day; /* 1 to 31 */
	u8 weekday; /* 0 is Sunday */
};

/* The date that is `days` after 1970-01-01; |days| below 2^40. */
struct date calendar_date(s64 days);

/*
 * Days from 1970-01-01 to day `day` of month `month` of `year`. A day outside its month counts on
 * into the neighbours; `month` is 1 to 12.
 */
s64 calendar_days(s32 year, u8 month, s32 day);

#endif
