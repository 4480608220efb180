/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/mon/gdb.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/bits.h"

#define KEY_BREAK 0x03
#define ESCAPE '}'
#define ESCAPE_XOR 0x20
#define XML_BYTES 4096
#define TEXT_BYTES 400
#define REGS_BYTES 348 /* of packet g */

static const struct gdb_target *target;
static void (*put)(u8 byte);
static char in[GDB_PACKET_BYTES + 2]; /* the packet with a NUL behind it; too long if that full */
static char in_sum[4]; /* "#" and two digits */
static u32 in_len, sum_len, out_len;
static bool is_in_packet;
static char out[GDB_PACKET_BYTES + 1];
static bool is_attached, is_running;
static bool is_deferred; /* the packet is answered later, or never */
static u32 thread;	 /* that registers and memory are those of */

__attribute__((format(printf, 1, 2))) static void add(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	out_len += (u32)vsnprintf(out + out_len, sizeof(out) - out_len, fmt, ap);
	va_end(ap);
	out_len = MIN(out_len, GDB_PACKET_BYTES);
}

static void send(void)
{
	static const char digits[] = "0123456789abcdef";
	u8 sum = 0;

	put('$');
	for (u32 i = 0; i < out_len; i++) {
		put((u8)out[i]);
		sum = (u8)(sum + out[i]);
	}
	put('#');
	put((u8)digits[sum >> 4]);
	put((u8)digits[sum & 15]);
}

static void result(enum err e)
{
	if (e != ERR_UNSUPPORTED) /* to that the answer is empty */
		add("%s", !e ? "OK" : e == ERR_FAULT ? "E14" : "E22");
}

/* --- what packets consist of --- */

/* A number in hex and, if that is not NUL, `behind` it. */
static bool number(const char **p, u64 *value, char behind)
{
	char *end;

	*value = strtoull(*p, &end, 16);
	if (end == *p || (behind && *end != behind))
		return false;
	*p = end + (behind != 0);
	return true;
}

static bool bytes_get(const char **p, void *bytes, u64 n)
{
	for (u8 *byte = bytes; n; n--, *p += 2) {
		const char digits[] = { (*p)[0], (*p)[0] ? (*p)[1] : '\0', '\0' };

		if (!isxdigit((u8)digits[0]) || !isxdigit((u8)digits[1]))
			return false;
		*byte++ = (u8)strtoul(digits, NULL, 16);
	}
	return true;
}

static void bytes_add(const void *bytes, u64 n)
{
	for (const u8 *byte = bytes; n; n--)
		add("%02x", *byte++);
}

/* A thread that is there; any (0) and all (-1) are 0. */
static bool thread_get(const char **p, u64 *id)
{
	if (!number(p, id, 0))
		return false;
	*id = *id == ~0ull ? 0 : *id;
	return *id <= target->nr_threads();
}

/* --- registers --- */

static u32 reg_bytes(u32 reg)
{
	if (reg <= GDB_RIP || reg >= GDB_FS_BASE)
		return 8;
	return reg >= GDB_FPU && reg < GDB_FPU + 8 ? 10 : 4;
}

static const char *target_xml(void)
{
	static const char names[] =
		"rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds "
		"es fs gs st0 st1 st2 st3 st4 st5 st6 st7 fctrl fstat ftag fiseg fioff foseg fooff "
		"fop fs_base gs_base k_gs_base cr0 cr2 cr3 cr4 cr8 efer ";
	static char xml[XML_BYTES];
	const char *name = names;
	int n = snprintf(xml, XML_BYTES,
			 "<?xml version=\"1.0\"?><target version=\"1.0\">"
			 "<architecture>i386:x86-64</architecture>"
			 "<feature name=\"org.gnu.gdb.i386.core\">");

	for (u32 reg = 0; reg < GDB_NR_REGS; reg++) {
		int len = (int)strcspn(name, " ");
		u32 bits = 8 * reg_bytes(reg);

		n += snprintf(xml + n, (size_t)(XML_BYTES - n),
			      "<reg name=\"%.*s\" bitsize=\"%u\" type=\"%s\"/>", len, name, bits,
			      bits == 80       ? "i387_ext"
			      : reg == GDB_RIP ? "code_ptr"
			      : bits == 64     ? "int64"
					       : "int32");
		name += len + 1;
	}
	snprintf(xml + n, (size_t)(XML_BYTES - n), "</feature></target>");
	return xml;
}

/* g, G: all of them. */
static void packet_regs(const char *p)
{
	struct gdb_request r = { .op = GDB_REGS, .thread = thread };
	bool is_write = in[0] == 'G';
	enum err e = is_write && strlen(p) != 2 * REGS_BYTES ? ERR_INVAL : target->serve(&r);

	for (u32 reg = 0; reg < GDB_NR_REGS && !e; reg++) {
		bool is_known = reg < GDB_FPU || reg >= GDB_FS_BASE;
		u8 unknown[10], *bytes = is_known ? (u8 *)&r.regs[reg] : unknown;

		if (is_write)
			e = bytes_get(&p, bytes, reg_bytes(reg)) ? ERR_NONE : ERR_INVAL;
		else if (is_known)
			bytes_add(bytes, reg_bytes(reg));
		else
			add("%.*s", 2 * (int)reg_bytes(reg), "xxxxxxxxxxxxxxxxxxxx");
	}
	r.is_write = true;
	if (e || is_write)
		result(e ? e : target->serve(&r));
}

/* --- the other packets --- */

/* m, M, X: address and length, then for M in hex, for X as it is, the bytes to write. */
static void packet_memory(const char *p)
{
	static u8 buf[GDB_PACKET_BYTES / 2];
	bool is_read = in[0] == 'm';
	struct gdb_request r = {
		.op = GDB_MEMORY, .thread = thread, .is_write = !is_read, .buf = buf
	};
	bool is_right = number(&p, &r.address, ',') &&
			number(&p, &r.len_bytes, is_read ? '\0' : ':');
	enum err e;

	if (is_read)
		r.len_bytes = MIN(r.len_bytes, sizeof(buf));
	else if (in[0] == 'M')
		is_right = is_right && r.len_bytes <= sizeof(buf) &&
			   bytes_get(&p, buf, r.len_bytes);
	else
		is_right = is_right && r.len_bytes == (u64)(in + in_len - p);
	if (in[0] == 'X')
		r.buf = (u8 *)p;
	e = is_right ? target->serve(&r) : ERR_INVAL;
	if (e || !is_read)
		return result(e);
	bytes_add(buf, r.len_bytes);
}

/* Z, z: set, take away. */
static void packet_point(const char *p)
{
	struct gdb_request r = { .op = GDB_POINT, .thread = thread, .is_write = in[0] == 'Z' };
	u64 kind;

	if (!number(&p, &kind, ',') || !number(&p, &r.address, ',') ||
	    !number(&p, &r.len_bytes, '\0'))
		return result(ERR_INVAL);
	r.kind = (u8)kind;
	result(kind > GDB_ACCESS ? ERR_UNSUPPORTED : target->serve(&r));
}

/* gdb_stopped() answers whatever makes the target go or stop. */
static void run_until_stop(void)
{
	is_running = true;
	is_deferred = true;
}

/* vCont: a thread's action is the first that names it, or names none. */
static void packet_go(const char *p)
{
	u8 actions[GDB_MAX_THREADS + 1] = { 0 };
	u32 nr = 0;

	while (*p == ';') {
		u8 action = (p[1] | 0x20) == 's' ? GDB_STEP : GDB_GO;
		u64 id = 0;

		if ((p[1] | 0x20) != 's' && (p[1] | 0x20) != 'c')
			return result(ERR_INVAL);
		p += 1 + strcspn(p + 1, ":;"); /* signals mean nothing here */
		if (*p == ':' && (p++, !thread_get(&p, &id)))
			return result(ERR_INVAL);
		for (u64 i = id ? id : 1; i <= (id ? id : target->nr_threads()); i++)
			actions[i] = actions[i] ? actions[i] : action, nr++;
	}
	if (*p || is_running || !nr)
		return result(ERR_INVAL);
	run_until_stop();
	target->go(actions);
}

static void packet_stop(const char *rest __unused_arg)
{
	run_until_stop();
	target->halt(GDB_SIGTRAP);
}

static void packet_attach(const char *p)
{
	u64 process;

	if (!number(&p, &process, '\0') || target->attach((u32)process))
		return result(ERR_INVAL);
	thread = 1;
	packet_stop(p);
}

/* D, k: let it go, or kill it. */
static void packet_leave(const char *rest __unused_arg)
{
	is_deferred = in[0] == 'k';
	target->leave(is_deferred);
	is_attached = false;
	is_running = true;
	result(ERR_NONE);
}

/* H, T: a thread to look at, or is it there? */
static void packet_thread(const char *p)
{
	bool is_chosen = in[0] == 'H';
	u64 id;

	p += is_chosen && *p;
	if (!thread_get(&p, &id))
		return result(ERR_INVAL);
	thread = is_chosen && id ? (u32)id : thread;
	result(ERR_NONE);
}

static void packet_text(u32 id, const char *command)
{
	char text[TEXT_BYTES] = { 0 };

	target->text(id, command, text, sizeof(text));
	bytes_add(text, strlen(text));
	if (!out_len)
		result(ERR_NONE);
}

static void packet_command(const char *p)
{
	char command[TEXT_BYTES] = { 0 };

	(void)bytes_get(&p, command, MIN(strlen(p) / 2, TEXT_BYTES - 1u));
	packet_text(thread, command);
}

/* The part of the text that packet qXfer wants: offset,length. */
static void packet_xml(const char *p)
{
	const char *xml = target_xml();
	u64 offset, len, whole = strlen(xml);

	if (!number(&p, &offset, ',') || !number(&p, &len, '\0') || offset > whole)
		return result(ERR_INVAL);
	len = MIN(len, GDB_PACKET_BYTES - 1u);
	add("%c%.*s", offset + len < whole ? 'm' : 'l', (int)len, xml + offset);
}

static void packet_threads(const char *rest __unused_arg)
{
	for (u32 id = 1; id <= target->nr_threads(); id++)
		add("%c%x", id == 1 ? 'm' : ',', id);
}

static void packet_thread_text(const char *p)
{
	u64 id;

	if (thread_get(&p, &id) && id)
		packet_text((u32)id, NULL);
}

_Static_assert(GDB_PACKET_BYTES == 0x400, "PacketSize in the answer to qSupported");

/* By how packets begin; the first that fits. */
static const struct {
	const char *name;
	void (*serve)(const char *rest);
	const char *answer; /* instead */
} packets[] = {
	{ "!", .answer = "OK" }, { "?", .serve = packet_stop },
	{ "g", .serve = packet_regs }, { "G", .serve = packet_regs },
	{ "m", .serve = packet_memory }, { "M", .serve = packet_memory },
	{ "X", .serve = packet_memory },
	{ "Z", .serve = packet_point }, { "z", .serve = packet_point },
	{ "H", .serve = packet_thread }, { "T", .serve = packet_thread },
	{ "D", .serve = packet_leave }, { "k", .serve = packet_leave },
	{ "vCont?", .answer = "vCont;c;C;s;S" }, { "vCont", .serve = packet_go },
	{ "vAttach;", .serve = packet_attach },
	{ "qSupported",
	  .answer = "PacketSize=400;qXfer:features:read+;swbreak+;hwbreak+;vContSupported+" },
	{ "qXfer:features:read:target.xml:", .serve = packet_xml },
	{ "qfThreadInfo", .serve = packet_threads }, { "qsThreadInfo", .answer = "l" },
	{ "qThreadExtraInfo,", .serve = packet_thread_text },
	{ "qAttached", .answer = "1" }, { "qRcmd,", .serve = packet_command },
};

static void packet(void)
{
	if (is_running && in_len && strchr("gGmMXzZDk", in[0]))
		return result(ERR_INVAL);
	for (u32 i = 0; i < ARRAY_SIZE(packets); i++) {
		size_t len = strlen(packets[i].name);

		if (strncmp(in, packets[i].name, len))
			continue;
		if (packets[i].serve)
			return packets[i].serve(in + len);
		return add("%s", packets[i].answer);
	}
}

/* --- the line --- */

static void packet_end(void)
{
	u32 len = 0;
	u8 sum = 0;

	for (u32 i = 0; i < in_len; i++)
		sum = (u8)(sum + in[i]);
	if (in_len > GDB_PACKET_BYTES || sum != strtoul(in_sum + 1, NULL, 16))
		return put('-');
	put('+');
	for (u32 i = 0; i < in_len; i++)
		in[len++] =
			(char)(in[i] == ESCAPE && i + 1 < in_len ? in[++i] ^ ESCAPE_XOR : in[i]);
	in_len = len;
	in[in_len] = '\0';
	is_attached = true;
	is_deferred = false;
	out_len = 0;
	packet();
	if (!is_deferred)
		send();
}

void gdb_input(u8 byte)
{
	if (byte == '$') { /* inside of a packet it would be escaped */
		is_in_packet = true;
		in_len = sum_len = 0;
	} else if (is_in_packet && (sum_len || byte == '#')) {
		in_sum[sum_len++] = (char)byte;
		is_in_packet = sum_len < 3;
		if (!is_in_packet)
			packet_end();
	} else if (is_in_packet) {
		in[in_len] = (char)byte;
		in_len += in_len <= GDB_PACKET_BYTES;
	} else if (byte == '-' && is_attached) {
		send();
	} else if (byte == KEY_BREAK && is_attached && is_running) {
		target->halt(GDB_SIGINT);
	}
}

void gdb_stopped(u32 id, u8 signal, const char *why)
{
	is_running = false;
	thread = id;
	out_len = 0;
	add("T%02xthread:%x;%s", signal, id, why);
	send();
}

void gdb_exited(void)
{
	out_len = 0;
	add("W00");
	send();
	is_attached = false;
}

bool gdb_is_attached(void)
{
	return is_attached;
}

void gdb_start(const struct gdb_target *to, void (*put_byte)(u8 byte))
{
	target = to;
	put = put_byte;
	is_in_packet = false;
	is_attached = false;
	is_running = true;
	out_len = 0;
	thread = 1;
}
