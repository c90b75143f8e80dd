"""The root helper's door: who may speak, what it runs, what it answers. No root is needed here."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zcloud.domain.errors import (
    CommandFailed,
    CommandForbidden,
    DeadlineExceeded,
    Forbidden,
    HostUnreachable,
    Internal,
    NotFound,
    from_record,
)
from zcloud.hosts import helper, helperwire
from zcloud.hosts.local import HelperRunner, connect_helper
from zcloud.hosts.shell import CommandShell

Connect = Callable[[], socket.socket]


def _connector(root: Path, uid: int) -> Connect:
    def connect() -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(target=helper.serve_connection, args=(theirs, uid, [str(root)]), daemon=True).start()
        ours.settimeout(10)
        return ours

    return connect


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    """Give what connects to a helper that works below the test's directory."""
    return _connector(tmp_path, os.geteuid())


@pytest.fixture
def shell(connect: Connect, tmp_path: Path) -> CommandShell:
    """Give a shell behind that helper."""
    return CommandShell(HelperRunner(connect), [str(tmp_path)])


def test_files_go_through_the_helper(shell: CommandShell, tmp_path: Path) -> None:
    path = str(tmp_path / "d" / "it's a file")
    data = os.urandom(9 << 20)
    told: list[int] = []
    shell.upload(io.BytesIO(data), path, mode=0o640, progress=told.append)
    assert told[-1] == len(data)
    assert Path(path).read_bytes() == data
    assert Path(path).stat().st_mode & 0o777 == 0o640
    assert shell.read_file(path, limit=10, tail=True) == data[-10:]
    assert [(fact.path, fact.size) for fact in shell.list_files(str(tmp_path / "d"))] == [(path, len(data))]
    assert shell.space(str(tmp_path)).total > 0
    shell.remove(path)
    with pytest.raises(NotFound):
        shell.read_file(path)


def test_failures_come_back_as_what_they_are(shell: CommandShell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CommandFailed, match="No such file"):
        shell.run(["sha256sum", str(tmp_path / "none")])
    with pytest.raises(DeadlineExceeded):
        shell.run(["cat", str(tmp_path / "pipe")], timeout_s=0.2)


@pytest.mark.parametrize("argv", [["sh", "-c", "true"], ["cat", "/etc/shadow"], ["rm", "-f", "/x"], []])
def test_the_helper_checks_for_itself(connect: Connect, argv: list[str]) -> None:
    with pytest.raises(CommandForbidden):
        HelperRunner(connect).execute(argv, (), timeout_s=5)


def test_the_helper_checks_nft_scripts(connect: Connect) -> None:
    with pytest.raises(CommandForbidden, match="not about"):
        HelperRunner(connect).execute(["nft", "-f", "-"], [b"flush ", b"ruleset"], timeout_s=5)


def test_a_link_that_leads_out_of_the_roots_is_refused(shell: CommandShell, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "file").symlink_to("/etc/hostname")
    for path in (tmp_path / "out" / "hostname", tmp_path / "file"):
        with pytest.raises(CommandForbidden, match="leads out"):
            shell.read_file(str(path))


def test_another_user_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helperwire, "peer_uid", lambda stream: 4242)
    with pytest.raises(Forbidden):
        HelperRunner(_connector(tmp_path, 4243)).execute(["true"], (), timeout_s=5)


def test_the_peers_user_is_the_kernels_word() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert helperwire.peer_uid(ours) == os.geteuid()


@pytest.mark.parametrize("request_", [b"", b"nonsense", b"{}", b'{"argv": 5, "timeout_s": 1}', b'{"argv": ["true"]}'])
def test_malformed_requests_are_answered(connect: Connect, request_: bytes) -> None:
    with connect() as stream:
        helperwire.send(stream, b"R", request_)
        answer = helperwire.receive(stream)
    assert answer.letter == b"X"
    assert isinstance(from_record(json.loads(answer.payload)), Internal)


def test_a_frame_too_long_is_refused(connect: Connect) -> None:
    with connect() as stream:
        stream.sendall(b"R\xff\xff\xff\xff")
        assert isinstance(from_record(json.loads(helperwire.receive(stream).payload)), HostUnreachable)


def test_the_socket_belongs_to_the_service_alone_and_an_old_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("old")
    with helper.listen(str(path), os.geteuid()) as listener:
        assert path.stat().st_mode & 0o777 == 0o600
        threading.Thread(target=helper.serve, args=(listener, os.geteuid(), [str(tmp_path)]), daemon=True).start()
        runner = HelperRunner(lambda: connect_helper(str(path)))
        assert runner.execute(["true"], (), timeout_s=5).code == 0
        listener.shutdown(socket.SHUT_RDWR)


def test_no_helper_is_no_host(tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable, match="cannot be reached"):
        connect_helper(str(tmp_path / "none"))


def test_an_upload_that_breaks_off_leaves_nothing(shell: CommandShell, tmp_path: Path) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise ValueError("the source broke")
            return super().read(size)

    with pytest.raises(ValueError, match="source broke"):
        shell.upload(Breaking(bytes(2 << 20)), str(tmp_path / "up"))
    assert shell.list_files(str(tmp_path)) == []


def _pieces() -> Iterator[bytes]:
    yield b"x" * (helperwire.MAX_FRAME + 5)


def test_a_piece_longer_than_a_frame_is_split(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    fill = ["dd", "status=none", "bs=1M", "conv=fsync,nocreat", f"of={tmp_path}/f"]
    assert HelperRunner(connect).execute(fill, _pieces(), timeout_s=10).code == 0
    assert (tmp_path / "f").stat().st_size == helperwire.MAX_FRAME + 5


def test_what_serves_a_mount_outlives_the_unit_that_mounts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOCATION_ID", "1")
    mount = ["mount", "-t", "glusterfs", "-o", "nosuid", "--", "g1.test:/vms", "/x"]
    unit, _, command = " ".join(helper._outside(mount, 25)).partition(" -- ")
    assert (unit.startswith("systemd-run "), command) == (True, " ".join(mount))
    assert "-p KillMode=process" in unit  # systemd kills else what the command leaves running
    assert "KillMode" not in " ".join(helper._outside(["umount", "--", "/x"], 25))
    monkeypatch.delenv("INVOCATION_ID")
    assert helper._outside(mount, 25) == mount
