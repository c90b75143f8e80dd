"""What an instance is installed from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zcloud.domain.errors import InvalidInput

MAX_WITHIN_S = 7 * 24 * 3600
_PATH = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*){0,7}")
_ARGUMENTS = re.compile(r"[ -~]{0,1500}")


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """The medium, an image of format iso, by name or id; and how its installer is booted.

    ``cmdline`` are arguments of the installer's kernel, ``kernel`` and ``initrd`` paths on the medium (empty: where
    known systems have them). Within ``within_s`` seconds the installer has to end by itself.
    """

    media: str
    cmdline: str = ""
    kernel: str = ""
    initrd: str = ""
    within_s: int = 7200

    def check(self) -> None:
        """Raise InvalidInput naming the field that is wrong."""
        if bool(self.kernel) is not bool(self.initrd):
            raise InvalidInput("Give kernel and initrd, or neither.", field="install.kernel")
        for name in ("kernel", "initrd"):
            if getattr(self, name) and not _PATH.fullmatch(getattr(self, name)):
                raise InvalidInput(f"The {name} is not a path on the medium.", field=f"install.{name}")
        if not _ARGUMENTS.fullmatch(self.cmdline):
            raise InvalidInput("The kernel's arguments are at most 1500 printable characters.", field="install.cmdline")
        if not 60 <= self.within_s <= MAX_WITHIN_S:
            raise InvalidInput(f"An installation takes 60 to {MAX_WITHIN_S} seconds.", field="install.within_s")
