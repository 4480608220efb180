# SPDX-License-Identifier: BSD-2-Clause
"""FLG-5: each way out of a guest that is none: entries that the CPU refuses, in a core built to
provoke them (tests/variant)."""
from guests import CONFIG, guest_check
from session import bochs, image_make, qemu

RYZEN = {"model": "ryzen", "features": ', add_features="x2apic"'}


def waysout(label, start, **options):
    image = image_make(f"build/e2e/{label}.img",
                       CONFIG.format(name="waysout", cpus=1, kernel="waysout.elf"),
                       {"waysout.elf": "build/guests/waysout.elf"},
                       loader="build/inject/BOOTX64.EFI")
    with start(label, image, cpus=1, **options) as session:
        guest_check(session, "waysout", 1)
        for line in session.text.splitlines():
            if line.startswith("skip "):
                print(f"   {label}: {line}", flush=True)


def waysout_vmx():
    waysout("waysout-vmx", bochs)


def waysout_svm():
    waysout("waysout-svm", qemu)


def waysout_svm_bochs():
    waysout("waysout-svm-bochs", bochs, **RYZEN)


TESTS = [waysout_vmx, waysout_svm, waysout_svm_bochs]
