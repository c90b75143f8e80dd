"""A screen's local port: whose connection it is, and what a viewer is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from zcloud.cli.viewing import is_mine, viewer_file

_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def _line(local: int, remote: int, uid: int) -> str:
    return (
        f"   0: 0100007F:{local:04X} 0100007F:{remote:04X} 01 00000000:00000000 00:00000000 00000000 {uid:5d} 0 1 1\n"
    )


def test_the_kernel_tells_that_a_connection_is_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        theirs, ours = client.getsockname()[1], server.getsockname()[1]
        assert is_mine(theirs, ours)
        assert not is_mine(ours, ours)


def test_another_users_connection_is_not_ours(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    table.write_text(_HEAD + _line(5900, 40000, os.getuid()) + _line(40000, 5900, os.getuid() + 1))
    assert not is_mine(40000, 5900, table)
    table.write_text(_HEAD + _line(40000, 5900, os.getuid()))
    assert is_mine(40000, 5900, table)


def test_where_the_kernel_does_not_tell_everybody_is_trusted(tmp_path: Path) -> None:
    assert is_mine(1, 2, tmp_path / "absent")


def test_a_viewer_file_is_whole() -> None:
    text = viewer_file("spice", 5901, "web")
    assert text.startswith("[virt-viewer]\ntype=spice\nhost=127.0.0.1\nport=5901\ntitle=web\n")
