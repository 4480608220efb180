/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/power.h"

#include "arch/x86/acpi.h"
#include "arch/x86/insn.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

#define EFFECT_WAIT_US 100000
#define DEBUG_EXIT_PORT 0xf4
#define RESET_CONTROL_PORT 0xcf9
#define RESET_WARM 0x06 /* memory keeps the last words */
#define KEYBOARD_COMMAND_PORT 0x64
#define KEYBOARD_RESET 0xfe
#define BOCHS_SHUTDOWN_PORT 0x8900

void machine_halt(void)
{
	for (;;) {
		cli();
		hlt();
	}
}

/* S5 at the addresses that QEMU and Bochs use; on real hardware ACPI has worked before this. */
static void emulator_poweroff(void)
{
	static const u16 ports[] = { 0x604, 0xb004, 0x4004 };
	static const char text[] = "Shutdown";
	for (unsigned i = 0; text[i]; i++)
		out8(BOCHS_SHUTDOWN_PORT, (u8)text[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		out16(ports[i], 0x2000);
	tsc_wait_us(EFFECT_WAIT_US);
}

void machine_poweroff(void)
{
	enum err err;

	cli();
	log_info("powering off");
	err = acpi_poweroff();
	log_warn("power-off by ACPI failed: %s", err_text(err));
	if (err == ERR_NOENT)
		emulator_poweroff();
	log_err("this machine does not power off; switch it off by hand");
	machine_halt();
}

static void step(const char *how)
{
	tsc_wait_us(EFFECT_WAIT_US);
	log_warn("reset by %s failed", how);
}

void machine_reset(void)
{
	struct table_register none = { 0, 0 };

	cli();
	log_info("resetting");
	if (acpi_reset() != ERR_NOENT)
		log_warn("reset by ACPI failed");
	out8(RESET_CONTROL_PORT, RESET_WARM & ~4);
	out8(RESET_CONTROL_PORT, RESET_WARM);
	step("port 0xcf9");
	out8(KEYBOARD_COMMAND_PORT, KEYBOARD_RESET);
	step("the keyboard controller");
	lidt(&none);
	ud2();
}

void debug_exit(u32 code)
{
	out32(DEBUG_EXIT_PORT, code);
}
