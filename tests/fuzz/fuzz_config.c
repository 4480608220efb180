/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: boot/config.c boot/toml.c */
/*
 * Any bytes as lamina.toml: the parser must end, stay within its memory, and hold what config.h and
 * bootinfo.h promise: an accepted configuration is whole, a refused one has a message.
 */
#include <stdlib.h>
#include <string.h>

#include "boot/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int is_true)
{
	if (!is_true)
		abort();
}

/* NUL inside the array. */
static int is_string(const char *s, size_t size)
{
	return memchr(s, 0, size) != NULL;
}

static void check_file(const struct boot_file *f)
{
	require(is_string(f->path, sizeof(f->path)) && f->path[0] && f->line);
	require(!f->hpa && !f->size_bytes);
}

static void check_vm(const struct lamina_config *c, uint32_t index)
{
	const struct vm_config *vm = &c->vm[index];

	require(is_string(vm->name, sizeof(vm->name)) && vm->name[0]);
	require(is_string(vm->cmdline, sizeof(vm->cmdline)));
	require(vm->cpus >= 1 && vm->cpus <= BOOT_MAX_CPUS);
	require(vm->memory_bytes && vm->memory_bytes % (2u << 20) == 0);
	require(vm->testdev <= 1 && vm->on_reset <= CONFIG_END && vm->on_crash <= CONFIG_END);
	require(vm->nr_modules <= BOOT_MAX_MODULES);
	check_file(&vm->kernel);
	for (uint32_t i = 0; i < vm->nr_modules; i++)
		check_file(&vm->modules[i]);
	for (uint32_t i = 0; i < index; i++)
		require(strcmp(vm->name, c->vm[i].name) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lamina_config config;
	char message[TOML_MAX_MESSAGE] = "";

	if (!config_parse((const char *)data, size, &config, message)) {
		require(is_string(message, sizeof(message)) && message[0] >= '1');
		return 0;
	}
	require(config.nr_vms >= 1 && config.nr_vms <= BOOT_MAX_VMS);
	require(config.on_end <= CONFIG_ON_END_STAY && config.log_level <= CONFIG_LOG_DEBUG);
	require(config.debug_exit <= 1 && config.escape && config.escape < 0x20);
	for (uint32_t i = 0; i < config.nr_vms; i++)
		check_vm(&config, i);
	return 0;
}
