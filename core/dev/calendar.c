/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/calendar.h"

/*
 * Years are counted from 1 March, so that the leap day is a year's last; the calendar repeats
 * every 400 years.
 */
#define DAYS_PER_ERA 146097
#define YEARS_PER_ERA 400
#define DAYS_TO_EPOCH 719468 /* from 0000-03-01 to 1970-01-01 */
#define WEEKDAY_OF_EPOCH 4

/* Division that rounds down, also below zero. */
static s64 floor_div(s64 a, s64 b)
{
	s64 q = a / b;

	return a % b < 0 ? q - 1 : q;
}

/* Days before the month that is `m` months after March. */
static s64 days_before(s64 m)
{
	return (153 * m + 2) / 5;
}

s64 calendar_days(s32 year, u8 month, s32 day)
{
	s64 y = month > 2 ? (s64)year : (s64)year - 1;
	s64 m = month > 2 ? month - 3 : month + 9;
	s64 era = floor_div(y, YEARS_PER_ERA);
	s64 year_of_era = y - era * YEARS_PER_ERA;

	return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       days_before(m) + day - 1 - DAYS_TO_EPOCH;
}

struct date calendar_date(s64 days)
{
	s64 since = days + DAYS_TO_EPOCH;
	s64 era = floor_div(since, DAYS_PER_ERA);
	s64 day_of_era = since - era * DAYS_PER_ERA;
	/* Take the leap days out; the last days of 4, 100 and 400 years are the leap days. */
	s64 year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	s64 day_of_year =
		day_of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
	s64 m = (5 * day_of_year + 2) / 153;
	s64 weekday = days + WEEKDAY_OF_EPOCH;

	return (struct date){
		.year = (s32)(era * YEARS_PER_ERA + year_of_era + (m >= 10)),
		.month = (u8)(m < 10 ? m + 3 : m - 9),
		.day = (u8)(day_of_year - days_before(m) + 1),
		.weekday = (u8)(weekday - floor_div(weekday, 7) * 7),
	};
}
