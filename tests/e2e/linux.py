# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kernel to a shell and off again, on both vendors, from every kind of medium."""
import re

from session import Failure, bochs, image_make, qemu, spoilt_again

CONFIG = """\
[lamina]
on_end = "poweroff"
smt = true

[[vm]]
name = "linux"
cpus = 2
memory = "256M"
kernel = "vmlinuz"
initrd = "initrd.gz"
cmdline = "console=ttyS0 panic=-1 retbleed=off"
"""

FILES = {"vmlinuz": "build/guest/vmlinuz", "initrd.gz": "build/guest/initrd.gz"}

# What the kernel says when it finds the platform wanting.
COMPLAINTS = re.compile(r"WARNING|BUG:|Call Trace|Oops|Firmware Bug|(?i:unstable|nobody cared|"
                        r"stuck|MP-BIOS|timer doesn't work|not responding|lockup|spurious|"
                        r"unhandled|invalid checksum)")
NEVER = r"Kernel panic|killed:|PANIC|assertion failed|Oops|BUG:|segfault at"


def check(condition, text):
    if not condition:
        raise Failure(text)


def interrupts_check(table):
    """Both CPUs take timer interrupts and IPIs, the serial port interrupts."""
    rows = {row.split(":")[0].strip(): row.split()[1:] for row in table.splitlines() if ":" in row}
    check([int(n) > 0 for n in rows["LOC"][:2]] == [True, True], "no timer interrupts: " + table)
    check(all(int(n) > 0 for n in rows["CAL"][:2]), "no function-call IPIs: " + table)
    serial = [row for row in table.splitlines() if "ttyS0" in row]
    check(serial and int(serial[0].split()[1]) > 0, "no serial interrupts: " + table)
    check(rows["ERR"][0] == "0", "the APICs saw errors: " + table)


def linux_check(session):
    session.expect("SHELL-READY", never=NEVER)
    session.expect("# ")
    check(session.shell("nproc").strip() == "2", "not two CPUs")
    interrupts_check(session.shell("cat /proc/interrupts"))
    complaints = [line for line in session.shell("dmesg").splitlines() if COMPLAINTS.search(line)]
    check(not complaints, "the kernel complains: " + "; ".join(complaints))


def monitor_check(session):
    session.send("\x1d")
    session.expect(r"Lamina monitor[^\n]*\nlamina> ")
    session.send("help\n")
    session.expect(r"vms .*\n(.*\n)*lamina> ")
    session.send("vms\n")
    session.expect(r"0 linux +2 +256 running +1 +[1-9]\d* +[1-9]\d*\nlamina> ")
    session.send("log\n")
    session.expect(r"\(lamina\) .*linux: bzImage, 2 vCPUs")
    session.expect("lamina> ")
    session.send("frobnicate\n")
    session.expect(r"frobnicate: unknown command")
    session.expect("lamina> ")
    session.send("vm 7\n")
    session.expect(r"no VM '7'")
    session.expect("lamina> ")
    session.send("\x1d")
    check(session.shell("echo back-$((6*7))").strip() == "back-42", "the guest lost its console")


def poweroff_check(session):
    session.send("poweroff\n")
    session.expect(r"linux: powered off", never=NEVER)
    session.expect(r"powering off")


def linux_svm():
    image = image_make("build/e2e/linux.img", CONFIG, FILES)
    with qemu("linux-svm", image) as session:
        session.expect(r"svm: revision")
        linux_check(session)
        monitor_check(session)
        poweroff_check(session)
        check(session.ended() == 0, "QEMU did not end by a power-off")


def linux_vmx():
    spoilt_again(linux_vmx_once)


def linux_vmx_once():
    image = image_make("build/e2e/linux-vmx.img", CONFIG, FILES)
    with bochs("linux-vmx", image) as session:
        session.expect(r"vmx: revision")
        linux_check(session)
        monitor_check(session)
        poweroff_check(session)
        session.ended()


def linux_usb():
    """The image as it is written to a USB stick, as a USB stick."""
    with qemu("linux-usb", "build/lamina.img", disk="usb") as session:
        session.expect("SHELL-READY", never=NEVER)
        session.expect("# ")
        poweroff_check(session)
        check(session.ended() == 0, "QEMU did not end by a power-off")


def linux_reboot():
    """A guest's reboot starts its VM again; the monitor's quit ends the run."""
    image = image_make("build/e2e/reboot.img", CONFIG, FILES)
    with qemu("linux-reboot", image) as session:
        session.expect("SHELL-READY", never=NEVER)
        session.expect("# ")
        session.send("reboot\n")
        session.expect(r"linux: restarts", never=NEVER)
        session.expect("SHELL-READY", never=NEVER)
        session.expect("# ")
        check(session.shell("nproc").strip() == "2", "not two CPUs after the reboot")
        session.send("\x1d")
        session.expect("lamina> ")
        session.send("quit\n")
        session.expect("ended by the operator")
        check(session.ended() == 0, "QEMU did not end by a power-off")


TWO_VMS = CONFIG.replace("cpus = 2", "cpus = 1") + """
[[vm]]
name = "crash"
cpus = 1
memory = "64M"
kernel = "crash.elf"
testdev = true
on_crash = "end"
"""


def beside_a_crash(start):
    """One VM is killed for what it does; the other one does not notice."""
    files = {**FILES, "crash.elf": "build/guests/crash.elf"}
    image = image_make(f"build/e2e/beside-{start.__name__}.img", TWO_VMS, files)
    with start(f"linux-beside-crash-{start.__name__}", image) as session:
        session.expect(r"crash: vCPU 0: killed: cannot emulate")
        session.expect(r"crash: over")
        session.expect("SHELL-READY", never=r"Kernel panic|PANIC|assertion failed|linux.*killed")
        session.expect("# ")
        check(session.shell("nproc").strip() == "1", "not one CPU")
        session.send("\x1d")
        session.expect("lamina> ")
        session.send("vm 1\n")
        session.expect(r"GUEST crash begins")
        session.send("\x1d")
        session.expect("lamina> ")
        session.send("vm 0\n")
        check(session.shell("echo here-$((6*7))").strip() == "here-42", "no way back to VM 0")
        poweroff_check(session)
        session.ended()


def linux_beside_crash_qemu():
    beside_a_crash(qemu)


def linux_beside_crash_bochs():
    spoilt_again(lambda: beside_a_crash(bochs))


TESTS = [linux_vmx, linux_svm, linux_beside_crash_bochs, linux_beside_crash_qemu, linux_usb,
         linux_reboot]
