/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: boot/config.c boot/toml.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/config.h"

#define VM "[[vm]]\nname = \"a\"\nmemory = \"64M\"\nkernel = \"/k\"\n"

static struct lamina_config config;

/* Parse a copy without NUL behind it, so that the sanitizer sees every read beyond the end. */
static bool parse_bytes(const char *text, size_t len, char *message)
{
	char *copy = malloc(len ? len : 1);
	bool is_good;

	assert_non_null(copy);
	memcpy(copy, text, len);
	is_good = config_parse(copy, len, &config, message);
	free(copy);
	return is_good;
}

static void assert_good(const char *text)
{
	char message[TOML_MAX_MESSAGE];

	if (!parse_bytes(text, strlen(text), message))
		fail_msg("%s", message);
}

static void assert_message(const char *text, size_t len, const char *expected)
{
	char message[TOML_MAX_MESSAGE];

	if (parse_bytes(text, len, message))
		fail_msg("accepted: %s", text);
	assert_string_equal(message, expected);
}

static void assert_bad(const char *text, const char *expected)
{
	assert_message(text, strlen(text), expected);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_good(VM);
	assert_int_equal(config.on_end, CONFIG_ON_END_POWEROFF);
	assert_int_equal(config.debug_exit, 0);
	assert_int_equal(config.log_level, CONFIG_LOG_INFO);
	assert_int_equal(config.escape, 0x1d);
	assert_int_equal(config.smt, 0);
	assert_int_equal(config.nr_vms, 1);
	assert_int_equal(config.vm[0].cpus, 1);
	assert_int_equal(config.vm[0].testdev, 0);
	assert_int_equal(config.vm[0].on_reset, CONFIG_RESTART);
	assert_int_equal(config.vm[0].on_crash, CONFIG_END);
	assert_int_equal(config.vm[0].nr_modules, 0);
	assert_string_equal(config.vm[0].cmdline, "");
}

static void test_every_key(void **state)
{
	const struct vm_config *vm = &config.vm[0];

	(void)state;
	assert_good("[lamina]\non_end = \"stay\"\ndebug_exit = true\nlog_level = 'debug'\n"
		    "escape = \"ctrl-a\"\nsmt = true\n"
		    "[[vm]]\nname = \"one.A_b-2\"\ncpus = 64\nmemory = \"1G\"\n"
		    "kernel = \"EFI\\\\vmlinuz\"\nmodules = [ 'a b', \"c\", ]\n"
		    "cmdline = \"x=\\\"1\\\" \xc3\xa4\"\ntestdev = true\non_reset = \"end\"\n"
		    "on_crash = \"restart\"\n"
		    "[[vm]]\nname = \"two\"\nmemory = \"2048K\"\nkernel = \"k\"\n"
		    "initrd = \"i\"\ncpus = 1\n");
	assert_int_equal(config.on_end, CONFIG_ON_END_STAY);
	assert_int_equal(config.debug_exit, 1);
	assert_int_equal(config.log_level, CONFIG_LOG_DEBUG);
	assert_int_equal(config.escape, 1);
	assert_int_equal(config.nr_vms, 2);
	assert_string_equal(vm->name, "one.A_b-2");
	assert_int_equal(vm->cpus, 64);
	assert_int_equal(config.smt, 1);
	assert_true(vm->memory_bytes == UINT64_C(1) << 30);
	assert_int_equal(vm->memory_line, 10);
	assert_string_equal(vm->kernel.path, "EFI\\vmlinuz");
	assert_int_equal(vm->kernel.line, 11);
	assert_int_equal(vm->nr_modules, 2);
	assert_string_equal(vm->modules[0].path, "a b");
	assert_string_equal(vm->modules[1].path, "c");
	assert_int_equal(vm->modules[1].line, 12);
	assert_string_equal(vm->cmdline, "x=\"1\" \xc3\xa4");
	assert_int_equal(vm->testdev, 1);
	assert_int_equal(vm->on_reset, CONFIG_END);
	assert_int_equal(vm->on_crash, CONFIG_RESTART);
	assert_true(config.vm[1].memory_bytes == UINT64_C(2) << 20);
	assert_int_equal(config.vm[1].nr_modules, 1);
	assert_string_equal(config.vm[1].modules[0].path, "i");
}

static void test_layout_of_text(void **state)
{
	(void)state;
	assert_good("\xef\xbb\xbf# comment \xe2\x82\xac\r\n\r\n\t[[ vm ]] # c\r\n"
		    "name='a'#x\r\nmemory\t=\t'2M'\r\n kernel = \"k\" \r\n"
		    "modules = [\n# none\n\"a\" # one\n,\r\n'b'\n]");
	assert_int_equal(config.vm[0].nr_modules, 2);
	assert_good(VM "modules = []\n");
	assert_int_equal(config.vm[0].nr_modules, 0);
	assert_good(VM "cmdline = '\\u0041\\'");
	assert_string_equal(config.vm[0].cmdline, "\\u0041\\");
	assert_good(VM "cmdline = \"A\xf0\x9f\x98\x80\\\\\"");
	assert_string_equal(config.vm[0].cmdline, "A\xf0\x9f\x98\x80\\");
	assert_good(VM "[lamina]\n");
	assert_good(VM "cpus =3");
	assert_int_equal(config.vm[0].cpus, 3);
}

static void test_nothing_to_run(void **state)
{
	(void)state;
	assert_bad("", "1:1: no [[vm]] table: there is nothing to run");
	assert_bad("# x\n\n", "3:1: no [[vm]] table: there is nothing to run");
	assert_bad("[lamina]\non_end = \"reset\"\n",
		   "3:1: no [[vm]] table: there is nothing to run");
}

static void test_missing_keys(void **state)
{
	(void)state;
	assert_bad("\n[[vm]]\nmemory = \"2M\"\nkernel = \"k\"\n",
		   "2:1: name is missing in this [[vm]]");
	assert_bad("[[vm]]\nname = \"a\"\nkernel = \"k\"\n" VM,
		   "1:1: memory is missing in this [[vm]]");
	assert_bad(VM "[[vm]]\nname = \"b\"\nmemory = \"2M\"\n[lamina]\n",
		   "5:1: kernel is missing in this [[vm]]");
}

static void test_tables(void **state)
{
	(void)state;
	assert_bad("[vm]\n", "1:1: vm: write [[vm]], one for each VM");
	assert_bad("[[lamina]]\n", "1:1: lamina: write [lamina], there is only one");
	assert_bad("  [VM]\n", "1:3: VM: unknown table; tables: [lamina], [[vm]]");
	assert_bad("[[net]]\n", "1:1: net: unknown table; tables: [lamina], [[vm]]");
	assert_bad("[lamina]\n" VM "[lamina]\n",
		   "6:1: lamina: [lamina] given twice, first in line 1");
	assert_bad("[vm.disk]\n", "1:4: vm: expected ], found '.'");
	assert_bad("[\"vm\"]\n", "1:2: expected a key or a table, found '\"'");
	assert_bad("[[vm]\n", "1:5: vm: expected ]], found ']'");
	assert_bad("[lamina\n", "1:8: lamina: expected ], found the end of the line");
	assert_bad("[]\n", "1:2: expected a key or a table, found ']'");
	assert_bad("[lamina] x\n", "1:10: lamina: expected the end of the line, found 'x'");
	assert_bad("[", "1:2: expected a key or a table, found the end of the file");
}

static void test_keys(void **state)
{
	(void)state;
	assert_bad("name = \"a\"\n",
		   "1:1: name: keys stand below a table; tables: [lamina], [[vm]]");
	assert_bad(VM "  Name = \"b\"\n",
		   "5:3: Name: unknown key in [[vm]]; allowed: name, cpus, weight, pin, memory, "
		   "kernel, initrd, modules, cmdline, testdev, lapic, on_reset, on_crash");
	assert_bad("[lamina]\ncpus = 1\n",
		   "2:1: cpus: unknown key in [lamina]; allowed: on_end, debug_exit, log_level, "
		   "escape, smt, gdb");
	assert_bad(VM "memory = \"64M\"\n", "5:1: memory: given twice, first in line 3");
	assert_bad(VM "cpus\n", "5:5: cpus: expected =, found the end of the line");
	assert_bad(VM "cpus : 1\n", "5:6: cpus: expected =, found ':'");
	assert_bad(VM "= 1\n", "5:1: expected a key or a table, found '='");
	assert_bad(VM "\"cpus\" = 1\n", "5:1: expected a key or a table, found '\"'");
	assert_bad(VM "a.b = 1\n", "5:2: a: expected =, found '.'");
	assert_bad(VM "abcdefghijklmnopqrstuvwxyz_012345 = 1\n",
		   "5:1: abcdefghijklmnopqrstuvwxyz_0123: the key is longer than 31 characters");
	assert_bad(VM "cpus = 1 memory = 2\n",
		   "5:10: cpus: expected the end of the line, found 'm'");
	/* The same key in another [[vm]] is no duplicate. */
	assert_good(VM "[[vm]]\nname = \"b\"\nmemory = \"64M\"\nkernel = \"/k\"\n");
}

static void test_types(void **state)
{
	(void)state;
	assert_bad(VM "cpus = \"2\"\n", "5:8: cpus: must be a whole number from 1 to 64");
	assert_bad(VM "cpus = true\n", "5:8: cpus: must be a whole number from 1 to 64");
	assert_bad(VM "testdev = 1\n", "5:11: testdev: must be true or false");
	assert_bad(VM "cmdline = [\"a\"]\n",
		   "5:11: cmdline: expected text in quotes, found '['");
	assert_bad(VM "initrd = [\"a\"]\n", "5:10: initrd: expected text in quotes, found '['");
	assert_bad(VM "modules = \"a\"\n",
		   "5:11: modules: expected an array of strings, found '\"'");
	assert_bad("[lamina]\nescape = 7\n",
		   "2:10: escape: expected text in quotes, found '7'");
	assert_bad("[lamina]\non_end = false\n",
		   "2:10: on_end: expected text in quotes, found 'f'");
	assert_bad("[[vm]]\nname = 5\n", "2:8: name: expected text in quotes, found '5'");
	assert_bad("[[vm]]\nkernel = 5\n", "2:10: kernel: expected text in quotes, found '5'");
	assert_bad("[[vm]]\nmemory = 256M\n",
		   "2:10: memory: expected text in quotes, found '2'");
}

static void test_choices(void **state)
{
	(void)state;
	assert_bad("[lamina]\non_end = \"halt\"\n",
		   "2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\non_end = \"res\"\n",
		   "2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\non_end = \"\"\n",
		   "2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\non_end = \"reset|stay\"\n",
		   "2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\nlog_level = \"INFO\"\n",
		   "2:13: log_level: must be one of \"error\", \"warn\", \"info\", \"debug\"");
	assert_bad(VM "on_reset = \"poweroff\"\n",
		   "5:12: on_reset: must be one of \"restart\", \"end\"");
	assert_bad(VM "on_crash = \"ends\"\n",
		   "5:12: on_crash: must be one of \"restart\", \"end\"");
}

static void assert_bad_escape(const char *value)
{
	char text[100];

	snprintf(text, sizeof(text), "[lamina]\nescape = \"%s\"\n", value);
	assert_bad(text, "2:10: escape: must be \"ctrl-\" and one of ] \\ ^ _ a to z "
			 "(but not i, j, m), as in \"ctrl-]\"");
}

static void test_escape(void **state)
{
	(void)state;
	assert_good("[lamina]\nescape = \"ctrl-\\\\\"\n" VM);
	assert_int_equal(config.escape, 0x1c);
	assert_good("[lamina]\nescape = 'ctrl-_'\n" VM);
	assert_int_equal(config.escape, 0x1f);
	assert_bad_escape("");
	assert_bad_escape("]");
	assert_bad_escape("ctrl");
	assert_bad_escape("ctrl-");
	assert_bad_escape("ctrl-]]");
	assert_bad_escape("ctrl-[");
	assert_bad_escape("ctrl-m");
	assert_bad_escape("ctrl-A");
	assert_bad_escape("Ctrl-]");
}

static void test_numbers(void **state)
{
	static const char range[] = "5:8: cpus: must be a whole number from 1 to 64";

	(void)state;
	assert_bad(VM "cpus = 0\n", range);
	assert_bad(VM "cpus = 65\n", range);
	assert_bad(VM "cpus = -1\n", range);
	assert_bad(VM "cpus = +1\n", range);
	assert_bad(VM "cpus = _1\n", range);
	assert_bad(VM "cpus =\n", "5:7: cpus: must be a whole number from 1 to 64");
	assert_bad(VM "cpus = 4294967297\n", range);
	assert_bad(VM "cpus = 18446744073709551617\n", range);
	assert_bad(VM "cpus = 01\n",
		   "5:8: cpus: numbers are decimal and begin with a digit other than 0");
	assert_bad(VM "pin = 0x10\n", "5:8: pin: expected the end of the line, found 'x'");
	assert_bad(VM "cpus = 1_0\n", "5:9: cpus: expected the end of the line, found '_'");
	assert_bad(VM "cpus = 1.5\n", "5:9: cpus: expected the end of the line, found '.'");
	assert_good(VM "pin = 0\nweight = 10000\n");
	assert_int_equal(config.vm[0].pin, 0);
	assert_int_equal(config.vm[0].pin_line, 5);
	assert_int_equal(config.vm[0].weight, 10000);
}

static void assert_bad_memory(const char *value, const char *message)
{
	char text[200], expected[200];

	snprintf(text, sizeof(text), "[[vm]]\nmemory = %s\n", value);
	snprintf(expected, sizeof(expected), "2:10: memory: %s", message);
	assert_bad(text, expected);
}

static void test_memory(void **state)
{
	static const char form[] =
		"must be a whole number with K, M or G in quotes, as in \"256M\"";
	static const char range[] = "must be a multiple of 2M, at most 4096G";

	(void)state;
	assert_bad_memory("\"\"", form);
	assert_bad_memory("\"M\"", form);
	assert_bad_memory("\"256\"", form);
	assert_bad_memory("\"256m\"", form);
	assert_bad_memory("\"256MB\"", form);
	assert_bad_memory("\"256 M\"", form);
	assert_bad_memory("\" 256M\"", form);
	assert_bad_memory("\"-256M\"", form);
	assert_bad_memory("\"1.5G\"", form);
	assert_bad_memory("\"1T\"", form);
	assert_bad_memory("\"0M\"", range);
	assert_bad_memory("\"1M\"", range);
	assert_bad_memory("\"3M\"", range);
	assert_bad_memory("\"2049K\"", range);
	assert_bad_memory("\"4097G\"", range);
	assert_bad_memory("\"17179869185G\"", range);
	assert_bad_memory("\"99999999999999999999999999M\"", range);
	assert_bad_memory("\"18446744073709551616K\"", range);
	assert_good("[[vm]]\nname = \"a\"\nkernel = \"k\"\nmemory = \"4096G\"\n");
	assert_true(config.vm[0].memory_bytes == UINT64_C(4096) << 30);
}

static void test_names(void **state)
{
	(void)state;
	assert_bad("[[vm]]\nname = \"\"\n", "2:8: name: must not be empty");
	assert_bad("[[vm]]\nname = \"a b\"\n",
		   "2:8: name: only letters, digits, '.', '_' and '-' are allowed");
	assert_bad("[[vm]]\nname = \"\xc3\xbc\"\n",
		   "2:8: name: only letters, digits, '.', '_' and '-' are allowed");
	assert_bad("[[vm]]\nname = \"0123456789012345678901234567890x\"\n",
		   "2:8: name: longer than the limit of 31 bytes");
	assert_bad(VM VM, "6:8: name: an earlier VM has this name already");
}

static void test_paths(void **state)
{
	char text[400];

	(void)state;
	assert_bad("[[vm]]\nkernel = \"\"\n", "2:10: kernel: a path must not be empty");
	assert_bad(VM "modules = [\"a\", \"\"]\n", "5:17: modules: a path must not be empty");
	snprintf(text, sizeof(text), "[[vm]]\nkernel = \"%0*d\"\n", BOOT_MAX_PATH, 0);
	assert_bad(text, "2:10: kernel: longer than the limit of 123 bytes");
	snprintf(text, sizeof(text), "[[vm]]\nname='a'\nmemory='2M'\nkernel = \"%0*d\"\n",
		 BOOT_MAX_PATH - 1, 0);
	assert_good(text);
	assert_int_equal(strlen(config.vm[0].kernel.path), BOOT_MAX_PATH - 1);
}

static void test_modules(void **state)
{
	(void)state;
	assert_bad(VM "initrd = \"a\"\nmodules = [\"b\"]\n",
		   "6:1: modules: the modules are in line 5 already");
	assert_bad(VM "modules = []\ninitrd = \"a\"\n",
		   "6:1: initrd: the modules are in line 5 already");
	assert_good(VM "modules = ['1','2','3','4','5','6','7','8']\n");
	assert_int_equal(config.vm[0].nr_modules, 8);
	assert_bad(VM "modules = ['1','2','3','4','5','6','7','8','9']\n",
		   "5:40: modules: more than 8 modules");
	assert_bad(VM "modules = [1]\n", "5:12: modules: expected text in quotes, found '1'");
	assert_bad(VM "modules = [[\"a\"]]\n",
		   "5:12: modules: expected text in quotes, found '['");
	assert_bad(VM "modules = [\"a\" \"b\"]\n",
		   "5:16: modules: expected ',' or ']', found '\"'");
	assert_bad(VM "modules = [,]\n", "5:12: modules: expected text in quotes, found ','");
	assert_bad(VM "modules = [\"a\",\n\n",
		   "7:1: modules: expected text in quotes, found the end of the file");
	assert_bad(VM "modules = [\"a\"\n",
		   "6:1: modules: expected ',' or ']', found the end of the file");
}

static void test_strings(void **state)
{
	(void)state;
	assert_bad(VM "cmdline = \"abc\n", "5:11: cmdline: the string has no closing quote");
	assert_bad(VM "cmdline = 'abc", "5:11: cmdline: the string has no closing quote");
	assert_bad(VM "cmdline = \"abc\\",
		   "5:16: cmdline: expected \\ or \" after the backslash, "
		   "found the end of the file");
	assert_bad(VM "cmdline = \"\"\"a\"\"\"\n",
		   "5:11: cmdline: strings of several lines are not supported");
	assert_bad(VM "cmdline = '''a'''\n",
		   "5:11: cmdline: strings of several lines are not supported");
	assert_bad(VM "cmdline = \"\\u0041\"\n",
		   "5:13: cmdline: expected \\ or \" after the backslash, found 'u'");
	assert_bad(VM "cmdline = \"\\\xc3\xa4\"\n",
		   "5:13: cmdline: expected \\ or \" after the backslash, found another character");
	assert_bad(VM "cmdline = abc\n", "5:11: cmdline: expected text in quotes, found 'a'");
	assert_bad(VM "testdev = True\n", "5:11: testdev: must be true or false");
	assert_bad(VM "testdev = truer\n",
		   "5:15: testdev: expected the end of the line, found 'r'");
	assert_bad(VM "testdev =\n", "5:10: testdev: must be true or false");
	assert_bad(VM "testdev = { a = 1 }\n", "5:11: testdev: must be true or false");
}

static void test_long_strings(void **state)
{
	static char text[2 * BOOT_MAX_CMDLINE];

	(void)state;
	snprintf(text, sizeof(text), VM "cmdline = \"%0*d\"\n", BOOT_MAX_CMDLINE - 1, 7);
	assert_good(text);
	assert_int_equal(strlen(config.vm[0].cmdline), BOOT_MAX_CMDLINE - 1);
	snprintf(text, sizeof(text), VM "cmdline = \"%0*d\"\n", BOOT_MAX_CMDLINE, 7);
	assert_bad(text, "5:11: cmdline: longer than the limit of 2047 bytes");
}

static void test_bytes(void **state)
{
	static const char nul[] = VM "# \0\n";

	(void)state;
	assert_message(nul, sizeof(nul) - 1, "5:3: control characters are not allowed");
	assert_bad(VM "# \x01\n", "5:3: control characters are not allowed");
	assert_bad(VM "# \x7f\n", "5:3: control characters are not allowed");
	assert_bad("\r[lamina]\n", "1:1: control characters are not allowed");
	assert_bad("# \xff\n", "1:3: not UTF-8 text");
	assert_bad("# \x80\n", "1:3: not UTF-8 text");
	assert_bad("# \xe2\x82\n", "1:5: not UTF-8 text");
	assert_bad("# \xe2\x82", "1:4: not UTF-8 text");
	assert_bad("# \xc3\xa4\xa4", "1:5: not UTF-8 text");
	assert_bad("\x7f" "ELF", "1:1: control characters are not allowed");
}

static void test_too_large(void **state)
{
	size_t len = TOML_MAX_FILE_BYTES + 1;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', len);
	assert_message(text, len, "1:1: larger than the limit of 1048576 bytes");
	free(text);
}

static void test_too_many_vms(void **state)
{
	static char text[BOOT_MAX_VMS * 200];
	char one[100];

	(void)state;
	for (int i = 0; i < BOOT_MAX_VMS; i++) {
		snprintf(one, sizeof(one), "[[vm]]\nname = \"v%d\"\nmemory = \"2M\"\nkernel='k'\n",
			 i);
		strcat(text, one);
	}
	assert_good(text);
	assert_int_equal(config.nr_vms, BOOT_MAX_VMS);
	assert_string_equal(config.vm[BOOT_MAX_VMS - 1].name, "v15");
	strcat(text, "[[vm]]\n");
	assert_bad(text, "65:1: vm: more than 16 VMs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_layout_of_text),
		cmocka_unit_test(test_nothing_to_run),
		cmocka_unit_test(test_missing_keys),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_too_many_vms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
