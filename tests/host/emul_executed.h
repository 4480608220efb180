/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_HOST_EMUL_EXECUTED_H
#define TESTS_HOST_EMUL_EXECUTED_H

#include <string.h>

#include "core/emul/emul.h"

/* Does emul_exec() carry this operation out? */
static inline bool emul_op_is_executed(enum emul_op op)
{
	static const char *const by[EMUL_NR_OPS] = {
#define INSN(name, exec, flags) #exec,
#include "core/emul/insns.def"
	};

	return op < EMUL_NR_OPS && strcmp(by[op], "none");
}

#endif
