"""Boots a disk with plain QEMU (TCG) and reads its serial console until a line appears."""

from __future__ import annotations

import selectors
import subprocess
import time
from collections.abc import Sequence
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


def console_until(options: Sequence[str], wanted: str, deadline_seconds: float) -> str:
    """Boot until ``wanted`` is on the console and give all that it said.

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
                while wanted.encode() not in said and time.monotonic() < end:
                    if not selector.select(timeout=1):
                        continue
                    chunk = process.stdout.read1(65536)  # type: ignore[attr-defined]
                    if not chunk:
                        break
                    said += chunk
        finally:
            process.kill()
    text = said.decode(errors="replace")
    assert wanted in text, f"{wanted!r} never came; the console's end:\n{text[-3000:]}"
    return text
