#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measure what exits cost, in instructions: a table, and build/bench.tsv.

The TSC of Bochs counts instructions of its one CPU; QEMU's does with -icount shift=0. With several
CPUs QEMU's counts the instructions of all, of which one runs at a time: the sender of an interrupt
until it waits, then the receiver. Bochs takes turns after each few instructions and advances its
TSC by the mean of all CPUs, a halted one counting as one that runs: ticks, which are comparable
with each other only."""
import concurrent.futures
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../e2e"), os.path.join(HERE, "../../scripts")]

import delivery  # noqa: E402
import isolation_share  # noqa: E402
from session import bochs, image_make, qemu  # noqa: E402

CONFIG = """\
[lamina]
on_end = "poweroff"
smt = true

[[vm]]
name = "{name}"
cpus = {cpus}
memory = "256M"
kernel = "{name}.elf"
testdev = true
on_reset = "end"
"""

# What the guest named prints, and with how many CPUs it runs.
GUESTS = {
    "bench": (1, ["cpuid", "invd", "wbinvd", "rdmsr", "hypercall", "pic_read", "ioapic_read",
                  "npf_entry", "self_ipi_entry", "self_ipi_total", "icr_self_entry",
                  "icr_self_total", "eoi", "tpr_write", "cr8_write", "tsc_deadline"]),
    "bench_ipi": (2, ["ipi_running", "ipi_running_arrival", "ipi_halted", "ipi_halted_arrival"]),
}

PLATFORMS = {
    "vmx-bochs": lambda name, image, cpus: bochs(name, image, cpus=cpus),
    "svm-bochs": lambda name, image, cpus: bochs(name, image, cpus=cpus, model="ryzen",
                                                 features=', add_features="x2apic"'),
    # The timer of an x2APIC aborts QEMU under -icount.
    "svm-qemu": lambda name, image, cpus: qemu(name, image, cpus=cpus, cpu="max,-x2apic",
                                               extra=["-icount", "shift=0,sleep=off"]),
}


def measure(platform, guest):
    cpus, names = GUESTS[guest]
    label = f"{guest}-{platform}"
    image = image_make(f"build/e2e/{label}.img", CONFIG.format(name=guest, cpus=cpus),
                       {f"{guest}.elf": f"build/guests/{guest}.elf"})
    with PLATFORMS[platform](label, image, cpus) as session:
        session.expect(rf"GUEST {guest}: \d+ passed, 0 failed", never="FAIL|killed")
        values = dict(re.findall(r"^BENCH (\w+) (\d+)$", session.text, re.M))
    return {name: values[name] for name in names}


def unit(platform, name):
    return "ticks" if platform.endswith("bochs") and name.startswith("ipi") else "instructions"


def main():
    pairs = [(platform, guest) for guest in GUESTS for platform in PLATFORMS]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = dict(zip(pairs, pool.map(lambda pair: measure(*pair), pairs)))
        rows = list(pool.map(lambda job: job(), delivery.JOBS))
        shares = [row for part in pool.map(lambda job: job(), isolation_share.JOBS)
                  for row in part]
    with open("build/bench.tsv", "w", encoding="ascii") as file:
        file.write("platform\tname\tvalue\tunit\n")
        for (platform, _), values in results.items():
            for name, value in values.items():
                file.write(f"{platform}\t{name}\t{value}\t{unit(platform, name)}\n")
        for row in rows + shares:
            file.write("\t".join(row) + "\n")
    print(f"{'instructions':20}" + "".join(f"{platform:>14}" for platform in PLATFORMS))
    for guest, (_, names) in GUESTS.items():
        for name in names:
            cells = (results[platform, guest][name] +
                     (" *" if unit(platform, name) == "ticks" else "") for platform in PLATFORMS)
            print(f"{name:20}" + "".join(f"{cell:>14}" for cell in cells))
    print("* ticks: see tests/bench/bench.py")
    print(*delivery.table(rows), *isolation_share.table(shares), sep="\n")


main()
