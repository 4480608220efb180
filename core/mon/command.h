/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the monitor share: a command's arguments, and jobs. A command must not wait,
 * for it runs in a timer of the boot CPU, which has guests to run; what takes time or has to wait
 * for a vCPU becomes a job, done piece by piece. All on the boot CPU.
 */
#ifndef CORE_MON_COMMAND_H
#define CORE_MON_COMMAND_H

#include "core/console.h"
#include "core/vm.h"

struct args {
	struct vm *vm; /* NULL: the host */
	struct vcpu *v; /* number 0 unless another is named */
	bool has_vcpu;
	u64 n[3];
	u32 nr; /* of those given */
	u32 word; /* index in the usage */
	char format;
	const char *name; /* of a command */
};

#define FORMATS "bwdq" /* 1, 2, 4 and 8 bytes */

#define X(name, kinds, usage, help) void cmd_##name(const struct args *a);
#include "core/mon/commands.def"
#undef X

/*
 * Go on with `step`, about every millisecond, until it returns false. Further input waits, or with
 * `any_key_ends` is the end.
 */
void job_start(bool (*step)(void), bool any_key_ends);

#endif
