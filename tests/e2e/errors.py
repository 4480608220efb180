# SPDX-License-Identifier: BSD-2-Clause
"""Each thing that can be wrong with the machine or the configuration: a named error with a hint
on the console, and back to the firmware. SVM or VMX switched off by firmware is tested on the
host (test_boot_cpu_check.c), since no emulator can be told to do it."""
from session import Session, image_make, qemu

VM = """\
[[vm]]
name = "linux"
cpus = {cpus}
memory = "{memory}"
kernel = "{kernel}"
"""

# The firmware goes on to its next boot option, and finally to its shell or menu.
FIRMWARE = r"BdsDxe: failed to start|BdsDxe: No bootable option|UEFI Interactive Shell|Shell>"


def expect_error(session: Session, name, text, hint):
    session.expect(name)
    session.expect(text)
    session.expect(hint)
    session.expect(FIRMWARE, never=r"\(lamina\) \[cpu0\]")


def fail_with(test, error, config=None, files=None, cpu="max", **vm):
    values = {"cpus": 1, "memory": "64M", "kernel": "vmlinuz", **vm}
    text = VM.format(**values) if config is None else config
    if files is None:
        files = {"vmlinuz": "build/guest/vmlinuz"}
    image = image_make(f"build/e2e/{test}.img", text, files)
    with qemu(test, image, cpu=cpu) as session:
        expect_error(session, *error)


def error_no_svm():
    fail_with("error-no-svm", ("E-NOSVM", "offers no SVM", "enable SVM"), cpu="max,-svm")


def error_no_vmx():
    fail_with("error-no-vmx", ("E-NOVMX", "offers no VMX", "enable VT-x"),
              cpu="Skylake-Client-v4,-svm")


def error_no_npt():
    fail_with("error-no-npt", ("E-NONPT", "no nested paging", "needs a CPU with nested paging"),
              cpu="max,-npt")


def error_memory():
    fail_with("error-memory", ("E-NOMEM", "", "give the VMs less memory"), memory="64G")


def error_cpus():
    fail_with("error-cpus", ("E-CPUS", "pin = 1", "pinned to more CPUs"), cpus="2\npin = 1")


def error_no_file():
    fail_with("error-no-file", ("E-NOFILE", "nothing-here", "paths begin with"),
              kernel="nothing-here")


def error_kernel():
    fail_with("error-kernel", ("E-KERNEL", "", "a kernel is a bzImage"), kernel="lamina.toml")


def error_config():
    fail_with("error-config", ("E-CONFIG", "lamina.toml:3", "correct this line"),
              config='[[vm]]\nname = "linux"\ncpu = 2\n')


def error_no_config():
    image = image_make("build/e2e/error-no-config.img", "", {})
    import subprocess  # the image without its configuration
    subprocess.run(["mdel", "-i", image + "@@1M", "::lamina.toml"], check=True)
    with qemu("error-no-config", image) as session:
        expect_error(session, "E-NOCONFIG", "", "put lamina.toml beside the loader")


TESTS = [error_no_svm, error_no_vmx, error_no_npt, error_memory, error_cpus, error_no_file,
         error_kernel, error_config, error_no_config]
