/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/config.h"

#define MAX_KEYS 16
#define MEMORY_UNIT_BYTES (UINT64_C(2) << 20)
#define MEMORY_MAX_BYTES (UINT64_C(4096) << 30)

struct reader;

struct key {
	const char *name;
	bool (*set)(struct reader *r); /* read the value */
	uint32_t offset; /* of the uint32_t that a flag, choice, number or escape goes to */
	const char *const *choices; /* in the order of their enum, NULL behind the last */
	const char *choices_text; /* for messages */
	uint32_t min, max;
	bool is_required;
};

struct reader {
	struct toml toml;
	struct lamina_config *out;
	struct vm_config *vm; /* the [[vm]] being read */
	const struct key *keys; /* of the table being read, NULL before the first */
	const struct key *key; /* the one being read */
	void *base; /* what the table's values go to */
	uint32_t *number; /* where the key's value goes */
	const char *table; /* its name for messages */
	struct toml_place table_place;
	uint32_t lamina_line; /* of the [lamina] header, 0 = none yet */
	uint32_t modules_line; /* of the VM's modules, 0 = none yet */
	uint32_t key_line[MAX_KEYS]; /* where each key of this table was given, 0 = not yet */
};

/* Record an error about the current value, key or header. */
#define fail(r, ...) toml_fail(&(r)->toml, __VA_ARGS__)

static bool is_equal(const char *a, const char *b)
{
	for (; *a && *a == *b; a++)
		b++;
	return *a == *b;
}

/* ---- values ---- */

static bool set_flag(struct reader *r)
{
	return toml_boolean(&r->toml, r->number);
}

static bool set_choice(struct reader *r)
{
	char text[16];

	if (!toml_string(&r->toml, text, sizeof(text)))
		return false;
	for (*r->number = 0; r->key->choices[*r->number]; ++*r->number) {
		if (is_equal(r->key->choices[*r->number], text))
			return true;
	}
	return fail(r, "must be one of %s", r->key->choices_text);
}

static bool set_number(struct reader *r)
{
	return toml_number(&r->toml, r->key->min, r->key->max, r->number);
}

static bool set_pin(struct reader *r)
{
	r->vm->pin_line = r->toml.line;
	return set_number(r);
}

static bool set_memory(struct reader *r)
{
	const char *s;
	char text[32];
	unsigned int shift;
	uint64_t n = 0;

	r->vm->memory_line = r->toml.line;
	if (!toml_string(&r->toml, text, sizeof(text)))
		return false;
	for (s = text; *s >= '0' && *s <= '9'; s++) {
		if (n <= MEMORY_MAX_BYTES)
			n = n * 10 + (uint64_t)(*s - '0');
	}
	shift = *s == 'K' ? 10 : *s == 'M' ? 20 : *s == 'G' ? 30 : 0;
	if (s == text || !shift || s[1])
		return fail(r, "must be a whole number with K, M or G in quotes, as in \"256M\"");
	if (!n || n > MEMORY_MAX_BYTES >> shift || (n << shift) % MEMORY_UNIT_BYTES)
		return fail(r, "must be a multiple of 2M, at most 4096G");
	r->vm->memory_bytes = n << shift;
	return true;
}

static bool set_name(struct reader *r)
{
	char *name = r->vm->name;

	if (!toml_string(&r->toml, name, sizeof(r->vm->name)))
		return false;
	for (const char *c = name; *c; c++) {
		if (!toml_is_bare(*c) && *c != '.')
			return fail(r, "only letters, digits, '.', '_' and '-' are allowed");
	}
	for (const struct vm_config *other = r->out->vm; other < r->vm; other++) {
		if (is_equal(other->name, name))
			return fail(r, "an earlier VM has this name already");
	}
	return name[0] || fail(r, "must not be empty");
}

static bool set_cmdline(struct reader *r)
{
	return toml_string(&r->toml, r->vm->cmdline, sizeof(r->vm->cmdline));
}

static bool set_path(struct reader *r, struct boot_file *file)
{
	file->line = r->toml.line;
	return toml_string(&r->toml, file->path, sizeof(file->path)) &&
	       (file->path[0] || fail(r, "a path must not be empty"));
}

static bool set_kernel(struct reader *r)
{
	return set_path(r, &r->vm->kernel);
}

static bool add_module(void *reader)
{
	struct reader *r = reader;

	if (r->vm->nr_modules == BOOT_MAX_MODULES)
		return fail(r, "more than %u modules", (uint32_t)BOOT_MAX_MODULES);
	return set_path(r, &r->vm->modules[r->vm->nr_modules++]);
}

/* Modules come from `initrd` or from `modules`, but not from both. */
static bool claim_modules(struct reader *r)
{
	if (r->modules_line)
		return fail(r, "the modules are in line %u already", r->modules_line);
	r->modules_line = r->toml.line;
	return true;
}

static bool set_initrd(struct reader *r)
{
	return claim_modules(r) && add_module(r);
}

static bool set_modules(struct reader *r)
{
	return claim_modules(r) && toml_array(&r->toml, add_module, r);
}

/*
 * Keys that a terminal user could not do without (Tab, Enter, line feed) are no escape keys, nor is
 * Ctrl-[, which begins every arrow key.
 */
static bool is_escape_letter(char c)
{
	return c == ']' || c == '\\' || c == '^' || c == '_' ||
	       (c >= 'a' && c <= 'z' && c != 'i' && c != 'j' && c != 'm');
}

static bool set_escape(struct reader *r)
{
	static const char prefix[] = "ctrl-";
	char text[16], *s = text;

	if (!toml_string(&r->toml, text, sizeof(text)))
		return false;
	for (const char *c = prefix; *c && *s == *c; c++)
		s++;
	if (s != text + sizeof(prefix) - 1 || !is_escape_letter(*s) || s[1])
		return fail(r, "must be \"ctrl-\" and one of ] \\ ^ _ a to z (but not i, j, m), "
			       "as in \"ctrl-]\"");
	*r->number = (uint32_t)*s & 0x1f;
	return true;
}

/* ---- keys and tables ---- */

#define LAMINA(member) offsetof(struct lamina_config, member)
#define VM(member) offsetof(struct vm_config, member)
#define FLAG set_flag
#define ONE_OF(...)                                                                                \
	set_choice, .choices = (const char *const[]){ __VA_ARGS__, NULL },            \
	.choices_text = #__VA_ARGS__
#define NUMBER(low, high) set_number, .min = low, .max = high

static const struct key lamina_keys[] = {
	{ "on_end", ONE_OF("poweroff", "reset", "stay"), .offset = LAMINA(on_end) },
	{ "debug_exit", FLAG, .offset = LAMINA(debug_exit) },
	{ "log_level", ONE_OF("error", "warn", "info", "debug"), .offset = LAMINA(log_level) },
	{ "escape", set_escape, .offset = LAMINA(escape) },
	{ "smt", FLAG, .offset = LAMINA(smt) },
	{ "gdb", ONE_OF("off", "com2"), .offset = LAMINA(gdb) },
	{ NULL },
};

static const struct key vm_keys[] = {
	{ "name", set_name, .is_required = true },
	{ "cpus", NUMBER(1, BOOT_MAX_CPUS), .offset = VM(cpus) },
	{ "weight", NUMBER(1, CONFIG_WEIGHT_MAX), .offset = VM(weight) },
	{ "pin", set_pin, .max = BOOT_MAX_CPUS - 1, .offset = VM(pin) },
	{ "memory", set_memory, .is_required = true },
	{ "kernel", set_kernel, .is_required = true },
	{ "initrd", .set = set_initrd },
	{ "modules", .set = set_modules },
	{ "cmdline", .set = set_cmdline },
	{ "testdev", FLAG, .offset = VM(testdev) },
	{ "lapic", ONE_OF("auto", "software", "tpr"), .offset = VM(lapic) },
	{ "on_reset", ONE_OF("restart", "end"), .offset = VM(on_reset) },
	{ "on_crash", ONE_OF("restart", "end"), .offset = VM(on_crash) },
	{ NULL },
};
_Static_assert(sizeof(vm_keys) / sizeof(vm_keys[0]) <= MAX_KEYS, "raise MAX_KEYS");

static bool fail_unknown(struct reader *r)
{
	fail(r, "unknown key in %s; allowed:", r->table);
	for (const struct key *k = r->keys; k->name; k++) {
		toml_say(&r->toml, k == r->keys ? " " : ", ");
		toml_say(&r->toml, k->name);
	}
	return false;
}

static bool read_pair(struct reader *r)
{
	const struct key *k = r->keys;
	uint32_t *line = r->key_line;

	if (!k)
		return fail(r, "keys stand below a table; tables: [lamina], [[vm]]");
	for (; k->name && !is_equal(k->name, r->toml.key); k++)
		line++;
	if (!k->name)
		return fail_unknown(r);
	if (*line)
		return fail(r, "given twice, first in line %u", *line);
	*line = r->toml.line;
	r->key = k;
	r->number = (uint32_t *)(void *)((char *)r->base + k->offset);
	return k->set(r);
}

/* Check what can only be known at the end of a table. */
static bool end_table(struct reader *r)
{
	for (uint32_t i = 0; r->keys && r->keys[i].name; i++) {
		if (!r->keys[i].is_required || r->key_line[i])
			continue;
		r->toml.place = r->table_place;
		r->toml.key[0] = 0;
		return fail(r, "%s is missing in this %s", r->keys[i].name, r->table);
	}
	return true;
}

static void begin_table(struct reader *r, const struct key *keys, const char *name, void *base)
{
	r->keys = keys;
	r->table = name;
	r->table_place = r->toml.place;
	r->base = base;
	__builtin_memset(r->key_line, 0, sizeof(r->key_line));
}

static bool begin_vm(struct reader *r)
{
	if (r->out->nr_vms == BOOT_MAX_VMS)
		return fail(r, "more than %u VMs", (uint32_t)BOOT_MAX_VMS);
	r->vm = &r->out->vm[r->out->nr_vms++];
	r->vm->cpus = 1;
	r->vm->weight = CONFIG_WEIGHT_DEFAULT;
	r->vm->pin = CONFIG_PIN_NONE;
	r->vm->on_reset = CONFIG_RESTART;
	r->vm->on_crash = CONFIG_END;
	r->modules_line = 0;
	begin_table(r, vm_keys, "[[vm]]", r->vm);
	return true;
}

static bool begin_lamina(struct reader *r)
{
	if (r->lamina_line)
		return fail(r, "[lamina] given twice, first in line %u", r->lamina_line);
	r->lamina_line = r->toml.line;
	begin_table(r, lamina_keys, "[lamina]", r->out);
	return true;
}

static bool read_header(struct reader *r, bool is_item)
{
	bool is_vm = is_equal(r->toml.key, "vm");

	if (!end_table(r))
		return false;
	if (!is_vm && !is_equal(r->toml.key, "lamina"))
		return fail(r, "unknown table; tables: [lamina], [[vm]]");
	if (is_vm && !is_item)
		return fail(r, "write [[vm]], one for each VM");
	if (!is_vm && is_item)
		return fail(r, "write [lamina], there is only one");
	return is_vm ? begin_vm(r) : begin_lamina(r);
}

static bool read_all(struct reader *r)
{
	for (;;) {
		enum toml_event event = toml_next(&r->toml);

		if (event == TOML_FAIL)
			return false;
		if (event == TOML_END)
			return end_table(r) &&
			       (r->out->nr_vms ||
				fail(r, "no [[vm]] table: there is nothing to run"));
		if (!(event == TOML_PAIR ? read_pair(r) : read_header(r, event == TOML_TABLE_ITEM)))
			return false;
	}
}

bool config_parse(const char *text, size_t size_bytes, struct lamina_config *out, char *message)
{
	struct reader r = { .out = out };

	__builtin_memset(out, 0, sizeof(*out));
	out->log_level = CONFIG_LOG_INFO;
	out->escape = ']' & 0x1f;
	return toml_open(&r.toml, text, size_bytes, message) && read_all(&r);
}
