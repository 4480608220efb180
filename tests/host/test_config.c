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
static bool parse_bytes(const char *text, size_t len, struct toml_error *error)
{
	char *copy = malloc(len ? len : 1);
	bool is_good;

	assert_non_null(copy);
	memcpy(copy, text, len);
	is_good = config_parse(copy, len, &config, error);
	free(copy);
	return is_good;
}

static void assert_good(const char *text)
{
	struct toml_error error;
	char line[400];

	if (parse_bytes(text, strlen(text), &error))
		return;
	toml_error_print(&error, "t", line, sizeof(line));
	fail_msg("%s", line);
}

static void assert_message(const char *text, size_t len, const char *expected)
{
	struct toml_error error;
	char line[400];

	if (parse_bytes(text, len, &error))
		fail_msg("accepted: %s", text);
	toml_error_print(&error, "t", line, sizeof(line));
	assert_string_equal(line, expected);
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
		    "[[vm]]\nname = \"one.A_b-2\"\ncpus = 6_4\nmemory = \"1G\"\n"
		    "kernel = \"EFI\\\\vmlinuz\"\nmodules = [ 'a b', \"c\", ]\n"
		    "cmdline = \"x=\\\"1\\\" \\u00e4\"\ntestdev = true\non_reset = \"end\"\n"
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
	assert_good(VM "cmdline = \"\\u0041\\U0001F600\\\\\"");
	assert_string_equal(config.vm[0].cmdline, "A\xf0\x9f\x98\x80\\");
	assert_good(VM "[lamina]\n");
	assert_good(VM "cpus = +3");
	assert_int_equal(config.vm[0].cpus, 3);
}

static void test_nothing_to_run(void **state)
{
	(void)state;
	assert_bad("", "t:1:1: vm: no [[vm]] table: there is nothing to run");
	assert_bad("# x\n\n", "t:3:1: vm: no [[vm]] table: there is nothing to run");
	assert_bad("[lamina]\non_end = \"reset\"\n",
		   "t:3:1: vm: no [[vm]] table: there is nothing to run");
}

static void test_missing_keys(void **state)
{
	(void)state;
	assert_bad("\n[[vm]]\nmemory = \"2M\"\nkernel = \"k\"\n",
		   "t:2:1: name: missing in this [[vm]]");
	assert_bad("[[vm]]\nname = \"a\"\nkernel = \"k\"\n" VM,
		   "t:1:1: memory: missing in this [[vm]]");
	assert_bad(VM "[[vm]]\nname = \"b\"\nmemory = \"2M\"\n[lamina]\n",
		   "t:5:1: kernel: missing in this [[vm]]");
}

static void test_tables(void **state)
{
	(void)state;
	assert_bad("[vm]\n", "t:1:1: vm: write [[vm]], one for each VM");
	assert_bad("[[lamina]]\n", "t:1:1: lamina: write [lamina], there is only one");
	assert_bad("  [VM]\n", "t:1:3: VM: unknown table; tables: [lamina], [[vm]]");
	assert_bad("[[net]]\n", "t:1:1: net: unknown table; tables: [lamina], [[vm]]");
	assert_bad("[lamina]\n" VM "[lamina]\n",
		   "t:6:1: lamina: [lamina] given twice, first in line 1");
	assert_bad("[vm.disk]\n", "t:1:4: vm: dotted keys are not supported");
	assert_bad("[\"vm\"]\n", "t:1:2: quoted keys are not supported");
	assert_bad("[[vm]\n", "t:1:6: vm: expected ']]', found the end of the line");
	assert_bad("[lamina\n", "t:1:8: lamina: expected ']', found the end of the line");
	assert_bad("[]\n", "t:1:2: expected a key or a table, found ']'");
	assert_bad("[lamina] x\n", "t:1:10: lamina: expected the end of the line, found 'x'");
	assert_bad("[", "t:1:2: expected a key or a table, found the end of the file");
}

static void test_keys(void **state)
{
	(void)state;
	assert_bad("name = \"a\"\n",
		   "t:1:1: name: keys stand below a table; tables: [lamina], [[vm]]");
	assert_bad(VM "  Name = \"b\"\n",
		   "t:5:3: Name: unknown key in [[vm]]; allowed: name, cpus, weight, pin, memory, "
		   "kernel, initrd, modules, cmdline, testdev, lapic, on_reset, on_crash");
	assert_bad("[lamina]\ncpus = 1\n",
		   "t:2:1: cpus: unknown key in [lamina]; allowed: on_end, debug_exit, log_level, "
		   "escape, smt, gdb");
	assert_bad(VM "memory = \"64M\"\n", "t:5:1: memory: given twice, first in line 3");
	assert_bad(VM "cpus\n", "t:5:5: cpus: expected '=', found the end of the line");
	assert_bad(VM "cpus : 1\n", "t:5:6: cpus: expected '=', found ':'");
	assert_bad(VM "= 1\n", "t:5:1: expected a key or a table, found '='");
	assert_bad(VM "\"cpus\" = 1\n", "t:5:1: quoted keys are not supported");
	assert_bad(VM "a.b = 1\n", "t:5:2: a: dotted keys are not supported");
	assert_bad(VM "abcdefghijklmnopqrstuvwxyz_012345 = 1\n",
		   "t:5:32: abcdefghijklmnopqrstuvwxyz_0123: the key is longer than 31 characters");
	assert_bad(VM "cpus = 1 memory = 2\n",
		   "t:5:10: cpus: expected the end of the line, found 'm'");
	/* The same key in another [[vm]] is no duplicate. */
	assert_good(VM "[[vm]]\nname = \"b\"\nmemory = \"64M\"\nkernel = \"/k\"\n");
}

static void test_types(void **state)
{
	(void)state;
	assert_bad(VM "cpus = \"2\"\n", "t:5:8: cpus: must be an integer, not a string");
	assert_bad(VM "cpus = true\n", "t:5:8: cpus: must be an integer, not a boolean");
	assert_bad(VM "testdev = 1\n", "t:5:11: testdev: must be a boolean, not an integer");
	assert_bad(VM "cmdline = [\"a\"]\n", "t:5:11: cmdline: must be a string, not an array");
	assert_bad(VM "initrd = [\"a\"]\n", "t:5:10: initrd: must be a string, not an array");
	assert_bad(VM "modules = \"a\"\n", "t:5:11: modules: must be an array, not a string");
	assert_bad("[lamina]\nescape = 7\n", "t:2:10: escape: must be a string, not an integer");
	assert_bad("[lamina]\non_end = false\n",
		   "t:2:10: on_end: must be a string, not a boolean");
	assert_bad("[[vm]]\nname = 5\n", "t:2:8: name: must be a string, not an integer");
	assert_bad("[[vm]]\nkernel = 5\n", "t:2:10: kernel: must be a string, not an integer");
}

static void test_choices(void **state)
{
	(void)state;
	assert_bad("[lamina]\non_end = \"halt\"\n",
		   "t:2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\non_end = \"res\"\n",
		   "t:2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\non_end = \"\"\n",
		   "t:2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\non_end = \"reset|stay\"\n",
		   "t:2:10: on_end: must be one of \"poweroff\", \"reset\", \"stay\"");
	assert_bad("[lamina]\nlog_level = \"INFO\"\n",
		   "t:2:13: log_level: must be one of \"error\", \"warn\", \"info\", \"debug\"");
	assert_bad(VM "on_reset = \"poweroff\"\n",
		   "t:5:12: on_reset: must be one of \"restart\", \"end\"");
	assert_bad(VM "on_crash = \"ends\"\n",
		   "t:5:12: on_crash: must be one of \"restart\", \"end\"");
}

static void assert_bad_escape(const char *value)
{
	char text[100];

	snprintf(text, sizeof(text), "[lamina]\nescape = \"%s\"\n", value);
	assert_bad(text, "t:2:10: escape: must be \"ctrl-\" and one of ] \\ ^ _ a to z "
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

static void test_cpus(void **state)
{
	(void)state;
	assert_bad(VM "cpus = 0\n", "t:5:8: cpus: must be from 1 to 64");
	assert_bad(VM "cpus = 65\n", "t:5:8: cpus: must be from 1 to 64");
	assert_bad(VM "cpus = -1\n", "t:5:8: cpus: must be from 1 to 64");
	assert_bad(VM "cpus = 4_294_967_297\n", "t:5:8: cpus: must be from 1 to 64");
	assert_bad(VM "cpus = 18446744073709551616\n",
		   "t:5:27: cpus: the integer is too large");
}

static void test_integers(void **state)
{
	(void)state;
	assert_bad(VM "cpus = 01\n",
		   "t:5:8: cpus: integers are decimal and begin with a digit other than 0");
	assert_bad(VM "cpus = 0x10\n",
		   "t:5:8: cpus: integers are decimal and begin with a digit other than 0");
	assert_bad(VM "cpus = 1__0\n", "t:5:10: cpus: expected a digit, found '_'");
	assert_bad(VM "cpus = 1_\n",
		   "t:5:10: cpus: expected a digit, found the end of the line");
	assert_bad(VM "cpus = _1\n",
		   "t:5:8: cpus: expected a value: \"text\", 123, true, false, or "
		   "[\"text\", ...], found '_'");
	assert_bad(VM "cpus = -\n",
		   "t:5:9: cpus: expected a digit, found the end of the line");
	assert_bad(VM "cpus = 1.5\n",
		   "t:5:9: cpus: not an integer (text and sizes need quotes)");
	assert_bad(VM "cpus = 1e1\n",
		   "t:5:9: cpus: not an integer (text and sizes need quotes)");
	assert_bad("[[vm]]\nmemory = 256M\n",
		   "t:2:13: memory: not an integer (text and sizes need quotes)");
	assert_bad(VM "cpus = 1979-05-27\n",
		   "t:5:12: cpus: not an integer (text and sizes need quotes)");
}

static void assert_bad_memory(const char *value, const char *message)
{
	char text[200], expected[200];

	snprintf(text, sizeof(text), "[[vm]]\nmemory = %s\n", value);
	snprintf(expected, sizeof(expected), "t:2:10: memory: %s", message);
	assert_bad(text, expected);
}

static void test_memory(void **state)
{
	static const char form[] =
		"must be a whole number with K, M or G in quotes, as in \"256M\"";

	(void)state;
	assert_bad_memory("256", form);
	assert_bad_memory("true", form);
	assert_bad_memory("[\"256M\"]", form);
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
	assert_bad_memory("\"0M\"", "must be at least 2M");
	assert_bad_memory("\"1M\"", "must be at least 2M");
	assert_bad_memory("\"3M\"", "must be a multiple of 2M");
	assert_bad_memory("\"2049K\"", "must be a multiple of 2M");
	assert_bad_memory("\"4097G\"", "must be at most 4096G");
	assert_bad_memory("\"17179869185G\"", "must be at most 4096G");
	assert_bad_memory("\"99999999999999999999999999M\"", "must be at most 4096G");
	assert_bad_memory("\"18446744073709551616K\"", "must be at most 4096G");
	assert_good("[[vm]]\nname = \"a\"\nkernel = \"k\"\nmemory = \"4096G\"\n");
	assert_true(config.vm[0].memory_bytes == UINT64_C(4096) << 30);
}

static void test_names(void **state)
{
	(void)state;
	assert_bad("[[vm]]\nname = \"\"\n", "t:2:8: name: must not be empty");
	assert_bad("[[vm]]\nname = \"a b\"\n",
		   "t:2:8: name: only letters, digits, '.', '_' and '-' are allowed");
	assert_bad("[[vm]]\nname = \"\\u00fc\"\n",
		   "t:2:8: name: only letters, digits, '.', '_' and '-' are allowed");
	assert_bad("[[vm]]\nname = \"0123456789012345678901234567890x\"\n",
		   "t:2:8: name: longer than the limit of 31 bytes");
	assert_bad(VM VM, "t:6:8: name: the VM of line 2 has this name already");
}

static void test_paths(void **state)
{
	char text[400];

	(void)state;
	assert_bad("[[vm]]\nkernel = \"\"\n", "t:2:10: kernel: a path must not be empty");
	assert_bad(VM "modules = [\"a\", \"\"]\n", "t:5:11: modules: a path must not be empty");
	assert_bad("[[vm]]\nkernel = \"a\\nb\"\n",
		   "t:2:10: kernel: control characters are not allowed");
	snprintf(text, sizeof(text), "[[vm]]\nkernel = \"%0*d\"\n", BOOT_MAX_PATH, 0);
	assert_bad(text, "t:2:10: kernel: longer than the limit of 123 bytes");
	snprintf(text, sizeof(text), "[[vm]]\nname='a'\nmemory='2M'\nkernel = \"%0*d\"\n",
		 BOOT_MAX_PATH - 1, 0);
	assert_good(text);
	assert_int_equal(strlen(config.vm[0].kernel.path), BOOT_MAX_PATH - 1);
}

static void test_modules(void **state)
{
	(void)state;
	assert_bad(VM "initrd = \"a\"\nmodules = [\"b\"]\n",
		   "t:6:1: modules: cannot be combined with \"initrd\" of line 5");
	assert_bad(VM "modules = []\ninitrd = \"a\"\n",
		   "t:6:1: initrd: cannot be combined with \"modules\" of line 5");
	assert_good(VM "modules = ['1','2','3','4','5','6','7','8']\n");
	assert_int_equal(config.vm[0].nr_modules, 8);
	assert_bad(VM "modules = ['1','2','3','4','5','6','7','8','9']\n",
		   "t:5:11: modules: more than 8 modules");
	assert_bad(VM "modules = [1]\n", "t:5:12: modules: expected a string or ']', found '1'");
	assert_bad(VM "modules = [[\"a\"]]\n",
		   "t:5:12: modules: expected a string or ']', found '['");
	assert_bad(VM "modules = [\"a\" \"b\"]\n",
		   "t:5:16: modules: expected ',' or ']', found '\"'");
	assert_bad(VM "modules = [,]\n", "t:5:12: modules: expected a string or ']', found ','");
	assert_bad(VM "modules = [\"a\",\n\n",
		   "t:7:1: modules: expected a string or ']', found the end of the file");
	assert_bad(VM "modules = [\"a\"\n",
		   "t:6:1: modules: expected ',' or ']', found the end of the file");
}

static void test_too_many_items(void **state)
{
	char text[400] = VM "modules = [";

	(void)state;
	for (int i = 0; i < TOML_MAX_ITEMS + 1; i++)
		strcat(text, "'a',");
	strcat(text, "]\n");
	assert_bad(text, "t:5:140: modules: more than 32 strings in one array");
}

static void test_strings(void **state)
{
	(void)state;
	assert_bad(VM "cmdline = \"abc\n", "t:5:15: cmdline: the string has no closing \"");
	assert_bad(VM "cmdline = \"abc\\", "t:5:16: cmdline: expected one of b t n f r \" \\ u U "
					   "after the backslash, found the end of the file");
	assert_bad(VM "cmdline = 'abc", "t:5:15: cmdline: the string has no closing '");
	assert_bad(VM "cmdline = \"\"\"a\"\"\"\n",
		   "t:5:11: cmdline: strings of several lines are not supported");
	assert_bad(VM "cmdline = '''a'''\n",
		   "t:5:11: cmdline: strings of several lines are not supported");
	assert_bad(VM "cmdline = \"\\x41\"\n",
		   "t:5:13: cmdline: expected one of b t n f r \" \\ u U after the backslash, "
		   "found 'x'");
	assert_bad(VM "cmdline = \"\\u12\"\n",
		   "t:5:16: cmdline: expected a hexadecimal digit, found '\"'");
	assert_bad(VM "cmdline = \"\\u0000\"\n",
		   "t:5:18: cmdline: the escape before names no character");
	assert_bad(VM "cmdline = \"\\ud800\"\n",
		   "t:5:18: cmdline: the escape before names no character");
	assert_bad(VM "cmdline = \"\\U00110000\"\n",
		   "t:5:22: cmdline: the escape before names no character");
	assert_bad(VM "cmdline = \"\\t\"\n",
		   "t:5:11: cmdline: control characters are not allowed");
	assert_bad(VM "cmdline = abc\n",
		   "t:5:11: cmdline: expected a value: \"text\", 123, true, false, or "
		   "[\"text\", ...], found 'a'");
	assert_bad(VM "testdev = True\n",
		   "t:5:11: testdev: expected a value: \"text\", 123, true, false, or "
		   "[\"text\", ...], found 'T'");
	assert_bad(VM "testdev = truer\n",
		   "t:5:11: testdev: expected a value: \"text\", 123, true, false, or "
		   "[\"text\", ...], found 't'");
	assert_bad(VM "testdev =\n",
		   "t:5:10: testdev: expected a value: \"text\", 123, true, false, or "
		   "[\"text\", ...], found the end of the line");
	assert_bad(VM "testdev = { a = 1 }\n",
		   "t:5:11: testdev: inline tables are not supported");
}

static void test_long_strings(void **state)
{
	static char text[2 * TOML_MAX_STRING];

	(void)state;
	snprintf(text, sizeof(text), VM "cmdline = \"%0*d\"\n", BOOT_MAX_CMDLINE - 1, 7);
	assert_good(text);
	assert_int_equal(strlen(config.vm[0].cmdline), BOOT_MAX_CMDLINE - 1);
	snprintf(text, sizeof(text), VM "cmdline = \"%0*d\"\n", BOOT_MAX_CMDLINE, 7);
	assert_bad(text, "t:5:11: cmdline: longer than the limit of 2047 bytes");
	snprintf(text, sizeof(text), VM "cmdline = \"%0*d\"\n", TOML_MAX_STRING, 7);
	assert_bad(text, "t:5:11: cmdline: longer than the limit of 4095 bytes");
}

static void test_bytes(void **state)
{
	static const char nul[] = VM "# \0\n";

	(void)state;
	assert_message(nul, sizeof(nul) - 1, "t:5:3: control characters are not allowed");
	assert_bad(VM "# \x01\n", "t:5:3: control characters are not allowed");
	assert_bad(VM "# \x7f\n", "t:5:3: control characters are not allowed");
	assert_bad("\r[lamina]\n", "t:1:1: control characters are not allowed");
	assert_bad("# \xff\n", "t:1:3: not UTF-8 text");
	assert_bad("# \x80\n", "t:1:3: not UTF-8 text");
	assert_bad("# \xc0\xaf\n", "t:1:3: not UTF-8 text");
	assert_bad("# \xe0\x80\xaf\n", "t:1:3: not UTF-8 text");
	assert_bad("# \xed\xa0\x80\n", "t:1:3: not UTF-8 text");
	assert_bad("# \xf4\x90\x80\x80\n", "t:1:3: not UTF-8 text");
	assert_bad("# \xe2\x82", "t:1:3: not UTF-8 text");
	assert_bad("\x7f" "ELF", "t:1:1: control characters are not allowed");
}

static void test_too_large(void **state)
{
	struct toml_error error;
	size_t len = TOML_MAX_FILE_BYTES + 1;
	char *text = malloc(len);
	char line[200];

	(void)state;
	assert_non_null(text);
	memset(text, '\n', len);
	assert_false(config_parse(text, len, &config, &error));
	toml_error_print(&error, "t", line, sizeof(line));
	assert_string_equal(line, "t: larger than the limit of 1048576 bytes");
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
	assert_bad(text, "t:65:1: vm: more than 16 VMs");
}

static void test_message_is_cut(void **state)
{
	struct toml_error error = { .line = 12, .column = 3, .key = "k", .text = "text" };
	char line[12];

	(void)state;
	toml_error_print(&error, "file", line, sizeof(line));
	assert_string_equal(line, "file:12:3: ");
	toml_error_print(&error, "file", line, 1);
	assert_string_equal(line, "");
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
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_too_many_items),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_too_many_vms),
		cmocka_unit_test(test_message_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
