#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Build and run the host tests, two at a time, and sum up.

Each tests/host/test_*.c is one cmocka program. Its LINK lines name the project's sources that it
tests, its LIBS lines further libraries, its FLAGS lines compiler flags that come first. Everything
runs under ASan and UBSan."""
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

OUT = Path("build/host")
FLAGS = ("-std=gnu17 -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined "
         "-fno-sanitize-recover=all -I. -Ibuild").split()


def words(text, key):
    return [w for line in re.findall(r"/\* %s:([^\n]*?)\*/" % key, text) for w in line.split()]


def run(source):
    text = source.read_text()
    binary = OUT / source.stem
    link = ["gcc", *words(text, "FLAGS"), *FLAGS, str(source), *words(text, "LINK"),
            "-o", str(binary), "-lcmocka", *words(text, "LIBS")]
    log = OUT / (source.stem + ".log")
    with open(log, "w") as out:
        if subprocess.run(link, stdout=out, stderr=subprocess.STDOUT).returncode:
            return source.stem, 0, 1, 0, log
        status = subprocess.run([str(binary)], stdout=out, stderr=subprocess.STDOUT,
                                timeout=1200).returncode
    output = log.read_text(errors="replace")
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    skipped = len(re.findall(r"^\[  SKIPPED \] \S+$", output, re.M)) // 2
    failed = len(set(re.findall(r"^\[  FAILED  \] (\S+)$", output, re.M)))
    if status and not failed or not status and not passed:
        failed += 1
    return source.stem, passed, failed, skipped, log


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    sources = sorted(Path("tests/host").glob("test_*.c"))
    if len(sys.argv) > 1:
        sources = [s for s in sources if s.stem in sys.argv[1:]]
    total = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, passed, failed, skipped, log in pool.map(run, sources):
            print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
            if failed:
                print(log.read_text(errors="replace")[-3000:])
            total = [a + b for a, b in zip(total, (passed, failed, skipped))]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] or not total[0] else 0


sys.exit(main())
