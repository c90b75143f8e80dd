"""The KVM probe: boot our own tiny kernel under KVM, with a deadline.

That ``/dev/kvm`` opens proves nothing: under some hypervisors the firmware runs and Linux hangs. Only a kernel
that reaches its init does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from zcloud.domain.errors import CommandFailed, DeadlineExceeded
from zcloud.domain.host import Accel
from zcloud.ports import Shell

PROBE_DIRECTORY = "/var/lib/zcloud/probe"
PROBE_WORD = b"ZCLOUD-PROBE-OK"
DEADLINE_S = 15.0
_CMDLINE = "console=ttyS0 quiet panic=-1"
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


class Finding(NamedTuple):
    """What runs guests on the host, and why in one sentence."""

    accel: Accel
    reason: str


def place_kit(shell: Shell, kit: Path, manifest: Mapping[str, str]) -> None:
    """Bring kernel and initramfs to the host where they are not there yet (``manifest``: name -> sha256)."""
    for name, digest in manifest.items():
        path = f"{PROBE_DIRECTORY}/{name}"
        held = shell.run(["sha256sum", path], check=False)
        if held.code == 0 and held.stdout.split(b" ", 1)[0].decode() == digest:
            continue
        with (kit / name).open("rb") as source:
            shell.upload(source, path, mode=0o644)


def remove_kit(shell: Shell) -> None:
    """Remove what ``place_kit`` brought; absent is fine."""
    for each in shell.list_files(PROBE_DIRECTORY):
        shell.remove(each.path)
    shell.run(["rmdir", PROBE_DIRECTORY], check=False)


def read_manifest(kit: Path) -> dict[str, str]:
    """Read the kit's ``sha256`` file: name -> sha256."""
    lines = (kit / "sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def probe(shell: Shell, deadline_s: float = DEADLINE_S) -> Finding:
    """Find out what runs guests on the host; takes at most ``deadline_s`` for KVM and again for emulation.

    Raises CommandFailed where QEMU does not even run a guest by emulation, HostUnreachable.
    """
    finding = _boot(shell, "kvm", deadline_s)
    if finding is None:
        return Finding(Accel.KVM, "A kernel booted under KVM and reached its init.")
    emulated = _boot(shell, "tcg", deadline_s * 2)
    if emulated is not None:
        raise CommandFailed(
            f"QEMU runs no guest on this host, neither under KVM ({finding}) nor by emulation ({emulated}).",
            hint="Check the packages qemu-system-x86 and seabios on the host.",
        )
    return Finding(Accel.TCG, f"Guests are emulated (TCG), which is slow: {finding}.")


def _boot(shell: Shell, accel: str, deadline_s: float) -> str | None:
    """Boot the kit; gives None where its init was reached, else what happened."""
    argv = [
        "qemu-system-x86_64", "-nodefaults", "-nographic", "-no-reboot", "-no-user-config",
        "-accel", accel, "-machine", "q35", "-cpu", "host" if accel == "kvm" else "max", "-m", "128", "-smp", "1",
        "-kernel", f"{PROBE_DIRECTORY}/vmlinuz", "-initrd", f"{PROBE_DIRECTORY}/initrd", "-append", _CMDLINE,
        "-sandbox", _SANDBOX, "-serial", "stdio", "-monitor", "none", "-display", "none", "-vga", "none",
    ]  # fmt: skip
    try:
        ended = shell.run(argv, timeout_s=deadline_s, check=False)
    except DeadlineExceeded:
        return f"/dev/kvm opens, but a kernel did not start within {deadline_s:.0f} seconds"
    if PROBE_WORD in ended.stdout:
        return None
    complaint = ended.stderr.decode(errors="replace").strip().splitlines()
    return complaint[-1][:200].rstrip(".") if complaint else f"QEMU ended with code {ended.code} and said nothing"
