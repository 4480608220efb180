# SPDX-License-Identifier: BSD-2-Clause
"""What interrupts cost the CPU that gets them: exits_per_posted_interrupt, the exits of a running
vCPU for each IPI to it, less those that it has anyway; and stray_notifications_per_million: for a
million interrupts to vCPUs that leave the guest all the time, how many IPIs of Lamina, by which it
notifies or kicks a vCPU, find that one outside the guest. The latter also for a core that sets the
mark of the guest mode in C, around a whole run ("coarse"). Rows for bench.tsv: (platform, name,
value, unit)."""
import re

from session import bochs, image_make, qemu

CONFIG = """\
[lamina]
on_end = "poweroff"
smt = true

[[vm]]
name = "delivery"
cpus = 2
memory = "256M"
kernel = "delivery.elf"
testdev = true
on_reset = "end"
{more}
"""

EXITS = "exits_per_posted_interrupt"
STRAY = "stray_notifications_per_million"
SOFTWARE = 'lapic = "software"'


def apicv(label, image):
    return bochs(label, image, model="corei7_skylake_x")


def run(platform, start, core, more=""):
    """What the guest says: (exits, those without interrupts, interrupts); and (interrupts, stray
    notifications, stray kicks) if the core counts them."""
    label = "delivery-" + platform
    image = image_make(f"build/e2e/{label}.img", CONFIG.format(more=more),
                       {"delivery.elf": "build/guests/delivery.elf"},
                       loader=f"build/{core}/BOOTX64.EFI")
    with start(label, image) as session:
        session.expect(r"GUEST delivery: \d+ passed, 0 failed", never="FAIL|killed",
                       patience=3)
        exits = re.search(r"^DELIVERY exits (\d+) idle (\d+) interrupts (\d+)", session.text, re.M)
        sent = re.search(r"^DELIVERY sent (\d+)\n"
                         r"DELIVERY notified \d+ stray (\d+) kicks \d+ stray (\d+)",
                         session.text, re.M)
    return exits and [int(n) for n in exits.groups()], sent and [int(n) for n in sent.groups()]


def exits_row(platform, start, more=""):
    (exits, idle, interrupts), _ = run(platform, start, ".", more)
    return platform, EXITS, f"{max(0, exits - idle) / interrupts:.3f}", "exits"


def stray_row(platform, start, core, more=""):
    _, (interrupts, notified, kicked) = run(f"{platform}-{core}", start, core, more)
    value = round(1e6 * (notified + kicked) / interrupts)
    return f"{platform}-{core}", STRAY, str(value), "per million"


JOBS = [lambda: exits_row("vmx-bochs-apicv", apicv),
        lambda: exits_row("vmx-bochs-software", apicv, SOFTWARE),
        lambda: exits_row("svm-qemu", qemu)]
JOBS += [lambda name=name, start=start, core=core: stray_row(name, start, core)
         for name, start in (("vmx-bochs-apicv", apicv), ("svm-qemu", qemu))
         for core in ("fine", "coarse")]


def table(rows):
    """Lines to print: one for each name, with the platforms side by side."""
    for name in (EXITS, STRAY):
        yield name
        for platform, of, value, unit in rows:
            if of == name:
                yield f"    {platform:24}{value:>10} {unit}"
