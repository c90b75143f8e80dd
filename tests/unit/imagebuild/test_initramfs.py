"""The cpio archive is read back by the distribution's own cpio."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from zcloud.imagebuild.initramfs import Archive


def test_cpio_extracts_what_was_added(tmp_path: Path) -> None:
    archive = Archive()
    archive.add_file("/etc/odd", b"abc", 0o640)
    archive.add_file("/init", b"#!/bin/sh\n", 0o755)
    archive.add_symlink("/bin/sh", "busybox")
    archive.add_directory("/root", 0o700)

    subprocess.run(["cpio", "-i", "--quiet"], input=archive.build(), cwd=tmp_path, check=True)

    assert (tmp_path / "etc/odd").read_bytes() == b"abc"
    assert (tmp_path / "etc/odd").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin/sh").readlink() == Path("busybox")
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700


def test_parents_come_before_their_children() -> None:
    archive = Archive()
    archive.add_file("/a/b/c", b"")
    content = archive.build()
    assert content.index(b"a\0") < content.index(b"a/b\0") < content.index(b"a/b/c\0")


def test_the_same_content_gives_the_same_bytes() -> None:
    first, second = Archive(), Archive()
    for archive in (first, second):
        archive.add_file("/init", b"x")
    assert first.build_gzip() == second.build_gzip()
    assert gzip.decompress(first.build_gzip()) == first.build()


@pytest.mark.parametrize("path", ["init", "/a/../b"])
def test_a_path_that_is_not_absolute_is_refused(path: str) -> None:
    with pytest.raises(ValueError):
        Archive().add_file(path, b"")
