"""The KVM probe: boot our own tiny kernel under KVM, and by emulation to know how long that may take.

That ``/dev/kvm`` opens proves nothing: under some hypervisors the firmware runs and Linux hangs. Only a kernel
that reaches its init does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from zcloud.domain.errors import CommandFailed, DeadlineExceeded
from zcloud.domain.host import Accel
from zcloud.ports import Shell

PROBE_DIRECTORY = "/var/lib/zcloud/probe"
PROBE_WORD = b"ZCLOUD-PROBE-OK"
EMULATED_S = 120.0
KVM_LEAST_S = 5.0
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


def probe(shell: Shell, monotonic: Callable[[], float]) -> Finding:
    """Find out what runs guests on the host; ``monotonic`` tells seconds.

    The kernel is booted by emulation first, which tells how fast the machine is at the moment: KVM hangs when it needs
    more than twice as long (and five seconds), however slow or busy the host. Where emulation gives no measure, KVM has
    two minutes as emulation had. Takes three times what emulation needs, at most.

    Raises CommandFailed where QEMU runs no guest at all, HostUnreachable.
    """
    begun = monotonic()
    emulated = _boot(shell, Accel.TCG, EMULATED_S)
    needed = monotonic() - begun
    finding = _boot(shell, Accel.KVM, EMULATED_S if emulated else max(KVM_LEAST_S, 2 * needed))
    if finding is None:
        return Finding(Accel.KVM, "A kernel booted under KVM and reached its init.")
    if emulated is not None:
        raise CommandFailed(
            f"QEMU runs no guest on this host, neither under KVM ({finding}) nor by emulation ({emulated}).",
            hint="Check the packages qemu-system-x86 and seabios on the host.",
        )
    return Finding(Accel.TCG, f"Guests are emulated (TCG), which is slow: under KVM {finding}.")


def _boot(shell: Shell, accel: Accel, deadline_s: float) -> str | None:
    """Boot the kit; gives None where its init was reached, else what happened."""
    argv = [
        "qemu-system-x86_64", "-nodefaults", "-nographic", "-no-reboot", "-no-user-config",
        "-accel", accel, "-machine", "q35", "-cpu", "host" if accel == Accel.KVM else "max", "-m", "128", "-smp", "1",
        "-kernel", f"{PROBE_DIRECTORY}/vmlinuz", "-initrd", f"{PROBE_DIRECTORY}/initrd", "-append", _CMDLINE,
        "-sandbox", _SANDBOX, "-serial", "stdio", "-monitor", "none", "-display", "none", "-vga", "none",
    ]  # fmt: skip
    try:
        ended = shell.run(argv, timeout_s=deadline_s, check=False)
    except DeadlineExceeded:
        return f"a kernel did not reach its init within {deadline_s:.0f} seconds"
    if PROBE_WORD in ended.stdout:
        return None
    complaint = ended.stderr.decode(errors="replace").strip().splitlines()
    said = complaint[-1][:200].rstrip(".") if complaint else "nothing"
    return f"QEMU ended with code {ended.code} and said {said}"
