"""A server whose host is a nested machine: what a kernel without device-mapper and NFS cannot show."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.storage.machine import storage_image

from bench.served import Served, served
from bench.stands import GROUP
from zcloud.lab.nested import NestedHost

_DISK = "12G"


@contextmanager
def nested_cloud() -> Iterator[tuple[Served, NestedHost]]:
    """Give a server with the host ``nested``, on which there are a volume group and no pool."""
    with tempfile.TemporaryDirectory(prefix="zcloud-bench-disks-") as place:
        disk = Path(place) / "group.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), _DISK], check=True)
        devices = ("-drive", f"file={disk},if=none,id=group,cache=unsafe", "-device", "virtio-blk-pci,drive=group")
        with NestedHost(storage_image(), devices=devices) as machine:
            machine.run(["vgcreate", "-q", GROUP, "/dev/vdb"])
            with served() as server:
                _enlist(server, machine)
                yield server, machine


def _enlist(server: Served, machine: NestedHost) -> None:
    public = server.config.ssh_key.with_suffix(".pub").read_text()
    machine.run(["mkdir", "-p", "-m", "700", "/root/.ssh"])
    machine.run(["tee", "-a", "/root/.ssh/authorized_keys"], stdin=public)
    host_key = machine.run(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout.split()
    access = {"address": "127.0.0.1", "port": machine.port, "user": "root", "host_key": " ".join(host_key[:2])}
    server.done(server.client.post("/v1/hosts", {"name": "nested", **access}))
