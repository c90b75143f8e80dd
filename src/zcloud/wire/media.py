"""CDs in drives, and what is installed from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from zcloud.wire.base import Checksum, Line, LongLine, OptionalRef, Ref, Request


class InsertRequest(Request):
    """The CD to put in: an image of format iso."""

    image: Ref


class EjectRequest(Request):
    """Which drive is emptied; empty: the owner's, or else that with drivers."""

    drive: Literal["", "cd", "drivers"] = ""


class InstallRequest(Request):
    """An installation from ``media``, an image of format iso, onto an empty root disk; or from the network.

    ``tree`` is the address of a directory that has an installer's kernel and initrd, such as a distribution's netboot
    directory; the server downloads them, and compares them with their checksums (an http address needs both).

    With ``cmdline`` (arguments of the installer's kernel), ``kernel`` and ``initrd`` (paths on the medium; empty: where
    known systems have them) or answers its kernel is booted itself, else the medium. Within ``within_s`` seconds the
    installer has to power off or to reboot; then the disk is booted.
    """

    media: OptionalRef = ""
    tree: LongLine = ""
    kernel_checksum: Checksum = ""
    initrd_checksum: Checksum = ""
    cmdline: Annotated[str, StringConstraints(max_length=1500, pattern=r"^[ -~]*$")] = ""
    kernel: Line = ""
    initrd: Line = ""
    within_s: Annotated[int, Field(strict=True, ge=60, le=604800)] = 7200
