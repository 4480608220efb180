/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The meaning of lamina.toml: which tables and keys exist, which values they take, and what is used
 * where a key is absent. The README's configuration reference describes the same keys.
 *
 * Pure: no allocation, no global state, no C library. The loader runs it before anything of the
 * machine is taken over; host tests and the fuzzer run the same code.
 */
#ifndef BOOT_CONFIG_H
#define BOOT_CONFIG_H

#include "boot/bootinfo.h"
#include "boot/toml.h"

/*
 * Read the configuration in `text` into `out`. Returns false at the first error, with `message`, of
 * TOML_MAX_MESSAGE, as "line:column: key: text"; `out` is undefined then. Paths and sizes are
 * checked for their form only: whether the files exist and the machine is large enough is for the
 * caller to find out.
 */
bool config_parse(const char *text, size_t size_bytes, struct lamina_config *out, char *message);

#endif
