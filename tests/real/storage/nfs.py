"""The kernel's NFS server of the nested host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zcloud.lab.nested import NestedHost

EXPORTS = "/srv/nfs"


@contextmanager
def serving(machine: NestedHost) -> Iterator[NestedHost]:
    """Export directories below ``EXPORTS``, and one in which root is nobody."""
    machine.run(["mkdir", "-p", f"{EXPORTS}/open", "/srv/squashed"])
    lines = f"{EXPORTS} 127.0.0.1(rw,no_root_squash,no_subtree_check)\n/srv/squashed 127.0.0.1(rw,no_subtree_check)\n"
    machine.run(["tee", "/etc/exports"], stdin=lines)
    machine.run(["systemctl", "start", "nfs-server"])
    yield machine
    machine.run(["systemctl", "stop", "nfs-server"])


@contextmanager
def silent(server: NestedHost) -> Iterator[None]:
    """Have the server's packets dropped: nobody refuses, nobody answers."""
    rules = "table inet silence { chain input { type filter hook input priority 0; tcp dport 2049 drop; }; }"
    server.run(["nft", "-f", "-"], stdin=rules)
    try:
        yield
    finally:
        server.run(["nft", "delete", "table", "inet", "silence"])
