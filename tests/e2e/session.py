# SPDX-License-Identifier: BSD-2-Clause
"""A conversation with an emulated machine over its serial line.

Everything that the line sends is kept in serial.log of the run's directory. A time-out only
catches hangs: it fails the test, whatever has happened before.
"""
import os
import re
import subprocess
import time

import emulator

# Generous: the machine that runs the tests may be busy with others.
PATIENCE_SECONDS = float(os.environ.get("PATIENCE", "1")) * 180

LOADER = "build/BOOTX64.EFI"
FIFO_BYTES = 16


class Failure(Exception):
    """What was expected did not come."""


# What a Linux guest says when Bochs has spoilt its state; see tests/README.md, "Bochs with several
# CPUs". Once in some dozens of boots.
SPOILT = re.compile(r"Kernel panic|Oops|double fault|BUG:|PANIC: early exception|stack guard page|"
                    r"segfault at|general protection fault")


def spoilt_again(test):
    """Repeat a test with Linux on several CPUs of Bochs if the guest shows that defect, twice at
    most. Whatever else goes wrong fails at once."""
    for rest in (2, 1, 0):
        try:
            return test()
        except Failure as why:
            if not rest or not SPOILT.search(str(why)):
                raise
            print(f"   again, since Bochs may have spoilt the guest: {why}", flush=True)


# What becomes of a guest on CPU 0 when QEMU loses nested paging's flag at its entry, or at its
# exit: then Lamina's own registers, with an address of Lamina's, are in its VMCB. See
# tests/README.md, "QEMU's FPU loads".
STRUCK = re.compile(r"\[cpu0\] \S+: vCPU \d+: triple fault at 0x(?:[0-9a-f]+|"
                    r"ffffffff80[0-9a-f]{6}, by exception 14)$", re.M)


class Struck(Failure):
    """A failure with the mark of that defect in the session's text."""


def struck_again(test):
    """Repeat a test on several CPUs of QEMU that has met that defect, twice at most. Whatever
    else goes wrong fails at once."""
    for rest in (2, 1, 0):
        try:
            return test()
        except Struck as why:
            if not rest:
                raise
            print(f"   again, since QEMU has struck the guest: {why}", flush=True)


class Skip(Exception):
    """The test cannot run here; the text says why."""


def image_make(path, config, files, loader=LOADER):
    """A disk image with the loader, `config` as lamina.toml and `files` {name: path}."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    toml = path + ".toml"
    with open(toml, "w", encoding="utf-8") as file:
        file.write(config)
    pairs = {"EFI/BOOT/BOOTX64.EFI": loader, "lamina.toml": toml, **files}
    subprocess.run(["boot/image.sh", path] + [f"{k}={v}" for k, v in pairs.items()], check=True)
    return path


class Session:
    """Use as a context manager: the emulator ends with it."""

    def __init__(self, machine):
        self.machine = machine
        self.text = ""
        self.position = 0
        self.log = open(os.path.join(machine.directory, "serial.log"), "wb")

    def __enter__(self):
        return self

    def __exit__(self, kind, why, _):
        self.machine.stop()
        self.log.close()
        struck = STRUCK.search(self.text)
        if struck and kind and issubclass(kind, Failure):
            raise Struck(f"{struck.group(0)}; {why}") from why

    def receive(self, timeout_seconds):
        try:
            data = self.machine.read(timeout_seconds)
        except OSError:
            data = b""
        self.log.write(data)
        self.log.flush()
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def expect(self, pattern, never=None, patience=1):
        """Wait for regular expression `pattern` behind the last one found; returns the match.
        Fails at once if `never` shows before it or the machine ends without it. `patience`
        multiplies the time-out."""
        end = time.monotonic() + PATIENCE_SECONDS * patience
        never = never or "Kernel panic"
        while True:
            match = re.compile(pattern, re.M).search(self.text, self.position)
            limit = match.start() if match else len(self.text)
            bad = never and re.compile(never, re.M).search(self.text, self.position, limit)
            if bad:
                raise Failure(f"saw {bad.group(0)!r} before {pattern!r}")
            if match:
                self.position = match.end()
                return match
            if not self.receive(0.2) and not self.machine.is_running():
                raise Failure(f"the machine ended before {pattern!r}{self.spoilt()}")
            if time.monotonic() > end:
                raise Failure(f"time ran out waiting for {pattern!r}{self.spoilt()}")

    def spoilt(self):
        """A hint for messages: what the guest said that it should not have."""
        match = SPOILT.search(self.text)
        return f" (the guest said {match.group(0)!r})" if match else ""

    def send(self, text):
        """Type at the speed of a fast hand, so that no receiver is overrun."""
        for byte in text.encode():
            self.machine.write(bytes([byte]))
            time.sleep(0.003)

    def type(self, line):
        """Type a line that is echoed, in pieces that fit into the FIFO of a serial port: the
        first piece after a pause may find nobody who looks for more than one FIFO's time."""
        start = self.position
        for at in range(0, len(line), FIFO_BYTES):
            self.send(line[at:at + FIFO_BYTES])
            self.expect(re.escape(line[at:at + FIFO_BYTES]))
        self.position = start
        self.send("\n")

    def shell(self, command):
        """Run `command` in the guest's shell and return what it prints."""
        self.type(command + "; echo END-OF-$((40+2))")
        start = self.expect(r"END-OF-\$\(\(40\+2\)\)\n", never=SPOILT.pattern).end()
        end = self.expect(r"END-OF-42", never="Kernel panic").start()
        return self.text[start:end]

    def ended(self):
        """Wait until the emulator has ended by itself; returns its exit status."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.machine.is_running():
            self.receive(0.2)
            if time.monotonic() > end:
                raise Failure("the machine does not end")
        while self.receive(0):
            pass
        return self.machine.status()


def qemu(name, image, **options):
    return Session(emulator.Qemu(image, f"build/e2e/{name}", **options))


def bochs(name, image, **options):
    return Session(emulator.Bochs(image, f"build/e2e/{name}", **options))
