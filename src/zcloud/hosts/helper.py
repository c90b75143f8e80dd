"""The root helper: runs the closed list of commands as root for the unprivileged service on the same machine.

``python -m zcloud.hosts.helper --user zcloud`` is started by its own systemd unit, which also bounds what it sees
of the file system. It listens on a socket of mode 0600 that belongs to the service's user, checks each caller's
user id, and checks each command itself: what the caller claims counts for nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import socket
import threading
from collections.abc import Iterator, Sequence

from zcloud.domain.errors import CommandForbidden, Forbidden, Internal, ZcloudError
from zcloud.domain.storage import MOUNTS
from zcloud.hosts import commands, helperwire, process

_IDLE_S = 60.0
_LONGEST_S = 24 * 3600.0
_SCRIPT_LIMIT = 8 << 20
_LOOK_S = 10.0
_OUTSIDE = ("mount", "umount", "lsblk", "udevadm", "wipefs", "sfdisk", "mkfs.ext4", "mkfs.xfs", "sed")
_RELOAD = ["systemctl", "daemon-reload"]
_UNIT = "INVOCATION_ID"  # systemd sets it for what it starts


def serve_connection(stream: socket.socket, uid: int, roots: Sequence[str]) -> None:
    """Serve one caller: check who it is and what it wants, run it, answer; every error is answered too."""
    with stream:
        stream.settimeout(_IDLE_S)
        try:
            if helperwire.peer_uid(stream) not in (0, uid):
                raise Forbidden("The root helper serves another user.")
            _serve(stream, roots)
        except ZcloudError as error:
            _answer(stream, error)
        except (ValueError, KeyError, TypeError) as error:
            _answer(stream, Internal(f"The root helper got a malformed request: {type(error).__name__}."))
        except OSError:
            return  # the caller is gone; its command was killed


def _answer(stream: socket.socket, error: ZcloudError) -> None:
    try:
        helperwire.send(stream, b"X", json.dumps(error.to_record()).encode())
    except OSError:
        return


def _serve(stream: socket.socket, roots: Sequence[str]) -> None:
    letter, payload = helperwire.receive(stream)
    if letter != b"R":
        raise CommandForbidden("The root helper's caller did not begin with a request.")
    request = json.loads(payload)
    argv, timeout_s = [str(word) for word in request["argv"]], float(request["timeout_s"])
    feed: Iterator[bytes] = _input(stream)
    script = b""
    if commands.takes_script(argv):
        script = _whole(feed)
        feed = iter([script])
    _refuse_links(commands.check(argv, stdin=script, roots=roots), roots)
    timeout_s = min(timeout_s, _LONGEST_S)
    done = process.run(_outside(argv, timeout_s), feed, timeout_s=timeout_s, caller=stream.fileno())
    helperwire.send(stream, b"O", done.stdout)
    helperwire.send(stream, b"E", done.stderr)
    helperwire.send(stream, b"D", str(done.code).encode())


def _input(stream: socket.socket) -> Iterator[bytes]:
    while True:
        letter, payload = helperwire.receive(stream)
        if letter != b"I" or not payload:
            return
        yield payload


def _whole(feed: Iterator[bytes]) -> bytes:
    data = bytearray()
    for piece in feed:
        data += piece
        if len(data) > _SCRIPT_LIMIT:
            raise CommandForbidden("The script is too long.", limit=_SCRIPT_LIMIT)
    return bytes(data)


def _outside(argv: Sequence[str], timeout_s: float) -> Sequence[str]:
    """Give how mounts, disks and /etc are reached: a unit of systemd has its own view of them, so systemd does it."""
    if (argv[0] not in _OUTSIDE and list(argv) != _RELOAD) or _UNIT not in os.environ:
        return argv
    words = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "-p", f"RuntimeMaxSec={timeout_s:.0f}"]
    # Gluster's client is a process that serves its mount from then on: it must outlive the unit.
    lasting = ["-p", "KillMode=process"] if "glusterfs" in argv else []
    return [*words, *lasting, "--", *argv]


def _real(path: str) -> str:
    """Give where a path leads; below a mount another process looks, as it may hang where a server is silent."""
    if not commands.is_below(path, [MOUNTS]):
        return os.path.realpath(path)
    found = process.run(["realpath", "-m", "--", path], timeout_s=_LOOK_S)
    return found.stdout.decode(errors="surrogateescape").removesuffix("\n")


def _refuse_links(paths: Sequence[str], roots: Sequence[str]) -> None:
    """Refuse a path that a symbolic link leads out of the allowed roots."""
    real = [os.path.realpath(root) for root in roots]
    for path in paths:
        if not commands.is_below(_real(path), real, or_same=True):
            raise CommandForbidden(f"The path {path[:200]!r} leads out of the allowed directories.", path=path[:200])


def listen(path: str, uid: int) -> socket.socket:
    """Give a listening socket of mode 0600 that belongs to ``uid``; an old one at that path is replaced."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(old)
    os.chown(path, uid, -1)
    listener.listen(64)
    return listener


def serve(listener: socket.socket, uid: int, roots: Sequence[str]) -> None:
    """Serve callers, each in a thread, until the listener is closed."""
    while True:
        try:
            stream, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_connection, args=(stream, uid, roots), daemon=True).start()


def main() -> None:
    """Start the helper; the roots come from its own command line, never from a caller."""
    parser = argparse.ArgumentParser(prog="zcloud-helper", description=__doc__)
    parser.add_argument("--user", required=True, help="the service's user")
    parser.add_argument("--socket", default=helperwire.SOCKET)
    parser.add_argument("--root", action="append", default=[], help="a further directory to work below")
    options = parser.parse_args()
    uid = pwd.getpwnam(options.user).pw_uid
    os.makedirs(os.path.dirname(options.socket), mode=0o755, exist_ok=True)
    serve(listen(options.socket, uid), uid, (*commands.DEFAULT_ROOTS, *options.root))


if __name__ == "__main__":
    main()
