"""Hostile images, made with qemu-img and by hand, against the confined child; and the confinement itself."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zcloud.domain.errors import DeadlineExceeded, ImageRefused
from zcloud.hosts.inspect import ImageLimits, inspect_image, unpack_image

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img (qemu-utils) is not installed")

SOURCE = str(Path(__file__).parents[3] / "src")
LIMITS = ImageLimits(max_virtual_size=1 << 40, deadline_s=60)


def make(path: Path, *arguments: str) -> Path:
    """Make an image with qemu-img."""
    subprocess.run(["qemu-img", *arguments], check=True, capture_output=True, timeout=60)
    return path


def good(tmp_path: Path, *options: str) -> Path:
    """Give a qcow2 image with some data in it."""
    image = make(tmp_path / "good.qcow2", "create", "-f", "qcow2", *options, str(tmp_path / "good.qcow2"), "64M")
    subprocess.run(["qemu-io", "-c", "write -P 7 1M 256k", str(image)], check=True, capture_output=True, timeout=60)
    return image


@pytest.mark.parametrize("options", [(), ("-o", "compat=0.10"), ("-o", "extended_l2=on"), ("-o", "cluster_size=512")])
def test_good_qcow2_passes_and_is_left_as_it_was(tmp_path: Path, options: tuple[str, ...]) -> None:
    image = good(tmp_path, *options)
    image.chmod(0o600)
    before = image.stat()
    facts = inspect_image(image, LIMITS, claimed="qcow2")
    assert (facts.format, facts.virtual_size) == ("qcow2", 64 << 20)
    assert facts.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    after = image.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_good_raw_passes(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(bytes(510) + b"\x55\xaa" + b"EFI PART" + bytes(504))
    facts = inspect_image(image, LIMITS, claimed="raw")
    assert (facts.format, facts.virtual_size, facts.partitions) == ("raw", 1024, "gpt")


def test_a_backing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.qcow2"
    make(path, "create", "-u", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", str(path), "1M")
    with pytest.raises(ImageRefused, match="backing file"):
        inspect_image(path, LIMITS)


def test_an_external_data_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.qcow2"
    make(path, "create", "-f", "qcow2", "-o", f"data_file={tmp_path}/data,data_file_raw=on", str(path), "1M")
    with pytest.raises(ImageRefused, match="another file"):
        inspect_image(path, LIMITS)


def test_absurd_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.qcow2"
    make(path, "create", "-f", "qcow2", "-o", "cluster_size=2M", str(path), str(1 << 60))
    with pytest.raises(ImageRefused, match="larger"):
        inspect_image(path, LIMITS)
    sparse = tmp_path / "huge.raw"
    with sparse.open("wb") as file:
        file.truncate((1 << 40) + 512)
    with pytest.raises(ImageRefused, match="larger"):
        inspect_image(sparse, LIMITS)


@pytest.mark.parametrize("length", [0, 50, 100, 65536, 200000])
def test_truncated_files_are_refused(tmp_path: Path, length: int) -> None:
    image = good(tmp_path)
    os.truncate(image, length)
    with pytest.raises(ImageRefused):
        inspect_image(image, LIMITS, claimed="qcow2")


def test_format_confusion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="called raw but is qcow2"):
        inspect_image(good(tmp_path), LIMITS, claimed="raw")
    raw = tmp_path / "disk.raw"
    raw.write_bytes(bytes(1 << 20))
    with pytest.raises(ImageRefused, match="called qcow2 but is raw"):
        inspect_image(raw, LIMITS, claimed="qcow2")


@pytest.mark.parametrize("kind", ["vmdk", "vdi", "vpc", "vhdx", "qed", "parallels"])
def test_other_formats_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "disk"
    make(path, "create", "-f", kind, str(path), "16M")
    with pytest.raises(ImageRefused, match="not a qcow2 or raw"):
        inspect_image(path, LIMITS)


def test_a_vmdk_text_that_names_a_host_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    text = b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 4 FLAT "/etc/shadow" 0\n'
    path.write_bytes(text.ljust(4096, b"\n"))
    with pytest.raises(ImageRefused, match="vmdk"):
        inspect_image(path, LIMITS, claimed="raw")


def test_what_is_not_a_plain_file_is_refused(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to("/etc/shadow")
    os.mkfifo(pipe)
    for path in (link, pipe, tmp_path, Path("/dev/zero"), tmp_path / "absent"):
        with pytest.raises(ImageRefused):
            inspect_image(path, LIMITS)


def test_damage_behind_a_good_header_is_seen_by_qemu_img(tmp_path: Path) -> None:
    image = good(tmp_path)
    with image.open("r+b") as file:  # the first entry of the refcount table
        file.seek(65536)
        file.write(bytes(8))
    with pytest.raises(ImageRefused, match="damaged"):
        inspect_image(image, LIMITS)


def test_the_deadline_holds(tmp_path: Path) -> None:
    sparse = tmp_path / "slow.raw"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DeadlineExceeded):
        inspect_image(sparse, ImageLimits(max_file_size=1 << 41, deadline_s=1))


def test_mutated_images_never_bring_it_down(tmp_path: Path) -> None:
    rng = random.Random(7)
    content = good(tmp_path).read_bytes()
    for _ in range(30):
        image = bytearray(content)
        for _ in range(3):
            image[rng.choice((rng.randrange(120), rng.randrange(len(image))))] = rng.randrange(256)
        path = tmp_path / "mutated.qcow2"
        path.write_bytes(image)
        try:
            facts = inspect_image(path, LIMITS, claimed="qcow2")
        except ImageRefused:
            continue
        assert facts.virtual_size <= LIMITS.max_virtual_size


# -- unpacking ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_gzip_and_xz_are_unpacked(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    content = os.urandom(3 << 20) + bytes(5 << 20) + b"end"
    packed, target = tmp_path / "disk.packed", tmp_path / "disk.raw"
    packed.write_bytes(pack(content[: 1 << 20]) + pack(content[1 << 20 :]))
    assert unpack_image(packed, target, LIMITS) == hashlib.sha256(content).hexdigest()
    assert target.read_bytes() == content
    assert target.stat().st_blocks * 512 < len(content) - (3 << 20)
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_bombs_are_refused_and_nothing_stays(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    packed, target = tmp_path / "bomb", tmp_path / "disk.raw"
    packed.write_bytes(pack(b"x" * (64 << 20)))
    with pytest.raises(ImageRefused, match="unpacked it is larger"):
        unpack_image(packed, target, LIMITS)
    packed.write_bytes(pack(bytes(64 << 20)))
    with pytest.raises(ImageRefused, match="unpacked it is larger"):
        unpack_image(packed, target, ImageLimits(max_virtual_size=32 << 20))
    assert not target.exists()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_broken_archives_are_refused(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    packed, target = tmp_path / "broken", tmp_path / "disk.raw"
    whole = pack(os.urandom(1 << 20))
    for content in (whole[:-20], whole[: 1 << 19], whole[:1000] + b"\xff" * 100 + whole[1100:], whole + b"junk"):
        packed.write_bytes(content)
        with pytest.raises(ImageRefused, match="cannot be unpacked"):
            unpack_image(packed, target, LIMITS)
        assert not target.exists()


def test_zstd_is_refused_with_a_hint(tmp_path: Path) -> None:
    packed = tmp_path / "disk.zst"
    packed.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(ImageRefused) as caught:
        unpack_image(packed, tmp_path / "disk.raw", LIMITS)
    assert "zstd -d" in caught.value.hint


# -- the confinement ---------------------------------------------------------------------------

_ATTEMPT = """
import os, socket, sys
from zcloud.confined.sandbox import Budget, lock_down
fd = os.open(sys.argv[1], os.O_RDONLY)
lock_down(Budget(1 << 30, 10, 1 << 20), ["/usr", "/lib"], [fd])
try:
    {attempt}
except OSError as error:
    sys.stdout.write(type(error).__name__)
else:
    sys.stdout.write("done")
"""


def attempt(code: str, tmp_path: Path) -> str:
    """Run a line of Python confined, and give the name of the error, or "done"."""
    image = tmp_path / "image"
    image.write_bytes(b"x")
    image.chmod(0o644)
    tmp_path.chmod(0o755)
    command = [sys.executable, "-c", _ATTEMPT.format(attempt=code), str(image)]
    environment = {**os.environ, "PYTHONPATH": SOURCE, "PARENT": str(os.getpid())}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    return done.stdout or f"{done.returncode} {done.stderr[-300:]}"


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "os.listdir('/')",
        "os.listdir('/tmp')",
        "open('/tmp/zcloud-escape', 'w')",
        "open('/dev/null', 'w')",
        "open('/usr/zcloud-escape', 'w')",
        "open(f'/proc/self/fd/{fd}', 'r+b')",
        "os.truncate(f'/proc/self/fd/{fd}', 0)",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "os.kill(int(os.environ['PARENT']), 0)",
        "os.kill(1, 0)",
        "os.setuid(0)",
        "os.write(os.memfd_create('big'), bytes(2 << 20)) == 2 << 20 or os.write(99, b'')",
    ],
)
def test_the_confined_child_cannot(code: str, tmp_path: Path) -> None:
    assert attempt(code, tmp_path) in {"PermissionError", "OSError", "ProcessLookupError"}


@pytest.mark.parametrize(
    "code", ["os.pread(fd, 1, 0)", "open(f'/proc/self/fd/{fd}').read()", "open('/usr/bin/env', 'rb')"]
)
def test_the_confined_child_can_still(code: str, tmp_path: Path) -> None:
    assert attempt(code, tmp_path) == "done"


def test_the_child_is_light() -> None:
    code = "import sys, zcloud.confined.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    command = [sys.executable, "-P", "-s", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    loaded = set(done.stdout.split())
    assert "zcloud" in loaded
    assert not loaded & {"libvirt", "asyncssh", "asyncio", "sqlalchemy", "socket", "ssl", "threading", "yaml", "lxml"}
