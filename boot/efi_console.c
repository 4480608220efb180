/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_console.h"

#include <sys/io.h>

#define COM1_PORT 0x3f8
#define UART_DATA 0
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCRATCH 7
#define UART_LCR_8N1 0x03
#define UART_LCR_DLAB 0x80
#define UART_LSR_THRE 0x20
#define UART_WAIT_POLLS 100000 /* far longer than a character takes */

#define LINE_CHARS 512

static BOOLEAN serial_used, is_echoed;
static enum checkpoint checkpoint;
static EFI_STATUS first_status; /* of the first error */

/* A 16550 keeps what is written to its scratch register; an empty port reads as ones. */
static BOOLEAN serial_answers(void)
{
	outb(0x5a, COM1_PORT + UART_SCRATCH);
	if (inb(COM1_PORT + UART_SCRATCH) != 0x5a)
		return FALSE;
	outb(0xa5, COM1_PORT + UART_SCRATCH);
	return inb(COM1_PORT + UART_SCRATCH) == 0xa5;
}

/* 115200 baud, 8N1, FIFO on, no interrupts. */
static void serial_setup(void)
{
	outb(0, COM1_PORT + UART_IER);
	outb(UART_LCR_DLAB | UART_LCR_8N1, COM1_PORT + UART_LCR);
	outb(1, COM1_PORT + UART_DATA);
	outb(0, COM1_PORT + UART_IER);
	outb(UART_LCR_8N1, COM1_PORT + UART_LCR);
	outb(0x07, COM1_PORT + UART_FCR);
	outb(0x03, COM1_PORT + UART_MCR);
}

static void serial_put(UINT8 c)
{
	for (UINTN i = 0; i < UART_WAIT_POLLS && !(inb(COM1_PORT + UART_LSR) & UART_LSR_THRE); i++)
		;
	outb(c, COM1_PORT + UART_DATA);
}

static BOOLEAN path_has_uart(const UINT8 *path, UINTN size_bytes)
{
	const EFI_DEVICE_PATH *node;
	UINTN node_bytes = sizeof(*node);

	for (UINTN i = 0; i + sizeof(*node) <= size_bytes && node_bytes >= sizeof(*node);
	     i += node_bytes) {
		node = (const EFI_DEVICE_PATH *)(path + i);
		if (DevicePathType(node) == MESSAGING_DEVICE_PATH &&
		    DevicePathSubType(node) == MSG_UART_DP)
			return TRUE;
		node_bytes = (UINTN)DevicePathNodeLength(node);
	}
	return FALSE;
}

/* Whether the firmware sends its text output to a serial port: ConOut names all its devices. */
static BOOLEAN firmware_echoes(void)
{
	EFI_GUID global = EFI_GLOBAL_VARIABLE;
	UINTN size_bytes = 0;
	UINT8 *path = LibGetVariableAndSize((CHAR16 *)L"ConOut", &global, &size_bytes);
	BOOLEAN found;

	if (!path)
		return FALSE;
	found = path_has_uart(path, size_bytes);
	FreePool(path);
	return found;
}

BOOLEAN console_has_serial(void)
{
	return serial_used || is_echoed;
}

void console_open(void)
{
	is_echoed = firmware_echoes();
	serial_used = !is_echoed && serial_answers();
	if (serial_used)
		serial_setup();
}

static void put_line(CHAR16 *text)
{
	if (ST->ConOut)
		ST->ConOut->OutputString(ST->ConOut, text);
	for (; serial_used && *text; text++)
		serial_put(*text < 0x7f ? (UINT8)*text : '?');
}

/* gnu-efi turns a lone \n into \r\n only in Print(), so texts here say \r\n themselves. */
static void print_list(const CHAR16 *fmt, va_list ap)
{
	CHAR16 line[LINE_CHARS];

	UnicodeVSPrint(line, sizeof(line), fmt, ap);
	put_line(line);
}

void console_print(const CHAR16 *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_list(fmt, ap);
	va_end(ap);
}

void console_checkpoint(enum checkpoint code)
{
	checkpoint = code;
	outb(checkpoints[code].post, POST_PORT);
	console_print(L"(lamina) %a %a\r\n", checkpoints[code].name, checkpoints[code].what);
}

struct error_text {
	const char *name;
	EFI_STATUS status;
	const char *hint;
};

BOOLEAN console_error(enum loader_error e, const CHAR16 *fmt, ...)
{
	static const struct error_text texts[] = {
		{ "", EFI_SUCCESS, "" },
#define ERROR(id, name, status, hint) { name, status, hint },
#include "boot/errors.def"
#undef ERROR
	};
	va_list ap;

	console_print(L"(lamina) %a: ", texts[e].name);
	va_start(ap, fmt);
	print_list(fmt, ap);
	va_end(ap);
	console_print(L"\r\n(lamina) hint: ");
	console_print(L"%a\r\n", texts[e].hint);
	if (!EFI_ERROR(first_status))
		first_status = texts[e].status;
	return FALSE;
}

EFI_STATUS console_stop(UINTN seconds)
{
	console_print(L"(lamina) stopped at checkpoint %a, back to the firmware\r\n",
		      checkpoints[checkpoint].name);
	if (ST->ConIn && ST->ConIn->WaitForKey) {
		console_print(L"(lamina) press a key, or wait %d seconds\r\n", seconds);
		WaitForSingleEvent(ST->ConIn->WaitForKey, seconds * 10000000);
	}
	return first_status;
}
