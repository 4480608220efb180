/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/hostcon.h"

#include "arch/x86/acpi.h"
#include "arch/x86/insn.h"
#include "arch/x86/ioapic.h"
#include "core/lib/log.h"
#include "drivers/serial.h"

#define LINES_MAX 6
#define FIRST_PORT 0x3f8
#define FIRST_ISA_IRQ 4
#define DEBUGGER_PORT 0x2f8
#define DEBUGCON_PORT 0xe9

/* Consoles by number: the lines first. */
#define DEBUGCON LINES_MAX
#define SCREEN (LINES_MAX + 1)
#define NR_CONSOLES (LINES_MAX + 2)

static struct serial lines[LINES_MAX]; /* [c] after hostcon_find_late(), like all here */
static u32 nr_lines;
static bool has_debugcon, has_screen;

static void console_put(u32 n, u8 byte)
{
	if (n < nr_lines)
		serial_put(&lines[n], byte);
	else if (n == DEBUGCON && has_debugcon)
		out8(DEBUGCON_PORT, byte);
	else if (n == SCREEN && has_screen)
		fbcon_put(byte);
}

void hostcon_put(u8 byte)
{
	for (u32 n = 0; n < NR_CONSOLES; n++)
		console_put(n, byte);
}

int hostcon_get(void)
{
	int byte = -1;

	for (u32 n = 0; n < nr_lines && byte < 0; n++)
		byte = serial_get(&lines[n]);
	return byte;
}

/* Let console `n`, which is new, have the log up to now. */
static void log_show(u32 n)
{
	u64 position = 0;
	char byte;

	while (log_read(&position, &byte, 1)) {
		if (byte == '\n')
			console_put(n, '\r');
		console_put(n, (u8)byte);
	}
}

static bool is_known(u16 port, hpa_t hpa)
{
	for (u32 n = 0; n < nr_lines; n++)
		if (lines[n].port == port && lines[n].hpa.v == hpa.v)
			return true;
	return false;
}

bool hostcon_has_port(u16 port)
{
	return is_known(port, (hpa_t){ 0 });
}

/* Several tables may name the same line. */
static void line_add(enum err probed, const struct serial *line)
{
	if (probed || nr_lines == LINES_MAX || is_known(line->port, line->hpa))
		return;
	log_info("console: 16550 at %s %#llx", line->port ? "port" : "address",
		 (unsigned long long)(line->port + line->hpa.v));
	lines[nr_lines++] = *line;
	log_show(nr_lines - 1);
}

static void port_add(u16 port)
{
	struct serial line;

	line_add(serial_probe_port(&line, port), &line);
}

void hostcon_find_early(void)
{
	has_debugcon = in8(DEBUGCON_PORT) == DEBUGCON_PORT; /* it reads as its number */
	port_add(FIRST_PORT);
	port_add(0x3e8);
	port_add(0x2e8);
	if (!nr_lines)
		port_add(DEBUGGER_PORT);
}

void hostcon_find_late(const struct fbcon_screen *screen)
{
	struct serial line;
	struct acpi_gas at;
	enum err e;

	for (u32 n = 0; (e = serial_probe_pci(&line, n)) != ERR_RANGE; n++)
		line_add(e, &line);
	for (u32 n = 0; acpi_serial(n, &at); n++)
		if (at.space == ACPI_SPACE_IO)
			port_add((u16)at.address);
		else if (at.space == ACPI_SPACE_MEMORY)
			line_add(serial_probe_mmio(&line, (hpa_t){ at.address },
						   at.access == 3 ? 4 : 1), &line);
	if (!screen || !fbcon_init(screen))
		return;
	log_info("console: screen of %u x %u", screen->width_pixels, screen->height_pixels);
	has_screen = true;
	log_show(SCREEN);
}

void hostcon_irq_on(u8 vector)
{
	for (u32 n = 0; n < nr_lines; n++)
		if (lines[n].port == FIRST_PORT && !ioapic_isa_route(FIRST_ISA_IRQ, vector))
			serial_irq_on(&lines[n]);
		else
			log_info("console: line %u has no interrupt, so it is polled", n);
}
