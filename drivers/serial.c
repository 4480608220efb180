/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/serial.h"

#include "arch/x86/insn.h"
#include "arch/x86/pt_host.h"
#include "drivers/pci.h"

#define POLLS_MAX 200000u /* a port read takes about a microsecond; a character 87 */

/* Registers, and the divisor's two bytes behind LCR_DLAB */
#define REG_DATA 0
#define REG_IER 1
#define REG_FCR 2
#define REG_LCR 3
#define REG_MCR 4
#define REG_LSR 5
#define REG_SCRATCH 7
#define REGISTERS 8
#define REG_DIVISOR_LOW 0
#define REG_DIVISOR_HIGH 1

#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define FCR_ENABLE_CLEAR 0x07
#define MCR_DTR_RTS_OUT2 0x0b
#define IER_RECEIVED 0x01
#define IER_EMPTY 0x02
#define LSR_DATA 0x01
#define LSR_EMPTY 0x20

#define PCI_CLASS_16550 0x070002
#define PCI_CLASS_MASK 0xffff00 /* any 8250-compatible interface */
#define PCI_BAR_IO 0x1u

static u8 reg_read(const struct serial *line, unsigned reg)
{
	if (line->port)
		return in8((u16)(line->port + reg));
	return mmio_read8(line->mmio + reg * line->stride_bytes);
}

static void reg_write(const struct serial *line, unsigned reg, u8 value)
{
	if (line->port)
		out8((u16)(line->port + reg), value);
	else
		mmio_write8(line->mmio + reg * line->stride_bytes, value);
}

/* The scratch register holds what is written to it, and nothing else does in empty space. */
static bool is_16550(const struct serial *line)
{
	reg_write(line, REG_SCRATCH, 0x5a);
	if (reg_read(line, REG_SCRATCH) != 0x5a)
		return false;
	reg_write(line, REG_SCRATCH, 0xa5);
	return reg_read(line, REG_SCRATCH) == 0xa5;
}

static enum err line_start(struct serial *line)
{
	if (!is_16550(line))
		return ERR_NOENT;
	reg_write(line, REG_IER, 0);
	reg_write(line, REG_LCR, LCR_DLAB | LCR_8N1);
	reg_write(line, REG_DIVISOR_LOW, 1); /* 115200 */
	reg_write(line, REG_DIVISOR_HIGH, 0);
	reg_write(line, REG_LCR, LCR_8N1);
	reg_write(line, REG_FCR, FCR_ENABLE_CLEAR);
	reg_write(line, REG_MCR, MCR_DTR_RTS_OUT2);
	line->is_present = true;
	return ERR_NONE;
}

enum err serial_probe_port(struct serial *line, u16 port)
{
	*line = (struct serial){ .port = port };
	return line_start(line);
}

enum err serial_probe_mmio(struct serial *line, hpa_t regs, u32 stride_bytes)
{
	*line = (struct serial){ .hpa = regs, .stride_bytes = stride_bytes };
	line->mmio = mmio_map(regs, REGISTERS * stride_bytes, PT_UC);
	return line->mmio ? line_start(line) : ERR_NOMEM;
}

enum err serial_probe_pci(struct serial *line, u32 n)
{
	struct pci_addr addr;
	u32 bar;

	*line = (struct serial){ 0 };
	if (!pci_find_class(PCI_CLASS_16550, PCI_CLASS_MASK, n, &addr))
		return ERR_RANGE;
	bar = pci_read32(addr, PCI_BAR0);
	if (!(bar & ~15u))
		return ERR_NOENT;
	pci_write16(addr, PCI_COMMAND,
		    (u16)(pci_read16(addr, PCI_COMMAND) | PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	if (bar & PCI_BAR_IO)
		return serial_probe_port(line, (u16)(bar & 0xfffc));
	return serial_probe_mmio(line, (hpa_t){ bar & ~15u }, 1);
}

/*
 * Wait for room. A line that does not drain is given one look per byte from then on, so that a
 * dead cable slows nothing down.
 */
static bool room_wait(struct serial *line)
{
	u32 polls = line->is_stuck ? 1 : POLLS_MAX;

	while (polls && !(reg_read(line, REG_LSR) & LSR_EMPTY)) {
		cpu_pause();
		polls--;
	}
	line->is_stuck = !polls;
	return polls;
}

void serial_put(struct serial *line, u8 byte)
{
	if (line->is_present && room_wait(line))
		reg_write(line, REG_DATA, byte);
}

int serial_get(struct serial *line)
{
	if (!line->is_present || !(reg_read(line, REG_LSR) & LSR_DATA))
		return -1;
	return reg_read(line, REG_DATA);
}

void serial_irq_on(const struct serial *line)
{
	/* That there is room is an interrupt at once: an edge that shows whether the way works. */
	reg_write(line, REG_IER, IER_EMPTY);
	reg_write(line, REG_IER, IER_RECEIVED);
}
