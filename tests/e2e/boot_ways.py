# SPDX-License-Identifier: BSD-2-Clause
"""The ways to boot besides the stick: PXE from QEMU's own TFTP server and from dnsmasq as the
README has it, HTTP, the unified image; the report of the machine; signed images and their files."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import emulator
from errors import FIRMWARE
from session import Failure, Skip, bochs, image_make, qemu

CONFIG = """\
[lamina]
on_end = "poweroff"

[[vm]]
name = "cpuid"
memory = "64M"
kernel = "{kernel}"
testdev = true
"""
GUEST = "build/guests/cpuid.elf"
CARD = ("-device", "virtio-net-pci,netdev=n0,bootindex=0,romfile=")
# Nothing of the core, whose lines name a CPU.
CORE = r"\(lamina\) \[cpu0\]"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def files_of(test, kernel="guest.elf", **more):
    """Arguments PATH=FILE: a configuration, the guest, and `more` {name: file}."""
    toml = write(f"build/e2e/{test}.toml", CONFIG.format(kernel=kernel))
    return [f"{name}={file}" for name, file in
            {"lamina.toml": toml, "guest.elf": GUEST, **more}.items()]


def unify(test, options, kind, files):
    out = f"build/e2e/{test}.efi"
    subprocess.run(["boot/unify.sh", out, "build/BOOTX64.EFI", options, kind, *files], check=True)
    return out


def guest_runs(session):
    session.expect(r"^GUEST cpuid: (\d+) passed, 0 failed", never=r"E-[A-Z]+|killed:|PANIC")
    session.expect("powering off")
    session.ended()


def fails(session, *texts):
    for text in texts:
        session.expect(text, never=CORE)
    session.expect("press a key", never=CORE)
    session.send(" ")
    session.expect(FIRMWARE, never=CORE)


# ---- PXE from QEMU's own TFTP server ----

def slirp(test, files, *extra):
    tree = os.path.abspath(f"build/e2e/{test}.tree")
    subprocess.run(["boot/tree.sh", tree, *("boot/" + file for file in files)], check=True)
    return qemu(test, None, cpus=1, extra=(
        "-netdev", f"user,id=n0,tftp={tree},bootfile=/boot/BOOTX64.EFI", *CARD, *extra))


def boot_pxe():
    files = files_of("boot-pxe", kernel="sub/guest.elf", **{
        "BOOTX64.EFI": "build/BOOTX64.EFI", "sub/guest.elf": GUEST})
    with slirp("boot-pxe", files) as session:
        session.expect(r"/boot/lamina\.toml on TFTP server 10\.0\.2\.2, 1 KiB \.{10}$")
        session.expect(r"/boot/sub/guest\.elf on TFTP server 10\.0\.2\.2, \d+ KiB \.{10}$")
        guest_runs(session)


def boot_pxe_missing():
    files = files_of("boot-pxe-missing", kernel="/nothing", **{
        "BOOTX64.EFI": "build/BOOTX64.EFI"})
    with slirp("boot-pxe-missing", files) as session:
        fails(session, "E-NOFILE", r"no file /nothing on TFTP server 10\.0\.2\.2",
              "paths begin with", "stopped at checkpoint L05")


def boot_pxe_dead():
    """The line goes dead in the middle of a file."""
    large = write("build/e2e/boot-pxe-dead.large", "")
    os.truncate(large, 128 << 20)
    files = files_of("boot-pxe-dead", kernel="large", **{
        "BOOTX64.EFI": "build/BOOTX64.EFI", "large": large})
    control = os.path.abspath("build/e2e/boot-pxe-dead.qmp")
    with contextlib.suppress(FileNotFoundError):
        os.remove(control)
    with slirp("boot-pxe-dead", files, "-qmp", f"unix:{control},server=on,wait=off") as session:
        session.expect(r"/boot/large on TFTP server 10\.0\.2\.2, 131072 KiB")
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.connect(control)
            answers = qmp.makefile("r", encoding="utf-8")
            for command in ({"execute": "qmp_capabilities"},
                            {"execute": "set_link", "arguments": {"name": "n0", "up": False}}):
                qmp.sendall(json.dumps(command).encode())
                while "return" not in json.loads(answers.readline()):
                    pass
        fails(session, r"no answer on TFTP server 10\.0\.2\.2, try 2 of 2: /boot/large", "E-READ",
              r"cannot read /boot/large on TFTP server 10\.0\.2\.2: no answer in 2 tries",
              "check the medium, or the server")


# ---- dnsmasq and HTTP, in a network of their own that needs no root ----

class Net:
    """A network namespace with a tap for QEMU, dnsmasq with the README's configuration, and a web
    server; both serve `tree`."""

    ADDRESS = "192.168.77.1"

    def __init__(self, test, tree, http="lamina.img"):
        self.servers = []
        self.holder = subprocess.Popen(["unshare", "-Urn", "sleep", "infinity"])
        self.prefix = ["nsenter", "-t", str(self.holder.pid), "-U", "-n",
                       "--preserve-credentials"]
        try:
            self.set_up(test, os.path.abspath(tree), http)
        except Exception:
            self.stop()
            raise

    def set_up(self, test, tree, http):
        # Not before unshare has made the namespaces.
        own = os.readlink("/proc/self/ns/net")
        while self.holder.poll() is None and self.net() == own:
            time.sleep(0.05)
        ready = self.run("sh", "-c", "ip link set lo up && ip tuntap add tap0 mode tap && "
                         f"ip addr add {self.ADDRESS}/24 dev tap0 && ip link set tap0 up")
        if ready.returncode:
            raise Skip("no network namespace of our own: " + ready.stderr.strip())
        text = re.search("```conf\n(.*?)```", open("README.md", encoding="utf-8").read(), re.S)
        config = text.group(1)
        for old, new in (("=/srv/tftp", "=" + tree), ("=eth1", "=tap0"), ("lamina.img", http)):
            if old not in config:
                raise Failure(f"the README's configuration has no {old}")
            config = config.replace(old, new)
        path = write(f"build/e2e/{test}.conf", config)
        self.start("/usr/sbin/dnsmasq", "--no-daemon", "--user=root", "--group=root", "--pid-file",
                   "--dhcp-leasefile=" + os.path.abspath(f"build/e2e/{test}.leases"),
                   "-C", os.path.abspath(path), log=f"build/e2e/{test}.dnsmasq.log")
        self.start("python3", "-m", "http.server", "-d", tree, "-b", self.ADDRESS, "8080",
                   log=f"build/e2e/{test}.http.log")

    def net(self):
        return os.readlink(f"/proc/{self.holder.pid}/ns/net")

    def run(self, *command):
        return subprocess.run([*self.prefix, *command], capture_output=True, text=True)

    def start(self, *command, log):
        with open(log, "wb") as output:
            self.servers.append(subprocess.Popen([*self.prefix, *command], stdout=output,
                                                 stderr=output))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for process in [*self.servers, self.holder]:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def qemu(self, test, http):
        force = ("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n",
                 "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n")
        return qemu(test, None, cpus=1, prefix=self.prefix, extra=(
            "-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no", *CARD,
            *(force if http else ())))


def boot_dnsmasq():
    tree = "build/e2e/boot-dnsmasq.tree"
    files = files_of("boot-dnsmasq", **{"BOOTX64.EFI": "build/BOOTX64.EFI"})
    subprocess.run(["boot/tree.sh", tree, *files], check=True)
    with Net("boot-dnsmasq", tree) as net, net.qemu("boot-dnsmasq", http=False) as session:
        session.expect(r" lamina\.toml on TFTP server 192\.168\.77\.1, 1 KiB \.{10}$")
        session.expect(r" guest\.elf on TFTP server 192\.168\.77\.1, \d+ KiB \.{10}$")
        guest_runs(session)


def boot_dnsmasq_dead():
    """The server stops answering in the middle of a file."""
    tree = "build/e2e/boot-dnsmasq-dead.tree"
    large = write("build/e2e/boot-dnsmasq-dead.large", "")
    os.truncate(large, 128 << 20)
    files = files_of("boot-dnsmasq-dead", kernel="large", **{
        "BOOTX64.EFI": "build/BOOTX64.EFI", "large": large})
    subprocess.run(["boot/tree.sh", tree, *files], check=True)
    with Net("boot-dnsmasq-dead", tree) as net, \
            net.qemu("boot-dnsmasq-dead", http=False) as session:
        session.expect(r" large on TFTP server 192\.168\.77\.1, 131072 KiB")
        net.servers[0].send_signal(signal.SIGSTOP)
        fails(session, "no answer on TFTP server .*, try 2 of 2: large", "E-READ",
              r"cannot read large on TFTP server 192\.168\.77\.1: no answer in 2 tries")


def boot_http():
    """The disk image, which the firmware turns into a RAM disk."""
    image = "build/e2e/boot-http.img" # small, as the emulated network is slow
    subprocess.run(["boot/image.sh", image, "EFI/BOOT/BOOTX64.EFI=build/BOOTX64.EFI",
                    *files_of("boot-http")], check=True, env={**os.environ, "IMAGE_MIN_MIB": "4"})
    tree = "build/e2e/boot-http.tree"
    subprocess.run(["boot/tree.sh", tree, "lamina.img=" + image], check=True)
    with Net("boot-http", tree) as net, net.qemu("boot-http", http=True) as session:
        session.expect(r"^\(lamina\)     \\guest\.elf, \d+ KiB \.{10}$", never="Start PXE")
        guest_runs(session)


def boot_http_unified():
    """The one file: no volume, no TFTP."""
    efi = unify("boot-http-unified", "", "embed", files_of("boot-http-unified"))
    tree = "build/e2e/boot-http-unified.tree"
    subprocess.run(["boot/tree.sh", tree, "unified.efi=" + efi], check=True)
    with Net("boot-http-unified", tree, http="unified.efi") as net, \
            net.qemu("boot-http-unified", http=True) as session:
        session.expect(r"guest\.elf of this image, \d+ KiB", never="Start PXE")
        guest_runs(session)


# ---- the unified image ----

def boot_unified():
    """From a stick that has nothing else. Built a second later, the file is the same."""
    efi = unify("boot-unified", "", "embed", files_of("boot-unified"))
    with open(efi, "rb") as file:
        first = file.read()
    time.sleep(1.1)
    with open(unify("boot-unified", "", "embed", files_of("boot-unified")), "rb") as file:
        if file.read() != first:
            raise Failure("two builds differ")
    image = "build/e2e/boot-unified.img"
    subprocess.run(["boot/image.sh", image, "EFI/BOOT/BOOTX64.EFI=" + efi], check=True)
    with qemu("boot-unified", image, cpus=1, disk="usb") as session:
        session.expect(r"lamina\.toml of this image, 1 KiB")
        session.expect(r"guest\.elf of this image, \d+ KiB")
        guest_runs(session)


def boot_unified_pxe():
    efi = unify("boot-unified-pxe", "", "embed", files_of("boot-unified-pxe"))
    with slirp("boot-unified-pxe", ["BOOTX64.EFI=" + efi]) as session:
        session.expect(r"guest\.elf of this image, \d+ KiB", never="on TFTP server")
        guest_runs(session)


def boot_unified_missing():
    """What neither the image nor the medium has; and over HTTP there is no medium at all."""
    efi = unify("boot-unified-missing", "", "embed",
                files_of("boot-unified-missing", kernel="other.elf"))
    image = "build/e2e/boot-unified-missing.img"
    subprocess.run(["boot/image.sh", image, "EFI/BOOT/BOOTX64.EFI=" + efi], check=True)
    with qemu("boot-unified-missing", image, cpus=1) as session:
        fails(session, "E-NOFILE",
              r"lamina\.toml:7: VM \"cpuid\": no file \\EFI\\BOOT\\other\.elf$")


# ---- the report ----

def shell_image(test, commands, files, loader="build/BOOTX64.EFI"):
    """An image whose loader the firmware's shell runs, once for each of `commands`."""
    script = write(f"build/e2e/{test}.nsh",
                   "".join(f"fs0:\\lamina.efi {command}\r\necho STATUS %lasterror%\r\n"
                           for command in commands))
    image = f"build/e2e/{test}.img"
    subprocess.run(["boot/image.sh", image, "startup.nsh=" + script, "lamina.efi=" + loader,
                    *files], check=True)
    return image


def facts(session, *lines):
    for line in lines:
        session.expect(r"^\(lamina\)     " + line + "$", never=CORE)


def boot_check():
    """A good configuration, one with a bad line, one with a missing file, and a bad option."""
    bad = write("build/e2e/boot-check-bad.toml", CONFIG.format(kernel="guest.elf") + "cores = 2\n")
    none = write("build/e2e/boot-check-none.toml", CONFIG.format(kernel="none.elf"))
    image = shell_image(
        "boot-check", ["check", "check config=bad.toml", "check config=none.toml", "chekc"],
        files_of("boot-check", **{"bad.toml": bad, "none.toml": none}))
    with qemu("boot-check", image) as session:
        session.expect("L08 build page tables", never=CORE)
        facts(session, "CPU: AuthenticAMD, QEMU TCG CPU.*", "CPUs: 2 of 2 can be used",
              "VMX: no", "SVM: yes", "NX bit: yes", r"nested paging \(NPT\): yes",
              "x2APIC: yes", "VMCB clean bits: no: each entry reads all of the VMCB",
              "AVIC: no: .*", "firmware: EDK II|firmware: .*", "IOMMU: none: .*",
              "console: screen: no", "console: serial line: yes", "timer: TSC with .* MHz",
              "timer: HPET: yes", "Secure Boot: no",
              "list of hashes: no: files outside the image are not verified")
        session.expect("check: Lamina can start on this machine")
        session.send(" ")
        session.expect("STATUS 0x0$")
        session.expect(r"E-CONFIG: bad\.toml:9:1: cores: unknown key in \[\[vm\]\]", never=CORE)
        facts(session, "SVM: yes")
        session.expect("check: Lamina would not start on this machine")
        session.send(" ")
        session.expect("STATUS 0x2$")
        session.expect(r"E-NOFILE: none\.toml:7: VM \"cpuid\": no file \\none\.elf")
        session.expect("check: Lamina would not start on this machine")
        session.send(" ")
        session.expect("STATUS 0xE$")
        session.expect("E-OPTION: unknown option \"chekc\"")
        session.send(" ")
        session.expect("STATUS 0x2$", never=CORE)


def boot_check_vmx():
    """The option inside a unified image."""
    efi = unify("boot-check-vmx", "check", "embed", files_of("boot-check-vmx"))
    image = "build/e2e/boot-check-vmx.img"
    subprocess.run(["boot/image.sh", image, "EFI/BOOT/BOOTX64.EFI=" + efi], check=True)
    with bochs("boot-check-vmx", image, cpus=1) as session:
        session.expect("L08 build page tables", never=CORE)
        facts(session, "CPU: GenuineIntel, .*", "VMX: yes", "SVM: no",
              r"nested paging \(EPT\): yes", "unrestricted guest: yes", "VPID: yes",
              "preemption timer: yes", "posted interrupts: no: interrupts stop the guest")
        session.expect("check: Lamina can start on this machine")
        session.expect(FIRMWARE + "|Select Entry", never=CORE)


# ---- signed images ----

SNAKEOIL = emulator.SHARE + "/ovmf/PkKek-1-snakeoil"
SECURE = {"machine": "q35,smm=on", "cpus": 1,
          "firmware": ("OVMF_CODE_4M.snakeoil.fd", "OVMF_VARS_4M.snakeoil.fd"),
          "extra": ("-global", "driver=cfi.pflash01,property=secure,value=on")}


def sign(efi):
    """With the test key that Debian's OVMF trusts."""
    key = efi + ".key"
    subprocess.run(["openssl", "rsa", "-in", SNAKEOIL + ".key", "-passin", "pass:snakeoil",
                    "-out", key], check=True, capture_output=True)
    subprocess.run(["sbsign", "--key", key, "--cert", SNAKEOIL + ".pem", "--output", efi, efi],
                   check=True, capture_output=True)
    return efi


def boot_signed():
    files = files_of("boot-signed")
    efi = sign(unify("boot-signed", "", "list", files))
    image = "build/e2e/boot-signed.img"
    subprocess.run(["boot/image.sh", image, "EFI/BOOT/BOOTX64.EFI=" + efi, *files], check=True)
    with qemu("boot-signed", image, **SECURE) as session:
        guest_runs(session)


def boot_unsigned():
    """The firmware refuses."""
    image = image_make("build/e2e/boot-unsigned.img", CONFIG.format(kernel="guest.elf"),
                       {"guest.elf": GUEST})
    with qemu("boot-unsigned", image, **SECURE) as session:
        session.expect("Access Denied", never=r"\(lamina\)")


def boot_signed_bare():
    """A signed loader without a list would be a way round Secure Boot."""
    shutil.copy("build/BOOTX64.EFI", "build/e2e/boot-signed-bare.efi")
    image = image_make("build/e2e/boot-signed-bare.img", CONFIG.format(kernel="guest.elf"),
                       {"guest.elf": GUEST}, loader=sign("build/e2e/boot-signed-bare.efi"))
    with qemu("boot-signed-bare", image, **SECURE) as session:
        fails(session, "E-NOHASHES", r"\\lamina\.toml is not covered by the signature",
              "make sign")


def boot_hashes():
    """Files that are not what the list says, or not in it; the list holds without Secure Boot."""
    good = files_of("boot-hashes")
    other = write("build/e2e/boot-hashes-other.toml", CONFIG.format(kernel="more.elf"))
    efi = unify("boot-hashes", "", "list", good + ["other.toml=" + other])
    changed = "build/e2e/boot-hashes.elf"
    with open(GUEST, "rb") as file:
        data = bytearray(file.read())
    data[-1] ^= 1
    with open(changed, "wb") as file:
        file.write(data)
    forged = write("build/e2e/boot-hashes-forged.toml", CONFIG.format(kernel="guest.elf") + "\n")
    image = shell_image(
        "boot-hashes", ["", "config=other.toml", "config=forged.toml"],
        [good[0], "guest.elf=" + changed, "more.elf=" + GUEST, "other.toml=" + other,
         "forged.toml=" + forged], loader=efi)
    with qemu("boot-hashes", image, cpus=1) as session:
        for text in (r"E-HASH: .*VM \"cpuid\": \\guest\.elf is not the file of the image's list: "
                     "its SHA-256 differs",
                     r"E-HASH: .*VM \"cpuid\": \\more\.elf is not in the image's list of files",
                     r"E-HASH: configuration: \\forged\.toml is not in the image's list of files"):
            session.expect(text, never=CORE)
            session.expect("press a key")
            session.send(" ")
            session.expect("STATUS 0x1A$", never=CORE)


TESTS = [boot_pxe_dead, boot_pxe, boot_pxe_missing, boot_dnsmasq, boot_http,
         boot_http_unified, boot_unified,
         boot_unified_pxe, boot_unified_missing, boot_check, boot_check_vmx, boot_signed,
         boot_unsigned, boot_signed_bare, boot_hashes]
LONG_TESTS = [boot_dnsmasq_dead]
