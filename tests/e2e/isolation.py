# SPDX-License-Identifier: BSD-2-Clause
"""The isolated page tables, with a core whose isolated code can be told to do what it must not:
tests/variant/probe.h and tests/guest/probe.c."""
import collections
import os
import re
import struct
import subprocess

import emulator
from guests import guest_check
from session import Failure, Session, bochs, image_make, qemu

HEAD = """\
[lamina]
on_end = "poweroff"
smt = true
"""

VM = """
[[vm]]
name = "{name}"
cpus = 1
memory = "16M"
kernel = "probe.elf"
cmdline = "{cmdline}"
testdev = true
pin = {pin}
"""



def qemu_xapic(name, disk, **options):
    return qemu(name, disk, cpu="max,-x2apic", **options)


EMULATORS = {"vmx": bochs, "svm": qemu, "svm_xapic": qemu_xapic}
# Enough for the firmware and the VMs: every page is tried.
MEMORY_MIB = 256

# What the isolated code does (enum wild of probe.h), and what the report says of it.
WILD = [
    ("a read", r"page fault at 0x\w+ on the isolated tables, address 0xffff888000100000"),
    ("a write", r"page fault at 0x\w+ on the isolated tables, address 0xffff888000100000"),
    ("a write to isolated code", r"page fault at 0x\w+ on the isolated tables, address 0xf\w+000"),
    ("a jump", r"page fault at 0xffffffff80000000 on the isolated tables, "
               r"address 0xffffffff80000000"),
    ("a bad address", r"general protection fault at 0x\w+ on the isolated tables"),
    ("a bad instruction", r"invalid opcode at 0x\w+ on the isolated tables"),
    ("a read while the window is open",
     r"page fault at 0x\w+ on the isolated tables, address 0xffff888000100000"),
]


def image(label, vms, variant="probe"):
    config = HEAD + "".join(VM.format(name=name, cmdline=cmdline, pin=pin)
                            for name, cmdline, pin in vms)
    return image_make(f"build/e2e/{label}.img", config,
                      {"probe.elf": "build/guests/probe.elf"},
                      loader=f"build/{variant}/BOOTX64.EFI")


def canary(vendor):
    """ISO-3, ISO-4: the isolated code tries to read every page that there is."""
    label = f"isolation-canary-{vendor}"
    disk = image(label, [("seeker", "role=2", 0), ("secret", "role=1", 1)])
    with EMULATORS[vendor](label, disk, cpus=2, memory_mib=MEMORY_MIB) as session:
        closing = session.expect(r"GUEST probe: (\d+) passed, (\d+) failed",
                                 never=r"killed:|PANIC", patience=3)
        text = session.text
    if closing.group(2) != "0" or closing.group(1) == "0":
        raise Failure("; ".join(re.findall("FAIL.*", text)) or "nothing was tested")
    for line in re.findall(r"BENCH iso_\w+ \d+", text):
        print(f"   {label}: {line}", flush=True)


def wild(vendor):
    """ISO-5: a fault of the isolated code costs its VM, and nobody else."""
    label = f"isolation-wild-{vendor}"
    vms = [("good", "role=4", 0)] + [(f"bad{i}", f"role=3 wild={i}", 0) for i in range(len(WILD))]
    with EMULATORS[vendor](label, image(label, vms), cpus=1,
                             memory_mib=MEMORY_MIB) as session:
        for i, (what, report) in enumerate(WILD):
            session.position = 0
            session.expect(rf"bad{i}.*killed: {report}", never="PANIC|came back|FAIL", patience=2)
        session.position = len(session.text)
        if re.search(r"FAIL|wrong [1-9]", session.text):
            raise Failure("a fault has left its trace in the tables of another VM")
        for _ in range(3):
            session.expect(r"alive \d+ wrong 0 mapped [1-9]", never="PANIC|FAIL|good.*killed:")


# What ends everything: in a core for tests every fault, else what nobody can go on after. On SVM
# the latter cannot be had: TR is the guest's there, and machine checks wait for GIF.
ENDS = [("strict", 0, r"page fault \(vector 14\)"), ("probe", 7, r"machine check \(vector 18\)"),
        ("probe", 8, r"double fault \(vector 8\)")]


def ends(vendor):
    """ISO-5, ISO-8: the handlers of #MC and #DF work from the isolated tables, and what they report
    is where the isolated code was; test builds panic at any fault there."""
    for variant, i, report in ENDS if vendor == "vmx" else ENDS[:1]:
        label = f"isolation-ends-{vendor}-{variant}{i}"
        disk = image(label, [("bad", f"role=3 wild={i}", 0)], variant)
        with EMULATORS[vendor](label, disk, cpus=1, memory_mib=MEMORY_MIB) as session:
            session.expect(rf"PANIC: {report}", never="killed|came back|FAIL", patience=2)
            session.expect(r"hypercall_fast|wild", never="PANIC|killed")
            session.expect(r"trace cpu0 .*exit", never="PANIC|killed")


NMI_CONFIG = HEAD + """
[[vm]]
name = "nmi"
cpus = 1
memory = "16M"
kernel = "nmi.elf"
testdev = true
"""

LISTING = re.compile(r"^([0-9a-f]+) <(\S+)>:$|^ *([0-9a-f]+):\t(.*)$", re.M)


def isolated_text(core):
    """Its instructions, {address: (function, text)}, and where it begins."""
    symbols = subprocess.run(["nm", core], check=True, capture_output=True, text=True).stdout
    start, end = (int(re.search(rf"^(\w+) \w iso_text_{which}$", symbols, re.M).group(1), 16)
                  for which in ("start", "end"))
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", f"--start-address={start}",
         f"--stop-address={end}", core], check=True, capture_output=True, text=True).stdout
    instructions, function = {}, ""
    for _, name, address, text in LISTING.findall(listing):
        function = name or function
        if address:
            instructions[int(address, 16)] = (function, text)
    return instructions, start


def spec_sites(core):
    """What is made at boot (arch/x86/spec.h): the addresses of moved instructions, and those of
    what runs instead."""
    symbols = subprocess.run(["nm", core], check=True, capture_output=True, text=True).stdout
    start, end = (int(re.search(rf"^(\w+) \w spec_sites_{which}$", symbols, re.M).group(1), 16)
                  for which in ("start", "end"))
    dump = subprocess.run(
        ["objdump", "-s", f"--start-address={start}", f"--stop-address={end}", core],
        check=True, capture_output=True, text=True).stdout
    data = bytes.fromhex("".join("".join(line.split()[1:5])[:32] for line in
                                 re.findall(r"^ [0-9a-f]{8,} [0-9a-f ]{35}", dump, re.M)))
    words = struct.unpack(f"<{(end - start) // 8}Q", data[:end - start])
    moved, pieces = set(), set()
    for site, behind, out, _ in zip(*[iter(words)] * 4):
        moved |= set(range(site, behind))
        pieces |= set(range(out, out + SPEC_SITE_BYTES))
    return moved, pieces


SPEC_SITE_BYTES = 352
PADDING = re.compile(r"(cs |data16 )*(nop|xchg +%ax,%ax|int1$)")
DOOR = re.compile(r"mov +%rcx,%cr3$")
ENTRY_CODE = ("vmx_stay", "vmx_exit", "svm_stay")


def is_beyond(function, address, code):
    """May the NMIs leave out this instruction of the entry code? On VMX that behind a VMLAUNCH that
    fails, too. On SVM what runs with GIF = 1 outside the doors, and the way back from STGI."""
    def places(pattern):
        return [a for a in sorted(code) if re.match(pattern, code[a])]

    if function == "vmx_stay":
        return address > places("vmlaunch")[0]
    if function != "svm_stay":
        return False
    doors, opened = places(DOOR), places("stgi")[0]
    back = [a for a in sorted(code) if a > opened][:6]
    return address <= doors[0] or address > doors[-1] or address in back


def nmi(vendor):
    """ISO-8, ISO-9: an NMI at every instruction of the ways in and out."""
    label = f"isolation-nmi-{vendor}"
    disk = image_make(f"build/e2e/{label}.img", NMI_CONFIG,
                      {"nmi.elf": "build/guests/nmi.elf"}, loader="build/nmi/BOOTX64.EFI")
    with EMULATORS[vendor](label, disk, cpus=1, memory_mib=MEMORY_MIB) as session:
        guest_check(session, "nmi", {"patience": 4})
        words = re.findall(r"^NMI-AT (\w+) (\w+)$", session.text, re.M)
        taken = re.search(r"(\d+) NMIs taken", session.text).group(1)
    instructions, start = isolated_text("build/nmi/core.elf")
    hit = {start + 32 * int(word, 16) + bit for word, bits in words for bit in range(32)
           if int(bits, 16) >> bit & 1}
    moved, pieces = spec_sites("build/nmi/core.elf")
    in_pieces = hit & pieces
    hit -= pieces
    if not hit <= set(instructions):
        raise Failure("positions inside of instructions: "
                      + " ".join(f"{a:x}" for a in sorted(hit - set(instructions))[:9]))
    instructions = {a: i for a, i in instructions.items()
                    if a not in pieces and not PADDING.match(i[1])}
    hit &= set(instructions)
    print(f"   {label}: {len(hit)} positions and {len(in_pieces)} in what is put "
          f"there at boot, {taken} NMIs, none wrong; by function:", flush=True)
    for name in sorted({instructions[address][0] for address in hit}):
        code = {a: text for a, (function, text) in instructions.items() if function == name}
        left = sorted(set(code) - hit)
        print(f"   {label}: {name} {len(code) - len(left)} of {len(code)}", flush=True)
        missed = [a for a in left if not is_beyond(name, a, code) and a not in moved]
        if name in ENTRY_CODE and missed:
            raise Failure("; ".join(f"no NMI at {a:x} {code[a]}" for a in missed))
    print(f"BENCH iso_nmi_positions_{vendor} {len(hit | in_pieces)}", flush=True)


class BochsDebugger(emulator.Bochs):
    """Bochs under its own debugger, which reads its commands from `script`; the guest stops it by
    XCHG BX, BX. What it says is in emulator.log."""

    def __init__(self, disk, directory, script, features="", **options):
        self.script = script
        super().__init__(disk, directory, features=features + "\nmagic_break: enabled=1",
                         **options)

    def spawn(self, command):
        path = os.path.join(self.directory, "script")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.script)
        with open(path, "rb") as commands, \
                open(os.path.join(self.directory, "emulator.log"), "wb") as output:
            self.process = subprocess.Popen(
                command + ["-debugger"], stdin=commands, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)


WINDOW = 0xffffcb0000200000 >> 12
STAY_MAX = 2000 # instructions: ISO-6
TRACED_INSTRUCTIONS = 200000

# An instruction, and a memory access of the last one. Those without a linear address are the
# processor's own to its structures (VMCS, tables).
TRACE = re.compile(r"^\(0\)\.\[\d+\] \[0x(\w+)\] \w+:(\w+) \([^)]*\): ([^;]*)|"
                   r"^\[CPU0 \w+\]: LIN 0x(\w+) PHY 0x(\w+)")


class Walk:
    """Follows a trace. Between the doors, and between an exit and the next entry, each instruction
    and each access must be to a page of `listed`, {linear page: physical page}, or through the
    window to one of the VM's nested page tables. Physical 0 is one that is not known."""

    def __init__(self, core, listed, nested):
        self.listed, self.nested, self.views = listed, nested, 0
        self.code, _ = isolated_text(core)
        for address in spec_sites(core)[1] & set(self.code):
            self.code[address] = ("spec.S", "")
        # Where guests come out: HOST_RIP, or behind VMRUN.
        entries = [a for a in sorted(self.code) if self.code[a][1].startswith("vmrun")]
        self.exits = [min(a for a in self.code if self.code[a][0] == "vmx_exit"),
                      min(a for a in self.code if a > entries[0])]
        self.is_isolated = False
        self.has_exit = False # it began with an exit
        self.stayed = self.left = self.accesses = 0
        self.length = self.longest = 0 # instructions from exit to entry
        self.handlers, self.data, self.wrong = set(), collections.Counter(), []

    def page_check(self, linear, physical, what):
        self.accesses += 1
        if linear >> 12 == WINDOW and physical >> 12 in self.nested:
            self.views += 1
        elif self.listed.get(linear >> 12) != physical >> 12 and (
                physical or linear >> 12 not in self.listed):
            self.wrong.append(f"{what}: {linear:x}, physical {physical:x}")

    def insn(self, physical, rip, text):
        if rip in self.exits:
            self.is_isolated = self.has_exit = True
            self.length = 0
        if not self.is_isolated:
            # The door in takes effect behind the instruction.
            self.is_isolated = text.startswith("mov cr3") and rip in self.code
            self.has_exit = False
            return
        self.page_check(rip, physical, "code")
        self.length += 1
        self.handlers.add(self.code.get(rip, ("other code",))[0])
        if text.startswith("mov cr3"):
            self.left += self.has_exit
            self.is_isolated = False
        elif text.startswith(("vmresume", "vmlaunch", "vmrun")):
            self.stayed += self.has_exit
            self.longest = max(self.longest, self.length if self.has_exit else 0)
            self.is_isolated = False

    def follow(self, lines):
        rip = 0
        for line in lines:
            match = TRACE.match(line)
            if not match:
                continue
            physical, address, text, linear, at = match.groups()
            if address:
                rip = int(address, 16)
                self.insn(int(physical, 16), rip, text)
            elif self.is_isolated:
                self.page_check(int(linear, 16), int(at, 16), f"at {rip:x}")
                self.data[int(linear, 16) >> 12] += 1
        return self


def trace_bochs(label, disk, options):
    script = f"c\ntrace-mem on\ntrace on\ns {TRACED_INSTRUCTIONS}\nq\n"
    machine = BochsDebugger(disk, f"build/e2e/{label}", script, cpus=1, memory_mib=MEMORY_MIB,
                            **options)
    return Session(machine), "emulator.log"


def trace_qemu(label, disk, options):
    plugin = "build/trace_plugin.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", plugin,
                    "tests/e2e/trace_plugin.c"], check=True)
    options = {"extra": ["-plugin", f"file={plugin},out=build/e2e/{label}/trace.log,"
                         f"count={TRACED_INSTRUCTIONS}"], **options}
    return qemu(label, disk, cpus=1, memory_mib=MEMORY_MIB, **options), "trace.log"


TRACERS = {"vmx": (trace_bochs, {}), "svm": (trace_qemu, {}),
           "svm_bochs": (trace_bochs, {"model": "ryzen", "features": ', add_features="x2apic"'})}


def trace(vendor):
    """ISO-3: each memory access that the exits of one kind after the other make on the isolated
    tables, by the emulator's own record of them."""
    label = f"isolation-trace-{vendor}"
    start, options = TRACERS[vendor]
    session, name = start(label, image(label, [("probe", "role=5", 0)]), options)
    with session:
        session.expect("LISTED ends", never=r"killed:|PANIC|FAIL", patience=3)
        session.ended()
        listed = {int(linear, 16) >> 12: int(frame, 16) for linear, frame
                  in re.findall(r"^\.*LISTED (\w+) (\w+)$", session.text, re.M)}
    nested = {int(frame, 16) for frame in re.findall(r"NESTED (\w+)", session.text)}
    with open(f"build/e2e/{label}/{name}", encoding="ascii", errors="replace") as log:
        lines = log.readlines()
    core = "build/probe/core.elf"
    walk = Walk(core, listed, nested).follow(lines)
    if walk.wrong:
        raise Failure(f"{len(walk.wrong)} accesses off the list: " + "; ".join(walk.wrong[:5]))
    if not walk.views:
        raise Failure("nothing has looked through the window")
    if walk.longest > STAY_MAX:
        raise Failure(f"{walk.longest} instructions from an exit to the next entry")
    if walk.stayed < 300 or walk.accesses < 10000:
        raise Failure(f"only {walk.stayed} exits, {walk.accesses} accesses")
    # With a list that lacks a page the same trace must not do.
    page, uses = walk.data.most_common(1)[0]
    del listed[page]
    if len(Walk(core, listed, nested).follow(lines).wrong) != uses:
        raise Failure("the check does not notice a page that is not on the list")
    print(f"   {label}: {walk.stayed} exits handled on the isolated tables, {walk.left} that left "
          f"them, {walk.views} accesses through the window; handlers: "
          + " ".join(sorted(walk.handlers)), flush=True)
    print(f"BENCH iso_trace_accesses_{vendor} {walk.accesses}\n"
          f"BENCH iso_trace_violations_{vendor} {len(walk.wrong)}\n"
          f"BENCH iso_longest_stay_{vendor} {walk.longest}", flush=True)


def test(function, vendor):
    def run():
        function(vendor)
    run.__name__ = f"isolation_{function.__name__}_{vendor}"
    return run


TESTS = [test(function, vendor) for function in (canary, wild, ends, nmi, trace)
         for vendor in ("vmx", "svm")]
TESTS += [test(canary, "svm_xapic"), test(trace, "svm_bochs")]
