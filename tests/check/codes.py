#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The README's table of checkpoint codes against boot/checkpoints.def. Also proves that it can
fail."""
import re
import sys

ROW = re.compile(r"^\| ([LC]\d\d) \| (.*?) \| .* \|$", re.M)
LINE = re.compile(r'^CHECKPOINT\(\w+, "([LC])", (\d\d), "([^"]*)"\)$', re.M)


def table_of(source):
    return [(letter + digits, what) for letter, digits, what in LINE.findall(source)]


def errors(source, readme):
    codes, rows = table_of(source), ROW.findall(readme)
    if len(codes) != source.count("\nCHECKPOINT("):
        yield "boot/checkpoints.def has a line that is not understood"
    if len({code[1:] for code, _ in codes}) != len(codes):
        yield "two checkpoints have the same digits"
    for wrong in [c for c in codes if c not in rows] + [r for r in rows if r not in codes]:
        yield f"{wrong[0]} '{wrong[1]}' is not in both boot/checkpoints.def and README.md"
    if not rows or [c for c in codes if c in rows] != [r for r in rows if r in codes]:
        yield "the README has the codes in another order, or none"


def main():
    with open("boot/checkpoints.def", encoding="utf-8") as file:
        source = file.read()
    with open("README.md", encoding="utf-8") as file:
        readme = file.read()
    found = list(errors(source, readme))
    for line in found:
        print("FAIL " + line)
    print(f"{'FAIL' if found else 'ok'} {len(table_of(source))} checkpoint codes")
    bad = {"a code missing": re.sub(r"^\| L03 .*\n", "", readme, flags=re.M),
           "another text": readme.replace("| read the configuration |", "| read something |"),
           "a code too many": readme.replace("| L03 ", "| L99 | nothing | - |\n| L03 "),
           "no table": ""}
    unnoticed = [what for what, text in bad.items() if not list(errors(source, text))]
    for what in unnoticed:
        print(f"FAIL not noticed: {what}")
    failed = bool(found) + len(unnoticed)
    print("%d passed, %d failed, %d skipped" % (1 + len(bad) - failed, failed, 0))
    return bool(failed)


sys.exit(main())
