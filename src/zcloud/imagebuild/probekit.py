"""The probe kit: a kernel and a minimal initramfs that say they run, then power off.

Whether KVM works on a host is found out by booting this, because a ``/dev/kvm`` that opens does not prove
that a guest starts.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.imagebuild.initramfs import Archive
from zcloud.imagebuild.kernel import Kernel
from zcloud.imagebuild.packages import unpacked

PROBE_WORD = "ZCLOUD-PROBE-OK"
PROBE_CMDLINE = "console=ttyS0 quiet panic=-1"
"""What the runner has to append; ``panic=-1`` makes a panic end the probe at once (with -no-reboot)."""

_INIT = f"#!/bin/busybox sh\necho {PROBE_WORD}\n/bin/busybox poweroff -f\n"


def build_probe_kit(kernel: Kernel, target_dir: Path, *, cache: Path = DEFAULT_CACHE) -> Path:
    """Write ``vmlinuz``, ``initrd`` and their ``sha256`` manifest (as sha256sum reads it) to ``target_dir``.

    Gives ``target_dir``. The same kernel and packages give the same bytes.
    """
    target_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kernel.vmlinuz, target_dir / "vmlinuz")
    (target_dir / "initrd").write_bytes(probe_initramfs(busybox(cache)))
    manifest = [
        f"{hashlib.sha256((target_dir / name).read_bytes()).hexdigest()}  {name}\n" for name in ("vmlinuz", "initrd")
    ]
    (target_dir / "sha256").write_text("".join(manifest))
    return target_dir


def probe_initramfs(busybox_binary: bytes) -> bytes:
    """Give the compressed initramfs whose init prints ``PROBE_WORD`` on the console and powers off."""
    archive = Archive()
    archive.add_file("/bin/busybox", busybox_binary, 0o755)
    archive.add_file("/init", _INIT.encode(), 0o755)
    archive.add_directory("/dev")
    return archive.build_gzip()


def busybox(cache: Path) -> bytes:
    """Give the statically linked busybox of the distribution."""
    return (_first_existing(unpacked("busybox-static", cache), "usr/bin/busybox", "bin/busybox")).read_bytes()


def _first_existing(root: Path, *names: str) -> Path:
    return next(path for name in names if (path := root / name).exists())
