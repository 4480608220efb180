/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of the loader's errors; errors.def has the rest of them.
 */
#ifndef BOOT_ERRORS_H
#define BOOT_ERRORS_H

enum loader_error {
	E_NONE,
#define ERROR(id, name, status, hint) id,
#include "boot/errors.def"
#undef ERROR
};

#endif
