/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a boot has come: checkpoints.def has the codes. Each is printed as a letter and two
 * digits, L for the loader and C for the core, and goes to port 0x80, where a POST card shows the
 * same digits. Only constants, for the loader and the core.
 */
#ifndef BOOT_CHECKPOINTS_H
#define BOOT_CHECKPOINTS_H

#include <stdint.h>

#define POST_PORT 0x80

enum checkpoint {
#define CHECKPOINT(id, letter, digits, what) CP_##id,
#include "boot/checkpoints.def"
#undef CHECKPOINT
};

static const struct {
	char name[4]; /* such as "L01" */
	uint8_t post;
	const char *what;
} checkpoints[] = {
#define CHECKPOINT(id, letter, digits, what) { letter #digits, 0x##digits, what },
#include "boot/checkpoints.def"
#undef CHECKPOINT
};

#endif
