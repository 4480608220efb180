/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: core/mon/gdb.c */
/* GDB's protocol, packet by packet, and what is wrong with packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/host/gdb_fixture.h"

#define __unused_arg __attribute__((unused))

static void feed(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		gdb_input((u8)bytes[i]);
}

/* What comes back for `text`: the payload of the answer, whose checksum is looked at. */
static const char *ask_bytes(const char *text, size_t len)
{
	static char answer[sizeof(fix_sent)];
	char tail[4];
	unsigned sum = 0;
	char *end;

	fix_nr_sent = 0;
	memset(fix_sent, 0, sizeof(fix_sent));
	for (size_t i = 0; i < len; i++)
		sum += (u8)text[i];
	gdb_input('$');
	feed(text, len);
	snprintf(tail, sizeof(tail), "#%02x", sum & 0xff);
	feed(tail, 3);
	assert_int_equal(fix_sent[0], '+');
	if (!fix_sent[1])
		return "nothing";
	assert_int_equal(fix_sent[1], '$');
	end = strchr(fix_sent, '#');
	assert_non_null(end);
	sum = 0;
	for (char *c = fix_sent + 2; c < end; c++)
		sum += (u8)*c;
	snprintf(tail, sizeof(tail), "%02x", sum & 0xff);
	assert_string_equal(end + 1, tail);
	*end = '\0';
	strcpy(answer, fix_sent + 2);
	return answer;
}

static const char *ask(const char *text)
{
	return ask_bytes(text, strlen(text));
}

static int setup(void **state __unused_arg)
{
	fix_start();
	fix_stops_at_once = true;
	for (u32 i = 0; i < FIX_BYTES; i++)
		fix_memory[i] = (u8)i;
	ask("?");
	return 0;
}

static void test_checksum(void **state __unused_arg)
{
	fix_nr_sent = 0;
	feed("$m1000,4#00", 11);
	assert_memory_equal(fix_sent, "-", fix_nr_sent);
	fix_nr_sent = 0;
	feed("$m1000,4#8z", 11);
	assert_memory_equal(fix_sent, "-", fix_nr_sent);
	/* One that was cut off, and the next. */
	feed("$m10", 4);
	assert_string_equal(ask("m1000,4"), "00010203");
	/* Asked for once more. */
	fix_nr_sent = 0;
	gdb_input('-');
	assert_memory_equal(fix_sent, "$00010203#86", 12);
}

static void test_too_long(void **state __unused_arg)
{
	static char text[GDB_PACKET_BYTES + 100];

	memset(text, '0', sizeof(text));
	fix_nr_sent = 0;
	gdb_input('$');
	feed(text, sizeof(text));
	feed("#00", 3);
	assert_memory_equal(fix_sent, "-", fix_nr_sent);
	/* As long as can be. */
	memcpy(text, "m", 1);
	assert_string_equal(ask_bytes(text, GDB_PACKET_BYTES), "E22");
}

static void test_features(void **state __unused_arg)
{
	char xml[8192] = "";
	char question[80];
	const char *part;

	assert_non_null(strstr(ask("qSupported:swbreak+"), "PacketSize=400;"));
	do {
		snprintf(question, sizeof(question), "qXfer:features:read:target.xml:%zx,100",
			 strlen(xml));
		part = ask(question);
		assert_true(*part == 'm' || *part == 'l');
		strcat(xml, part + 1);
	} while (*part == 'm');
	assert_non_null(strstr(xml, "<reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\"/>"));
	assert_non_null(strstr(xml, "<reg name=\"st7\" bitsize=\"80\" type=\"i387_ext\"/>"));
	assert_non_null(
		strstr(xml, "<reg name=\"efer\" bitsize=\"64\" type=\"int64\"/></feature>"));
	assert_string_equal(ask("qXfer:features:read:target.xml:ffffff,100"), "E22");
	assert_string_equal(ask("qXfer:features:read:target.xml:0"), "E22");
	assert_string_equal(ask("qXfer:features:read:other.xml:0,10"), "");
}

static void test_registers(void **state __unused_arg)
{
	char text[2 * 348 + 2];

	fix_regs[2][GDB_RAX] = 0x1122334455667788;
	fix_regs[2][GDB_EFLAGS] = 0x246;
	fix_regs[2][GDB_EFER] = 0xd01;
	assert_string_equal(ask("Hg2"), "OK");
	snprintf(text, sizeof(text), "G%s", ask("g"));
	assert_int_equal(strlen(text), 2 * 348 + 1);
	assert_memory_equal(text + 1, "8877665544332211", 16);
	assert_memory_equal(text + 1 + 2 * 17 * 8, "46020000", 8);
	assert_memory_equal(text + 1 + 2 * (17 * 8 + 7 * 4), "xxxx", 4);
	assert_string_equal(text + 1 + 2 * 340, "010d000000000000");
	assert_string_equal(ask(text), "E22"); /* GDB sends digits for what it does not know */
	memset(text + 1 + 2 * (17 * 8 + 7 * 4), '0', 2 * (8 * 10 + 8 * 4));
	memcpy(text + 1, "99", 2);
	assert_string_equal(ask(text), "OK");
	assert_int_equal(fix_regs[2][GDB_RAX], 0x1122334455667799);
	assert_int_equal(fix_regs[2][GDB_EFLAGS], 0x246);
	assert_string_equal(ask("G00"), "E22");
	assert_string_equal(ask("Hg3"), "E22");
	assert_string_equal(ask("Hgx"), "E22");
	assert_string_equal(ask("T2"), "OK");
	assert_string_equal(ask("T3"), "E22");
}

static void test_memory(void **state __unused_arg)
{
	assert_string_equal(ask("m10fe,3"), "feff00");
	assert_string_equal(ask("m1fff,2"), "E14");
	assert_string_equal(ask("m0,1"), "E14");
	assert_string_equal(ask("mffffffffffffffff,2"), "E14");
	assert_int_equal(strlen(ask("m1000,ffffffff")), GDB_PACKET_BYTES);
	assert_string_equal(ask("m1000"), "E22");
	assert_string_equal(ask("m,4"), "E22");
	assert_string_equal(ask("M1000,2:abcd"), "OK");
	assert_memory_equal(fix_memory, "\xab\xcd\x02", 3);
	assert_string_equal(ask("M1000,2:ab"), "E22");
	assert_string_equal(ask("M1000,2:abzz"), "E22");
	assert_string_equal(ask("M1000,ffffffffffffffff:ab"), "E22");
	/* '#', '$', '}' and '*' as they come over the line, and a NUL. */
	assert_string_equal(ask_bytes("X1000,5:}\x03}\x04}]}\x0a\0", 17), "OK");
	assert_memory_equal(fix_memory, "#$}*\0", 5);
	assert_string_equal(ask("X1000,5:abcd"), "E22");
	assert_string_equal(ask("X1000,0:"), "OK");
}

static void test_points(void **state __unused_arg)
{
	assert_string_equal(ask("Z0,1234,1"), "OK");
	assert_int_equal(fix_points, 1);
	assert_int_equal(fix_point_address, 0x1234);
	assert_string_equal(ask("z0,1234,1"), "OK");
	assert_int_equal(fix_points, 0);
	assert_string_equal(ask("Z3,1234,1"), "");
	assert_string_equal(ask("Z5,1234,1"), "");
	assert_string_equal(ask("Z100,1234,1"), "");
	assert_string_equal(ask("Z1,1234"), "E22");
}

static void test_go(void **state __unused_arg)
{
	assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
	assert_string_equal(ask("vCont"), "E22");
	assert_string_equal(ask("vCont;x:1"), "E22");
	assert_string_equal(ask("vCont;s:3"), "E22");
	assert_string_equal(ask("vCont;s:1,c"), "E22");
	assert_int_equal(fix_going, 0);
	assert_string_equal(ask("vCont;s:2;c:-1"), "nothing");
	assert_int_equal(fix_going, 1);
	assert_int_equal(fix_actions[1], GDB_GO);
	assert_int_equal(fix_actions[2], GDB_STEP);
	/* It runs: nothing to be looked at, and it cannot go once more. */
	assert_string_equal(ask("g"), "E22");
	assert_string_equal(ask("m1000,1"), "E22");
	assert_string_equal(ask("Z0,0,1"), "E22");
	assert_string_equal(ask("D"), "E22");
	assert_string_equal(ask("vCont;c"), "E22");
	fix_stops_at_once = false;
	gdb_input(0x03);
	assert_int_equal(fix_halts, 2);
	fix_nr_sent = 0;
	gdb_stopped(2, GDB_SIGINT, "");
	assert_memory_equal(fix_sent, "$T02thread:2;#d5", 16);
	gdb_input(0x03); /* stands already */
	assert_int_equal(fix_halts, 2);
	assert_string_equal(ask("vCont;C05:1"), "nothing");
	assert_int_equal(fix_actions[1], GDB_GO);
	assert_int_equal(fix_actions[2], GDB_STAY);
	fix_nr_sent = 0;
	gdb_exited();
	assert_memory_equal(fix_sent, "$W00#b7", 7);
	assert_false(gdb_is_attached());
}

static void test_leave(void **state __unused_arg)
{
	assert_true(gdb_is_attached());
	assert_string_equal(ask("D"), "OK");
	assert_int_equal(fix_left, 1);
	assert_int_equal(fix_kills, 0);
	assert_false(gdb_is_attached());
	gdb_input(0x03);
	assert_int_equal(fix_halts, 1);
	assert_string_equal(ask("vAttach;8"), "E22");
	assert_string_equal(ask("vAttach;"), "E22");
	assert_string_equal(ask("vAttach;7"), "T05thread:1;");
	assert_string_equal(ask("k"), "nothing");
	assert_int_equal(fix_kills, 1);
}

static void test_queries(void **state __unused_arg)
{
	assert_string_equal(ask("qfThreadInfo"), "m1,2");
	assert_string_equal(ask("qsThreadInfo"), "l");
	assert_string_equal(ask("qThreadExtraInfo,1"), "6120746872656164");
	assert_string_equal(ask("qThreadExtraInfo,3"), "");
	assert_string_equal(ask("qRcmd,70687973"), "OK");
	assert_string_equal(fix_command, "phys");
	assert_string_equal(ask("qRcmd,"), "6120746872656164");
	assert_string_equal(ask("qAttached"), "1");
	assert_string_equal(ask("vMustReplyEmpty"), "");
	assert_string_equal(ask("qTStatus"), "");
	assert_string_equal(ask("_unheard of"), "");
	assert_string_equal(ask(""), "");
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = { T(checksum),  T(too_long), T(features),
					    T(registers), T(memory),   T(points),
					    T(go),	  T(leave),    T(queries) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
