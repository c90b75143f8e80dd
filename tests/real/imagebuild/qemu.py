"""Boots a disk with plain QEMU (TCG) and reads its serial console until a line appears."""

from __future__ import annotations

import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

_MACHINE = (
    "qemu-system-x86_64",
    "-accel",
    "tcg,thread=multi",
    "-machine",
    "q35",
    "-cpu",
    "max",
    "-m",
    "1024",
)
_QUIET = ("-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-net", "none", "-snapshot")


def disk_options(path: Path, form: str, *, readonly: bool = False) -> list[str]:
    """Give QEMU's options for a virtio disk of the given format."""
    return ["-drive", f"file={path},format={form},if=virtio,readonly={'on' if readonly else 'off'}"]


def firmware_options(firmware: str) -> list[str]:
    """Give QEMU's options for ``bios`` or ``uefi``; variables are thrown away (``-snapshot``)."""
    if firmware == "bios":
        return []
    code = f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}"
    return ["-drive", code, "-drive", f"if=pflash,format=raw,file={OVMF_VARS}"]


def ssh_options(port: int) -> list[str]:
    """Give QEMU's options for a network card that reaches nobody, and whose SSH port is ``port`` of this machine."""
    network = f"user,id=wire,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"
    return ["-netdev", network, "-device", "virtio-net-pci,netdev=wire"]


def console_until(
    options: Sequence[str], wanted: Sequence[str], deadline_seconds: float, then: Callable[[], object] = lambda: None
) -> str:
    """Boot until all of ``wanted`` are on the console, do ``then`` while it runs, and give all that it said.

    Fails with the console's tail when the guest ends or the deadline passes first.
    """
    said = bytearray()
    end = time.monotonic() + deadline_seconds
    with subprocess.Popen(
        [*_MACHINE, *_QUIET, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            assert process.stdout is not None
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                while (missing := _missing(wanted, said)) and time.monotonic() < end:
                    if not selector.select(timeout=1):
                        continue
                    chunk = process.stdout.read1(65536)  # type: ignore[attr-defined]
                    if not chunk:
                        break
                    said += chunk
            if not missing:
                then()
        finally:
            process.kill()
    text = said.decode(errors="replace")
    assert not missing, f"{missing} never came; the console's end:\n{text[-3000:]}"
    return text


def _missing(wanted: Sequence[str], said: bytes | bytearray) -> list[str]:
    return [each for each in wanted if each.encode() not in said]
