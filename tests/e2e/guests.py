# SPDX-License-Identifier: BSD-2-Clause
"""The guests of tests/guest, each as a VM on each vendor: one test per guest and emulator."""
import tomllib

from session import Failure, bochs, image_make, qemu

CONFIG = """\
[lamina]
on_end = "poweroff"

[[vm]]
name = "{name}"
cpus = {cpus}
memory = "256M"
kernel = "{kernel}"
testdev = true
on_reset = "restart"
on_crash = "end"
"""

EMULATORS = {"svm": qemu, "vmx": bochs}


def guest_check(session, name, starts):
    for _ in range(starts):
        session.expect(f"^GUEST {name} begins", never=r"killed:|PANIC")
    closing = session.expect(rf"^GUEST {name}: (\d+) passed, (\d+) failed",
                             never=r"killed:|PANIC|vector \d+ error")
    if closing.group(2) != "0" or closing.group(1) == "0":
        wrong = [line for line in session.text.splitlines() if line.startswith("FAIL")]
        raise Failure("; ".join(wrong) or "nothing was tested")
    # The VM ends by its own will, and with it the machine.
    session.expect("ended by its test device, code 0")
    session.expect("powering off")
    session.ended()


def guest_test(name, emulator, row):
    def test():
        label = f"guest-{name}-{emulator}"
        config = CONFIG.format(name=name, cpus=row.get("cpus", 1), kernel=name + ".elf")
        image = image_make(f"build/e2e/{label}.img", config,
                           {name + ".elf": f"build/guests/{name}.elf"})
        # As many CPUs as the guest has: Bochs is itself again with one.
        with EMULATORS[emulator](label, image, cpus=row.get("cpus", 1)) as session:
            guest_check(session, name, row.get("starts", 1))
    test.__name__ = f"guest_{name}_{emulator}"
    return test


def pvh_test():
    """The same program as ELF64 with a PVH note instead of multiboot."""
    config = CONFIG.format(name="cpuid", cpus=1, kernel="cpuid.pvh")
    image = image_make("build/e2e/guest-pvh.img", config,
                       {"cpuid.pvh": "build/guests/cpuid.pvh"})
    with qemu("guest-pvh", image) as session:
        session.expect(r"cpuid: PVH")
        guest_check(session, "cpuid", 1)


pvh_test.__name__ = "guest_pvh"

with open("tests/guest/guests.toml", "rb") as table:
    GUESTS = tomllib.load(table)

TESTS = [guest_test(name, emulator, row) for emulator in ("vmx", "svm")
         for name, row in GUESTS.items()] + [pvh_test]
