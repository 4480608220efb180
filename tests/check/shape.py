#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The shape of the code: short functions and files, narrow lines, nothing unfinished, and the
whole small. Also proves that it can fail."""
import re
import statistics
import subprocess
import sys

COLUMNS = 100
FUNCTION_MAX, FUNCTION_MOST, FUNCTION_MEDIAN = 80, 40, 14
FILE_MAX = 600
TEST_FILE_MAX = 800 # a test file is a list of cases
TOTAL_MAX = 26000
OURS = ("arch/", "boot/", "core/", "drivers/", "svm/", "vmx/")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def is_table(name):
    return name.endswith((".def", ".ld"))


def code_lines(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    return [line for line in text.splitlines() if line.strip()]


def functions(text):
    """Name and length in lines of each function: from its line with '(' to the closing brace."""
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines):
        if line == "{" and number:
            start = number
        elif line == "}" and start is not None:
            head = start - 1
            while head and not re.match(r"\w", lines[head]):
                head -= 1
            yield lines[head], number - head + 1
            start = None


def line_errors(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}"
        if len(line.expandtabs(8)) > COLUMNS and not line.startswith("/* LINK:"):
            yield f"{where}: wider than {COLUMNS} columns"
        if line != line.rstrip():
            yield f"{where}: blanks at the end"
        if UNFINISHED.search(line) and not name.startswith("tests/check/"):
            yield f"{where}: unfinished"
        if name.endswith((".c", ".h")) and re.match(r" {8,}[^ \\]", line):
            yield f"{where}: indented with blanks"


def file_errors(name, text):
    yield from line_errors(name, text)
    limit = TEST_FILE_MAX if name.startswith("tests/") else FILE_MAX
    if not is_table(name) and len(code_lines(text)) > limit:
        yield f"{name}: more than {limit} lines of code"
    if name.endswith(".c") and not name.startswith("tests/"):
        for head, length in functions(text):
            if length > FUNCTION_MAX:
                yield f"{name}: {length} lines in {head}"


def tracked():
    names = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    return {name: open(name, encoding="utf-8").read() for name in names.stdout.split()
            if name.endswith((".c", ".h", ".S", ".def", ".ld", ".py"))}


def whole_errors(files):
    lengths = [length for name, text in files.items() if name.endswith(".c")
               and name.startswith(OURS) for _, length in functions(text)]
    total = sum(len(code_lines(text)) for name, text in files.items() if name.startswith(OURS))
    short = sum(length <= FUNCTION_MOST for length in lengths) / max(len(lengths), 1)
    median = statistics.median(lengths or [0])
    print(f"   {total} lines of code, {len(lengths)} functions, median {median:.0f} lines, "
          f"{100 * short:.1f} % within {FUNCTION_MOST}")
    if total > TOTAL_MAX:
        yield f"{total} lines of code, more than {TOTAL_MAX}"
    if median > FUNCTION_MEDIAN:
        yield f"the median function has {median} lines, more than {FUNCTION_MEDIAN}"
    if lengths and short < 0.9:
        yield f"only {100 * short:.1f} % of functions within {FUNCTION_MOST} lines"


LONG = "int f(void)\n{\n" + "\tg();\n" * 90 + "}\n"
BAD = {
    "a long line": "\t" * 13 + "x\n",
    "trailing blanks": "int a; \n",
    "unfinished work": "/* TO" + "DO */\n",
    "blanks for tabs": "        int a;\n",
    "a long function": LONG,
    "a long file": "int a;\n" * 601,
}


def main():
    files = tracked()
    found = [e for name, text in files.items() for e in file_errors(name, text)]
    found += whole_errors(files)
    for line in found:
        print("FAIL " + line)
    failed = int(bool(found))
    print(f"{'FAIL' if found else 'ok'} shape of {len(files)} files")
    for what, text in BAD.items():
        if not list(file_errors("core/bad.c", text)):
            print(f"FAIL not noticed: {what}")
            failed += 1
    print("%d passed, %d failed, %d skipped" % (1 + len(BAD) - failed, failed, 0))
    return bool(failed)


sys.exit(main())
