"""Does this host's processor run virtual machines? That /dev/kvm is there does not say so."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

DEVICE = Path("/dev/kvm")
QEMU = "qemu-system-x86_64"
CODE = 0x2A
# A machine's first instructions: mov al, CODE; mov dx, 0xf4; out dx, al; hlt. The write ends QEMU with
# exit code 2 * CODE + 1. They lie at the start of a ROM, to which the reset vector at 0xfff0 jumps.
PROGRAM = bytes((0xB0, CODE, 0xBA, 0xF4, 0x00, 0xEE, 0xF4))
JUMP = bytes((0xE9, 0x0D, 0x00))
PROBE_SECONDS = 5.0
NO_RIGHT = f"no right to use {DEVICE}"


def works() -> bool:
    """Can QEMU use the processor's virtualisation? $LAB_ACCEL (kvm or qemu) overrules the probe."""
    wanted = os.environ.get("LAB_ACCEL")
    return wanted == "kvm" if wanted else not why_not()


@cache
def why_not() -> str:
    """Why hardware virtualisation cannot be used; empty if it can.

    Not kept on disk: rights change, and the probe takes a fifth of a second.
    """
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    if not {"vmx", "svm"} & set(flags):
        return "the processor shows neither vmx nor svm"
    if not DEVICE.exists():
        return f"no {DEVICE}: the module kvm_intel or kvm_amd is not loaded"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return NO_RIGHT
    if not shutil.which(QEMU):
        return f"{QEMU} is not installed"
    return (
        "" if runs_a_guest("kvm") else "a trial machine did not run: broken nested virtualisation"
    )


def runs_a_guest(accelerator: str) -> bool:
    """Does QEMU get through a machine's first instructions with this accelerator?"""
    rom = (PROGRAM.ljust(0xFFF0, b"\xf4") + JUMP).ljust(0x10000, b"\xf4")
    with TemporaryDirectory() as folder:
        image = Path(folder) / "probe.rom"
        image.write_bytes(rom)
        options = ["-m", "16", "-display", "none", "-nodefaults", "-no-reboot", "-bios", str(image)]
        exit_port = ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        try:
            done = subprocess.run(
                [QEMU, "-accel", accelerator, *options, *exit_port],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 2 * CODE + 1
