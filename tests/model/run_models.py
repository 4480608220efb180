#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Search the models of the protocols: run_models.py [--long] [MODEL...]; --long takes larger ones.
A right model must be searched to its end without an error and leave no step of it unused; a wrong
variant must violate the property that is named. Logs and trails stay in build/model/."""
import concurrent.futures
import os
import re
import subprocess
import sys
import time
from pathlib import Path

OUT = Path("build/model")
HERE = Path(__file__).parent

# Model, its defines, the property that it violates.
SHORT = """
    kick NV=1 ROUNDS=0
    kick NC=1
    kick NS=1 ROUNDS=2
    kick NV=1 PLAIN: lost
    kick NV=1 LATE: lost
    kick NV=1 SPLIT: lost
    kick NC=1 PERCPU: lost
    kick NV=1 STALE: lost
    kick NV=1 NOTEST: lost
    wake NS=1
    wake NV=1 ROUNDS=0
    wake NV=1 ROUNDS=0 FIRSTIPI
    wake LOOKFIRST: asleep
    wake STOREBACK: twice
    wake NOCAS: twice
    wake IDLELATE: halts
    wake NORESCHED: waits
    wake NOLOOK: waits
    wake LOOKEARLY: waits
    wake STATEFIRST: asleep
    wake NOIPI: waits
    pause
    pause NV=2 NC=1 ROUNDS=1
    pause ASKFIRST: invalid end state
    pause NEWRACE: inside
    pause CLRLATE: invalid end state
    pause NOLOOK: stuck
    pause NOCAS: twice
    pause NOWAIT: inside
    pause NOTURN: inside
    posted
    posted NDSTSPLIT
    posted PIRFIRST: lost
    posted NORECHECK: lost
    posted NOBLKCHK: lost
    posted NDSTLATE: lost
    posted WORDFIRST: lost
    posted LISTLATE: lost
    posted PARKLATE: lost
    avic
    avic LIVEFIRST
    avic BLKLATE ROUNDS=0: lost
    avic NORUN: lost
    avic NOSCAN: lost
    avic NOFENCE: lost
    avic NOFENCE LIVEFIRST: lost
    avic LIVEEARLY: lost
    avic STALEID ROUNDS=0: lost
    avic TABLEID ROUNDS=0: lost
    avic NAP5: agrees
"""
LONG = """
    kick NV=1 NS=3
    kick
    wake NS=1 ROUNDS=0
    wake
    wake FIRSTIPI
    posted NS=3
    avic ROUNDS=2
"""

ERROR = re.compile(r"^pan\S*: (assertion violated|invalid end state)\s*(.*?) \(at depth", re.M)
STORED = re.compile(r"^\s*(\S+) states, stored", re.M)
CUT_SHORT = re.compile(r"not completed|too small|aborting|MEMLIM|out of memory", re.I)
UNUSED = re.compile(r'^\s+(\S+:\d+), state \d+, "(?!-end-|assert)(.*)"$', re.M)


def verdict(output, status, breaks):
    """What is wrong with the output of a search, or nothing."""
    error = ERROR.search(output)
    if error:
        name = re.sub(r"[!()\s]", "", error.group(2)) or error.group(1)
        return "" if name == breaks else f"violates: {name}"
    if status or "errors: 0" not in output or CUT_SHORT.search(output):
        return "cut short"
    if breaks:
        return f"does not violate: {breaks}"
    return "".join(f"unused: {where} {step}; " for where, step in UNUSED.findall(output))


def search(model, defines, memory_mb, depth):
    """Build and run it: output of the search, exit status."""
    folder = OUT / "-".join([model, *defines])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{model}.pml").write_text((HERE / f"{model}.pml").read_text())
    flags = [f"-D{define}" for define in defines]
    compile_it = ["gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={memory_mb}",
                  "-o", "pan", "pan.c"]
    for command in (["spin", *flags, "-a", f"{model}.pml"], compile_it):
        built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if built.returncode or "error" in built.stdout.lower():
            return built.stdout + built.stderr, 1
    done = subprocess.run(["./pan", f"-m{depth}", "-w22"], cwd=folder, capture_output=True,
                          text=True, check=False)
    output = done.stdout + done.stderr
    (folder / "log").write_text(output)
    return output, done.returncode


def run(row, memory_mb):
    what, _, breaks = row.partition(":")
    model, *defines = what.split()
    start = time.monotonic()
    output, status = search(model, defines, memory_mb, 1000000)
    seconds = time.monotonic() - start
    wrong = verdict(output, status, breaks.strip())
    states = (STORED.findall(output) or ["no"])[0]
    shows = f", violates: {breaks.strip()}" if breaks else ""
    return not wrong, (f"{'FAIL' if wrong else 'ok'} {what.strip()}{shows}: "
                       f"{states} states, {seconds:.1f} s{' -- ' if wrong else ''}{wrong}")


def self_tests():
    """Yield (what, is it as it should be)."""
    for what, memory_mb, depth in (("depth", 900, 50), ("memory", 20, 1000000)):
        output, status = search("kick", ["NV=1"], memory_mb, depth)
        yield f"a limit of {what}", verdict(output, status, "") == "cut short"
    output, status = search("kick", ["NV=1"], 900, 1000000)
    yield "a search without an error", verdict(output, status, "lost").startswith("does not")
    yield "an unused step", "unused" in verdict(output + '\n\tx.pml:1, state 2, "x = 1"\n', 0, "")
    yield "a deadlock", verdict("pan:1: invalid end state (at depth 3)", 0, "") != ""


def main():
    is_long = "--long" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--long"]
    rows = [row.strip() for row in (LONG if is_long else SHORT).strip().splitlines()]
    rows = [row for row in rows if not names or re.split(r"[ :]", row)[0] in names]
    counts = [0, 0]
    with concurrent.futures.ThreadPoolExecutor(1 if is_long else os.cpu_count()) as pool:
        for good, line in pool.map(lambda row: run(row, 6000 if is_long else 900), rows):
            print(line, flush=True)
            counts[not good] += 1
    for what, good in self_tests():
        if not good:
            print(f"FAIL not noticed: {what}")
        counts[not good] += 1
    print("%d passed, %d failed, 0 skipped" % tuple(counts))
    return bool(counts[1]) or not rows


sys.exit(main())
