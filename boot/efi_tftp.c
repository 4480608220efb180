/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi_tftp.h"

#include "boot/efi_console.h"

/* RFC 2132, "DHCP Options". */
#define DHCP_PAD 0
#define DHCP_SERVER_ID 54
#define DHCP_BOOT_FILE 67
#define DHCP_END 255

/* RFC 1350: packets with data, the bytes before it, and what error code 1 means. */
#define TFTP_DATA 3
#define TFTP_NO_FILE 1
#define TFTP_HEADER_BYTES 4
/* What an Ethernet frame holds besides the headers of IP, UDP and TFTP. */
#define TFTP_BLOCK_BYTES 1468
/* Firmware sends each request several times, seconds apart, before it gives up a try. */
#define TRIES 2
#define TFTP_MAX_PATH 512

static EFI_PXE_BASE_CODE *pxe;
static EFI_HANDLE card;
static EFI_IP_ADDRESS server;
static CHAR16 server_text[48];
static CHAR16 complaint[160];
static void (*on_part)(UINT64 part_bytes);

/* `function` is no help: EDK II states the one before. */
static EFI_PXE_BASE_CODE_CALLBACK_STATUS EFIAPI
on_packet(struct _EFI_PXE_BASE_CODE_CALLBACK_PROTOCOL *me, EFI_PXE_BASE_CODE_FUNCTION function,
	  BOOLEAN is_received, UINT32 packet_bytes, EFI_PXE_BASE_CODE_PACKET *packet)
{
	(void)me;
	(void)function;
	if (is_received && on_part && packet_bytes > TFTP_HEADER_BYTES &&
	    packet->Raw[1] == TFTP_DATA)
		on_part(packet_bytes - TFTP_HEADER_BYTES);
	return EFI_PXE_BASE_CODE_CALLBACK_STATUS_CONTINUE;
}

static EFI_PXE_BASE_CODE_CALLBACK callback = { EFI_PXE_BASE_CODE_CALLBACK_PROTOCOL_REVISION,
					       on_packet };

/* ---- where this program came from ---- */

/* Option `code` of a DHCP packet, its length in `chars`; NULL where it has none. */
static const UINT8 *dhcp_option(const EFI_PXE_BASE_CODE_PACKET *packet, UINT8 code, UINTN *chars)
{
	const UINT8 *at = packet->Dhcpv4.DhcpOptions;
	const UINT8 *end = packet->Raw + sizeof(packet->Raw);

	while (at + 2 <= end && *at != DHCP_END && (*at == DHCP_PAD || at + 2 + at[1] <= end)) {
		if (*at == code) {
			*chars = at[1];
			return at + 2;
		}
		at += *at == DHCP_PAD ? 1 : 2 + at[1];
	}
	return NULL;
}

/* The boot file that `packet` names, the option before the fixed field. */
static BOOLEAN take_boot_file(const EFI_PXE_BASE_CODE_PACKET *packet, CHAR16 *out, UINTN chars)
{
	UINTN n = sizeof(packet->Dhcpv4.BootpBootFile), i;
	const UINT8 *name = dhcp_option(packet, DHCP_BOOT_FILE, &n);

	if (!name)
		name = packet->Dhcpv4.BootpBootFile;
	for (i = 0; i < n && i + 1 < chars && name[i]; i++)
		out[i] = name[i];
	out[i] = 0;
	return i > 0;
}

static void take_server(const EFI_PXE_BASE_CODE_PACKET *packet)
{
	UINTN n = 0;
	const UINT8 *address = packet->Dhcpv4.BootpSiAddr;
	const UINT8 *id = dhcp_option(packet, DHCP_SERVER_ID, &n);

	if (!(address[0] | address[1] | address[2] | address[3]) && n == 4)
		address = id;
	CopyMem(&server.v4, (void *)address, 4);
	SPrint(server_text, sizeof(server_text), L" on TFTP server %d.%d.%d.%d", address[0],
	       address[1], address[2], address[3]);
}

BOOLEAN tftp_open(EFI_HANDLE device, CHAR16 *boot_file, UINTN chars)
{
	const EFI_PXE_BASE_CODE_PACKET *packet;
	EFI_PXE_BASE_CODE_MODE *mode;
	BOOLEAN yes = TRUE;

	if (EFI_ERROR(BS->HandleProtocol(device, &PxeBaseCodeProtocol, (void **)&pxe)) ||
	    !pxe->Mode->Started || pxe->Mode->UsingIpv6) {
		pxe = NULL;
		return FALSE;
	}
	mode = pxe->Mode;
	packet = &mode->DhcpAck;
	if (mode->ProxyOfferReceived && take_boot_file(&mode->ProxyOffer, boot_file, chars))
		packet = &mode->ProxyOffer;
	if (mode->PxeReplyReceived && take_boot_file(&mode->PxeReply, boot_file, chars))
		packet = &mode->PxeReply;
	take_boot_file(packet, boot_file, chars);
	take_server(packet);
	card = device;
	if (!EFI_ERROR(BS->InstallProtocolInterface(&card, &PxeCallbackProtocol,
						    EFI_NATIVE_INTERFACE, &callback)))
		pxe->SetParameters(pxe, NULL, NULL, NULL, NULL, &yes);
	return TRUE;
}

const CHAR16 *tftp_server(void)
{
	return server_text;
}

void tftp_close(void)
{
	BOOLEAN no = FALSE;

	if (!pxe)
		return;
	pxe->SetParameters(pxe, NULL, NULL, NULL, NULL, &no);
	BS->UninstallProtocolInterface(card, &PxeCallbackProtocol, &callback);
	pxe = NULL;
}

/* ---- files ---- */

static EFI_STATUS request(EFI_PXE_BASE_CODE_TFTP_OPCODE what, const CHAR16 *path, void *to,
			  UINT64 *size_bytes)
{
	UINTN block_bytes = TFTP_BLOCK_BYTES;
	EFI_STATUS status = EFI_TIMEOUT;
	UINT8 name[TFTP_MAX_PATH];
	UINTN n = 0;

	for (; path[n] && n + 1 < sizeof(name); n++)
		name[n] = (UINT8)path[n];
	name[n] = 0;

	for (UINTN i = 1; i <= TRIES && status == EFI_TIMEOUT; i++) {
		if (i > 1)
			console_print(L"\r\n(lamina)     no answer%s, try %d of %d: %s",
				      server_text, i, TRIES, path);
		pxe->Mode->TftpErrorReceived = FALSE;
		status = pxe->Mtftp(pxe, what, to, FALSE, size_bytes, &block_bytes, &server,
				    name, NULL, FALSE);
	}
	if (status == EFI_TFTP_ERROR && pxe->Mode->TftpErrorReceived &&
	    pxe->Mode->TftpError.ErrorCode == TFTP_NO_FILE)
		return EFI_NOT_FOUND;
	return status;
}

EFI_STATUS tftp_size(const CHAR16 *path, UINT64 *size_bytes)
{
	on_part = NULL;
	*size_bytes = 0;
	return request(EFI_PXE_BASE_CODE_TFTP_GET_FILE_SIZE, path, NULL, size_bytes);
}

EFI_STATUS tftp_read(const CHAR16 *path, void *to, UINT64 size_bytes,
		     void (*progress)(UINT64 part_bytes))
{
	UINT64 got_bytes = size_bytes;
	EFI_STATUS status;

	on_part = progress;
	status = request(EFI_PXE_BASE_CODE_TFTP_READ_FILE, path, to, &got_bytes);
	on_part = NULL;
	return !EFI_ERROR(status) && got_bytes != size_bytes ? EFI_END_OF_FILE : status;
}

const CHAR16 *tftp_complaint(EFI_STATUS status)
{
	if (status == EFI_TIMEOUT)
		SPrint(complaint, sizeof(complaint), L"no answer in %d tries", TRIES);
	else if (status == EFI_TFTP_ERROR && pxe && pxe->Mode->TftpErrorReceived)
		SPrint(complaint, sizeof(complaint), L"the server says \"%a\"",
		       pxe->Mode->TftpError.ErrorString);
	else
		SPrint(complaint, sizeof(complaint), L"%r", status);
	return complaint;
}
