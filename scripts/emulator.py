# SPDX-License-Identifier: BSD-2-Clause
"""Lamina's disk images in QEMU and in Bochs, with the serial line in the caller's hand.

Owns the emulators' command lines. Qemu and Bochs have the same methods; whoever starts one calls
stop() in the end. Each run has a directory of its own for what the emulator writes.
"""
import os
import pty
import select
import shutil
import socket
import subprocess
import threading
import tty

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EMU = os.path.join(ROOT, "build/emu")
SHARE = os.path.join(EMU, "root/usr/share")


def bridge(line, path, log="/dev/null"):
    """Join a line with whoever connects to the Unix socket at `path`, one after the other, for as
    long as the program runs. What comes while nobody is there is only in the log."""
    copy = open(log, "wb", buffering=0)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def pump():
        client = None
        while True:
            ready = select.select([line, client or server], [], [])[0]
            try:
                if line in ready:
                    data = os.read(line, 4096)
                    copy.write(data)
                    if client:
                        client.sendall(data)
                if server in ready:
                    client = server.accept()[0]
                elif client in ready:
                    data = client.recv(4096)
                    if data:
                        os.write(line, data)
                    else:
                        client = None
            except ConnectionError:
                client = None
            except OSError:
                return  # the machine is off

    threading.Thread(target=pump, daemon=True).start()


class Emulator:
    """A running emulator: bytes of the serial line, and the end of the process. With `gdb`, the
    second serial line is behind the Unix socket gdb.sock in its directory."""

    def __init__(self, directory, gdb=False):
        self.directory = os.path.abspath(directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.line, self.far_end = pty.openpty()
        tty.setraw(self.far_end)
        self.process = None
        self.gdb_line, self.gdb_far_end = pty.openpty() if gdb else (None, None)
        self.gdb_socket = os.path.join(self.directory, "gdb.sock")
        if gdb:
            tty.setraw(self.gdb_far_end)
            bridge(self.gdb_line, self.gdb_socket)

    def spawn(self, command):
        output = open(os.path.join(self.directory, "emulator.log"), "wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True)
        output.close()

    def read(self, timeout_seconds):
        """What the serial line has sent, b"" if nothing came in time."""
        if not select.select([self.line], [], [], timeout_seconds)[0]:
            return b""
        return os.read(self.line, 65536)

    def write(self, data):
        os.write(self.line, data)

    def is_running(self):
        return self.process.poll() is None

    def status(self):
        """The exit status; None while it runs."""
        return self.process.poll()

    def stop(self):
        # Bochs ignores everything else.
        if self.is_running():
            self.process.kill()
        self.process.wait()
        os.close(self.line)
        os.close(self.far_end)
        if self.gdb_line:
            os.close(self.gdb_far_end)  # the other one is the bridge's


class Qemu(Emulator):
    """q35 under OVMF; by default TCG with SVM. `disk`: "virtio" or "usb"; `image` None: no disk.
    `firmware` names OVMF's CODE and VARS files; `prefix` is a command that runs QEMU. Without
    `serial` the line leads nowhere but to a device of `extra`: its character device is "line"."""

    def __init__(self, image, directory, cpus=2, memory_mib=1024, cpu="max", accel="tcg",
                 disk="virtio", serial=True, gdb=False, extra=(), machine="q35",
                 prefix=(),
                 firmware=("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")):
        super().__init__(directory, gdb)
        device = {"virtio": ["-device", "virtio-blk-pci,drive=disk,bootindex=0"],
                  "usb": ["-device", "qemu-xhci", "-device",
                          "usb-storage,drive=disk,bootindex=0"]}[disk]
        second = ["-chardev", "serial,id=gdb,path=" + os.ttyname(self.gdb_far_end),
                  "-serial", "chardev:gdb"] if gdb else []
        if image:
            device += ["-drive", "if=none,id=disk,format=raw,snapshot=on,file="
                       + os.path.abspath(image)]
        code, variables = (f"{SHARE}/OVMF/{name}" for name in firmware)
        self.spawn([
            *prefix, os.path.join(EMU, "bin/qemu-system-x86_64"), "-M", machine, "-accel", accel,
            "-cpu", cpu, "-smp", str(cpus), "-m", str(memory_mib), "-display", "none",
            "-vga", "none", "-nic", "none", "-monitor", "none", "-no-reboot",
            "-chardev", "serial,id=line,path=" + os.ttyname(self.far_end),
            "-serial", "chardev:line" if serial else "none", "-device", "virtio-rng-pci",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-drive", "if=pflash,format=raw,readonly=on,file=" + code,
            "-drive", "if=pflash,format=raw,snapshot=on,file=" + variables,
            *second, *(device if image else []), *extra])


BOCHS_CONFIG = """\
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0{features}
memory: guest={memory_mib}, host={memory_mib}
romimage: file={share}/ovmf/OVMF.fd
vgaromimage: file={share}/bochs/VGABIOS-lgpl-latest
ata0-master: type=disk, path={image}, mode=volatile, journal={directory}/disk, \
cylinders={cylinders}, heads=16, spt=32
boot: disk
display_library: rfb, options="timeout=0"
com1: enabled=1, mode=term, dev={line}
{second}
log: {directory}/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
clock: sync=none
sound: driver=dummy
speaker: enabled=0
"""

BOCHS_CYLINDER = 16 * 32 * 512


class Bochs(Emulator):
    """i440fx under OVMF; VMX on the default model, SVM on "ryzen"."""

    def __init__(self, image, directory, cpus=2, memory_mib=1024, model="corei7_haswell_4770",
                 features="", ips=100000000, gdb=False):
        super().__init__(directory, gdb)
        # The image is shared and only read; Bochs would refuse to start beside another one.
        copy = os.path.join(self.directory, "disk.img")
        os.symlink(os.path.abspath(image), copy)
        config = BOCHS_CONFIG.format(
            model=model, cpus=cpus, ips=ips, memory_mib=memory_mib, share=SHARE, image=copy,
            features=features, directory=self.directory, line=os.ttyname(self.far_end),
            second="com2: enabled=1, mode=term, dev=" + os.ttyname(self.gdb_far_end) if gdb else "",
            cylinders=os.path.getsize(image) // BOCHS_CYLINDER)
        path = os.path.join(self.directory, "bochsrc")
        with open(path, "w", encoding="ascii") as file:
            file.write(config)
        program = os.environ.get("BOCHS", os.path.join(EMU, "bin/bochs"))
        self.spawn([program, "-q", "-f", path])
