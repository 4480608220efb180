# SPDX-License-Identifier: BSD-2-Clause
"""The real gdb over the second serial line: on Linux as a guest, and on Lamina itself."""
import os
import re
import select
import signal
import socket
import subprocess
import time

from linux import CONFIG, FILES, NEVER, check
from session import PATIENCE_SECONDS, Failure, bochs, image_make, qemu, spoilt_again

GDB_CONFIG = CONFIG.replace("[lamina]\n", '[lamina]\ngdb = "com2"\n').replace(
    "retbleed=off", "retbleed=off nokaslr loglevel=3")
PROMPT = "(gdb) "


# Where a CPU may be that is held.
IN_LOOP_OR_GUEST = "sched_loop|svm_stay|vmx_stay"


class Gdb:
    """A gdb that is talked to as by a user, connected to a machine's second line."""

    def __init__(self, machine, *arguments):
        self.process = subprocess.Popen(
            ["gdb", "-q", "-nx", "-iex", "set confirm off", "-iex", "set pagination off",
             "-iex", "set width 0", "-iex", "set remotetimeout 60",
             "-iex", "set debuginfod enabled off", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = open(os.path.join(machine.directory, "gdb.log"), "ab")
        self.wait()
        self.path = machine.gdb_socket

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def wait(self, patience=1):
        """What gdb says until it asks for the next command."""
        text = ""
        end = time.monotonic() + PATIENCE_SECONDS * patience
        while not text.endswith(PROMPT):
            if select.select([self.process.stdout], [], [], 1)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                self.log.write(data)
                self.log.flush()
                text += data.decode("utf-8", "replace")
                if not data:
                    raise Failure(f"gdb has ended: {text[-500:]}")
            elif time.monotonic() > end:
                raise Failure(f"gdb does not come back: {text[-500:]}")
        return text[:-len(PROMPT)]

    def send(self, command):
        self.log.write(command.encode() + b"\n")
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def do(self, command, expect="", patience=1):
        """Have a command carried out; its answer holds regular expression `expect`."""
        self.send(command)
        answer = self.wait(patience)
        match = re.search(expect, answer, re.M)
        if not match:
            raise Failure(f"gdb: {command!r} answers {answer[-800:]!r}, not {expect!r}")
        return match

    def number(self, expression):
        return int(self.do(f"p/x (unsigned long)({expression})", r"= 0x([0-9a-f]+)").group(1), 16)

    def connect(self):
        return self.do(f"target remote {self.path}")

    def interrupt(self):
        time.sleep(0.5)  # gdb has to have let it run
        self.process.send_signal(signal.SIGINT)
        return self.wait()


# Of the kernel's own table: what a test breaks at, who calls that, and a variable.
SYMBOLS = ("__x64_sys_sethostname", "do_syscall_64", "init_uts_ns", "jiffies")
TEXT = 0xffffffff81000000


def symbol_file(session, directory):
    """The kernel's symbols, as the guest tells them, as an ELF file without contents."""
    session.shell("K=/proc/kallsyms")
    rows = []
    for name in SYMBOLS:
        table = session.shell(f"grep ' {name}$' $K")
        row = re.search(rf"^([0-9a-f]{{16}}) (\w) ({name})\s*$", table, re.M)
        check(row, f"the guest knows no {name}: {table}")
        rows.append(row.groups())
    source = os.path.join(directory, "kernel.S")
    with open(source, "w", encoding="ascii") as file:
        file.write('.section .ktext, "ax", @nobits\nbase: .skip 0x1000000\n'
                   '.section .kdata, "aw", @nobits\ndata: .skip 0x2000000\n')
        for address, kind, name in rows:
            is_text = kind in "tT"
            offset = int(address, 16) - TEXT - (0 if is_text else 0x1000000)
            file.write(f".globl {name}\n.type {name}, @{'function' if is_text else 'object'}\n"
                       f".set {name}, {'base' if is_text else 'data'} + {offset:#x}\n")
    elf = os.path.join(directory, "kernel.elf")
    subprocess.run(["gcc", "-c", source, "-o", elf + ".o"], check=True)
    subprocess.run(["ld", f"--section-start=.ktext={TEXT:#x}",
                    f"--section-start=.kdata={TEXT + 0x1000000:#x}", "-e", "0",
                    elf + ".o", "-o", elf], check=True)
    return elf


def boot(session):
    session.expect(r"gdb: listening on the serial line at port 0x2f8")
    session.expect("SHELL-READY", never=NEVER)
    session.expect("# ")


# QEMU's INT3 under SVM does not exit for #BP (tests/README.md); gdb then takes hardware's.
ALL_IN_HARDWARE = ("mem 0xffffffff81000000 0xffffffffa0000000 ro",
                   "set mem inaccessible-by-default off")


def linux_under_gdb(start, label, first, **options):
    image = image_make(f"build/e2e/{label}.img", GDB_CONFIG, FILES)
    with start(label, image, gdb=True, **options) as session:
        boot(session)
        elf = symbol_file(session, session.machine.directory)
        with Gdb(session.machine, elf) as gdb:
            for command in first:
                gdb.do(command)
            linux_session(session, gdb)
        check(session.shell("echo alive-$((6*7))").strip() == "alive-42", "the guest is gone")
        with Gdb(session.machine, "build/lamina.elf") as gdb:
            lamina_session(session, gdb)
        check(session.shell("echo alive-$((6*7))").strip() == "alive-42", "the guest is gone")
        with Gdb(session.machine, "build/lamina.elf") as gdb:
            panic_session(session, gdb)


def hostname_break(session, gdb):
    gdb.do("break __x64_sys_sethostname", "reakpoint 1 at 0xffffffff8")
    # A command of the shell gets to it: by symbol, with its caller.
    gdb.send("continue")
    session.send("hostname gdb-was-here\n")
    check("reakpoint 1" in gdb.wait(), "no stop at the breakpoint")
    gdb.do("backtrace 2", r"#0 .*__x64_sys_sethostname.*\n#1 .*do_syscall_64")
    check(gdb.number("*(unsigned char*)$rip") != 0xcc, "INT3 shows")


def linux_session(session, gdb):
    gdb.connect()
    gdb.do("info threads", r"Thread 2 .linux vCPU 1")
    hostname_break(session, gdb)
    before = gdb.number("$rip")
    check(gdb.number("$cr0") & 0x80000001 == 0x80000001, "CR0")
    check(gdb.number("$efer") & 0x400, "EFER")
    gdb.do("stepi", "0x")
    check(before < gdb.number("$rip") < before + 16, "a step goes elsewhere")
    # Who writes the new name?
    gdb.do("delete")
    name = uts_offset(gdb, gdb.number("&init_uts_ns"))
    gdb.do(f"watch *(char*){name:#x}", "atchpoint 2")
    gdb.do("continue", r"atchpoint 2.*\n(.*\n)*Old value.*\nNew value = 103 'g'")
    gdb.do("delete")
    for _ in range(8):
        gdb.do("stepi", "0x")
    # Nothing is where nothing is.
    gdb.do("x/gx 0x10", "Cannot access memory")
    gdb.do("monitor help", "phys on, phys off")
    gdb.do("monitor phys on")
    gdb.do("x/gx 0x10", "^0x10.*:\t0x")
    gdb.do("monitor phys off")
    gdb.do("set var $rip = 0x8000000000000000", "Could not write")
    gdb.send("continue")
    check("SIGINT" in gdb.interrupt(), "no stop by Ctrl-C")
    gdb.do("thread 2", "Switching to thread 2")
    gdb.do("detach", "detached")
    session.expect("let go by the debugger")
    session.send("\n")
    session.expect("# ")
    check(session.shell("hostname").strip() == "gdb-was-here", "the name is not set")


def monitor_debug(session):
    session.send("\x1d")
    session.expect("^lamina> ")
    session.send("debug\n")
    session.expect("all stands for a debugger")


def lamina_session(session, gdb):
    """Lamina stands for the monitor's command, goes on, stands at a breakpoint of its own."""
    monitor_debug(session)
    gdb.connect()
    gdb.do("info threads", r"2 +Thread 2 .CPU 1")
    gdb.do("backtrace", r"cmd_debug.*\n(.*\n)*.*monitor_input")
    gdb.do("p percpu_boot.index", "= 0")
    gdb.do("x/gx 0xdead000000000000", "Cannot access memory")
    gdb.do("set var *(char*)0x10 = 1", "Cannot access memory")
    gdb.do("break cmd_vms", "Breakpoint 1")
    gdb.send("continue")
    time.sleep(0.5)
    session.send("vms\n")
    check("Breakpoint 1, cmd_vms" in gdb.wait(), "no stop at the breakpoint")
    before = gdb.number("$rip")
    gdb.do("stepi")
    check(before < gdb.number("$rip") < before + 16, "a step goes elsewhere")
    gdb.do("delete")
    gdb.do("detach", "detached")
    session.expect("0 linux")
    session.send("\x1d")


def panic_session(session, gdb):
    """A jump to nowhere: the report comes first, then gdb finds the place."""
    monitor_debug(session)
    gdb.connect()
    gdb.do("set var $rip = 0x10")
    gdb.send("continue")
    session.expect("PANIC: page fault")
    session.expect("cpu1 was here")
    gdb.wait()
    check(gdb.number("$rip") == 0x10 and gdb.number("$cr2") == 0x10, "another place")
    gdb.do("info threads", r"2 +Thread 2 .CPU 1")
    gdb.do("thread 2")
    gdb.do("backtrace", IN_LOOP_OR_GUEST)
    gdb.do("monitor why", "page fault")


def uts_offset(gdb, address):
    """Where the node's name, "(none)", is in init_uts_ns."""
    found = gdb.do(f"find /b {address:#x}, +512, '(', 'n', 'o', 'n', 'e', ')'", "^(0x[0-9a-f]+)")
    return int(found.group(1), 16)


def gdb_linux_svm():
    linux_under_gdb(qemu, "gdb-linux-svm", ALL_IN_HARDWARE)


def gdb_nmi():
    """An NMI, as a button sends it, whoever runs: Lamina stands, and goes on with its guest."""
    image = image_make("build/e2e/gdb-nmi.img", GDB_CONFIG, FILES)
    qmp = os.path.abspath("build/e2e/gdb-nmi.qmp")
    extra = ("-qmp", f"unix:{qmp},server=on,wait=off")
    with qemu("gdb-nmi", image, gdb=True, extra=extra) as session:
        boot(session)
        with Gdb(session.machine, "build/lamina.elf") as gdb:
            for busy in (False, True):
                session.send("while :; do :; done &\n" if busy else "\n")
                session.expect("# ")
                nmi_inject(qmp)
                gdb.connect()
                gdb.do("monitor why", "NMI")
                gdb.do("info threads", r"2 +Thread 2 .CPU 1\)")
                gdb.do("backtrace", IN_LOOP_OR_GUEST)
                gdb.do("detach", "detached")
        check("alive-42" in session.shell("echo alive-$((6*7))"), "the guest is gone")


def nmi_inject(path):
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        control.sendall(b'{"execute": "qmp_capabilities"}{"execute": "inject-nmi"}')
        time.sleep(1)


def gdb_linux_vmx():
    spoilt_again(lambda: linux_under_gdb(bochs, "gdb-linux-vmx", ()))


def gdb_make_debug():
    """All of it by one command, and out again."""
    commands = b"info threads\ninfo address cmd_debug\ndetach\nquit\n"
    run = subprocess.run(["scripts/debug"], input=commands, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=600, check=False)
    output = run.stdout.decode()
    check("linux vCPU 1" in output, "no threads: " + output)
    check("is a function at address" in output, "no symbols: " + output)
    check("detached" in output, "not detached: " + output)


def gdb_linux_svm_bochs():
    """INT3, which QEMU's SVM does not report, but no steps, which Bochs' SVM does not have."""
    spoilt_again(int3_once)


def int3_once():
    image = image_make("build/e2e/gdb-linux-svm-bochs.img", GDB_CONFIG, FILES)
    with bochs("gdb-linux-svm-bochs", image, gdb=True, model="ryzen") as session:
        boot(session)
        elf = symbol_file(session, session.machine.directory)
        with Gdb(session.machine, elf) as gdb:
            gdb.connect()
            hostname_break(session, gdb)
            gdb.do("detach", "detached")
        session.send("\n")
        session.expect("# ")
        check("gdb-was-here" in session.shell("hostname"), "the name is not set")


LONG_TESTS = [gdb_linux_svm_bochs]
TESTS = [gdb_linux_vmx, gdb_linux_svm, gdb_nmi, gdb_make_debug]
