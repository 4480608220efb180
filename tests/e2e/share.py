# SPDX-License-Identifier: BSD-2-Clause
"""More vCPUs than CPUs: Linux guests under load side by side, weights, pinning, and what the
monitor says about it."""
import re

from linux import COMPLAINTS, FILES, NEVER, check
from session import bochs, image_make, qemu, spoilt_again, struck_again

HEAD = """\
[lamina]
on_end = "{on_end}"
smt = true
"""

LINUX = """
[[vm]]
name = "{name}"
cpus = 2
memory = "192M"
kernel = "vmlinuz"
initrd = "initrd.gz"
cmdline = "console=ttyS0 panic=-1 retbleed=off"
{more}
"""

COUNT = """
[[vm]]
name = "{name}"
memory = "16M"
kernel = "count.elf"
testdev = true
{more}
"""

LOAD = re.compile(r"load: pings (\d+) sleeps (\d+) barriers (\d+) disorder (\d+) stuck (\d+)")
LOST = r"asleep with interrupt"
NEVER_HERE = NEVER + "|" + LOST


def linux_config(names, more=""):
    return HEAD.format(on_end="poweroff") + "".join(LINUX.format(name=n, more=more) for n in names)


def monitor(session, command):
    """What the monitor, which has the console, answers."""
    session.type(command)
    session.expect(re.escape(command) + r"\n")
    start = session.position
    end = session.expect(r"^lamina> ", never=NEVER_HERE).start()
    return session.text[start:end]


def to_monitor(session):
    session.send("\x1d")
    session.expect(r"^lamina> ")


def to_guest(session, index):
    """From the monitor; what the guest has said meanwhile goes by."""
    session.send(f"vm {index}\n")
    session.expect(rf"vm {index}\n")
    answer = session.shell("echo here-$((6*7))")
    check("here-42" in answer, f"VM {index} does not answer: {answer}")


def vcpu_rows(session):
    """The table of `vcpus`: (name, vCPU) -> its other columns."""
    table = monitor(session, "vcpus")
    rows = re.findall(r"^ *(\d+) (\S+) +(\d+) +(\d+) (running|queued|halted|wait-SIPI|stopped) +"
                      r"(\d+) +(-|\d+) +(\d+) +(\d+) +(\d+)$", table, re.M)
    check(len(rows) == len(table.splitlines()) - 1, "rows of another form: " + table)
    keys = ("cpu", "state", "weight", "pin", "switches", "steal_ms", "exits")
    return {(row[1], int(row[2])): dict(zip(keys, row[3:])) for row in rows}


def irq_check(session, names, cpus):
    """The table of `irq`: every vCPU was woken and interrupted, and no wake-up was lost."""
    table = monitor(session, "irq")
    rows = re.findall(r"^ *(\d+) (\S+) +(\d+)" + r" +(\d+)" * 6 + "$", table, re.M)
    check([row[1] for row in rows] == [n for n in names for _ in range(2)], "rows: " + table)
    for row in rows:
        posted, _, _, wakes, injected, _ = (int(n) for n in row[3:])
        check(wakes > 0, "never woken: " + table)
        check(posted + injected > 0, "never interrupted: " + table)
    strays = re.findall(r"^cpu(\d+): \d+ stray kicks, \d+ stray notifications$", table, re.M)
    check(strays == [str(i) for i in range(cpus)], "CPUs: " + table)
    check("\nlost wake-ups: 0\n" in table, "wake-ups were lost: " + table)


def steal_ticks(session):
    """Of each CPU, from /proc/stat."""
    stat = session.shell("grep cpu[0-9] /proc/stat")
    return [int(line.split()[8]) for line in stat.splitlines() if line.startswith("cpu")]


def load_start(session, seconds):
    session.type(f"load {seconds} >/load.txt &")
    session.expect(r"# ")


def load_check(session):
    """The load of load_start() has ended well, and the kernel has nothing to say about it."""
    match = LOAD.search(session.shell("wait; cat /load.txt"))
    check(match, "the load did not end")
    check(match.group(4) == match.group(5) == "0" and "0" not in match.groups()[:3],
          match.group(0))
    check(session.shell("nproc").strip() == "2", "not two CPUs")
    dmesg = session.shell("dmesg")
    complaints = [line for line in dmesg.splitlines()
                  if COMPLAINTS.search(line) or re.search(r"(?i)stall", line)]
    check(not complaints, "the kernel complains: " + "; ".join(complaints))
    print("   " + match.group(0), flush=True)


def boot_all(session, names):
    """Every guest at its shell; the monitor has the console afterwards."""
    for index in range(len(names)):
        if index:
            session.send(f"vm {index}\n")
        session.expect("SHELL-READY", never=NEVER_HERE)
        session.expect("# ")
        to_monitor(session)


def side_by_side(start, label, cpus, names, seconds, has_steal=True, more=""):
    """All guests under load at once. Afterwards each answers and nothing was lost."""
    image = image_make(f"build/e2e/{label}.img", linux_config(names, more), FILES)
    with start(label, image, cpus=cpus) as session:
        boot_all(session, names)
        for index in range(len(names)):
            to_guest(session, index)
            load_start(session, seconds)
            to_monitor(session)
        for index in range(len(names)):
            to_guest(session, index)
            load_check(session)
            check(not has_steal or sum(steal_ticks(session)) > 0, "no steal time in the guest")
            to_monitor(session)
        rows = vcpu_rows(session)
        irq_check(session, names, cpus)
        check(set(rows) == {(n, i) for n in names for i in range(2)}, f"vCPUs: {rows}")
        for row in rows.values():
            check(int(row["switches"]) > 10 and int(row["exits"]) > 100, f"not run: {row}")
            check(row["weight"] == "100" and int(row["cpu"]) < cpus, f"row: {row}")
            check(not has_steal or int(row["steal_ms"]) > 0, f"nobody had to wait: {row}")
        check(not re.search(LOST, session.text), "a wake-up was lost")
        check(": reset" not in session.text, "a guest was reset")
        return rows


def share_two_svm():
    side_by_side(qemu, "share-two-svm", 2, ["a", "b"], 5)


def share_two_vmx():
    """On one CPU, where Bochs' defect is not."""
    side_by_side(bochs, "share-two-vmx", 1, ["a", "b"], 2)


def monitor_refusals(session):
    """Superfluous arguments and near misses."""
    for command in ("vcpus 1", "irq x", "vms 0"):
        check(f"{command.split()[0]}: takes no argument" in monitor(session, command), command)
    for command in ("vcpu", "irqs"):
        check(f"{command}: unknown command" in monitor(session, command), command)
    text = monitor(session, "help")
    check(re.search(r"^ +vcpus +\S", text, re.M) and re.search(r"^ +irq +\S", text, re.M), text)


def share_one_cpu_svm():
    """Two vCPUs of one VM on one CPU."""
    image = image_make("build/e2e/share-one-cpu-svm.img", linux_config(["a"]), FILES)
    with qemu("share-one-cpu-svm", image, cpus=1) as session:
        session.expect(r"a: 2 vCPUs share 1 CPUs")
        boot_all(session, ["a"])
        to_guest(session, 0)
        load_start(session, 3)
        load_check(session)
        to_monitor(session)
        rows = vcpu_rows(session)
        check(all(row["cpu"] == "0" and row["pin"] == "-" for row in rows.values()), f"{rows}")
        irq_check(session, ["a"], 1)
        monitor_refusals(session)


def counted(session):
    count = int(session.expect(r"^counted (\d+)\n", never="killed:|PANIC|^FAIL").group(1))
    session.expect("^GUEST count: 1 passed, 0 failed")
    return count


def weights(start, label, cpus):
    """Both pinned to the last CPU, weights 1 to 3: one counts three times as far."""
    more = "pin = %d\nweight = %%d" % (cpus - 1)
    config = HEAD.format(on_end="stay") + COUNT.format(name="light", more=more % 100) \
        + COUNT.format(name="heavy", more=more % 300)
    image = image_make(f"build/e2e/{label}.img", config, {"count.elf": "build/guests/count.elf"})
    with start(label, image, cpus=cpus) as session:
        light = counted(session)
        session.expect("light: ended by its test device, code 0")
        session.expect("all VMs are over")
        to_monitor(session)
        session.send("vm 1\n")
        heavy = counted(session)
        to_monitor(session)
        print(f"   weights 100 and 300: counted {light} and {heavy}", flush=True)
        check(2.2 < heavy / light < 4, f"weights 100 and 300 gave {light} and {heavy}")
        rows = vcpu_rows(session)
        for name, weight in (("light", "100"), ("heavy", "300")):
            row = rows[name, 0]
            check(row["weight"] == weight and row["state"] == "stopped", f"row: {row}")
            check(row["cpu"] == row["pin"] == str(cpus - 1), f"not where it was pinned: {row}")
        check(int(rows["light", 0]["steal_ms"]) > int(rows["heavy", 0]["steal_ms"]),
              f"the light one did not wait longer: {rows}")


def share_weights_svm():
    weights(qemu, "share-weights-svm", 2)


def share_weights_vmx():
    weights(bochs, "share-weights-vmx", 1)


def share_pinned_svm():
    """Two pinned pairs: vCPU i of each stays on CPU i, whatever happens."""
    rows = struck_again(
        lambda: side_by_side(qemu, "share-pinned-svm", 2, ["a", "b"], 20, more="pin = 0"))
    for (_, index), row in rows.items():
        check(row["cpu"] == row["pin"] == str(index), f"vCPU {index} has moved: {row}")


def share_three_svm():
    """Three guests, a minute of load."""
    side_by_side(qemu, "share-three-svm", 2, ["a", "b", "c"], 60)


def share_two_vmx_long():
    side_by_side(bochs, "share-two-vmx-long", 1, ["a", "b"], 15)


def share_two_vmx_smp():
    """On two CPUs of Bochs, which may spoil a guest."""
    spoilt_again(lambda: side_by_side(bochs, "share-two-vmx-smp", 2, ["a", "b"], 3))


TESTS = [share_two_vmx, share_two_svm, share_one_cpu_svm, share_weights_vmx, share_weights_svm]
LONG_TESTS = [share_two_vmx_long, share_two_vmx_smp, share_three_svm, share_pinned_svm]
