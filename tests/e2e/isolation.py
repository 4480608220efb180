# SPDX-License-Identifier: BSD-2-Clause
"""The isolated page tables, with a core whose isolated code can be told to do what it must not:
tests/variant/probe.h and tests/guest/probe.c."""
import re
import subprocess

from guests import guest_check
from session import Failure, bochs, image_make, qemu

HEAD = """\
[lamina]
on_end = "poweroff"
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
]


def image(label, vms):
    config = HEAD + "".join(VM.format(name=name, cmdline=cmdline, pin=pin)
                            for name, cmdline, pin in vms)
    return image_make(f"build/e2e/{label}.img", config,
                      {"probe.elf": "build/guests/probe.elf"}, loader="build/probe/BOOTX64.EFI")


def canary(emulator):
    """ISO-3, ISO-4: the isolated code tries to read every page that there is."""
    label = f"isolation-canary-{emulator}"
    disk = image(label, [("seeker", "role=2", 0), ("secret", "role=1", 1)])
    with EMULATORS[emulator](label, disk, cpus=2, memory_mib=MEMORY_MIB) as session:
        closing = session.expect(r"GUEST probe: (\d+) passed, (\d+) failed",
                                 never=r"killed:|PANIC", patience=3)
        text = session.text
    if closing.group(2) != "0" or closing.group(1) == "0":
        raise Failure("; ".join(re.findall("FAIL.*", text)) or "nothing was tested")
    for line in re.findall(r"BENCH iso_\w+ \d+", text):
        print(f"   {label}: {line}", flush=True)


def wild(emulator):
    """ISO-5: a fault of the isolated code costs its VM, and nobody else."""
    label = f"isolation-wild-{emulator}"
    vms = [("good", "role=4", 0)] + [(f"bad{i}", f"role=3 wild={i}", 0) for i in range(len(WILD))]
    with EMULATORS[emulator](label, image(label, vms), cpus=1,
                             memory_mib=MEMORY_MIB) as session:
        for i, (what, report) in enumerate(WILD):
            session.position = 0
            session.expect(rf"bad{i}.*killed: {report}", never="PANIC|came back", patience=2)
        session.position = len(session.text)
        for _ in range(3):
            session.expect(r"alive \d+ wrong 0 mapped [1-9]", never="PANIC|FAIL|good.*killed:")


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


def nmi(emulator):
    """ISO-8, ISO-9: an NMI at every instruction of the ways in and out."""
    label = f"isolation-nmi-{emulator}"
    disk = image_make(f"build/e2e/{label}.img", NMI_CONFIG,
                      {"nmi.elf": "build/guests/nmi.elf"}, loader="build/nmi/BOOTX64.EFI")
    with EMULATORS[emulator](label, disk, cpus=1, memory_mib=MEMORY_MIB) as session:
        guest_check(session, "nmi", {"patience": 4})
        words = re.findall(r"^NMI-AT (\w+) (\w+)$", session.text, re.M)
        taken = re.search(r"(\d+) NMIs taken", session.text).group(1)
    instructions, start = isolated_text("build/nmi/core.elf")
    hit = {start + 32 * int(word, 16) + bit for word, bits in words for bit in range(32)
           if int(bits, 16) >> bit & 1}
    if not hit <= set(instructions):
        raise Failure("positions inside of instructions: "
                      + " ".join(f"{a:x}" for a in sorted(hit - set(instructions))[:9]))
    instructions = {a: i for a, i in instructions.items() if not PADDING.match(i[1])}
    hit &= set(instructions)
    print(f"   {label}: {len(hit)} positions, {taken} NMIs, none wrong; by function:", flush=True)
    for name in sorted({instructions[address][0] for address in hit}):
        code = {a: text for a, (function, text) in instructions.items() if function == name}
        left = sorted(set(code) - hit)
        print(f"   {label}: {name} {len(code) - len(left)} of {len(code)}", flush=True)
        missed = [a for a in left if not is_beyond(name, a, code)]
        if name in ENTRY_CODE and missed:
            raise Failure("; ".join(f"no NMI at {a:x} {code[a]}" for a in missed))
    print(f"BENCH iso_nmi_positions_{emulator} {len(hit)}", flush=True)


def test(function, emulator):
    def run():
        function(emulator)
    run.__name__ = f"isolation_{function.__name__}_{emulator}"
    return run


TESTS = [test(function, emulator) for function in (canary, wild, nmi) for emulator in ("vmx", "svm")]
TESTS += [test(canary, "svm_xapic")]
