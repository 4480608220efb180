# SPDX-License-Identifier: BSD-2-Clause
"""How many exits are handled without leaving the isolated tables: iso_fraction_boot while Linux
boots to its shell on two vCPUs, iso_fraction_idle while it idles (idle=poll) under a load of timers
and IPIs (tests/guest/linux/load.c), iso_fraction_exits for a guest that makes such exits. An exit
after which a request makes the vCPU leave counts as one that has left. Then what isolation costs:
a CPUID exit, a nested page fault and an I/O APIC read on a core whose doors stay shut ("open").
Rows for bench.tsv: (platform, name, value, unit)."""
import re

import linux
from session import bochs, image_make, qemu

GUEST = """\
[lamina]
on_end = "stay"

[[vm]]
name = "{name}"
memory = "256M"
kernel = "{name}.elf"
testdev = true
on_reset = "end"
"""
SECONDS = 15
COUNTED = r"(\d+) of (\d+) exits handled there"
LEFT = r"left for:(.*)"


def counts(session):
    """What the monitor says: exits handled on the isolated tables, all exits, ways out."""
    session.send("\x1d")
    session.expect("lamina> ")
    start = len(session.text)
    session.send("isolation\n")
    session.expect(COUNTED + r".*\n")
    text = session.text[start:]
    handled, exits = (int(n) for n in re.search(COUNTED, text).groups())
    left = sum(int(n) for line in re.findall(LEFT, text) for n in re.findall(r" (\d+),", line))
    session.send("vm 0\n")
    return handled, exits, left


def row(platform, name, before, after):
    handled, exits, left = (b - a for a, b in zip(before, after))
    yield platform, f"iso_fraction_{name}", f"{100 * handled / exits:.1f}", "percent"
    yield platform, f"cr3_loads_{name}", str(round(2000 * left / exits)), "per 1000 exits"


def linux_rows(platform, start):
    # Each vCPU has a CPU, or a thread: else polling is one exit for PAUSE after the other.
    config = linux.CONFIG.replace("panic=-1", "panic=-1 idle=poll")
    label = "isolation-" + platform
    with start(label, image_make(f"build/e2e/{label}.img", config, linux.FILES),
               cpus=2) as session:
        session.expect("SHELL-READY", never=linux.NEVER, patience=3)
        session.expect("# ")
        booted = counts(session)
        yield from row(platform, "boot", (0, 0, 0), booted)
        session.send("\n")
        session.expect("# ")
        before = counts(session)
        session.send(f"load {SECONDS}; echo load-is-over\n")
        session.expect(r"\nload-is-over", patience=3)
        yield from row(platform, "idle", before, counts(session))


def exits_rows(platform, start):
    label = "isolation-exits-" + platform
    image = image_make(f"build/e2e/{label}.img", GUEST.format(name="bench_fast"),
                       {"bench_fast.elf": "build/guests/bench_fast.elf"})
    with start(label, image) as session:
        session.expect("all VMs are over; the monitor stays", never="FAIL|killed", patience=3)
        yield from row(platform, "exits", (0, 0, 0), counts(session))


def open_rows(platform, start, extra):
    label = "isolation-open-" + platform
    config = GUEST.format(name="bench").replace("stay", "poweroff")
    image = image_make(f"build/e2e/{label}.img", config,
                       {"bench.elf": "build/guests/bench.elf"},
                       loader="build/open/BOOTX64.EFI")
    with start(label, image, **extra) as session:
        session.expect(r"GUEST bench: \d+ passed, 0 failed", never="FAIL|killed", patience=3)
        for name in ("cpuid", "npf_entry", "ioapic_read"):
            value = re.search(rf"^BENCH {name} (\d+)$", session.text, re.M).group(1)
            yield platform + "-open", name, value, "instructions"


ICOUNT = {"cpus": 1, "cpu": "max,-x2apic", "extra": ["-icount", "shift=0,sleep=off"]}
JOBS = [
    lambda: list(linux_rows("svm-qemu", qemu)),
    lambda: list(linux_rows("vmx-bochs", bochs)),
    lambda: list(exits_rows("svm-qemu", qemu)),
    lambda: list(exits_rows("vmx-bochs", bochs)),
    lambda: list(open_rows("svm-qemu", qemu, ICOUNT)),
    lambda: list(open_rows("vmx-bochs", bochs, {"cpus": 1})),
]


def table(rows):
    yield f"{'isolation':26}{'platform':>20}"
    for platform, name, value, unit in rows:
        yield f"{name:26}{platform:>20}{value:>10} {unit}"
