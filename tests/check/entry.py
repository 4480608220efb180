# SPDX-License-Identifier: BSD-2-Clause
"""What the code around VM entry must look like, as the linker left it: vmx_stay, vmx_exit and
svm_stay. A part of image.py. An instruction is (address, function, text) in AT&T syntax.

FLG-2  the mark is an XCHG, then come the requests; nothing stores between the two. From the mark
       to the entry there is no call, no return, no jump but a conditional one, and interrupts
       stay as they are (FLG-3).
FLG-4  STI is not right before VMRUN.
FLG-5  on every way out the first store clears the mark, within three instructions.
FLG-14 on every way out, nothing of the guest is left in a register when the full tables come back,
       and not before that anything returns; nothing calls before RSP is back from its place, or
       what is not isolated code (image.py sees to that); nothing jumps or calls through a
       register or memory; nothing returns before RBX, RBP and R12 to R15 have come from the
       stack."""
import re
from pathlib import Path

SAVED = {"rbx", "rbp", "r12", "r13", "r14", "r15"}
ALL = SAVED | {"rax", "rcx", "rdx", "rsi", "rdi", "rsp", "r8", "r9", "r10", "r11"}
ENTRIES = {"vmx_stay": ("vmresume", "vmlaunch"), "svm_stay": ("vmrun",)}
WITHIN = 3
DOOR = "mov %rcx,%cr3"

BRANCH = re.compile(r"^(?:bnd |notrack |rep[nz]* )*(ret|lret|iret|call|lcall|syscall|sysret|int\b|"
                    r"l?jmp\w*\s+\*)")
UNMASKS = re.compile(r"^(sti|stgi|popf)")
JUMP = re.compile(r"^(j\w+)\s+(?:0x)?([0-9a-f]+)\b")
READS_MEMORY = re.compile(r"^(cmp|test|bt[lqw]?\s|lea|nop|prefetch|verw|i?mul|i?div|lgdt|lidt|"
                          r"vmptrld|invlpg|invept|invvpid|j|call)")
STORES_ANYWAY = re.compile(r"^(push|call|int|rep|stos|movs|xchg|xadd|cmpxchg|vmptrst|vmclear)")


def offsets(path="build/gen/core/offsets.h"):
    text = Path(path).read_text(encoding="ascii")
    return {name: int(value) for name, value in re.findall(r"#define (\w+) (\d+)", text)}


def stores(text):
    """Does it write memory? What is not known to read only is taken for a store."""
    if STORES_ANYWAY.match(text) and ("(" in text or not text.startswith("xchg")):
        return True
    last = re.split(r",(?![^(]*\))", text)[-1]
    is_memory = "(" in last or re.search(r"%[fg]s:|(^|\s)(0x[0-9a-f]+|[0-9a-f]{8,})$", last)
    return bool(is_memory) and not READS_MEMORY.match(text)


def destination(text):
    """The 64-bit name of the register that an instruction writes as a whole."""
    match = re.match(r"(?!push|cmp|test)\S+\s+(?:.*,)?%(\w+)$", text)
    name = match.group(1) if match else ""
    if re.fullmatch(r"r\d+d", name):
        return name[:-1]
    return re.sub(r"^e", "r", name)


class Code:
    """The functions around the entry, and where their fix-ups lead."""

    def __init__(self, insns, hot, fixups):
        self.insns = [i for i in insns if i[1] in ("vmx_stay", "vmx_exit", "svm_stay")]
        self.index = {insn[0]: number for number, insn in enumerate(self.insns)}
        self.fixups = fixups
        self.clears = [f"movb $0x0,{place}" for place in
                       ("(%rsp)", *(f"{hot['HOT_MODE']:#x}({r})" for r in ("%rbx", "%rax")))]
        self.mark = f"xchg %rax,{hot['HOT_MODE']:#x}(%rbx)"
        self.test = f"cmpl $0x0,{hot['HOT_REQUESTS']:#x}(%rbx)"
        self.back = f"mov {hot['HOT_HOST_RSP']:#x}(%rbx),%rsp"

    def find(self, function, text):
        return [number for number, insn in enumerate(self.insns)
                if insn[1] == function and re.fullmatch(text, insn[2])]

    def between(self, function, names):
        """From behind the first mark to before the last entry instruction."""
        marks = self.find(function, re.escape(self.mark))
        entries = self.find(function, f"({'|'.join(names)})( .*)?")
        return range(marks[0] + 1, entries[-1]) if marks and entries else range(0)

    def text(self, number):
        return self.insns[number][2] if number < len(self.insns) else "(end)"

    def target(self, number):
        """Where a direct jump leads: an instruction's number, or none of this code."""
        match = JUMP.match(self.text(number))
        return self.index.get(int(match.group(2), 16)) if match else None


def entry_errors(code, function, names):
    """From the mark to the last entry instruction."""
    marks = code.find(function, re.escape(code.mark))
    entries = code.find(function, f"({'|'.join(names)})( .*)?")
    if len(marks) != 1 or len(entries) != len(names) or entries[0] < marks[0]:
        yield f"FLG-2: {function}: not one XCHG of the mark before {' and '.join(names)}"
        return
    between = code.between(function, names)
    tests = [number for number in between if code.text(number) == code.test]
    if not tests or not re.match(r"jne?\b", code.text(tests[0] + 1)):
        yield f"FLG-2: {function}: no look at the requests behind the mark"
        return
    for number in between:
        text = code.text(number)
        if number < tests[0] and stores(text):
            yield f"FLG-2: {function}: stores between mark and requests: {text}"
        if BRANCH.match(text) or text.startswith("jmp"):
            yield f"FLG-14: {function}: between mark and entry: {text}"
        if UNMASKS.match(text):
            yield f"FLG-3: {function}: between mark and entry: {text}"
    for number in entries:
        if names == ("vmrun",) and code.text(number - 1) == "sti":
            yield f"FLG-4: {function}: STI right before VMRUN"
    if any(destination(code.text(number)) == "rsp" for number in between):
        yield f"FLG-5: {function}: not on the host's stack where the entry may fault"


def ways_out(code):
    """Yield (name, number of its first instruction, registers that must come back)."""
    for number in code.find("vmx_exit", ".*")[:1]:
        yield "VM exit", number, ALL
    for number in code.find("vmx_stay", "vmlaunch"):
        yield "failed VMLAUNCH", number + 1, ALL - {"rsp"}
    for number in code.find("svm_stay", "vmrun( .*)?"):
        yield "#VMEXIT", number + 1, ALL - {"rsp"}
    for function, names in ENTRIES.items():
        for number in code.between(function, names):
            if JUMP.match(code.text(number)):
                yield f"{code.text(number - 1)} in {function}", code.target(number), set()
    for number, (address, _, text) in enumerate(code.insns):
        if address in code.fixups:
            yield f"fault of {text}", code.index.get(code.fixups[address]), ALL - {"rsp"}


def first_store_errors(code, what, start):
    number = start
    for _ in range(WITHIN):
        text = code.text(number)
        if text in code.clears:
            return
        if stores(text) or BRANCH.match(text):
            yield f"FLG-5: {what}: not the mark is cleared first: {text}"
            return
        number = code.target(number) if text.startswith("jmp") else number + 1
    yield f"FLG-5: {what}: the mark is not cleared within {WITHIN} instructions"


def comes_back(code, text):
    """The register that has nothing of the guest's from here on."""
    name = destination(text)
    return name if name != "rsp" or text == code.back else ""


def branch_errors(code, what, start, needed):
    """Follow each path to its return, or to the next entry."""
    paths, seen = [(start, frozenset(), frozenset())], set()
    while paths:
        state = paths.pop()
        number, clean, popped = state
        if number is None or number >= len(code.insns):
            yield f"FLG-14: {what}: leaves the code before the host's registers are back"
            continue
        text = code.text(number)
        if state in seen or text == code.mark:
            continue
        seen.add(state)
        if text == DOOR:
            lacks = needed - clean
            if lacks:
                yield f"FLG-14: {what}: {', '.join(sorted(lacks))} at the door"
        if BRANCH.match(text):
            is_call = re.match(r"call\s+[^*]", text)
            lacks = ({"rsp"} & needed) - clean if is_call else (needed - clean) | (SAVED - popped)
            if lacks:
                yield f"FLG-14: {what}: {text} without the host's {', '.join(sorted(lacks))}"
                continue
            if not is_call:
                continue
            clean |= {"rax"} # the result
        clean |= {comes_back(code, text)}
        if text.startswith("pop"):
            popped |= {destination(text)}
        if JUMP.match(text):
            paths.append((code.target(number), clean, popped))
        if not text.startswith("jmp"):
            paths.append((number + 1, clean, popped))


def errors(insns, hot, fixups):
    insns = [(address, function, re.sub(r"\s+", " ", re.sub(r"\s*[#<].*", "", text)))
             for address, function, text in insns]
    code = Code(insns, hot, fixups)
    for function, names in ENTRIES.items():
        yield from entry_errors(code, function, names)
    ways = list(ways_out(code))
    if len(ways) < 5:
        yield "FLG-5: not all ways out are there: " + ", ".join(way[0] for way in ways)
    for what, start, needed in ways:
        if start is None:
            yield f"FLG-5: {what}: leads out of the code"
            continue
        yield from first_store_errors(code, what, start)
        yield from branch_errors(code, what, start, needed)


HOT = {"HOT_MODE": 0x80, "HOT_REQUESTS": 0x88, "HOT_HOST_RSP": 0xc8}
POPS = "\n".join(f"pop %{name}" for name in sorted(SAVED)) + "\nret\n"
ZEROS = "\n".join(f"xor %{n},%{n}" for n in "ebx edx esi edi ebp r8d r9d r10d r11d r12d r13d r14d "
                  "r15d".split()) + "\nmov %gs:0x90,%rcx\nmov %rcx,%cr3\n"
SOUND = f"""
vmx_stay:
mov %rsp,0xc8(%rbx)
again:
xchg %rax,0x80(%rbx)
cmpl $0x0,0x88(%rbx)
jne busy
mov 0x38(%rbx),%rdi
vmresume
vmlaunch
mov (%rsp),%rbx
movb $0x0,0x80(%rbx)
mov $0x2,%eax
jmp out
vmx_exit:
movb $0x0,(%rsp)
mov %rbx,-0x18(%rsp)
lea -0x8(%rsp),%rbx
mov 0xc8(%rbx),%rsp
gone:
mov %rbx,%rdi
call handler
test %eax,%eax
je again
jmp out
busy:
movb $0x0,0x80(%rbx)
out:
xor %eax,%eax
{ZEROS}{POPS}
svm_stay:
once:
xchg %rax,0x80(%rbx)
cmpl $0x0,0x88(%rbx)
jne full
mov 0x38(%rbx),%rdi
vmrun
mov (%rsp),%rax
movb $0x0,0x80(%rax)
mov %rbx,0x58(%rax)
mov %rax,%rbx
mov %rbx,%rdi
call handler
je once
jmp left
full:
movb $0x0,0x80(%rbx)
left:
xor %eax,%eax
{ZEROS}{POPS}"""
EXIT = "vmx_exit:\nmovb $0x0,(%rsp)"
# What makes it a bad one: text and its replacement, and the requirement that the message names.
BAD = {
    "a plain store as the mark": ("xchg %rax,0x80(%rbx)", "mov %rax,0x80(%rbx)", "FLG-2"),
    "a mark in another place": ("xchg %rax,0x80(%rbx)", "xchg %rax,0x90(%rbx)", "FLG-2"),
    "no look at the requests": ("cmpl $0x0,0x88(%rbx)", "cmpl $0x0,0x8(%rbx)", "FLG-2"),
    "a look before the mark": ("xchg %rax,0x80(%rbx)\ncmpl $0x0,0x88(%rbx)",
                               "cmpl $0x0,0x88(%rbx)\nxchg %rax,0x80(%rbx)", "FLG-2"),
    "a look without a consequence": ("jne busy", "nop", "FLG-2"),
    "a store before the look": ("cmpl $0x0,0x88", "mov %rcx,0x8(%rbx)\ncmpl $0x0,0x88", "FLG-2"),
    "a push before the look": ("cmpl $0x0,0x88", "push %rcx\ncmpl $0x0,0x88", "FLG-2"),
    "STI before the entry": ("vmresume", "sti\nvmresume", "FLG-3"),
    "STI before VMRUN": ("vmrun", "sti\nvmrun", "FLG-4"),
    "a call before the entry": ("vmresume", "call gone\nvmresume", "FLG-14"),
    "a return before the entry": ("vmrun", "ret\nvmrun", "FLG-14"),
    "an indirect jump before the entry": ("vmrun", "jmp *%rax\nvmrun", "FLG-14"),
    "another stack at VMRUN": ("vmrun", "lea 0x80(%rbx),%rsp\nvmrun", "FLG-5"),
    "a push before the clearing": (EXIT, "vmx_exit:\npush %rax\nmovb $0x0,(%rsp)", "FLG-5"),
    "a store before the clearing": ("vmrun\n", "vmrun\nmov %rax,0x8(%rsp)\n", "FLG-5"),
    "a store to GS before the clearing": ("vmrun\n", "vmrun\nincq %gs:0x10\n", "FLG-5"),
    "a store by address before the clearing": ("vmrun\n", "vmrun\nmov %al,0x7000\n", "FLG-5"),
    "a late clearing": (EXIT, "vmx_exit:\n" + "nop\n" * 3 + "movb $0x0,(%rsp)", "FLG-5"),
    "one too wide": (EXIT, "vmx_exit:\nmovq $0x0,(%rsp)", "FLG-5"),
    "another value": (EXIT, "vmx_exit:\nmovb $0x1,(%rsp)", "FLG-5"),
    "no clearing behind VMLAUNCH": ("mov (%rsp),%rbx\nmovb $0x0,0x80(%rbx)\nmov $0x2",
                                    "nop\nmov $0x2", "FLG-5"),
    "no clearing of an abandoned entry": ("full:\nmovb $0x0,0x80(%rbx)", "full:", "FLG-5"),
    "a return without the host's RBX": ("pop %rbx\n", "", "FLG-14"),
    "the guest's R12 at the door": ("xor %r12d,%r12d\n", "", "FLG-14"),
    "the guest's R9 at the door": ("xor %r9d,%r9d\n", "", "FLG-14"),
    "a call on the guest's stack": ("mov 0xc8(%rbx),%rsp", "nop", "FLG-14"),
    "a call too early": ("mov %rbx,-0x18(%rsp)", "call left", "FLG-14"),
    "an indirect call too early": ("gone:\n", "gone:\ncall *0x8(%rbx)\n", "FLG-14"),
    "an indirect jump": ("gone:\n", "gone:\nnotrack jmp *%rax\n", "FLG-14"),
    "an early return on one path": ("gone:\n", "gone:\ntest %eax,%eax\nje early\n", "FLG-14"),
    "a way to abandon without clearing": ("vmresume", "test %eax,%eax\nje gone\nvmresume", "FLG-5"),
    "no #VMEXIT": ("vmrun\n", "", "FLG-5"),
}


def listing(text):
    """Instructions of a text with labels; each of the early kind of path returns at once."""
    labels, lines, function = {"early": 0x2000, "handler": 0x3000}, [], ""
    for line in text.split("\n"):
        if line.endswith(":"):
            labels[line[:-1]] = 0x1000 + len(lines)
            function = line[:-1] if line.startswith(("vmx_", "svm_")) else function
        elif line:
            lines.append((0x1000 + len(lines), function, line))
    return [(address, function, re.sub(r"^(j\w+|call) (\w+)$",
                                       lambda m: f"{m.group(1)} {labels[m.group(2)]:x}", line))
            for address, function, line in lines]


def self_tests():
    """Yield (what, is it as it should be)."""
    sound = listing(SOUND)
    yield "a sound entry passes", not list(errors(sound, HOT, {}))
    vmrun = next(address for address, _, text in sound if text == "vmrun")
    yield "a sound fix-up passes", not list(errors(sound, HOT, {vmrun: vmrun + 1}))
    yield "noticed: a fix-up behind the clearing", any(
        "FLG-5" in error for error in errors(sound, HOT, {vmrun: vmrun + 3}))
    for what, (old, new, number) in BAD.items():
        bad = listing(SOUND.replace(old, new))
        yield f"noticed: {what}", old in SOUND and any(
            error.startswith(number) for error in errors(bad, HOT, {}))
