/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/config.h"

#define MAX_KEYS 16
#define MEMORY_UNIT_BYTES (UINT64_C(2) << 20)
#define MEMORY_MAX_BYTES (UINT64_C(4096) << 30)

struct reader;

struct key {
	const char *name;
	bool (*set)(struct reader *r); /* take the value, which is of `type` */
	enum toml_type type;
	uint32_t offset; /* of the uint32_t that a flag, choice, number or escape goes to */
	const char *const *choices; /* in the order of their enum, NULL behind the last */
	const char *choices_text; /* for messages */
	uint32_t min, max;
	uint32_t line_offset; /* of the uint32_t for the line, 0 = none */
	bool is_required;
};

struct reader {
	struct toml toml;
	struct lamina_config *out;
	struct vm_config *vm; /* the [[vm]] being read */
	const struct key *keys; /* of the table being read, NULL before the first */
	const struct key *key; /* the one being read */
	uint32_t *number; /* where its value goes */
	const char *table; /* its name for messages */
	uint32_t table_line;
	uint32_t lamina_line; /* of the [lamina] header, 0 = none yet */
	uint32_t name_line[BOOT_MAX_VMS];
	uint32_t key_line[MAX_KEYS]; /* where each key of this table was given, 0 = not yet */
};

/* Record an error about the value of the current key, or about the key or header itself. */
#define fail_value(r, ...)                                                                         \
	toml_fail(&(r)->toml, (r)->toml.value.line, (r)->toml.value.column, (r)->toml.key,         \
		  __VA_ARGS__)
#define fail_key(r, ...)                                                                           \
	toml_fail(&(r)->toml, (r)->toml.key_line, (r)->toml.key_column, (r)->toml.key, __VA_ARGS__)

/* The only string, or string `i` of an array. */
static const char *value_string(const struct reader *r, uint32_t i)
{
	return r->toml.value.string + r->toml.value.item[i];
}

/* ---- values ---- */

/* Copy string `i` of the value, at most `out_bytes` with its NUL, printable characters only. */
static bool copy_string(struct reader *r, uint32_t i, char *out, size_t out_bytes)
{
	const char *s = value_string(r, i);
	size_t n = text_bytes(s);

	if (n >= out_bytes)
		return fail_value(r, "longer than the limit of %u bytes",
				  (uint32_t)(out_bytes - 1));
	for (size_t k = 0; k <= n; k++) {
		if (k < n && ((unsigned char)s[k] < 0x20 || s[k] == 0x7f))
			return fail_value(r, "control characters are not allowed");
		out[k] = s[k];
	}
	return true;
}

static bool set_flag(struct reader *r)
{
	*r->number = r->toml.value.boolean;
	return true;
}

static bool set_choice(struct reader *r)
{
	for (*r->number = 0; r->key->choices[*r->number]; ++*r->number) {
		if (text_equal(r->key->choices[*r->number], value_string(r, 0)))
			return true;
	}
	return fail_value(r, "must be one of %s", r->key->choices_text);
}

static bool set_number(struct reader *r)
{
	const struct toml_value *v = &r->toml.value;

	if (v->is_negative || v->integer < r->key->min || v->integer > r->key->max)
		return fail_value(r, "must be from %u to %u", r->key->min, r->key->max);
	*r->number = (uint32_t)v->integer;
	return true;
}

/* Turn "256M" into bytes; false where it is no such text. Too large gives UINT64_MAX. */
static bool parse_size(const char *s, uint64_t *out_bytes)
{
	static const char units[] = "KMG";
	unsigned int unit = 0;
	uint64_t n = 0;
	size_t i = 0;

	for (; s[i] >= '0' && s[i] <= '9'; i++) {
		if (n < UINT64_MAX / 16)
			n = n * 10 + (uint64_t)(s[i] - '0');
	}
	while (units[unit] && units[unit] != s[i])
		unit++;
	if (!i || !units[unit] || s[i + 1])
		return false;
	unit = 10 * (unit + 1);
	*out_bytes = n > UINT64_MAX >> unit ? UINT64_MAX : n << unit;
	return true;
}

static bool set_memory(struct reader *r)
{
	uint64_t bytes;

	if (r->toml.value.type != TOML_STRING || !parse_size(value_string(r, 0), &bytes))
		return fail_value(r, "must be a whole number with K, M or G in quotes, "
				     "as in \"256M\"");
	if (bytes < MEMORY_UNIT_BYTES)
		return fail_value(r, "must be at least 2M");
	if (bytes > MEMORY_MAX_BYTES)
		return fail_value(r, "must be at most 4096G");
	if (bytes % MEMORY_UNIT_BYTES)
		return fail_value(r, "must be a multiple of 2M");
	r->vm->memory_bytes = bytes;
	return true;
}

static bool set_name(struct reader *r)
{
	uint32_t me = r->out->nr_vms - 1;

	if (!copy_string(r, 0, r->vm->name, sizeof(r->vm->name)))
		return false;
	if (!r->vm->name[0])
		return fail_value(r, "must not be empty");
	for (const char *c = r->vm->name; *c; c++) {
		if (!text_is_bare(*c) && *c != '.')
			return fail_value(r, "only letters, digits, '.', '_' and '-' are allowed");
	}
	for (uint32_t i = 0; i < me; i++) {
		if (text_equal(r->out->vm[i].name, r->vm->name))
			return fail_value(r, "the VM of line %u has this name already",
					  r->name_line[i]);
	}
	r->name_line[me] = r->toml.key_line;
	return true;
}

static bool set_cmdline(struct reader *r)
{
	return copy_string(r, 0, r->vm->cmdline, r->key->max);
}

static bool set_path(struct reader *r, uint32_t i, struct boot_file *file)
{
	if (!copy_string(r, i, file->path, sizeof(file->path)))
		return false;
	if (!file->path[0])
		return fail_value(r, "a path must not be empty");
	file->line = r->toml.key_line;
	return true;
}

static bool set_kernel(struct reader *r)
{
	return set_path(r, 0, &r->vm->kernel);
}

/* Modules come from `initrd` or from `modules`, but not from both. */
static bool set_modules(struct reader *r)
{
	uint32_t n = r->toml.value.nr_items;

	for (uint32_t i = 0; r->keys[i].name; i++) {
		if (r->key_line[i] && r->keys[i].set == set_modules)
			return fail_key(r, "cannot be combined with \"%s\" of line %u",
					r->keys[i].name, r->key_line[i]);
	}
	if (n > r->key->max)
		return fail_value(r, "more than %u modules", r->key->max);
	r->vm->nr_modules = n;
	for (uint32_t i = 0; i < n; i++) {
		if (!set_path(r, i, &r->vm->modules[i]))
			return false;
	}
	return true;
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
	const char *s = value_string(r, 0);
	size_t i = 0;

	while (prefix[i] && s[i] == prefix[i])
		i++;
	if (prefix[i] || !is_escape_letter(s[i]) || s[i + 1])
		return fail_value(r, "must be \"ctrl-\" and one of ] \\ ^ _ a to z "
				     "(but not i, j, m), as in \"ctrl-]\"");
	*r->number = (uint32_t)s[i] & 0x1f;
	return true;
}

/* ---- keys and tables ---- */

#define LAMINA(member) offsetof(struct lamina_config, member)
#define VM(member) offsetof(struct vm_config, member)
#define FLAG set_flag, TOML_BOOLEAN
#define ONE_OF(...)                                                                                \
	set_choice, TOML_STRING, .choices = (const char *const[]){ __VA_ARGS__, NULL },            \
	.choices_text = #__VA_ARGS__
#define NUMBER(low, high) set_number, TOML_INTEGER, .min = low, .max = high

static const struct key lamina_keys[] = {
	{ "on_end", ONE_OF("poweroff", "reset", "stay"), .offset = LAMINA(on_end) },
	{ "debug_exit", FLAG, .offset = LAMINA(debug_exit) },
	{ "log_level", ONE_OF("error", "warn", "info", "debug"), .offset = LAMINA(log_level) },
	{ "escape", set_escape, TOML_STRING, .offset = LAMINA(escape) },
	{ "smt", FLAG, .offset = LAMINA(smt) },
	{ "gdb", ONE_OF("off", "com2"), .offset = LAMINA(gdb) },
	{ NULL },
};

static const struct key vm_keys[] = {
	{ "name", set_name, TOML_STRING, .is_required = true },
	{ "cpus", NUMBER(1, BOOT_MAX_CPUS), .offset = VM(cpus) },
	{ "weight", NUMBER(1, CONFIG_WEIGHT_MAX), .offset = VM(weight) },
	{ "pin", NUMBER(0, BOOT_MAX_CPUS - 1), .offset = VM(pin), .line_offset = VM(pin_line) },
	{ "memory", set_memory, TOML_ANY, .line_offset = VM(memory_line), .is_required = true },
	{ "kernel", set_kernel, TOML_STRING, .is_required = true },
	{ "initrd", set_modules, TOML_STRING, .max = 1 },
	{ "modules", set_modules, TOML_ARRAY, .max = BOOT_MAX_MODULES },
	{ "cmdline", set_cmdline, TOML_STRING, .max = BOOT_MAX_CMDLINE },
	{ "testdev", FLAG, .offset = VM(testdev) },
	{ "lapic", ONE_OF("auto", "software", "tpr"), .offset = VM(lapic) },
	{ "on_reset", ONE_OF("restart", "end"), .offset = VM(on_reset) },
	{ "on_crash", ONE_OF("restart", "end"), .offset = VM(on_crash) },
	{ NULL },
};
_Static_assert(sizeof(vm_keys) / sizeof(vm_keys[0]) <= MAX_KEYS, "raise MAX_KEYS");

static bool set_key(struct reader *r, const struct key *k)
{
	char *base = r->keys == vm_keys ? (char *)r->vm : (char *)r->out;
	enum toml_type type = r->toml.value.type;

	r->key = k;
	r->number = (uint32_t *)(void *)(base + k->offset);
	if (k->line_offset)
		*(uint32_t *)(void *)(base + k->line_offset) = r->toml.value.line;
	if (k->type != TOML_ANY && k->type != type)
		return fail_value(r, "must be %s, not %s", toml_type_name(k->type),
				  toml_type_name(type));
	return k->set(r);
}

static bool fail_unknown(struct reader *r)
{
	char allowed[128];
	size_t n = 0;

	for (const struct key *k = r->keys; k->name; k++) {
		for (const char *c = k->name; *c && n + 2 < sizeof(allowed); c++)
			allowed[n++] = *c;
		for (const char *c = k[1].name ? ", " : ""; *c && n + 2 < sizeof(allowed); c++)
			allowed[n++] = *c;
	}
	allowed[n] = 0;
	return fail_key(r, "unknown key in %s; allowed: %s", r->table, allowed);
}

static bool read_pair(struct reader *r)
{
	uint32_t i = 0;

	if (!r->keys)
		return fail_key(r, "keys stand below a table; tables: [lamina], [[vm]]");
	while (r->keys[i].name && !text_equal(r->keys[i].name, r->toml.key))
		i++;
	if (!r->keys[i].name)
		return fail_unknown(r);
	if (r->key_line[i])
		return fail_key(r, "given twice, first in line %u", r->key_line[i]);
	if (!set_key(r, &r->keys[i]))
		return false;
	r->key_line[i] = r->toml.key_line;
	return true;
}

/* Check what can only be known at the end of a table. */
static bool end_table(struct reader *r)
{
	for (uint32_t i = 0; r->keys && r->keys[i].name; i++) {
		if (r->keys[i].is_required && !r->key_line[i])
			return toml_fail(&r->toml, r->table_line, 1, r->keys[i].name,
					 "missing in this %s", r->table);
	}
	return true;
}

static void begin_table(struct reader *r, const struct key *keys, const char *name)
{
	r->keys = keys;
	r->table = name;
	r->table_line = r->toml.key_line;
	for (uint32_t i = 0; i < MAX_KEYS; i++)
		r->key_line[i] = 0;
}

static bool begin_vm(struct reader *r)
{
	if (r->out->nr_vms == BOOT_MAX_VMS)
		return fail_key(r, "more than %u VMs", (uint32_t)BOOT_MAX_VMS);
	begin_table(r, vm_keys, "[[vm]]");
	r->vm = &r->out->vm[r->out->nr_vms++];
	r->vm->cpus = 1;
	r->vm->weight = CONFIG_WEIGHT_DEFAULT;
	r->vm->pin = CONFIG_PIN_NONE;
	r->vm->on_reset = CONFIG_RESTART;
	r->vm->on_crash = CONFIG_END;
	return true;
}

static bool read_header(struct reader *r, bool is_item)
{
	if (!end_table(r))
		return false;
	if (text_equal(r->toml.key, "vm"))
		return is_item ? begin_vm(r) : fail_key(r, "write [[vm]], one for each VM");
	if (!text_equal(r->toml.key, "lamina"))
		return fail_key(r, "unknown table; tables: [lamina], [[vm]]");
	if (is_item)
		return fail_key(r, "write [lamina], there is only one");
	if (r->lamina_line)
		return fail_key(r, "[lamina] given twice, first in line %u", r->lamina_line);
	begin_table(r, lamina_keys, "[lamina]");
	r->lamina_line = r->table_line;
	return true;
}

static bool read_all(struct reader *r)
{
	enum toml_event event;
	bool ok = true;

	while (ok && (event = toml_next(&r->toml)) != TOML_END)
		ok = event == TOML_PAIR	    ? read_pair(r) :
		     event == TOML_FAIL	    ? false :
					      read_header(r, event == TOML_TABLE_ITEM);
	if (!ok || !end_table(r))
		return false;
	return r->out->nr_vms || toml_fail(&r->toml, r->toml.line, 1, "vm",
					   "no [[vm]] table: there is nothing to run");
}

bool config_parse(const char *text, size_t size_bytes, struct lamina_config *out,
		  struct toml_error *error)
{
	struct reader r = { .out = out, .table = "" };

	__builtin_memset(out, 0, sizeof(*out));
	out->log_level = CONFIG_LOG_INFO;
	out->escape = ']' & 0x1f;
	return toml_open(&r.toml, text, size_bytes, error) && read_all(&r);
}
