# SPDX-License-Identifier: BSD-2-Clause
"""Every command of the monitor by a scripted terminal, with bad input, too; pasting; the trace."""
import json
import re
import subprocess

from linux import FILES, NEVER, check
from session import bochs, image_make, qemu
from share import COUNT, HEAD, LINUX, monitor, to_guest, to_monitor

PASTED_CHARACTERS = 1000
# One ends this session, one that on the other vendor; the last is in linux_reboot.
ENDS = {"reboot", "poweroff", "quit"}
SILENCE_S = 6 # after five, the console's line is looked at seldom


def commands():
    """The names in the monitor's table."""
    with open("core/mon/commands.def", encoding="ascii") as file:
        return re.findall(r"^X\((\w+),", file.read(), re.M)


class Driver:
    """Types commands and remembers which, so that none is forgotten."""

    def __init__(self, session):
        self.session, self.used = session, set()

    def run(self, command, pattern, never=None):
        self.used.add(command.split()[0])
        text = monitor(self.session, command)
        check(re.search(pattern, text, re.M), f"{command}: no {pattern!r} in: {text}")
        check(not never or not re.search(never, text, re.M), f"{command}: {never!r} in: {text}")
        return text

    def key(self, command, pattern):
        """A command that shows things until a key is pressed."""
        self.used.add(command)
        self.session.send(command + "\n")
        self.session.expect(pattern)
        self.session.send("k")
        self.session.expect(r"lamina> ")


def listing(d, cpus):
    names = commands()
    text = d.run("help", "Tab completes")
    for name in names:
        check(re.search(rf"^  {name} ", text, re.M), f"help has no {name}")
        monitor(d.session, "help " + name)
    d.run("vms", r"^ +0 alpha +1 +192 running +1 +\d+ +\d+$")
    d.run("vcpus", r"^ +0 alpha +0 +0 \S+ +100 ")
    d.run("irq", "^lost wake-ups: 0$")
    d.run("isolation", r"^speculation: .*\n(.*\n)*?"
          r"cpu0: \d+ pages mapped, 0 off the list, 0 missing, 0 faults; left for:"
          r"(.*\n)+?alpha: \d+ of \d+ exits handled there, \d+ per mille")
    d.run("mem", r"^alpha +RAM +\d+ KiB\n.*nested page tables(.*\n)+nobody +free")
    d.run("slots alpha", r"^0x0000000000-0x000009ffff RAM, host 0x")
    d.run("version", rf"^Lamina on (SVM|VMX), {cpus} CPUs, TSC \d+ kHz")
    d.run("log", r"\(lamina\) \[cpu0\] alpha: bzImage")
    d.run("console alpha 3", r"^\(alpha\) ")
    d.run("stat alpha", r"^CPUID +\d+ +\d+\n(.*\n)*ticks to next, below +256")
    d.key("top", r"alpha +0 +0 \S+ +\d+ +\d+")


def looking(d):
    text = d.run("regs alpha/0", r"^  rip [0-9a-f]{16} rflags .*\n(.*\n)+  idtr ")
    rip = re.search(r"rip ([0-9a-f]{16})", text).group(1)
    d.run("bt alpha", r"^  [0-9a-f]{16}$")
    d.run("bt host 0", r"bt_here")
    d.run(f"x alpha/0 0x{rip} 16 b", r"^[0-9a-f]{16}:( [0-9a-f]{2}){16}  ")
    d.run(f"x alpha/0 0x{rip} 2 q", r"^[0-9a-f]{16}:( [0-9a-f]{16}){2}  ")
    d.run("x alpha/0 0x10 2 w", r": ---- ----")
    # One page, seen from both sides.
    host = re.search(r"RAM, host (0x[0-9a-f]+)", d.run("slots alpha", "RAM")).group(1)
    words = [re.search(r": ([0-9a-f ]{35}) ", d.run(f"x {where} 4 d", ":")).group(1)
             for where in (f"host {int(host, 16) + 0x9fc00:#x}", "alpha 0x9fc00")]
    check(words[0] == words[1], f"host and guest differ: {words}")
    d.run("x alpha 0xfee00000 1 d", r": --------")
    d.run("regs beta", "^beta: vCPU 0")


REFUSALS = [
    ("debug", "no debugger: .gdb. is not set"),
    ("frobnicate", "unknown command; 'help'"), ("help nothing", "nothing: unknown command"),
    ("vms 1", "vms: takes no argument"), ("vm", "something is missing; usage: vm VM"),
    ("regs gamma", "no VM 'gamma'"), ("regs alpha/7", "no vCPU '7', but 0 to 0"),
    ("regs alpha/", "no vCPU ''"), ("regs 99", "no VM '99'"), ("slots alpha/0", "no VM 'alpha/0'"),
    ("x alpha", "something is missing"), ("x alpha zero", "'zero' is not a number"),
    ("x alpha -1", "'-1' is not a number"), ("x alpha 0 0", "COUNT is 1 to 1024"),
    ("x alpha 0 1025", "COUNT is 1 to 1024"), ("x alpha 0 1 z", r"what is 'z'\?"),
    ("x alpha 0 1 bb", r"what is 'bb'\?"), ("x alpha 0 1 b 5", "too many arguments"),
    ("x host 0x3fffffffffff 1", ": -"), ("x host 0xdeadbeef00000000 1 q", ": -"),
    ("bt host 99", "there are CPUs 0 to"), ("trace", "something is missing"),
    ("trace maybe", r"what is 'maybe'\? usage: trace show"), ("trace show 99", "there are CPUs 0"),
    ("trace show x", "'x' is not a number"), ("resume alpha", "was not paused"),
    ("start alpha", "is running; 'start' is for one that is over"),
    ("console alpha -3", "is not a number"), ("nmi alpha/1", "no vCPU '1'"),
]


def uptime(d):
    return int(re.search(r"up (\d+) s", d.run("version", "up")).group(1))


def pausing(d):
    """A sleep that ends while the VM is paused: the guest hears of it afterwards, once."""
    session = d.session
    to_guest(session, 0)
    session.type("(sleep 1; echo wo''ken) &")
    session.expect("# ")
    to_monitor(session)
    d.run("pause alpha", "^alpha: paused$")
    d.run("pause alpha", "^alpha: is paused already$")
    d.run("vms", r"alpha +1 +192 paused")
    d.run("vcpus", r"alpha +0 +\d+ paused")
    d.run("regs alpha", "  rip ")
    end = uptime(d) + 3
    while uptime(d) < end:
        pass
    check("woken" not in d.run("console alpha 5", "alpha"), "a paused guest goes on")
    rips = [re.search("rip (.{16})", d.run("regs alpha", "rip")).group(1) for _ in range(2)]
    check(rips[0] == rips[1], f"a paused guest moves: {rips}")
    d.run("resume alpha", "^alpha: goes on$")
    session.send("vm alpha\n")
    session.expect(r"woken\n", never=NEVER)
    check("up-42" in session.shell("echo up-$((6*7))"), "no shell after the pause")
    to_monitor(session)


def steering(d):
    session = d.session
    d.run("nmi alpha", "^alpha: NMI to vCPU 0$")
    session.send("vm alpha\n")
    session.expect(r"NMI received for unknown reason|Uhhuh", never=NEVER)
    to_monitor(session)
    for command, said in (("stop beta", "beta: is over; 'start'"),
                          ("reset beta", "beta: is over; 'start'"),
                          ("pause beta", "beta: is over already"), ("start beta", "beta: started"),
                          ("pause alpha", "alpha: paused"),
                          ("reset alpha", "alpha: reset by the operator(.*\n)*.*alpha: restarts"),
                          ("stop alpha", "alpha: stopped by the operator(.*\n)*.*alpha: over"),
                          ("start alpha", "alpha: started"), ("start alpha", "alpha: is running"),
                          ("pause alpha", "alpha: paused"),
                          ("stop alpha", "alpha: stopped by the operator(.*\n)*.*alpha: over")):
        d.used.add(command.split()[0])
        session.type(command)
        session.expect(said)
    d.run("vms", r"alpha +1 +192 over +3 (.*\n)*.*beta +1 +16 (running|over) +2 ")


def editing(d):
    """Keys of a terminal, completion and history; what they do to the line shows in its effect."""
    session = d.session
    for keys, said in (("verzion\x1b[D\x1b[D\x1b[D\x1b[D\x1b[3~s\n", "Lamina on"),
                       ("\x1b[A\n", "Lamina on"), ("vers\t\n", "Lamina on"),
                       ("slots al\t\n", "0x0000000000-0x000009ffff RAM"),
                       ("vmx\x7fs\n", "alpha"), ("rubbish\x15version\n", "Lamina on"),
                       ("version rubbish\x17\n", "Lamina on"), ("p\t", r"pause  poweroff\n"),
                       ("\x15ersion\x1b[Hv\x1b[F\n", "Lamina on"), ("v\x03version\n", "Lamina on"),
                       ("\x1b[24~\x1bOZversion\n", "Lamina on")):
        session.send(keys)
        session.expect(said)
    session.send("\x15\n")
    session.expect("lamina> ")
    check("Lamina on" in monitor(session, "version"), "the line is not empty afterwards")


def pasting(d):
    """A thousand characters lose none, neither here nor in the guest, and after silence, too."""
    session = d.session
    line = "version\n"
    session.machine.write((line * (PASTED_CHARACTERS // len(line))).encode())
    for _ in range(PASTED_CHARACTERS // len(line)):
        session.expect(r"^Lamina on \w+, \d+ CPUs, .*\n", never="unknown command")
    monitor(session, "vms")
    to_guest(session, 0)
    session.type(f"sleep {SILENCE_S}; echo wo''ken")
    session.expect("woken\n", never=NEVER)
    session.expect("# ")
    # The shell's lines have at most 1023 characters.
    tail = " | md5sum; echo DO''NE\n"
    text = "".join(chr(ord("a") + i % 26) for i in range(PASTED_CHARACTERS - len(tail) - 5))
    session.machine.write(f"echo {text}{tail}".encode())
    end = session.expect("^DONE", never=NEVER)
    digest = subprocess.run(["md5sum"], input=(text + "\n").encode(), capture_output=True,
                            check=True).stdout.split()[0].decode()
    check(digest in session.text[:end.end()], "the guest got something else than was pasted")
    to_monitor(session)


def tracing(d, label):
    """Shown, held, and turned into what a browser shows."""
    d.run("trace off", "^trace: held as it is now$")
    texts = [d.run("trace show 0", "^trace cpu0: .* ticks per ms$") for _ in range(2)]
    check(texts[0] == texts[1], "a trace that is held changes")
    check(re.search(r" exit \w+ rip 0x[0-9a-f]+ info 0x", texts[0]), texts[0])
    check(re.search(r" event tick datum 0x0$", texts[0], re.M), texts[0])
    d.run("trace on", "^trace: shows what happens$")
    d.run("trace show 0 10", r"(^trace cpu0 \d+ .*\n){10}", never=r"(^trace cpu0 \d+ .*\n){11}")
    out = f"build/e2e/{label}/trace.json"
    with open(f"build/e2e/{label}/serial.log", "rb") as log:
        subprocess.run(["scripts/trace2chrome"], stdin=log, stdout=open(out, "wb"), check=True)
    with open(out, encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    spans = [e for e in events if e["ph"] == "X"]
    check(len(spans) > 500, f"only {len(spans)} exits in {out}")
    check(all(e["dur"] >= 0 for e in spans), "an exit ends before it begins")
    times = [e["ts"] for e in spans if e["tid"] == spans[0]["tid"]]
    check(times == sorted(times), "exits out of order")
    check({e["args"].get("vcpu") for e in spans} >= {"alpha/0"}, "nothing of alpha")


def session_all(start, label, cpus, end, said):
    config = HEAD.format(on_end="stay") + LINUX.format(name="alpha", more="").replace(
        "cpus = 2", "cpus = 1") + COUNT.format(name="beta", more="")
    image = image_make(f"build/e2e/{label}.img", config,
                       FILES | {"count.elf": "build/guests/count.elf"})
    with start(label, image, cpus=cpus) as session:
        session.expect("SHELL-READY", never=NEVER)
        session.expect("# ")
        to_monitor(session)
        d = Driver(session)
        listing(d, cpus)
        looking(d)
        tracing(d, label)
        for command, text in REFUSALS:
            d.run(command, text)
        editing(d)
        pausing(d)
        pasting(d)
        steering(d)
        d.used.add("vm")
        check(d.used >= set(commands()) - ENDS, f"not driven: {set(commands()) - d.used - ENDS}")
        session.send(end + "\n")
        session.expect(said)
        check(not re.search("PANIC|killed:", session.text), "something died")


def monitor_svm():
    session_all(qemu, "monitor-svm", 2, "reboot", "reset by the operator")


def monitor_vmx():
    """On one CPU, where Bochs' defect is not."""
    session_all(bochs, "monitor-vmx", 1, "poweroff", "switched off by the operator")


TESTS = [monitor_svm, monitor_vmx]
