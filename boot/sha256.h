/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 of a whole message. Pure, no C library. Our own, since a distribution's libraries are
 * built for user space: their functions use the red zone, which firmware's interrupts overwrite.
 */
#ifndef BOOT_SHA256_H
#define BOOT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void sha256(const void *message, size_t size_bytes, uint8_t digest[SHA256_BYTES]);

#endif
