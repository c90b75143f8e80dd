"""A throw-away Ceph cluster on one address: a monitor, a manager and OSDs, started and ended by whoever needs it.

    with Ceph(lab.gateway) as ceph:
        ceph.run("osd", "pool", "create", "vms", "8")

The programs are the distribution's. Nothing of it is below /etc/ceph, and it ends when the process that holds it does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.commands import Command, run

PROGRAMS = ("ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "rbd")
PORT = 6789
_START_S = 60.0
_OSD_BYTES = 6 << 30

# Small, and without what would be measured or tuned first; a lone OSD keeps one copy of everything.
_CONFIG = """
[global]
fsid = {fsid}
mon_host = [v2:{address}:3300/0,v1:{address}:6789/0]
public_addr = {address}
ms_bind_ipv6 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {top}/$name.keyring
run_dir = {top}
log_file = {top}/$name.log
admin_socket = {top}/$name.asok
pid_file = {top}/$name.pid
mon_data = {top}/mon
mgr_data = {top}/mgr
osd_data = {top}/osd.$id
crash_dir = {top}/crash
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 2
mon_data_avail_crit = 1
mon_osd_down_out_interval = 600
mgr_initial_modules =
mgr_disabled_modules = *
osd_pool_default_size = {copies}
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_heartbeat_interval = 1
osd_heartbeat_grace = 4
osd_objectstore = bluestore
osd_mclock_skip_benchmark = true
osd_op_num_shards = 1
osd_op_num_threads_per_shard = 2
osd_memory_target = 939524096
bluestore_block_size = {size}
bluestore_block_create = true
bluestore_cache_autotune = false
bluestore_cache_size = 67108864
bluestore_fsck_on_mount = false
"""


def missing_programs() -> list[str]:
    """Give the programs that a cluster needs and that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Ceph:
    """A cluster whose daemons listen on ``address``; with several ``osds`` everything is kept twice."""

    def __init__(self, address: str, *, osds: int = 1) -> None:
        self.address = address
        self.osds = osds
        self.directory = Path()
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="zceph-", dir="/var/tmp"))
        try:
            self._make_monitor()
            self._make_manager()
            for number in range(self.osds):
                self._make_osd(number)
            self._until(lambda: self.up() == self.osds, f"{self.osds} OSDs are up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def monitors(self) -> str:
        """Give what a client is told of the monitors."""
        return f"{self.address}:{PORT}"

    @property
    def config(self) -> Path:
        """Give the configuration with which everything may be done."""
        return self.directory / "ceph.conf"

    @property
    def admin_key(self) -> str:
        """Give the key of client.admin."""
        return self.run("auth", "get-key", "client.admin")

    def run(self, *words: str) -> str:
        """Run ``ceph`` as admin and give its output; raises BuildFailed."""
        return run(Command(("ceph", "--conf", str(self.config), "--connect-timeout", "20", *words))).strip()

    def rbd(self, *words: str) -> str:
        """Run ``rbd`` as admin and give its output; raises BuildFailed."""
        return run(Command(("rbd", "--conf", str(self.config), *words))).strip()

    def make_pool(self, name: str, user: str) -> str:
        """Make a pool for block devices and a user who may use it, and give the user's key."""
        self.run("osd", "pool", "create", name, "8")
        self.rbd("pool", "init", name)
        may = f"profile rbd pool={name}"
        return self.run("auth", "get-or-create-key", f"client.{user}", "mon", "profile rbd", "osd", may, "mgr", may)

    def wait_for_room(self, pool: str) -> None:
        """Wait until the cluster has reckoned how much room a new pool has, which takes it seconds."""

        def room() -> int:
            found = json.loads(self.run("df", "--format", "json").splitlines()[-1])["pools"]
            return sum(int(each["stats"]["max_avail"]) for each in found if each["name"] == pool)

        self._until(lambda: room() > 0, f"the room of the pool {pool} is reckoned")

    def up(self) -> int:
        """Give the number of OSDs that are up."""
        return int(json.loads(self.run("osd", "stat", "--format", "json").splitlines()[-1])["num_up_osds"])

    def kill_osd(self, number: int) -> None:
        """Kill an OSD at once."""
        self._end(f"osd.{number}")

    def start_osd(self, number: int) -> None:
        """Start an OSD that was killed, on the data that it has."""
        self._start(f"osd.{number}", "ceph-osd", "--id", str(number))

    def close(self) -> None:
        """End all daemons and remove all files."""
        for name in list(self._daemons):
            self._end(name)
        if self.directory.name.startswith("zceph-"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _make_monitor(self) -> None:
        fsid, top = str(uuid4()), self.directory
        copies = min(self.osds, 2)
        text = _CONFIG.format(fsid=fsid, address=self.address, top=top, copies=copies, size=_OSD_BYTES)
        self.config.write_text(text)
        admin, shared = top / "client.admin.keyring", top / "mon.keyring"
        everything = ("mon", "allow *", "osd", "allow *", "mgr", "allow *")
        caps = [
            word for name, cap in zip(everything[::2], everything[1::2], strict=True) for word in ("--cap", name, cap)
        ]
        _run("ceph-authtool", "-C", str(shared), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        _run("ceph-authtool", "-C", str(admin), "--gen-key", "-n", "client.admin", *caps)
        _run("ceph-authtool", str(shared), "--import-keyring", str(admin))
        places = f"[v2:{self.address}:3300,v1:{self.address}:{PORT}]"
        _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", places, str(top / "monmap"))
        mkfs = ("--mkfs", "--id", "a", "--monmap", str(top / "monmap"), "--keyring", str(shared))
        _run("ceph-mon", "--conf", str(self.config), *mkfs)
        self._start("mon.a", "ceph-mon", "--id", "a")

    def _make_manager(self) -> None:
        caps = ("mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
        (self.directory / "mgr").mkdir()
        (self.directory / "mgr.x.keyring").write_text(self.run("auth", "get-or-create", "mgr.x", *caps) + "\n")
        self._start("mgr.x", "ceph-mgr", "--id", "x")

    def _make_osd(self, number: int) -> None:
        name, uuid = f"osd.{number}", str(uuid4())
        (self.directory / name).mkdir()
        self.run("osd", "new", uuid, str(number))
        caps = ("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *")
        keyring = self.run("auth", "get-or-create", name, *caps)
        (self.directory / f"{name}.keyring").write_text(keyring + "\n")
        _run("ceph-osd", "--conf", str(self.config), "--id", str(number), "--mkfs", "--osd-uuid", uuid)
        self.start_osd(number)

    def _start(self, name: str, program: str, *arguments: str) -> None:
        argv = [sys.executable, "-m", "zcloud.lab.tether", program, "--conf", str(self.config), "-f", *arguments]
        with (self.directory / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is not None:
            assert daemon.stdin is not None
            daemon.stdin.close()
            daemon.wait()

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _START_S
        while not holds():
            if time.monotonic() > deadline:
                raise BuildFailed(f"The Ceph cluster does not come up: not within {_START_S:.0f} s: {what}.")
            time.sleep(0.1)


def _run(*argv: str) -> None:
    run(Command(argv))
