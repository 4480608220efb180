# SPDX-License-Identifier: BSD-2-Clause
"""The host's consoles: text on the framebuffer, compared with the font; serial lines on PCI cards
and where ACPI says; the debug port; several at once; a machine without any serial line."""
import os
import re
import socket
import struct
import threading
import time

from lastwords import check, human, image, monitored
from session import PATIENCE_SECONDS, Failure, qemu

LOADER = "build/BOOTX64.EFI"
WIDTH, HEIGHT = 8, 16
GREY = 0xc0
END = r"GUEST cpuid: (\d+) passed, 0 failed"


def font():
    """Glyphs as the core has them: {pixels of a cell: character}."""
    with open("build/font/ascii.h", encoding="ascii") as file:
        rows = [int(word, 16) for word in re.findall(r"0x(\w\w)", file.read())]
    check(len(rows) == 95 * HEIGHT, "the font does not have 95 glyphs")
    pixels = [bytes(GREY * (row >> 7 - x & 1) for x in range(WIDTH)) for row in rows]
    return {b"".join(pixels[i * HEIGHT:(i + 1) * HEIGHT]): chr(32 + i) for i in range(95)}


def screen_read(session, glyphs):
    """The lines of the screen, character by character by the font; every pixel counts."""
    path = os.path.join(session.machine.directory, "screen.ppm")
    human(session, f"screendump {path}")
    with open(path, "rb") as file:
        kind, width, height, _ = (file.readline() + file.readline() + file.readline()).split()
        data = file.read()
    width, height = int(width), int(height)
    check(kind == b"P6" and len(data) == 3 * width * height, "not a picture")
    grey = data[0::3]
    check(grey == data[1::3] == data[2::3] and set(grey) <= {0, GREY}, "other colours")
    lines = []
    for top in range(0, height - HEIGHT + 1, HEIGHT):
        line = ""
        for left in range(0, width - WIDTH + 1, WIDTH):
            cell = b"".join(grey[at:at + WIDTH] for at in range(
                top * width + left, (top + HEIGHT) * width + left, width))
            check(cell in glyphs, f"line {top // HEIGHT}: what is in column {left // WIDTH}?")
            line += glyphs[cell]
        lines.append(line.rstrip())
    return lines


def screen_expect(session, wanted):
    """Wait until a line of the screen fits; returns all lines then."""
    glyphs = font()
    end = time.monotonic() + PATIENCE_SECONDS
    lines = []
    while time.monotonic() < end:
        time.sleep(2)
        try:
            lines = screen_read(session, glyphs)
        except Failure as why:  # the firmware's screen, or one that is being drawn
            lines = [str(why)]
        if any(re.search(wanted, line) for line in lines):
            return lines
    raise Failure(f"not on the screen: {wanted}; it shows: {lines[-40:]}")


def console_screen():
    """No serial line at all: the loader, the core and the guest speak on the screen, which has
    been scrolled and shows each line whole."""
    name = "console-screen"
    arguments = [*monitored(name), "-vga", "std"]
    with qemu(name, image(name, "stay", "cpuid", LOADER), serial=False, extra=arguments) as session:
        lines = screen_expect(session, END)
        at = [i for i, line in enumerate(lines) if line == "GUEST cpuid begins"]
        check(len(at) == 1, f"the guest's first line is not there once: {lines}")
        check(re.fullmatch(r"\[ +\d+\.\d{6}\] \(lamina\) \[cpu0\] C27 start the VMs",
                           lines[at[0] - 1]), "C27 is not before it")
        end = next(i for i in range(at[0], len(lines)) if re.fullmatch(END, lines[i]))
        check(end - at[0] - 1 == int(re.fullmatch(END, lines[end]).group(1)),
              "not a line of the guest for each of its tests")
        check(all(line.startswith("ok ") for line in lines[at[0] + 1:end]), "other lines")
        check(not session.text, "something came over a line that is not there")


def console_several():
    """All at once: a legacy port, a PCI card, the debug port, the screen; input from each line."""
    name = "console-several"
    where = f"build/e2e/{name}"
    arguments = [*monitored(name), "-vga", "std", "-chardev", f"file,id=debug,path={where}/debug",
                 "-device", "isa-debugcon,iobase=0xe9,chardev=debug",
                 "-chardev", f"socket,id=card,path={where}/card,server=on,wait=off",
                 "-device", "pci-serial,chardev=card"]
    with qemu(name, image(name, "stay", "cpuid", LOADER), extra=arguments) as session, \
            socket.socket(socket.AF_UNIX) as card:
        session.expect(r"L01 Lamina's loader starts")
        card.connect(f"{where}/card")
        text = []
        threading.Thread(target=lambda: text.extend(iter(lambda: card.recv(4096), b"")),
                         daemon=True).start()
        session.expect(r"console: 16550 at port 0x3f8")
        session.expect(r"console: 16550 at port 0x[0-9a-f]+", never="console: screen")
        session.expect(r"console: screen of \d+ x \d+")
        session.expect(END)
        session.send("\x1d")
        session.expect("lamina> ")
        card.sendall(b"version\n")
        session.expect("lamina> ")
        screen_expect(session, r"^lamina> version")
        check(re.findall(r"console: line (\d) has no interrupt", session.text) == ["1"],
              "the card alone is polled")
        time.sleep(2)
        text = b"".join(text).decode("utf-8", "replace")
        with open(f"{where}/debug", encoding="utf-8", errors="replace", newline="") as file:
            debug = file.read()
        for what, got in (("the card", text), ("the debug port", debug)):
            for line in (r"C21 the core runs\r\n", END, "lamina> version"):
                check(re.search(line, got), f"{what} has no '{line}'")
            check(len(re.findall("C24 start the other CPUs", got)) == 1, f"{what}: not once")


def acpi_table(session_name, signature, body):
    path = f"build/e2e/{session_name}.{signature.decode()}"
    with open(path, "wb") as file:
        file.write(body)
    return ["-acpitable", f"sig={signature.decode()},rev=2,data={path}"]


def gas(port):
    return struct.pack("<BBBBQ", 1, 8, 0, 1, port)


def dbg2(port):
    device = struct.pack("<BHBHHHHHHHHH", 0, 22 + 12 + 4 + 2, 1, 2, 38, 0, 0, 0x8000, 0, 0, 22, 34)
    device += gas(port) + struct.pack("<I", 8) + b".\0"
    return struct.pack("<II", 44, 1) + device


def console_acpi(name, tables):
    """A line at a port where nobody looks, but for a table."""
    arguments = [*tables, "-device", "isa-serial,iobase=0x2d0,irq=5,chardev=line"]
    with qemu(name, image(name, "stay", "cpuid", LOADER), serial=False, extra=arguments) as session:
        session.expect(r"C21 the core runs")
        session.expect(r"console: 16550 at port 0x2d0")
        session.expect(END)
        session.send("\x1d")
        session.expect("lamina> ")


def console_spcr():
    body = struct.pack("<BBBB", 0, 0, 0, 0) + gas(0x2d0) + bytes(28)
    console_acpi("console-spcr", acpi_table("console-spcr", b"SPCR", body))


def console_dbg2():
    console_acpi("console-dbg2", acpi_table("console-dbg2", b"DBG2", dbg2(0x2d0)))


TESTS = [console_screen, console_several, console_spcr, console_dbg2]
