/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/fbcon.h"

#include <string.h>

#include "arch/x86/pt_host.h"
#include "font/ascii.h"

#define GLYPH_WIDTH 8u
#define GLYPH_HEIGHT 16u
#define COLUMNS_MAX 256u
#define ROWS_MAX 144u
#define TAB_COLUMNS 8u
#define COLOUR 0xc0c0c0u /* grey: the order of red and blue does not matter */
_Static_assert(sizeof(font) == ('~' - ' ' + 1) * GLYPH_HEIGHT, "a glyph per printable character");

enum escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_SEQUENCE };

/* All but the arrays is [c] after fbcon_init() or belongs to the caller's lock. */
static volatile u32 *pixels;
static u32 stride, columns, rows, scale;
static u32 column, row;
static enum escape escape;
static u8 text[ROWS_MAX][COLUMNS_MAX]; /* what is to be on the screen */
static u8 shown[ROWS_MAX][COLUMNS_MAX]; /* what is there */

static void cell_update(u32 r, u32 c)
{
	u8 glyph = text[r][c];
	const u8 *rows_of = &font[(glyph - ' ') * GLYPH_HEIGHT];
	volatile u32 *at = pixels + (r * GLYPH_HEIGHT * stride + c * GLYPH_WIDTH) * scale;

	if (shown[r][c] == glyph)
		return;
	shown[r][c] = glyph;
	for (u32 y = 0; y < GLYPH_HEIGHT * scale; y++, at += stride)
		for (u32 x = 0; x < GLYPH_WIDTH * scale; x++)
			at[x] = rows_of[y / scale] & (0x80u >> x / scale) ? COLOUR : 0;
}

static void line_feed(void)
{
	if (row + 1 < rows) {
		row++;
		return;
	}
	memmove(text[0], text[1], (rows - 1) * COLUMNS_MAX);
	memset(text[rows - 1], ' ', COLUMNS_MAX);
	for (u32 r = 0; r < rows; r++)
		for (u32 c = 0; c < columns; c++)
			cell_update(r, c);
}

static void character_put(u8 byte)
{
	if (column == columns) {
		column = 0;
		line_feed();
	}
	text[row][column] = byte > '~' ? '?' : byte;
	cell_update(row, column++);
}

/* ESC and one character, or ESC [ up to a letter. True if `byte` belongs to such. */
static bool escape_take(u8 byte)
{
	enum escape before = escape;

	if (byte == 0x1b)
		escape = ESCAPE_BEGUN;
	else if (before == ESCAPE_BEGUN && byte == '[')
		escape = ESCAPE_SEQUENCE;
	else if (before == ESCAPE_BEGUN || (byte >= '@' && byte <= '~'))
		escape = ESCAPE_NONE;
	return before != ESCAPE_NONE || escape != ESCAPE_NONE;
}

void fbcon_put(u8 byte)
{
	if (escape_take(byte))
		return;
	if (byte >= ' ' && byte != 0x7f)
		character_put(byte);
	else if (byte == '\r')
		column = 0;
	else if (byte == '\n')
		line_feed();
	else if (byte == '\b' && column)
		column--;
	else if (byte == '\t')
		do
			character_put(' ');
		while (column % TAB_COLUMNS);
}

bool fbcon_init(const struct fbcon_screen *screen)
{
	u64 size_bytes = (u64)screen->stride_pixels * screen->height_pixels * sizeof(u32);

	scale = MAX(1u, screen->width_pixels / 1920);
	columns = MIN(COLUMNS_MAX, screen->width_pixels / GLYPH_WIDTH / scale);
	rows = MIN(ROWS_MAX, screen->height_pixels / GLYPH_HEIGHT / scale);
	stride = screen->stride_pixels;
	if (!columns || !rows || stride < screen->width_pixels || size_bytes > screen->size_bytes)
		return false;
	pixels = mmio_map(screen->base, size_bytes, PT_WC);
	if (!pixels)
		return false;
	for (u64 i = 0; i < size_bytes / sizeof(u32); i++)
		pixels[i] = 0;
	memset(text, ' ', sizeof(text));
	memset(shown, ' ', sizeof(shown));
	return true;
}
