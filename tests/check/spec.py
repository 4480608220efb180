# SPDX-License-Identifier: BSD-2-Clause
"""The code of arch/x86/spec.S around VM entry, put together as arch/x86/spec_patch.c does it at
boot, for every set of what a CPU may need. A part of image.py.

FLG-14 on the way in: guest's SPEC_CTRL, general registers, VERW, entry; at the door out: IBPB, RSB,
       host's SPEC_CTRL, BHB, LFENCE, first RET to before the exit. All that is asked for is
       there, nothing else is, and what entry.py demands holds with it.
moves  what is moved runs anywhere: no address relative to RIP, no way out of a piece or a site
       into the middle of one, a site has room for the jump."""
import itertools
import re
import struct

import entry

CTRL, ENTRY, EXIT, VMX, _, NMI, NMI_END = (1 << n for n in range(7))
SAVED = {"rcx", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11"} # and RAX, on SVM in the VMCB
JUMP_BYTES, SITE_BYTES = 5, 352
NAMES = ("IBRS", "VERW", "IBPB", "RSB", "RSB_MORE", "RSB_ONE", "BHB")
BRANCH = re.compile(r"^(j\w+|call)\s+(?:0x)?([0-9a-f]+)\b")
FENCED = {"IBPB", "RSB", "RSB_MORE", "RSB_ONE", "IBRS", "BHB"}
EVENTS = { # of a site's kind, in order
    CTRL: ("guest's SPEC_CTRL", "GPRs", "VERW", "entry"),
    EXIT: ("IBPB", "RSB", "host's SPEC_CTRL", "BHB", "LFENCE", "RET"),
}
GPR_LOAD = re.compile(r"mov \S*\(%rbx\),%r")


class Parts:
    """Sites [(from, to, kind)], pieces [(from, to, actions, kinds)], names of actions as bits."""

    def __init__(self, sites, pieces, bits, entries=16):
        self.sites, self.pieces, self.bits = sites, pieces, bits
        self.entries = entries # of the RSB

    @staticmethod
    def of_image(image, data, offsets):
        start, end = (image.address[f"spec_sites_{edge}"] for edge in ("start", "end"))
        sites = [(a, b, kind) for a, b, _, kind in struct.iter_unpack("<4Q", data(start, end))]
        pieces, at = [], image.address["spec_pieces"]
        while not pieces or pieces[-1][2]:
            pieces.append(struct.unpack("<QIi", data(at, at + 16)))
            at += 16
        pieces = [(a, b[0], actions, kinds)
                  for (a, actions, kinds), b in zip(pieces, pieces[1:])]
        return Parts(sites, pieces, {name: offsets[f"SPEC_DO_{name}"] for name in NAMES})

    def choose(self, kind, actions):
        """The pieces of a site, None for its own instructions."""
        chosen = [None if not piece[2] else piece for piece in self.pieces
                  if not piece[2] or (piece[3] & kind and piece[2] & actions)]
        return chosen if len(chosen) > 1 else [None]


def within(insns, start, end):
    return [insn for insn in insns if start <= insn[0] < end]


def moved(insns, start, end, to):
    """Instructions [start, end) as they are at another place: (address, text)."""
    def target(match):
        where = int(match.group(2), 16)
        return f"{match.group(1)} {where - start + to if start <= where <= end else where:x}"
    return [(address - start + to, BRANCH.sub(target, text)) for address, _, text in insns]


def patched(insns, parts, actions):
    """All instructions with the sites made for `actions`, as if they had grown in their place."""
    out, sites = list(insns), {}
    for number, (start, end, kind) in enumerate(parts.sites):
        at, body = start, []
        for piece in parts.choose(kind, actions):
            first, last = (start, end) if piece is None else piece[:2]
            body += moved(within(insns, first, last), first, last, at)
            at += last - first
        inside = [n for n, insn in enumerate(out) if start <= insn[0] < end]
        function = out[inside[0]][1]
        # Addresses behind the first one are made up, apart for each site.
        far = (number + 1) << 64
        fixed = {a: a if a == start else far + a for a, _ in body} | {at: end}
        body = [(fixed[a], function,
                 BRANCH.sub(lambda m: f"{m.group(1)} {fixed.get(int(m.group(2), 16), 0):x}", text)
                 if BRANCH.match(text) else text) for a, text in body]
        out[inside[0]:inside[-1] + 1] = body
        sites[start] = (kind, body)
    return out, sites


def events(texts):
    """What happens, in order: (event, how)."""
    number, calls = "", 0
    for text in texts:
        if match := re.match(r"mov \$0x([0-9a-f]+),%ecx", text):
            number = match.group(1)
        elif text == "wrmsr" and number in ("48", "49"):
            yield ("IBPB" if number == "49" else "SPEC_CTRL"), text
        elif re.match(r"call [0-9a-f]+$", text):
            calls += 1
        elif match := re.match(r"add \$0x([0-9a-f]+),%rsp", text):
            yield "RSB", calls if int(match.group(1), 16) == 8 * calls else 0
            calls = 0
        elif re.match(r"dec %ecx", text):
            yield "BHB", text
        elif text == "lfence":
            yield "LFENCE", text
        elif re.match(r"ret|(call|jmp) \*", text):
            yield "RET", text
        elif text.startswith("verw "):
            yield "VERW", text
        elif re.match(r"vmresume|vmlaunch|vmrun", text):
            yield "entry", text
        elif GPR_LOAD.match(text):
            yield "GPRs", text


def ordered(found, order):
    ranks = [order.index(name) for name in found if name in order]
    return ranks == sorted(ranks)


def exit_errors(where, body, wanted, rsb_entries, is_fenced=True):
    found = list(events(body))
    names = ["host's SPEC_CTRL" if name == "SPEC_CTRL" else name for name, _ in found]
    need = {"IBRS": "host's SPEC_CTRL", "RSB_MORE": "RSB", "RSB_ONE": "RSB"}
    expected = {need.get(name, name) for name in wanted & FENCED}
    if is_fenced and (expected or names[:1] == ["LFENCE"]):
        expected |= {"LFENCE"}
    if set(names) - {"RET"} != expected:
        yield f"FLG-14: {where}: {sorted(expected)} are wanted, {sorted(set(names))} are there"
    if not ordered(names, EVENTS[EXIT]):
        yield f"FLG-14: {where}: in this order: {', '.join(names)}"
    if expected and is_fenced and "LFENCE" not in names[-2:]:
        yield f"FLG-14: {where}: no LFENCE before the first RET"
    fills = [how for name, how in found if name == "RSB"]
    filled = rsb_entries * len(wanted & {"RSB", "RSB_MORE"}) + len(wanted & {"RSB_ONE"})
    if 0 in fills or sum(fills) != filled:
        yield f"FLG-14: {where}: the RSB is not filled, or the stack not as before: {fills}"


def entry_errors(where, texts, wanted, kinds):
    found = ["guest's SPEC_CTRL" if name == "SPEC_CTRL" else name for name, _ in events(texts)]
    expected = {"GPRs", "entry"} | ({"VERW"} if "VERW" in wanted else set())
    expected |= {"guest's SPEC_CTRL"} if "IBRS" in wanted and CTRL in kinds else set()
    if set(found) != expected or not ordered(found, EVENTS[CTRL]):
        yield f"FLG-14: {where}: {sorted(expected)} are wanted, there are {', '.join(found)}"
    first = next(n for n, text in enumerate(texts) if text in ("vmresume", "vmrun", "vmrun %rax"))
    if "VERW" in wanted and not texts[first - 1].startswith("verw "):
        yield f"FLG-14: {where}: VERW is not the last before the entry"


def move_errors(insns, parts):
    ranges = [(f"site {s[0]:x}", *s[:2]) for s in parts.sites]
    ranges += [(f"piece {p[0]:x}", *p[:2]) for p in parts.pieces if p[2]]
    for what, start, end in ranges:
        for _, _, text in within(insns, start, end):
            match = BRANCH.match(text)
            if "%rip" in text or (match and not start <= int(match.group(2), 16) <= end):
                yield f"moves: {what}: {text}"
    for start, end, kind in parts.sites:
        longest = sum((end - start) if p is None else p[1] - p[0]
                      for p in parts.choose(kind, ~0)) + JUMP_BYTES
        if end - start < JUMP_BYTES or longest > SITE_BYTES:
            yield f"moves: site {start:x}: {end - start} bytes, {longest} with all pieces"
        for _, _, text in insns:
            match = BRANCH.match(text)
            if match and start < int(match.group(2), 16) < end and not (
                    any(i[2] == text for i in within(insns, start, end))):
                yield f"moves: into the middle of site {start:x}: {text}"


def site_texts(code, start, count):
    """The texts of a patched site and of what follows up to the first call, which has a RET."""
    number = next(n for n, insn in enumerate(code) if insn[0] == start)
    yield from (text for _, _, text in code[number:number + count])
    for _, _, text in code[number + count:number + count + 16]:
        if re.match("call|ret", text):
            yield "ret"
            return
        yield text


def saved_errors(where, code, start):
    """All that is not C's to save is in memory before the site's own work."""
    number = next(n for n, insn in enumerate(code) if insn[0] == start)
    first = max(n for n in range(number) if re.match("vmrun|vmlaunch|movb .*%rsp", code[n][2]))
    stored = set()
    for _, _, text in code[first:]:
        if match := re.match(r"mov %(\w+),\S*\(%r(?:sp|ax|bx)\)$", text):
            stored.add(match.group(1))
        elif re.match("call|rdmsr|wrmsr|dec|lfence", text):
            break
    if not SAVED <= stored:
        yield f"FLG-14: {where}: {', '.join(sorted(SAVED - stored))} not saved before that"


def combination_errors(insns, parts, actions, hot, fixups):
    wanted = {name for name in NAMES if parts.bits[name] & actions}
    label = "+".join(sorted(wanted)) or "nothing"
    code, sites = patched(insns, parts, actions)
    for start, (kind, body) in sites.items():
        if kind & EXIT:
            own = wanted if kind & VMX else wanted - {"IBRS"}
            texts = list(site_texts(code, start, len(body)))
            yield from exit_errors(f"exit with {label}", texts, own, parts.entries)
            yield from saved_errors(f"exit with {label}", code, start)
        elif kind == NMI:
            yield from exit_errors(f"NMI with {label}", [t for _, _, t in body], wanted,
                                   parts.entries)
        elif kind == NMI_END and ("IBRS" in wanted) != any(
                name == "SPEC_CTRL" for name, _ in events(t for _, _, t in body)):
            yield f"FLG-14: end of NMI with {label}: not the SPEC_CTRL of before"
    for function, names in entry.ENTRIES.items():
        lines = [insn for insn in code if insn[1] == function]
        marks = [n for n, insn in enumerate(lines) if insn[2].startswith("xchg %rax,")]
        ends = [n for n, insn in enumerate(lines) if insn[2].split(" ")[0] in names]
        kinds = {k for a, _, k in parts.sites if any(insn[0] == a for insn in lines)}
        if not marks or not ends or ENTRY not in kinds:
            yield f"FLG-14: {function}: a site is missing"
            continue
        # From the door in: SPEC_CTRL once for a stay, the rest at each entry.
        texts = [insn[2] for insn in lines[:marks[0]] if "(%rbx)" not in insn[2]]
        texts += [insn[2] for insn in lines[marks[0] + 1:ends[-1] + 1]]
        yield from entry_errors(f"{function} with {label}", texts, wanted, kinds)
    for error in entry.errors(code, hot, fixups):
        yield f"{error} (with {label})"


def errors(insns, parts, hot, fixups):
    insns = [(address, function, re.sub(r"\s+", " ", re.sub(r"\s*[#<].*", "", text)))
             for address, function, text in insns]
    kinds = [kind for _, _, kind in parts.sites]
    if not {CTRL, EXIT, EXIT | VMX, NMI, NMI_END} <= set(kinds) or kinds.count(ENTRY) < 2:
        yield f"FLG-14: not all sites are there: {kinds}"
        return
    yield from move_errors(insns, parts)
    near = {insn[1] for a, _, _ in parts.sites for insn in within(insns, a, a + 1)}
    near |= {function for function in ("vmx_stay", "vmx_exit", "svm_stay")}
    small = [insn for insn in insns if insn[1] in near or any(
        p[0] <= insn[0] < p[1] for p in parts.pieces if p[2])]
    for count in range(len(NAMES) + 1):
        for chosen in itertools.combinations(NAMES, count):
            actions = sum(parts.bits[name] for name in chosen)
            yield from itertools.islice(
                combination_errors(small, parts, actions, hot, fixups), 3)


# A little sound set of parts: each text of four bytes.
PIECES = """
ctrl: IBRS 1
mov $0x48,%ecx
mov %gs:0x58,%eax
wrmsr
own: - -1
verw: VERW 2
verw 0x1000
ibpb: IBPB 36
mov $0x49,%ecx
wrmsr
rsb: RSB 36
call rsb_to
int3
rsb_to:
add $0x8,%rsp
rsbmore: RSB_MORE 36
call rsbmore_to
int3
rsbmore_to:
add $0x8,%rsp
rsbone: RSB_ONE 36
call rsbone_to
int3
rsbone_to:
add $0x8,%rsp
save: IBRS 40
mov $0x48,%ecx
rdmsr
ibrs: IBRS 56
mov $0x48,%ecx
wrmsr
bhb: BHB 36
bhb_again:
dec %ecx
jne bhb_again
fence: FENCED 36
lfence
end: IBRS 64
mov $0x48,%ecx
wrmsr
stop: - 0
"""


def sample(pieces, code):
    """Parts and instructions of two texts. A site in the code is "site KIND" ... "done"."""
    bits = {name: 1 << n for n, name in enumerate(NAMES)}
    bits_of = {**bits, "-": 0, "FENCED": sum(bits[name] for name in FENCED)}
    labels, lines, sites, table, function, at = {}, [], [], [], "", 0x1000
    for line in (code + pieces).split("\n"):
        if re.match(r"site \d", line):
            sites.append([at, 0, int(line[5:])])
        elif line == "done":
            sites[-1][1] = at
        elif match := re.match(r"(\w+):(?: (\S+) (-?\d+))?$", line):
            labels[match.group(1)] = at
            if match.group(2):
                table.append((at, bits_of[match.group(2)], int(match.group(3))))
            elif match.group(1).startswith(("vmx_", "svm_", "trap_", "handler")):
                function = match.group(1)
        elif line:
            lines.append((at, function, line))
            at += 4
    table = [(a, b[0], actions, kinds) for (a, actions, kinds), b in zip(table, table[1:])]
    insns = [(address, where, re.sub(r"^(j\w+|call) (\w+)$",
                                     lambda m: f"{m.group(1)} {labels[m.group(2)]:x}", line))
             for address, where, line in lines]
    return insns, Parts([tuple(s) for s in sites], table, bits, 1)


LOADS = "mov 0x40(%rbx),%rax\nmov 0x48(%rbx),%rcx\n"
LAST = "mov 0x90(%rbx),%r11\nmov 0x58(%rbx),%rbx\n"
STORES = "".join(f"mov %{name},0x48(%rax)\n" for name in sorted(SAVED - {"rbx", "r11", "rcx"}))
POPS = "\n".join(f"pop %{name}" for name in sorted(entry.SAVED)) + "\nret\n"
SOUND = f"""
vmx_stay:
mov %rsp,0xc8(%rbx)
again:
xchg %rax,0x80(%rbx)
cmpl $0x0,0x88(%rbx)
jne busy
site 1
{LOADS}done
site 2
{LAST}done
vmresume
vmlaunch
mov (%rsp),%rbx
movb $0x0,0x80(%rbx)
movl $0x80000000,0x100(%rbx)
mov $0x2,%eax
jmp out
vmx_exit:
movb $0x0,(%rsp)
mov %rbx,-0x18(%rsp)
lea -0x8(%rsp),%rbx
mov 0xc8(%rbx),%rsp
mov %rcx,0x48(%rbx)
{STORES.replace("%rax", "%rbx")}site 12
mov %r11,0x98(%rbx)
nopl 0x0(%rax)
done
mov %rbx,%rdi
call handler
test %eax,%eax
je again
jmp out
busy:
movb $0x0,0x80(%rbx)
out:
xor %eax,%eax
{entry.ZEROS}{POPS}svm_stay:
once:
xchg %rax,0x80(%rbx)
cmpl $0x0,0x88(%rbx)
jne full
{LOADS}site 2
{LAST}done
vmrun
mov (%rsp),%rax
movb $0x0,0x80(%rax)
mov %rcx,0x48(%rax)
mov %rbx,0x58(%rax)
{STORES}mov %r11,0x98(%rax)
mov %rax,%rbx
site 4
mov 0x5f8(%rsi),%rcx
mov %rcx,0x40(%rbx)
done
mov %rbx,%rdi
call handler
je once
jmp left
full:
movb $0x0,0x80(%rbx)
left:
xor %eax,%eax
{entry.ZEROS}{POPS}trap_paranoid:
site 32
push %rax
push %rcx
done
call handler
site 64
nopl 0x0(%rax)
nop
done
handler:
ret
"""


def swap(text, first, second):
    """Two pieces of PIECES change places."""
    blocks = re.split(r"(?m)^(?=\w+: \S+ -?\d+$)", text)
    a, b = (next(n for n, block in enumerate(blocks) if block.startswith(name + ":"))
            for name in (first, second))
    blocks[a], blocks[b] = blocks[b], blocks[a]
    return "".join(blocks)


def pieces_with(old, new):
    return lambda pieces, code: (pieces.replace(old, new), code)


def code_with(old, new):
    return lambda pieces, code: (pieces, code.replace(old, new, 1))


def swapped(first, second):
    return lambda pieces, code: (swap(pieces, first, second), code)


BAD = {
    "RSB before IBPB": (swapped("ibpb", "rsb"), "FLG-14"),
    "the host's SPEC_CTRL before the RSB": (swapped("rsb", "ibrs"), "FLG-14"),
    "BHB before SPEC_CTRL": (swapped("ibrs", "bhb"), "FLG-14"),
    "LFENCE before BHB": (swapped("bhb", "fence"), "FLG-14"),
    "no LFENCE": (pieces_with("lfence", "nop"), "FLG-14"),
    "a RET in a piece": (pieces_with("dec %ecx", "ret\ndec %ecx"), "FLG-14"),
    "an indirect jump in a piece": (pieces_with("rdmsr", "jmp *%rax"), "FLG-14"),
    "a crooked stack": (pieces_with("$0x8,%rsp", "$0x10,%rsp"), "FLG-14"),
    "half an RSB": (pieces_with("rsbmore: RSB_MORE 36", "rsbmore: RSB_MORE 2"), "FLG-14"),
    "no VERW": (pieces_with("verw 0x", "nopl 0x"), "FLG-14"),
    "VERW before the registers": (swapped("own", "verw"), "FLG-14"),
    "a load behind VERW": (
        code_with("done\nvmresume", "done\nmov 0x40(%rbx),%rax\nvmresume"), "FLG-14"),
    "SPEC_CTRL behind registers": (swapped("ctrl", "own"), "FLG-14"),
    "a register before SPEC_CTRL": (
        code_with("jne busy\n", "jne busy\nmov 0x60(%rbx),%rbp\n"), "FLG-14"),
    "IBPB before a register is saved": (code_with("mov %r9,0x48(%rbx)\n", ""), "FLG-14"),
    "a call before the site": (code_with("mov %rcx,0x48(%rax)", "call handler"), "FLG-14"),
    "no site at VMRUN": (code_with(LOADS + "site 2\n" + LAST + "done\nvmrun",
                                   LOADS + LAST + "vmrun"), "FLG-14"),
    "no site for NMIs": (code_with("site 32", "site 128"), "FLG-14"),
    "NMIs that end with another SPEC_CTRL": (
        pieces_with("end: IBRS 64", "end: VERW 64"), "FLG-14"),
    "an address relative to RIP": (pieces_with("verw 0x1000", "verw 0x10(%rip)"), "moves"),
    "a jump out of a piece": (pieces_with("jne bhb_again", "jne rsb_to"), "moves"),
    "a jump into a site": (lambda p, c: (p, c.replace(
        "mov 0x58(%rbx),%rbx\ndone\nvmrun", "inside:\nmov 0x58(%rbx),%rbx\ndone\nvmrun").replace(
            "je once", "je inside")), "moves"),
    "a site that is too short": (
        code_with("\nmov 0x58(%rbx),%rbx\ndone", "\ndone\nmov 0x58(%rbx),%rbx"), "moves"),
}


def self_tests():
    """Yield (what, is it as it should be)."""
    def found(pieces, code):
        insns, parts = sample(pieces, code)
        return list(errors(insns, parts, entry.HOT, {}))
    first = found(PIECES, SOUND)
    yield f"sound parts pass: {first[:2]}", not first
    for what, (doctor, start) in BAD.items():
        pieces, code = doctor(PIECES, SOUND)
        yield f"noticed: {what}", (pieces, code) != (PIECES, SOUND) and any(
            error.startswith(start) for error in found(pieces, code))
