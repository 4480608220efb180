# SPDX-License-Identifier: BSD-2-Clause
"""Guesses and threads: Linux with every defence patched in; cores shared by threads."""
import re

from guests import CONFIG as GUEST, guest_check
from linux import CONFIG, FILES, check, linux_check, poweroff_check
from session import bochs, image_make, qemu, spoilt_again

LOADER = "build/spec/BOOTX64.EFI"
ALL = (r"speculation: enhanced IBRS, retpolines, exit: IBPB, exit: RSB fill, "
       r"32 entries, exit: RSB entry, "
       r"exit: IBRS, exit: BHB clear, entry: VERW, VM switch: IBPB, return: L1D flush")


def linux_with_all(name, start, **options):
    image = image_make(f"build/e2e/{name}.img", CONFIG, FILES, loader=LOADER)
    with start(name, image, **options) as session:
        session.expect(ALL)
        linux_check(session)
        poweroff_check(session)
        session.ended()


def spec_linux_svm():
    linux_with_all("spec-linux-svm", qemu)


def spec_linux_vmx():
    spoilt_again(lambda: linux_with_all("spec-linux-vmx", bochs, model="corei7_icelake_u"))


def smt_check(name, start, cpus, smt, said, online):
    """Two cores of two threads each."""
    config = GUEST.format(name="cpuid", cpus=1, kernel="cpuid.elf", cmdline="", more="")
    if not smt:
        config = config.replace("smt = true\n", "")
    image = image_make(f"build/e2e/{name}.img", config, {"cpuid.elf": "build/guests/cpuid.elf"})
    with start(name, image, cpus=cpus) as session:
        session.expect(said)
        session.expect(rf"^.*{online} CPUs on line$")
        guest_check(session, "cpuid", {})
        text = session.text
    check(smt or "isolation: partial: VMs share" not in text, "partial without threads in use")


THREADS = {"svm": (qemu, "4,sockets=1,cores=2,threads=2"), "vmx": (bochs, "1:2:2")}
LEFT_OUT = r"isolation: second threads of 2 cores left out, see 'smt'"
PARTIAL = r"warning: isolation: partial: VMs share cores, as 'smt = true' wants"


def smt_test(vendor, smt):
    def test():
        start, cpus = THREADS[vendor]
        smt_check(test.__name__.replace("_", "-"), start, cpus, smt,
                  PARTIAL if smt else LEFT_OUT, 4 if smt else 2)
    test.__name__ = f"smt_{'on' if smt else 'off'}_{vendor}"
    return test


def spec_none():
    """Nothing to be done on a CPU that guesses nothing: the code stays as it was linked."""
    config = GUEST.format(name="cpuid", cpus=1, kernel="cpuid.elf", cmdline="", more="")
    image = image_make("build/e2e/spec-none.img", config,
                       {"cpuid.elf": "build/guests/cpuid.elf"})
    with qemu("spec-none", image) as session:
        session.expect(r"speculation: nothing to be done")
        guest_check(session, "cpuid", {})
        check(not re.search(r"isolation: (partial|second)", session.text), "isolation is whole")


TESTS = [spec_linux_vmx, spec_linux_svm, spec_none] + [
    smt_test(vendor, smt) for vendor in THREADS for smt in (False, True)]
