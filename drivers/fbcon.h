/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text on a linear framebuffer of 32-bit pixels, which is written and never read: what stands on
 * the screen is remembered, so that scrolling draws only the characters that change. Output only.
 * Calls are serialized by the caller; none waits. On wide screens each pixel of the font is drawn
 * larger. Escape sequences of terminals are left out, characters beyond ASCII are question marks.
 */
#ifndef DRIVERS_FBCON_H
#define DRIVERS_FBCON_H

#include "arch/x86/types.h"

struct fbcon_screen {
	hpa_t base;
	u64 size_bytes;
	u32 width_pixels, height_pixels, stride_pixels;
};

/*
 * Map the framebuffer and clear it. False if it is not usable as described, or cannot be mapped.
 * Boot CPU, once, after the host tables.
 */
bool fbcon_init(const struct fbcon_screen *screen) __must_check;

void fbcon_put(u8 byte);

#endif
