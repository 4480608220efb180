# SPDX-License-Identifier: BSD-2-Clause
"""The guests of tests/guest, each as a VM on each vendor: one test per guest, emulator and variant.

TESTS has what `make test` runs; LONG_TESTS are the variants that say `long = true`."""
import re
import tomllib

from session import Failure, bochs, image_make, qemu

CONFIG = """\
[lamina]
on_end = "poweroff"
smt = true

[[vm]]
name = "{name}"
cpus = {cpus}
memory = "256M"
kernel = "{kernel}"
cmdline = "{cmdline}"
testdev = true
on_reset = "restart"
on_crash = "end"
{more}
"""



def bochs_svm(name, image, **options):
    return bochs(name, image, model="ryzen", features=', add_features="x2apic"', **options)


# The slow one first.
EMULATORS = {"vmx": bochs, "svm": qemu, "svm_bochs": bochs_svm}
USUAL = ("vmx", "svm")


def guest_check(session, name, row):
    for _ in range(row.get("starts", 1)):
        session.expect(f"^GUEST {name} begins", never=r"killed:|PANIC")
    closing = session.expect(rf"^GUEST {name}: (\d+) passed, (\d+) failed",
                             never=r"killed:|PANIC|vector \d+ error",
                             patience=row.get("patience", 1))
    if closing.group(2) != "0" or closing.group(1) == "0":
        wrong = [line for line in session.text.splitlines() if line.startswith("FAIL")]
        raise Failure("; ".join(wrong) or "nothing was tested")
    # The VM ends by its own will, and with it the machine.
    session.expect("ended by its test device, code 0")
    session.expect("powering off")
    session.ended()


def guest_config(name, emulator, row):
    cmdline = row.get("cmdline", "")
    if isinstance(cmdline, dict):
        cmdline = cmdline.get(emulator, "")
    return CONFIG.format(name=name, cpus=row.get("cpus", 1), kernel=name + ".elf",
                         cmdline=cmdline, more="\n".join(row.get("vm", [])))


def guest_test(name, variant, emulator, row):
    full = f"guest_{name}{'_' + variant if variant else ''}_{emulator}"

    def test():
        label = full.replace("_", "-")
        image = image_make(f"build/e2e/{label}.img", guest_config(name, emulator, row),
                           {name + ".elf": f"build/guests/{name}.elf"},
                           loader=f"build/{row.get('core', '.')}/BOOTX64.EFI")
        # As many CPUs as the guest has: Bochs is itself again with one.
        options = {"cpus": row.get("host_cpus", row.get("cpus", 1))}
        if emulator == "vmx" and "model" in row:
            options["model"] = row["model"]
        with EMULATORS[emulator](label, image, **options) as session:
            guest_check(session, name, row)
            for line in re.findall("^skip .*", session.text, re.M):
                print(f"   {full}: {line}", flush=True)
    test.__name__ = full
    test.is_long = row.get("long", False)
    return test


def rows(table):
    """Each guest as its row says, then once for each of its variants."""
    for name, row in table.items():
        plain = {key: value for key, value in row.items() if key != "variants"}
        yield name, "", plain
        for variant, changes in row.get("variants", {}).items():
            yield name, variant, plain | changes


def pvh_test():
    """The same program as ELF64 with a PVH note instead of multiboot."""
    config = CONFIG.format(name="cpuid", cpus=1, kernel="cpuid.pvh",
                           cmdline="", more="")
    image = image_make("build/e2e/guest-pvh.img", config,
                       {"cpuid.pvh": "build/guests/cpuid.pvh"})
    with qemu("guest-pvh", image) as session:
        session.expect(r"cpuid: PVH")
        guest_check(session, "cpuid", {})


pvh_test.__name__ = "guest_pvh"

with open("tests/guest/guests.toml", "rb") as table:
    GUESTS = tomllib.load(table)

ALL = [guest_test(name, variant, emulator, row) for emulator in EMULATORS
       for name, variant, row in rows(GUESTS) if emulator in row.get("only", USUAL)]
TESTS = [test for test in ALL if not test.is_long] + [pvh_test]
LONG_TESTS = [test for test in ALL if test.is_long]
