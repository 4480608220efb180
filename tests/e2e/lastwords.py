# SPDX-License-Identifier: BSD-2-Clause
"""What Lamina says when it or a guest breaks: panics, silent CPUs, last words after a warm reset,
guests' deaths. The core of build/words has the monitor commands `panic`, `hang` and `wake`."""
import os
import re
import socket

from session import Failure, bochs, image_make, qemu

WORDS = "build/words/BOOTX64.EFI"
CONFIG = """\
[lamina]
on_end = "{on_end}"
smt = true

[[vm]]
name = "guest"
cpus = 1
memory = "64M"
kernel = "guest.elf"
"""
# The first lines of a boot, and what a boot without last words never says.
FIRST = r"C21 the core runs"
SECOND = r"C22 set up memory"
SPEAKS = r"last run|last words|damaged"
READY = r"GUEST hostile: \d+ passed"


def check(condition, what):
    if not condition:
        raise Failure(what)


def image(name, on_end="reset", guest="hostile", loader=WORDS):
    return image_make(f"build/e2e/{name}.img", CONFIG.format(on_end=on_end),
                      {"guest.elf": f"build/guests/{guest}.elf"}, loader)


def human(session, command):
    """A command for QEMU's own monitor, which RESETS makes."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(os.path.join(session.machine.directory, "monitor"))
        text = ""
        for word in ("", command + "\n"):
            line.sendall(word.encode())
            while not text.endswith("(qemu) "):
                text += line.recv(4096).decode("utf-8", "replace")
            text = text if word else ""
    return text


def monitored(name):
    """Arguments of a QEMU that has a monitor, and for which a reset is not the end."""
    return ["-action", "reboot=reset", "-monitor",
            f"unix:build/e2e/{name}/monitor,server=on,wait=off"]


def command(session, text):
    """Give Lamina's monitor a command, wherever the console is."""
    session.expect(READY, never=r"PANIC")
    session.send("\x1d")
    session.expect("lamina> ")
    session.send(text + "\n")


def boot(name, **options):
    """Four CPUs of QEMU up to the monitor's prompt; this first boot has no last words to tell."""
    session = qemu(name, image(name), extra=monitored(name), **options)
    session.expect(FIRST)
    session.expect(SECOND, never=SPEAKS)
    return session


def panic(name, how):
    """A panic, with the registers and the calls of every CPU, then a reset up to the loader."""
    session = boot(name, cpus=4)
    command(session, "panic" + how)
    session.expect(r"C99 a panic")
    session.expect(r"PANIC: the operator said panic")
    session.expect(r"cpu0 was here:\n.*word_panic\+")
    for cpu in (1, 2, 3):
        session.expect(rf"cpu{cpu} was here:\n.*rip [0-9a-f]{{16}} ")
        session.expect(r"r14 [0-9a-f]{16} r15 .*\n.*sched_loop\+", never=r"cpu\d was")
    session.expect(r"\[cpu0\] resetting")
    session.expect(r"L01 Lamina's loader starts")
    return session


def lastwords_panic():
    with panic("lastwords-panic", "") as session:
        session.expect(r"the last run ended in a panic; LaminaLastWords: Success")
        session.expect(FIRST)
        session.expect(r"the last run ended in a panic; its last words:")
        for line in ("PANIC: the operator said panic", r"cpu0 was here:", r"word_panic\+",
                     r"trace cpu0 .* (exit|event) ", "cpu3 was here:", r"sched_loop\+"):
            session.expect(r"\| \[ *\d+\.\d+\] \(lamina\) \[cpu0\] .*" + line, never="damaged|C22 ")
        session.expect(SECOND, never="damaged")
        # They are told once. An end that was wanted is nothing to tell.
        command(session, "quit")
        session.expect(r"C30 the end")
        session.expect(FIRST)
        session.expect(SECOND, never=SPEAKS)


def lastwords_torn():
    """A record whose sum is wrong is ignored, and that is said."""
    with panic("lastwords-torn", " torn") as session:
        session.expect(FIRST, never="last run")
        session.expect(r"the record of last words is damaged: ignored", never="last run")
        session.expect(SECOND, never="last run|PANIC")


def lastwords_line():
    """A damaged line costs that line."""
    with panic("lastwords-line", " line") as session:
        session.expect(r"its last words:")
        session.expect(r"\| .*PANIC: the operator", never="damaged")
        session.expect(r"\| \(a damaged line\)", never="C22")
        session.expect(r"\| .*cpu3 was here", never="damaged|C22")


def lastwords_reset():
    """Somebody presses the button: the log of the run before is there."""
    with boot("lastwords-reset", cpus=2) as session:
        session.expect(r"C27 start the VMs")
        session.expect(READY)
        human(session, "system_reset")
        session.expect(FIRST)
        session.expect(r"the last run ended without a word")
        session.expect(r"\| .*C27 start the VMs", never="damaged")
        session.expect(SECOND, never="damaged")


def hang(start, **options):
    """A CPU with its interrupts off: the others say where each is, and later that it is back."""
    name = "hang-" + start.__name__
    with start(name, image(name), **options) as session:
        command(session, "hang 1")
        session.expect(r"WATCHDOG: cpu1 has not answered for 10 seconds", patience=3)
        session.expect(r"cpu0 is here:\n.*\+0x")
        session.expect(r"cpu1 is here:\n.*word_hang\+")
        session.expect(r"irq_dispatch\+", never="WATCHDOG")
        session.send("wake\n")
        session.expect(r"WATCHDOG: cpu1 answers again", never="WATCHDOG: cpu0|PANIC", patience=3)
        session.send("vms\n")
        session.expect(r"0 guest ", never="WATCHDOG|PANIC")


def hang_qemu():
    hang(qemu, cpus=3)


def hang_bochs():
    hang(bochs)


def death(start, exits):
    """A guest that is killed leaves the reason, its registers, its code and its last exits."""
    name = "death-" + start.__name__
    with start(name, image(name, "stay", "dies", "build/BOOTX64.EFI")) as session:
        session.expect(r"guest: vCPU 0: killed: cannot emulate the instruction 0f ae")
        rip = session.expect(r"rip (00000000[0-9a-f]{8}) rflags").group(1).lstrip("0")
        session.expect(r"rax [0-9a-f]{16} rcx")
        session.expect(r"code at rip: 0f ae ([0-9a-f]{2} ?){14}\n")
        session.expect(rf"trace cpu\d .* guest/0 exit {exits} rip 0x{rip}")
        session.expect(r"guest: over", never="PANIC")


def death_qemu():
    death(qemu, "NPF")


def death_bochs():
    death(bochs, "EPT_VIOLATION")


TESTS = [lastwords_panic, lastwords_torn, lastwords_line, lastwords_reset, hang_qemu, hang_bochs,
         death_qemu, death_bochs]
