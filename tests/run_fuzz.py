#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Feed random input to each tests/fuzz/fuzz_*.c: run_fuzz.py [SECONDS each]. Findings stay in
build/fuzz."""
import re
import subprocess
import sys
from pathlib import Path

OUT = Path("build/fuzz")
FLAGS = ("-std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "
         "-I. -Ibuild")


def fuzz(source, seconds):
    program = OUT / source.stem
    corpus = OUT / (source.stem + "-corpus")
    corpus.mkdir(exist_ok=True)
    link = [w for line in re.findall(r"/\* LINK:([^\n]*?)\*/", source.read_text())
            for w in line.split()]
    if subprocess.run(["clang", *FLAGS.split(), str(source), *link, "-o", str(program)],
                      check=False).returncode:
        return False
    log = open(OUT / (source.stem + ".log"), "wb")
    return not subprocess.run(
        [str(program), f"-max_total_time={seconds}", f"-artifact_prefix={OUT}/", str(corpus)],
        stdout=log, stderr=subprocess.STDOUT, check=False).returncode


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    OUT.mkdir(parents=True, exist_ok=True)
    counts = [0, 0]
    for source in sorted(Path("tests/fuzz").glob("fuzz_*.c")):
        good = fuzz(source, seconds)
        counts[not good] += 1
        print(f"{'ok' if good else 'FAIL'} {source.stem} ({seconds} s)", flush=True)
    print("%d passed, %d failed, 0 skipped" % tuple(counts))
    return counts[1] or not counts[0]


sys.exit(main())
