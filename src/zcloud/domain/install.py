"""What an instance is installed from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zcloud.domain.errors import InvalidInput

MAX_WITHIN_S = 7 * 24 * 3600
_PATH = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*){0,7}")
_TREE = re.compile(r"https?://[!#-&(-~]{1,500}")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_ARGUMENTS = re.compile(r"[ -~]{0,1500}")


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """The medium, an image of format iso, by name or id; or the address of a ``tree``; and how its installer is booted.

    ``cmdline`` are arguments of the installer's kernel, ``kernel`` and ``initrd`` paths on the medium or below the tree
    (empty: where known systems have them), and their checksums are of a tree's (``sha256:...``, empty: not checked).
    Within ``within_s`` seconds the installer has to end by itself.
    """

    media: str = ""
    cmdline: str = ""
    kernel: str = ""
    initrd: str = ""
    within_s: int = 7200
    tree: str = ""
    kernel_checksum: str = ""
    initrd_checksum: str = ""

    def check(self) -> None:
        """Raise InvalidInput naming the field that is wrong."""
        if bool(self.media) is bool(self.tree):
            raise InvalidInput("Name a medium, or the address of a tree.", field="install.media")
        self._check_tree()
        if bool(self.kernel) is not bool(self.initrd):
            raise InvalidInput("Give kernel and initrd, or neither.", field="install.kernel")
        for name in ("kernel", "initrd"):
            if getattr(self, name) and not _PATH.fullmatch(getattr(self, name)):
                raise InvalidInput(
                    f"The {name} is not a path on the medium or below the tree.", field=f"install.{name}"
                )
        if not _ARGUMENTS.fullmatch(self.cmdline):
            raise InvalidInput("The kernel's arguments are at most 1500 printable characters.", field="install.cmdline")
        if not 60 <= self.within_s <= MAX_WITHIN_S:
            raise InvalidInput(f"An installation takes 60 to {MAX_WITHIN_S} seconds.", field="install.within_s")

    def _check_tree(self) -> None:
        if self.tree and not _TREE.fullmatch(self.tree):
            raise InvalidInput("A tree has an address like https://HOST/DIRECTORY.", field="install.tree")
        if any(mark in self.tree for mark in "@?#"):
            raise InvalidInput(
                "The address of a tree must not hold a user name or password, nor '?' or '#'.", field="install.tree"
            )
        for name in ("kernel_checksum", "initrd_checksum"):
            given = getattr(self, name)
            if given and not (self.tree and _CHECKSUM.fullmatch(given)):
                raise InvalidInput("A checksum is sha256:… or sha512:…, and of a tree's file.", field=f"install.{name}")
            if not given and self.tree.startswith("http:"):
                raise InvalidInput(
                    "What comes over http has to be compared with checksums of kernel and initrd.",
                    hint="Take https, or give both checksums.",
                    field=f"install.{name}",
                )
