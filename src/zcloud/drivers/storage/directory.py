"""A directory pool: volumes are files in a directory of the host (``filepool`` says how they lie there)."""

from __future__ import annotations

from typing import ClassVar

from zcloud.domain.driver import Option, OptionType
from zcloud.drivers.storage import filepool
from zcloud.drivers.storage.base import StorageInfo


class DirectoryPool(filepool.FilePool):
    """A directory of one host."""

    INFO: ClassVar = StorageInfo(
        kind="directory",
        title="Directory",
        doc="Volumes are files in a directory of the host; root volumes are copy-on-write over their image.",
        features=filepool.FEATURES,
        place=("path",),
        growth="Enlarge its file system; `zcloud pool refresh` sees it.",
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        Option("path", OptionType.PATH, "The pool's directory, its own.", "/var/lib/libvirt/images/zcloud"),
        *filepool.OPTIONS,
    )
