/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU that writes every instruction and memory access to a file, in the form in which
 * Bochs' debugger has them, from the first XCHG BX, BX on; then it ends QEMU. For one CPU. An
 * instruction's physical address, which QEMU does not tell, is written as 0, and its text is what
 * tests/e2e/isolation.py wants to know of it.
 *
 *   -plugin file=trace_plugin.so,out=FILE,count=INSTRUCTIONS
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The part of QEMU's plugin interface that is used here; "QEMU TCG Plugins". */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
typedef void executed(unsigned cpu, void *user);
typedef void accessed(unsigned cpu, uint32_t info, uint64_t linear, void *user);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*fn)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed *fn, int regs,
					    void *user);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, accessed *fn, int regs,
				      int which, void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *bytes, size_t size);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t linear);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *at);
#define NO_REGISTERS 0
#define READS_AND_WRITES 3

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);
int qemu_plugin_version = 4;

static FILE *out;
static unsigned long left;
static bool is_on;

static void insn_write(void *rip, const char *text)
{
	if (!is_on)
		return;
	fprintf(out, "(0).[%lu] [0x0] cs:%016lx (-): %s;\n", left, (unsigned long)(uintptr_t)rip,
		text);
	if (--left)
		return;
	fclose(out);
	_exit(0);
}

static void begin(unsigned cpu, void *rip)
{
	(void)cpu;
	(void)rip;
	is_on = true;
}

static void run_other(unsigned cpu, void *rip)
{
	(void)cpu;
	insn_write(rip, "-");
}

static void run_mov_cr3(unsigned cpu, void *rip)
{
	(void)cpu;
	insn_write(rip, "mov cr3");
}

static void run_vmrun(unsigned cpu, void *rip)
{
	(void)cpu;
	insn_write(rip, "vmrun");
}

static void access_write(unsigned cpu, uint32_t info, uint64_t linear, void *user)
{
	const struct qemu_plugin_hwaddr *at = is_on ? qemu_plugin_get_hwaddr(info, linear) : NULL;

	(void)cpu;
	(void)user;
	if (at)
		fprintf(out, "[CPU0 RW]: LIN 0x%lx PHY 0x%lx\n", (unsigned long)linear,
			(unsigned long)qemu_plugin_hwaddr_phys_addr(at));
}

static const struct {
	uint8_t bytes[3], mask;
	executed *fn;
} known[] = {
	{ { 0x66, 0x87, 0xdb }, 0xff, begin }, /* XCHG BX, BX */
	{ { 0x0f, 0x22, 0xd8 }, 0xf8, run_mov_cr3 },
	{ { 0x0f, 0x01, 0xd8 }, 0xff, run_vmrun },
};

/* VMRUN, VMLOAD and VMSAVE: what they access is by physical address, and the processor's own. */
static bool is_svm(const uint8_t *bytes)
{
	return bytes[0] == 0x0f && bytes[1] == 0x01 && bytes[2] >= 0xd8 && bytes[2] <= 0xdb;
}

static executed *kind_of(const uint8_t *bytes)
{
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!memcmp(bytes, known[i].bytes, 2) &&
		    (bytes[2] & known[i].mask) == known[i].bytes[2])
			return known[i].fn;
	return run_other;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		void *rip = (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn);
		uint8_t bytes[3] = { 0 };

		qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
		qemu_plugin_register_vcpu_insn_exec_cb(insn, kind_of(bytes), NO_REGISTERS, rip);
		if (!is_svm(bytes))
			qemu_plugin_register_vcpu_mem_cb(insn, access_write, NO_REGISTERS,
							 READS_AND_WRITES, NULL);
	}
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "count=", 6))
			left = strtoul(argv[i] + 6, NULL, 10);
	}
	if (!out || !left)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
