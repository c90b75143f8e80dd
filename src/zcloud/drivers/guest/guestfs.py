"""The command lines that run a script within the system on a disk, by libguestfs (https://libguestfs.org). Pure.

The disk is opened by a kernel of its own in QEMU, which runs as the user that runs guests: a hostile file system gets
no further than a hostile guest. Its appliance is made once a version: that user may not read a host's kernels.
"""

from __future__ import annotations

import re

from zcloud.domain.errors import ToolMissing
from zcloud.domain.host import Accel
from zcloud.domain.plug import DiskSource
from zcloud.drivers.passage import Identity

VERSION = ("guestfish", "--version")
_APPLIANCE = "/var/lib/libvirt/zcloud-appliance"
_SCRIPT = "/.zcloud-offline"
_ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent", "LC_ALL=C.UTF-8")
_VERSION = re.compile(rb"guestfish ([0-9]{1,4}(\.[0-9]{1,4}){1,3})")


def appliance(answer: bytes) -> str:
    """Give where the appliance of the version is that ``VERSION`` tells; raises ToolMissing."""
    found = _VERSION.match(answer)
    if found is None:
        raise ToolMissing("guestfish cannot be run on the host.", hint="Install libguestfs-tools there.")
    return f"{_APPLIANCE}-{found[1].decode()}"


def look_argv(place: str) -> list[str]:
    """Give the command that succeeds where the appliance is there, whole."""
    return ["stat", "-c", "%F", "--", place]


def make_argvs(place: str, accel: Accel) -> list[list[str]]:
    """Give the commands that make it."""
    part = f"{place}.part"
    return [
        ["rm", "-r", "-f", "--", part],
        ["env", "LIBGUESTFS_BACKEND=direct", _settings(accel), "libguestfs-make-fixed-appliance", part],
        ["mv", "-T", "-n", "--", part, place],
    ]


def run_argv(place: str, accel: Accel, who: Identity, disk: DiskSource, script: str) -> list[str]:
    """Give the command that runs a script of the host's within the system on a disk; it prints what the script says."""
    return [
        *("env", "-i", *_ENVIRONMENT, "LIBGUESTFS_BACKEND=direct", _settings(accel), f"LIBGUESTFS_PATH={place}"),
        *("setpriv", f"--reuid={who.uid}", f"--regid={who.gid}", "--init-groups", "--no-new-privs"),
        *("guestfish", "--rw", "-i", f"--format={disk.format}", "-a", disk.image, "--"),
        *("upload", script, _SCRIPT, ":", "sh", f"sh {_SCRIPT}", ":", "rm", _SCRIPT),
    ]


def said(output: bytes) -> str:
    """Give the last of what a script or guestfish said, for people."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return " ".join(lines[-3:])[-300:]


def _settings(accel: Accel) -> str:
    """Have libguestfs leave a KVM alone that the probe found unfit."""
    return f"LIBGUESTFS_BACKEND_SETTINGS={'' if accel is Accel.KVM else 'force_tcg'}"
