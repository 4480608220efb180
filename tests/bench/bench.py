#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measure what exits cost, in instructions: a table, and build/bench.tsv.

The TSC of Bochs counts instructions of its one CPU; QEMU's does with -icount shift=0."""
import concurrent.futures
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../e2e"), os.path.join(HERE, "../../scripts")]

from session import bochs, image_make, qemu  # noqa: E402

CONFIG = """\
[lamina]
on_end = "poweroff"

[[vm]]
name = "bench"
cpus = 1
memory = "256M"
kernel = "bench.elf"
testdev = true
on_reset = "end"
"""

NAMES = ["cpuid", "rdmsr", "hypercall", "pic_read", "ioapic_read", "npf_entry"]

PLATFORMS = {
    "vmx-bochs": lambda image: bochs("bench-vmx-bochs", image, cpus=1),
    "svm-bochs": lambda image: bochs("bench-svm-bochs", image, cpus=1, model="ryzen",
                                     features=', add_features="x2apic"'),
    "svm-qemu": lambda image: qemu("bench-svm-qemu", image, cpus=1, cpu="max,-x2apic",
                                   extra=["-icount", "shift=0,sleep=off"]),
}


def measure(platform):
    image = image_make(f"build/e2e/bench-{platform}.img", CONFIG,
                       {"bench.elf": "build/guests/bench.elf"})
    with PLATFORMS[platform](image) as session:
        session.expect("GUEST bench: 1 passed, 0 failed", never="FAIL|killed")
        return {name: int(value) for name, value in
                re.findall(r"^BENCH (\w+) (\d+)$", session.text, re.M)}


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = dict(zip(PLATFORMS, pool.map(measure, PLATFORMS)))
    print("instructions " + "".join(f"{name:>13}" for name in NAMES))
    with open("build/bench.tsv", "w", encoding="ascii") as file:
        file.write("platform\tname\tvalue\tunit\n")
        for platform, values in results.items():
            print(f"{platform:13}" + "".join(f"{values[name]:13}" for name in NAMES))
            for name in NAMES:
                file.write(f"{platform}\t{name}\t{values[name]}\tinstructions\n")


main()
