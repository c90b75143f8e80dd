"""``ports.Shell`` over a host in memory. The closed list of commands is checked as on a real host."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from zcloud.domain.errors import CommandFailed, HostUnreachable, NotFound, ZcloudError
from zcloud.hosts import commands
from zcloud.ports import Completed, FileFacts, Space
from zcloud.testing import fakeimages
from zcloud.testing.fakeblocks import FakeBlocks
from zcloud.testing.fakedisk import KEPT, FakeDisk, FakeError, FakeFile
from zcloud.testing.fakeiscsi import FakeIscsi
from zcloud.testing.fakelvm import FakeLvm
from zcloud.testing.fakenft import FakeNft
from zcloud.testing.fakerbd import FakeRbd

Handler = Callable[[Sequence[str], bytes], bytes]

_PIECE = 1 << 20
_ANSWERS = {
    "ip -j addr show": b"[]",
    "ip -j -d link show": b"[]",
    "ip -j route show": b"[]",
    "ip link set dev": b"",
    "sysctl -n net.ipv4.ip_forward": b"1\n",
    "qemu-img --version": b"qemu-img version 7.2\n",
    "dhcp_release": b"",
    "chown": b"",
    "guestfish --version": b"guestfish 1.48.6\n",
}


class FakeShell:
    """One host's commands and files.

    ``history`` has every command; ``unreachable`` makes every verb raise HostUnreachable; ``disk.total`` can be
    lowered until it is full; ``fail`` plans an error for the next command that begins with given words; ``answers``
    has what commands without a handler print.
    """

    def __init__(self, *, disk: FakeDisk | None = None, roots: Sequence[str] = commands.DEFAULT_ROOTS) -> None:
        self.disk = disk or FakeDisk()
        self.rbd, self.iscsi = FakeRbd(), FakeIscsi()
        self.lvm, self.nft = FakeLvm(self.disk), FakeNft()
        self.blocks = FakeBlocks(self.disk)
        self.roots = tuple(roots)
        self.history: list[tuple[str, ...]] = []
        self.unreachable = False
        self.answers: dict[str, bytes] = dict(_ANSWERS)
        self._planned: list[tuple[str, ZcloudError]] = []
        self._due: dict[int, ZcloudError] = {}
        self._lock = threading.RLock()
        self._handlers: Mapping[str, Handler] = {
            "mkdir": self._mkdir,
            "rmdir": lambda argv, _: self._quietly(self.disk.remove_directory, argv[-1]),
            "ls": lambda argv, _: "".join(f"{name}\n" for name in sorted(self.disk.directory(argv[-1]).names)).encode(),
            "stat": self._stat,
            "realpath": lambda argv, _: argv[-1].encode() + b"\n",
            "mv": lambda argv, _: self._quietly(self.disk.rename, argv[-2], argv[-1]),
            "cp": lambda argv, _: self._quietly(self.disk.copy, argv[-2], argv[-1]),
            "chmod": lambda argv, _: self._quietly(self.disk.change_mode, argv[-1], argv[1]),
            "rm -r": lambda argv, _: self._quietly(self.disk.remove, argv[-1]),
            "env LIBGUESTFS_BACKEND=direct": self._appliance,
            "env -i": self._guestfish,
            "sha256sum": lambda argv, _: f"{self.disk.file(argv[-1]).digest}  {argv[-1]}\n".encode(),
            "mount": lambda argv, _: self._quietly(self.disk.mount, argv[-2], argv[-1]),
            "cat": self._cat,
            **(images := fakeimages.handlers(self.disk)),
            **(network := self.rbd.handlers(self.disk, images["qemu-img convert"])),
            **self.iscsi.handlers(self.disk, {**images, **network}),
            **self.lvm.handlers(),
            **self.blocks.handlers(),
            "nft -f": lambda _, stdin: self.nft.apply(stdin.decode()),
            "nft -j": lambda argv, _: self.nft.listing(" ".join(argv[-2:])),
        }

    def fail(self, words: str, error: ZcloudError) -> None:
        """Make the next command (or verb: ``write_file``, ``upload``, ``remove``) that begins so raise an error."""
        self._planned.append((words, error))

    def fail_at(self, number: int, error: ZcloudError) -> None:
        """Make the command (or verb) with a number, counted from 1 over the whole history, raise an error."""
        self._due[number] = error

    def heal(self) -> None:
        """Forget the errors that are planned and have not come."""
        self._planned.clear()
        self._due.clear()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 30.0,  # noqa: ARG002
        check: bool = True,
    ) -> Completed:
        """Run a command (see ``ports.Shell.run``)."""
        commands.check(argv, stdin=stdin, roots=self.roots)
        with self._entered(*argv):
            try:
                return Completed(0, self._handle(argv, stdin), b"")
            except FakeError as error:
                if check:
                    raise CommandFailed(
                        f"{' '.join(argv[:2])} ended with code {error.code}: {error}", exit_code=error.code
                    ) from error
                return Completed(error.code, b"", f"{error}\n".encode())

    def run_all(self, batch: Sequence[Sequence[str]], *, timeout_s: float = 30.0) -> None:
        """Run commands in turn (see ``ports.Shell.run_all``)."""
        for argv in batch:
            commands.check(argv, roots=self.roots)
        for argv in batch:
            self.run(argv, timeout_s=timeout_s)

    def read_file(self, path: str, *, limit: int = 1 << 20, tail: bool = False) -> bytes:
        """Give at most ``limit`` bytes of a file."""
        with self._entered("read_file", path):
            try:
                data = self.disk.file(path).data
            except FakeError as error:
                raise NotFound(f"There is no {path!r} on the host.", path=path) from error
            return data[-limit:] if tail else data[:limit]

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str = "") -> None:
        """Write a file whole or not at all."""
        with self._entered("write_file", path), _as_command("dd"):
            self.disk.write(path, data, mode, owner)

    def upload(
        self, source: BinaryIO, path: str, *, mode: int = 0o600, progress: Callable[[int], None] | None = None
    ) -> None:
        """Copy a stream to a file; of a large one the digest is kept, not the bytes."""
        with self._entered("upload", path), _as_command("dd"):
            digest, kept, total = hashlib.sha256(), b"", 0
            while piece := source.read(_PIECE):
                digest.update(piece)
                kept, total = kept + piece[: KEPT - len(kept)], total + len(piece)
                if progress is not None:
                    progress(total)
            self.disk.make_directory(path.rpartition("/")[0])
            self.disk.put(path, FakeFile(kept, total, total, digest.hexdigest(), mode))

    def remove(self, *paths: str) -> None:
        """Remove files if they are there."""
        for path in paths:
            with self._entered("remove", path):
                self.disk.remove(path)

    def list_files(self, directory: str) -> list[FileFacts]:
        """Give the files directly in a directory."""
        with self._entered("list_files", directory):
            return [FileFacts(path, file.size, file.allocated) for path, file in self.disk.files_in(directory)]

    def space(self, path: str) -> Space:
        """Give the size and the free bytes."""
        with self._entered("space", path):
            disk = self.disk.holding(path)
            if path not in disk.directories and path not in disk.files:
                raise NotFound(f"There is no {path!r} on the host.", path=path)
            return Space(disk.total, disk.available)

    # -- within --------------------------------------------------------------------------------

    @contextmanager
    def _entered(self, *words: str) -> Iterator[None]:
        with self._lock:
            if self.unreachable:
                raise HostUnreachable("The host does not answer.")
            self.history.append(words)
            if len(self.history) in self._due:
                raise self._due.pop(len(self.history))
            for index, (beginning, error) in enumerate(self._planned):
                if " ".join(words).startswith(beginning):
                    del self._planned[index]
                    raise error
            yield

    def _handle(self, argv: Sequence[str], stdin: bytes) -> bytes:
        handler = self._handlers.get(" ".join(argv[:2])) or self._handlers.get(argv[0])
        if handler is not None and " ".join(argv) not in self.answers:
            return handler(argv, stdin)
        line = " ".join(argv)
        for beginning, answer in self.answers.items():
            if line.startswith(beginning):
                return answer
        raise FakeError(f"{argv[0]}: command not found")

    def _quietly(self, work: Callable[..., None], *arguments: str) -> bytes:
        work(*arguments)
        return b""

    def _appliance(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        self.disk.write(argv[-1], b"", 0o755)
        return b""

    def _guestfish(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        """Look for what it is given; the script runs in no system here."""
        for path in (argv[argv.index("-a") + 1], argv[argv.index("upload") + 1]):
            self.disk.file(path)
        return b"network: netplan\n"

    def _cat(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        if argv[-1] == "/etc/fstab":
            return "".join(f"{line}\n" for line in self.blocks.fstab).encode()
        if argv[-1] != "/proc/mounts":
            raise FakeError(f"cat: {argv[-1]}: No such file or directory")
        lines = [f"{source} {place} nfs4 rw,hard 0 0\n" for place, (source, _) in self.disk.mounts.items()]
        return "".join(["/dev/sda1 / ext4 rw 0 0\n", *lines]).encode()

    def _mkdir(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        mode = int(argv[argv.index("-m") + 1], 8) if "-m" in argv else 0o755
        self.disk.make_directory(argv[-1], mode)
        return b""

    def _stat(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        path, format = argv[-1], argv[argv.index("-c") + 1]
        if "-f" in argv:
            self.disk.directory(path)
            return f"{self.disk.holding(path).kind}\n".encode()
        if format == "%F":
            self.disk.file(path)
            return b"directory\n"
        if format == "%s":
            return f"{self.disk.file(path).size}\n".encode()
        if format == "%u":
            return f"{self.disk.file(path).owner.partition(':')[0] or 0}\n".encode()
        directory = self.disk.directory(path)
        return f"{directory.mode:o}:{directory.owner}\n".encode()


@contextmanager
def _as_command(name: str) -> Iterator[None]:
    try:
        yield
    except FakeError as error:
        raise CommandFailed(f"{name} ended with code 1: {error}", exit_code=1) from error
