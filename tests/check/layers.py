#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may include whom, and where inline assembly may be. Also proves that it can fail."""
import re
import subprocess
import sys

# The first folder that fits decides; a file may include its own layer and those listed.
LAYERS = {
    "boot/": ["boot/"],
    "core/lib/": ["core/lib/"],
    "arch/x86/": ["arch/x86/", "core/lib/", "gen/arch/x86/"],
    "drivers/": ["drivers/", "arch/x86/", "core/lib/", "font/"],
    "core/emul/": ["core/emul/", "core/lib/", "core/types.h"],
    "core/mon/": ["core/", "arch/x86/", "drivers/", "boot/bootinfo.h"],
    "core/main.c": ["core/", "arch/x86/", "drivers/", "boot/bootinfo.h", "boot/checkpoints.h"],
    "core/lastwords.c": ["core/", "arch/x86/", "boot/lastwords.h"],
    "core/": ["core/", "arch/x86/", "gen/core/", "boot/bootinfo.h"],
    "vmx/": ["vmx/", "core/", "arch/x86/", "gen/"],
    "svm/": ["svm/", "core/", "arch/x86/", "gen/"],
    "tests/": [""],
}
NOT_FROM_BELOW = {"core/mon/": ("core/mon/", "core/main.c", "tests/")}
ASSEMBLY = {"arch/x86/insn.h", "arch/x86/atomic.h", "vmx/insn.h", "svm/insn.h"}
OUR_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def layer_of(path):
    return max((prefix for prefix in LAYERS if path.startswith(prefix)), key=len)


def include_errors(path, text):
    allowed = LAYERS[layer_of(path)]
    for name in OUR_INCLUDE.findall(text):
        if not any(name.startswith(prefix) for prefix in allowed):
            yield f"{path} may not include {name}"
        for prefix, users in NOT_FROM_BELOW.items():
            if name.startswith(prefix) and not path.startswith(users):
                yield f"{path} may not include {name}, which is above it"


def own_header_errors(path, text, files):
    own = path[:-2] + ".h"
    if path.endswith(".c") and own in files and path.startswith(tuple("abcdsv")):
        first = OUR_INCLUDE.search(text)
        if not first or first.group(1) != own:
            yield f"{path} does not include its own header first"


def assembly_errors(path, text):
    if path.startswith(("boot/", "tests/")) or path in ASSEMBLY or path.endswith("offsets.c"):
        return
    if re.search(r"\b(__)?asm(__)?\b\s*(volatile|__volatile__)?\s*\(", text):
        yield f"{path} has inline assembly"


def spdx_errors(path, text):
    if "SPDX-License-Identifier: BSD-2-Clause" not in "\n".join(text.splitlines()[:3]):
        yield f"{path} has no SPDX line at its top"


def errors(files):
    for path, text in files.items():
        if path.endswith((".c", ".h", ".S", ".def")):
            yield from include_errors(path, text)
            yield from own_header_errors(path, text, files)
            yield from assembly_errors(path, text)
        yield from spdx_errors(path, text)


def tracked():
    names = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    kinds = (".c", ".h", ".S", ".def", ".py", ".ld", ".sh", ".asl", ".toml")
    return {name: open(name, encoding="utf-8").read() for name in names.stdout.split()
            if name.endswith(kinds) and name != "boot/lamina.toml"}


SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
BAD = {
    "a lower layer includes a higher one": {"arch/x86/a.c": SPDX + '#include "core/vm.h"\n'},
    "core includes a vendor": {"core/a.c": SPDX + '#include "vmx/vmx.h"\n'},
    "one vendor includes the other": {"svm/a.c": SPDX + '#include "vmx/insn.h"\n'},
    "core includes a driver": {"core/a.c": SPDX + '#include "drivers/serial.h"\n'},
    "core includes the monitor": {"core/a.c": SPDX + '#include "core/mon/monitor.h"\n'},
    "own header comes second": {"core/a.c": SPDX + '#include "core/b.h"\n#include "core/a.h"\n',
                                "core/a.h": SPDX, "core/b.h": SPDX},
    "inline assembly in core": {"core/a.c": SPDX + '__asm__ volatile("nop");\n'},
    "no SPDX line": {"core/a.c": "int a;\n"},
}


def main():
    failed = 0
    found = list(errors(tracked()))
    for line in found:
        print("FAIL " + line)
    failed += bool(found)
    print(f"{'FAIL' if found else 'ok'} layers of {len(tracked())} files")
    for what, files in BAD.items():
        if not list(errors(files)):
            print(f"FAIL not noticed: {what}")
            failed += 1
    print("%d passed, %d failed, %d skipped" % (1 + len(BAD) - failed, failed, 0))
    return bool(failed)


sys.exit(main())
