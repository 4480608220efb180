#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What may stand in the core's image: image.py [ELF]. No FPU or vector registers, nothing both
writable and executable, isolated code that jumps and reaches only where it may, and the way into
a guest and out again as entry.py has it. Also proves that it can fail."""
import bisect
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import entry
import exit_trace
import spec

FPU = re.compile(r"%([xyz]mm\d|st\b|mm\d)|^(f(ld|st|nsave|rstor)|fx|xsave|xrstor)")
FPU_OWNERS = {"fpu_save", "fpu_restore"}
INDIRECT = re.compile(r"^(call|jmp)\w*\s+\*")
ARITHMETIC = re.compile(r"lea\s.*,%(e\w\w|r\d+d)$") # 32 bits of a sum are no address
LINE = re.compile(r"^([0-9a-f]{16}):\s+(\S.*?)\s*$")
LABEL = re.compile(r"^[0-9a-f]{16} <(.+)>:$")


def tool(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Image:
    """Symbols in order of their addresses, and instructions as (address, function, text)."""

    def __init__(self, path):
        self.path = path
        rows = (line.split() for line in tool("nm", "-n", path).splitlines())
        self.symbols = [(int(row[0], 16), row[2]) for row in rows if len(row) == 3]
        self.address = {name: address for address, name in self.symbols}
        self.insns = list(self.disassemble())

    def disassemble(self):
        function = "?"
        for line in tool("objdump", "-d", "--no-show-raw-insn", self.path).splitlines():
            if label := LABEL.match(line):
                function = label.group(1)
            elif match := LINE.match(line):
                yield int(match.group(1), 16), function, match.group(2)

    def data(self, start, end):
        dump = tool("objdump", "-s", f"--start-address={start}", f"--stop-address={end}", self.path)
        return bytes.fromhex("".join(re.findall(r"^ [0-9a-f]+ ((?:[0-9a-f]+ ){1,4})", dump, re.M)))

    def name_of(self, address):
        """Of several symbols at one address the last is as good as any."""
        index = bisect.bisect_right(self.symbols, (address, "\x7f"))
        return self.symbols[index - 1][1] if index else "?"

    def is_isolated(self, address):
        return any(self.address.get(f"iso_{kind}_start", 0) <= address
                   < self.address.get(f"iso_{kind}_end", 0)
                   for kind in ("text", "rodata", "shared"))

    def is_inside(self, address):
        return self.address["image_start"] <= address < self.address["image_end"]


def fpu_errors(image):
    for address, function, text in image.insns:
        if FPU.search(text) and function not in FPU_OWNERS:
            yield f"{function}: {text}"


def segment_errors(image):
    for line in tool("readelf", "-lW", image.path).splitlines():
        if re.match(r"\s+LOAD\s", line) and "W" in line.split("0x")[-2] and "E" in line:
            yield f"writable and executable: {line.strip()}"


def relocation_errors(image):
    if "R_X86_64" in tool("readelf", "-rW", image.path):
        yield "the image has relocations"


def isolated(image):
    return [insn for insn in image.insns if image.is_isolated(insn[0])]


def indirect_errors(image):
    for _, function, text in isolated(image):
        if INDIRECT.match(text):
            yield f"{function}: {text}"


def references(image, text):
    """Addresses in the image that an instruction names: targets, displacements, immediates."""
    numbers = [int(n, 16) for n in re.findall(r"(?:\b0x|\s)([0-9a-f]{16})\b", text)]
    if not ARITHMETIC.match(text):
        numbers += [(1 << 64) - int(n, 16)
                    for n in re.findall(r"-0x([0-9a-f]{1,8})\b", text)]
    return [n for n in numbers if image.is_inside(n)]


# The stubs of entry.S load the full tables before these calls.
DOORS = {("trap_common", "trap_handle"), ("trap_paranoid", "trap_handle"),
         ("trap_isolated", "iso_trap")}


def outside(image):
    found = {}
    for _, function, text in isolated(image):
        for target in references(image, text):
            if not image.is_isolated(target) and (function, image.name_of(target)) not in DOORS:
                found.setdefault((function, image.name_of(target)), text)
    return found


def outside_errors(image):
    for (function, target), text in outside(image).items():
        yield f"isolated {function} reaches {target}: {text}"


def fixups(image):
    """The exception table: two self-relative numbers of 32 bits each."""
    start, end = (image.address.get(f"ex_table_{edge}", 0) for edge in ("start", "end"))
    if start == end:
        return {}
    numbers = [start + 4 * i + n
               for i, (n,) in enumerate(struct.iter_unpack("<i", image.data(start, end)))]
    return dict(zip(numbers[::2], numbers[1::2]))


def entry_errors(image):
    if "core_main" in image.address: # the little images below have no entry
        yield from entry.errors(image.insns, entry.offsets(), fixups(image))


def trace_errors(image):
    if "vmx_enter" in image.address:
        yield from exit_trace.errors(image.insns, entry.offsets()["HOT_TRACE_AT"])


def spec_errors(image):
    if "spec_pieces" in image.address:
        offsets = entry.offsets("build/gen/arch/x86/offsets.h")
        parts = spec.Parts.of_image(image, image.data, offsets)
        yield from spec.errors(image.insns, parts, entry.offsets(), fixups(image))


def thunk_errors(image):
    """Without a thunk a CPU that needs retpolines has none."""
    if "spec_pieces" in image.address:
        for _, function, text in image.insns:
            if INDIRECT.match(text):
                yield f"{function}: {text}"


CHECKS = {
    "no FPU or vector registers": fpu_errors,
    "no segment is writable and executable": segment_errors,
    "no relocations": relocation_errors,
    "no indirect branches in isolated code": indirect_errors,
    "isolated code stays inside": outside_errors,
    "into a guest and out: FLG-2, 3, 4, 5, 14": entry_errors,
    "the exit trace costs fewer than 10 instructions": trace_errors,
    "speculation on the way in and out: FLG-14": spec_errors,
    "no indirect branches but through thunks": thunk_errors,
}

# A sound little image, and what makes it a bad one.
SOUND = """
.globl _start, image_start, image_end, iso_text_start, iso_text_end
.text
image_start: _start: movl $1, %eax
ret
iso_text_start: isolated: movq %rax, %rbx
{}
ret
iso_text_end: nop
.data
datum: .quad 0
image_end: .quad 0
"""
BAD = {
    "a vector register": ("pxor %xmm0, %xmm0", fpu_errors),
    "an FPU register": ("fld %st(1)", fpu_errors),
    "an indirect call": ("call *%rax", indirect_errors),
    "an indirect jump": ("jmp *8(%rax)", indirect_errors),
    "a call out of isolated code": ("call _start", outside_errors),
    "data outside isolated code": ("movq datum(%rip), %rax", outside_errors),
    "a table outside isolated code": ("movq datum(,%rax,8), %rax", outside_errors),
    "an address outside isolated code": ("movq $datum, %rax", outside_errors),
}


def sample(folder, line, *flags):
    source, obj, elf = (str(Path(folder, name)) for name in ("a.s", "a.o", "a.elf"))
    Path(source).write_text(SOUND.format(line), encoding="ascii")
    subprocess.run(["as", source, "-o", obj], check=True)
    subprocess.run(["ld", "-Ttext=0xffffffff80000000", *flags, obj, "-o", elf], check=True,
                   stderr=subprocess.DEVNULL)
    return Image(elf)


def self_tests(folder):
    """Yield (what, is it as it should be)."""
    sound = sample(folder, "nop")
    yield "a sound image passes", not [e for check in CHECKS.values() for e in check(sound)]
    for what, (line, check) in BAD.items():
        yield f"noticed: {what}", bool(list(check(sample(folder, line))))
    writable = sample(folder, "nop", "-N")
    yield "noticed: a writable and executable segment", bool(list(segment_errors(writable)))
    yield from entry.self_tests()
    yield from exit_trace.self_tests()
    yield from spec.self_tests()


def main():
    image = Image(sys.argv[1] if len(sys.argv) > 1 else "build/lamina.elf")
    counts = [0, 0]
    for what, check in CHECKS.items():
        found = list(check(image))
        for line in found:
            print("FAIL " + line)
        print(f"{'FAIL' if found else 'ok'} {what}")
        counts[bool(found)] += 1
    with tempfile.TemporaryDirectory() as folder:
        for what, is_good in self_tests(folder):
            if not is_good:
                print(f"FAIL not {what}")
            counts[not is_good] += 1
    print("%d passed, %d failed, 0 skipped" % tuple(counts))
    return bool(counts[1])


sys.exit(main())
