# SPDX-License-Identifier: BSD-2-Clause
"""What the exit trace costs each exit, as the compiler left it: fewer than 10 instructions. A part
of image.py. Counted are the step to the next entry, RDTSC, the stores into the entry, and what is
done only to have something to store. An instruction is (address, function, text)."""
import re

from entry import destination

LIMIT = 10
PLACES = 2 # one on each vendor
NEAR = 25


def registers(text):
    """The registers that an instruction names, by their 64-bit names."""
    return {re.sub(r"^e", "r", re.sub(r"^(r\d+)[dwb]$", r"\1", name))
            for name in re.findall(r"%(\w+)", text)}


def cost(insns, step, trace_at):
    """Instructions of the trace around `step`, the ADDW that moves its position on."""
    near = range(max(0, step - 3), min(len(insns), step + NEAR))
    load = next((i for i in near
                 if re.match(rf"mov\s+0x{trace_at:x}\(%\w+\),%\w+$", insns[i][2])), None)
    if load is None:
        return None
    pointer = destination(insns[load][2])
    first, found = min(load, step), {load, step}
    for i in near:
        if i <= load:
            continue
        text = insns[i][2]
        if text.startswith("call") or destination(text) == pointer:
            break
        if text.startswith("rdtsc"):
            found.add(i)
        if re.search(rf"[(]%{pointer}[)]$", text):
            found.add(i)
            for source in registers(text) - {pointer}:
                made = [j for j in range(first, i) if destination(insns[j][2]) == source]
                found |= set(made[-1:])
    return len(found)


def errors(insns, trace_at):
    steps = [i for i, insn in enumerate(insns)
             if re.match(rf"addw\s+\$0x20,0x{trace_at:x}\(%\w+\)$", insn[2])
             and any(other[2].startswith("rdtsc") for other in insns[i:i + 6])
             and not insn[1].startswith("trace_event")]
    if len(steps) != PLACES:
        yield f"{len(steps)} places where exits are traced, not {PLACES}"
    for step in steps:
        n = cost(insns, step, trace_at)
        if n is None or n >= LIMIT:
            yield f"{insns[step][1]}: the trace costs an exit {n} instructions"


GOOD = """mov 0x128(%r12),%rcx
addw $0x20,0x128(%r12)
rdtsc
mov %esi,0x4(%rcx)
mov %rsi,%rdx
mov %eax,(%rcx)
mov 0x578(%rbx),%rax
mov %rax,0x8(%rcx)
mov 0x78(%rbx),%rax
mov %rax,0x10(%rcx)
movl $0x0,0x5c(%rbx)
call 1234 <f>"""


def self_tests():
    """Yield (what, is it as it should be)."""
    def code(text):
        return [(i, "run", line) for i, line in enumerate(text.splitlines())]

    yield "noticed: a cost of nine", cost(code(GOOD), 1, 0x128) == 9
    more = GOOD.replace("mov %eax,(%rcx)", "shl $0x2,%rax\nmov %rax,(%rcx)\nmov %rax,0x18(%rcx)")
    yield "noticed: a dear trace", bool(list(errors(code(GOOD) + code(more), 0x128)))
    yield "noticed: no trace", bool(list(errors(code("nop"), 0x128)))
    yield "a cheap trace passes", not list(errors(code(GOOD) * 2, 0x128))
