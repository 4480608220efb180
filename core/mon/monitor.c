/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operator types becomes a command with its arguments. */
#include "core/mon/monitor.h"

#include <stdlib.h>
#include <string.h>

#include "core/mon/command.h"
#include "core/mon/line.h"

static u8 escape_key; /* [c] */
static bool has_console = true; /* no command has given it to a guest */
static bool (*job)(void);
static bool is_job_for_keys;
static void (*end_run)(void); /* [c] */

static const struct command {
	const char *name;
	void (*run)(const struct args *a);
	const char *kinds, *usage, *help;
} commands[] = {
#define X(name, kinds, usage, help) { #name, cmd_##name, kinds, usage, help },
#include "core/mon/commands.def"
#undef X
};

static const struct command *command_find(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

void cmd_help(const struct args *a)
{
	const struct command *one = a->name ? command_find(a->name) : NULL;

	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		if (!one || one == &commands[i])
			console_print("  %s %s%s%s\n", commands[i].name, commands[i].usage,
				      *commands[i].usage ? ": " : " ", commands[i].help);
	if (!one)
		console_print("  Ctrl-%c goes back to the guest; Tab completes, the arrows bring "
			      "lines back\n", escape_key + '@');
}

void cmd_quit(const struct args *a __unused_arg)
{
	console_print("ending the run\n");
	end_run();
}

void cmd_vm(const struct args *a)
{
	has_console = !console_select(a->vm->index);
}

static bool number_parse(const char *word, u64 *out)
{
	char *end;

	*out = strtoull(word, &end, 0);
	return *word >= '0' && *word <= '9' && !*end;
}

/* NAME or NUMBER, and if `may_have_vcpu` with /VCPU behind it. */
static bool vm_parse(struct args *a, char *word, bool may_have_vcpu)
{
	char *slash = may_have_vcpu ? strchr(word, '/') : NULL;
	u64 number = VM_MAX_VCPUS;

	if (slash)
		*slash = '\0';
	for (u32 i = 0; vm_of(i) && !a->vm; i++)
		if (!strcmp(vm_of(i)->config->name, word))
			a->vm = vm_of(i);
	if (!a->vm && number_parse(word, &number) && number < BOOT_MAX_VMS)
		a->vm = vm_of((u32)number);
	if (!a->vm) {
		console_print("no VM '%s'; 'vms' lists them\n", word);
		return false;
	}
	a->has_vcpu = slash;
	number = 0;
	if (slash && (!number_parse(slash + 1, &number) || number >= a->vm->nr_vcpus)) {
		console_print("%s has no vCPU '%s', but 0 to %u\n", a->vm->config->name, slash + 1,
			      a->vm->nr_vcpus - 1);
		return false;
	}
	a->v = a->vm->vcpu[number];
	return true;
}

/* Which of the words "a|b|c ..." is `word`? -1: none. */
static int word_find(const char *usage, const char *word)
{
	size_t len = strlen(word);

	for (int i = 0;; i++) {
		size_t n = strcspn(usage, "| ");

		if (n == len && !memcmp(usage, word, n))
			return i;
		if (usage[n] != '|')
			return -1;
		usage += n + 1;
	}
}

static bool arg_parse(const struct command *c, char kind, char *word, struct args *a)
{
	int index = 0;

	if (kind == 'h' && !strcmp(word, "host"))
		return true;
	if (kind == 'v' || kind == 't' || kind == 'h')
		return vm_parse(a, word, kind != 'v');
	if (kind == 'c') {
		a->name = word;
		if (!command_find(word))
			console_print("%s: unknown command; 'help' lists them\n", word);
		return command_find(word);
	}
	if (kind == 'w') {
		index = word_find(c->usage, word);
		a->word = (u32)index;
	} else if (kind == 'f') {
		a->format = *word;
		index = word[1] || !strchr(FORMATS, *word) ? -1 : 0;
	} else if (!number_parse(word, &a->n[a->nr++])) {
		console_print("%s: '%s' is not a number, decimal or with 0x\n", c->name, word);
		return false;
	}
	if (index < 0)
		console_print("%s: what is '%s'? usage: %s %s\n", c->name, word, c->name, c->usage);
	return index >= 0;
}

static bool args_parse(const struct command *c, char *rest, struct args *a)
{
	const char *kind = c->kinds;
	size_t nr_words = 0;
	char *word;

	for (; (word = strtok_r(NULL, " ", &rest)); nr_words++) {
		kind += *kind == '?';
		if (!*kind && !*c->kinds)
			console_print("%s: takes no argument\n", c->name);
		else if (!*kind)
			console_print("%s: too many arguments; usage: %s %s\n", c->name, c->name,
				      c->usage);
		if (!*kind || !arg_parse(c, *kind++, word, a))
			return false;
	}
	if (nr_words >= strcspn(c->kinds, "?"))
		return true;
	console_print("%s: something is missing; usage: %s %s\n", c->name, c->name, c->usage);
	return false;
}

static void line_run(char *line)
{
	struct args a = { .format = 'q' };
	char *rest;
	char *name = strtok_r(line, " ", &rest);
	const struct command *c = name ? command_find(name) : NULL;

	if (c && args_parse(c, rest, &a))
		c->run(&a);
	else if (name && !c)
		console_print("%s: unknown command; 'help' lists them\n", name);
}

/* Names that may stand in place of an argument of `kind`. */
static void offer_kind(const struct command *c, char kind, void (*offer)(const char *name))
{
	char word[16];

	if (kind == 'h')
		offer("host");
	for (u32 i = 0; vm_of(i) && (kind == 'v' || kind == 't' || kind == 'h'); i++)
		offer(vm_of(i)->config->name);
	for (u32 i = 0; i < ARRAY_SIZE(commands) && kind == 'c'; i++)
		offer(commands[i].name);
	for (const char *at = c ? c->usage : ""; kind == 'w';) {
		size_t n = strcspn(at, "| ");

		memcpy(word, at, n);
		word[n] = '\0';
		offer(word);
		at += n;
		if (*at++ != '|')
			return;
	}
}

static void candidates(const char *text, u32 word_at, void (*offer)(const char *name))
{
	char line[LINE_BYTES], *rest;
	const struct command *c;
	const char *kind;

	memcpy(line, text, word_at);
	line[word_at] = '\0';
	rest = strtok_r(line, " ", &rest) ? rest : NULL;
	if (!rest)
		return offer_kind(NULL, 'c', offer);
	c = command_find(line + strspn(line, " "));
	kind = c ? c->kinds : "";
	while (*kind && strtok_r(NULL, " ", &rest))
		kind += 1 + (*kind == '?');
	offer_kind(c, *kind == '?' ? kind[1] : *kind, offer);
}

void monitor_init(u8 escape, void (*end)(void))
{
	static const struct line_user user = { console_print, candidates };

	escape_key = escape;
	end_run = end;
	line_init(&user);
}

void job_start(bool (*step)(void), bool any_key_ends)
{
	job = step;
	is_job_for_keys = any_key_ends;
}

static void job_end(void)
{
	job = NULL;
	line_prompt();
}

void monitor_tick(void)
{
	if (job && !job())
		job_end();
}

void monitor_enter(void)
{
	has_console = true;
	console_print("\nLamina monitor; 'help' lists the commands\n");
	line_prompt();
}

bool monitor_input(u8 byte)
{
	char *line;

	if (job && !is_job_for_keys)
		return false;
	if (job) {
		job_end();
	} else if (byte == escape_key) {
		console_select_last();
	} else if ((line = line_key(byte))) {
		line_run(line);
		if (has_console && !job)
			line_prompt();
	}
	return true;
}
