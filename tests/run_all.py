#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run the given test programs one after the other and sum up their closing lines."""
import re
import subprocess
import sys

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


def run(program):
    print(f"== {program}", flush=True)
    process = subprocess.Popen(program.split(), stdout=subprocess.PIPE, text=True)
    output = ""
    for line in process.stdout:
        output += line
        if not CLOSING.match(line):
            print(line, end="", flush=True)
    status = process.wait()
    counts = [int(n) for n in (CLOSING.findall(output) or [(0, 0, 0)])[-1]]
    # A program that dies, or that runs nothing, has failed.
    if (status and not counts[1]) or not sum(counts):
        counts[1] += 1
    print(f"== {program}: %d passed, %d failed, %d skipped" % tuple(counts), flush=True)
    return counts


def main():
    counts = [run(program) for program in sys.argv[1:]]
    total = [sum(column) for column in zip(*counts)]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0


sys.exit(main())
