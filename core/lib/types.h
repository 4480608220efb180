/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plain integer names and the few macros that every file wants. Owns nothing; may be included
 * from anywhere, also from host tests.
 */
#ifndef CORE_LIB_TYPES_H
#define CORE_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned long long ull; /* what "%llu" and "%llx" print */

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* newlib has some of these names too, with the same meaning. */
#undef __packed
#undef __aligned
#undef __section
#undef __printf
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __must_check __attribute__((warn_unused_result))
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define __section(name) __attribute__((section(name)))
#define __noreturn __attribute__((noreturn))
#define __unused_arg __attribute__((unused))
/* Code and constants that stay mapped on the isolated tables: they call nothing outside. */
#define NOINLINE __attribute__((noinline))
#define ISO_TEXT __attribute__((section(".iso.text")))
#define ISO_RODATA __attribute__((section(".iso.rodata")))
#define ISO_SHARED __attribute__((section(".iso.shared"))) /* isolated code may only read it */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
