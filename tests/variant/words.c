/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Monitor commands that break Lamina, for tests of what it says then:
 *
 *   panic        a bug on the boot CPU
 *   panic torn   the same, and the record of last words is damaged behind it
 *   panic line   the same with one of its lines
 *   hang N       CPU N stops with interrupts off, in word_hang()
 *   wake         it goes on
 */
#include <stdlib.h>
#include <string.h>

#include "arch/x86/acpi.h"
#include "arch/x86/atomic.h"
#include "arch/x86/insn.h"
#include "arch/x86/ipi.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "boot/lastwords.h"
#include "core/console.h"

static u32 is_hanging; /* [a] */
static struct words_slot *record;
static const char *damage = "";

char *__real_line_key(u8 byte);
char *__wrap_line_key(u8 byte);
void __real_lastwords_init(void *memory);
void __wrap_lastwords_init(void *memory);
enum err __real_acpi_reset(void);
enum err __wrap_acpi_reset(void);
void word_hang(void *arg);
void word_panic(const char *how);

void __wrap_lastwords_init(void *memory)
{
	record = memory;
	__real_lastwords_init(memory);
}

enum err __wrap_acpi_reset(void)
{
	if (!strcmp(damage, " torn"))
		record->first ^= 1;
	else if (!strcmp(damage, " line"))
		record[1 + (record->first + 5) % WORDS_SLOTS].text[0] ^= 1;
	return __real_acpi_reset();
}

__attribute__((noinline)) void word_hang(void *arg)
{
	atomic_store_u32(arg, 1);
	while (atomic_load_u32(arg))
		cpu_pause();
}

__attribute__((noinline)) void word_panic(const char *how)
{
	damage = how;
	panic("the operator said panic%s", how);
}

/* The call times out: the CPU does not come back from it. */
static void hang(u32 index)
{
	if (index >= cpus_known() || index == cpu_index() ||
	    ipi_call(index, word_hang, &is_hanging) == ERR_RANGE)
		console_print("hang: not such a CPU\n");
}

/* A line that is for here is an empty one for the monitor. */
char *__wrap_line_key(u8 byte)
{
	char *line = __real_line_key(byte);

	if (!line)
		return NULL;
	if (!strncmp(line, "panic", 5))
		word_panic(line + 5);
	else if (!strncmp(line, "hang ", 5))
		hang((u32)strtoul(line + 5, NULL, 10));
	else if (!strcmp(line, "wake"))
		atomic_store_u32(&is_hanging, 0);
	else
		return line;
	*line = '\0';
	return line;
}
