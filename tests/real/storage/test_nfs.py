"""NFS with the kernel's own server and client: the contract, refusals in plain words, a server that falls silent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import resources
from uuid import uuid4

import pytest
from tests.conformance import test_storage as contract
from tests.conformance.records import new_pool
from tests.real.storage.nfs import EXPORTS, silent

from zcloud.domain.errors import CommandFailed, DeadlineExceeded, InUse, PoolUnusable, StorageFailed
from zcloud.domain.storage import MIB, MOUNTS, Pool
from zcloud.drivers import registry
from zcloud.drivers.storage.base import StorageDriver, VolumeSpec
from zcloud.lab.nested import NestedHost
from zcloud.ports import HostLink


def exported(server: NestedHost, **changes: str) -> Pool:
    """Give a pool in a directory of the server's that was just made."""
    export = f"{EXPORTS}/{uuid4()}"
    server.run(["mkdir", export])
    return new_pool("nfs", server="127.0.0.1", **{"export": export, **changes})


@pytest.fixture
def driver(server: NestedHost, nested_link: HostLink) -> Iterator[StorageDriver]:
    """Give a driver whose pool is joined and made, and see that it can be unmade and left."""
    driver = registry.storage(exported(server), nested_link)
    assert driver.join()
    assert not driver.join()
    driver.ensure_pool()
    driver.check()
    yield driver
    contract.clear(driver)
    driver.remove_pool()
    driver.leave()
    driver.leave()


def test_the_contract_holds_over_the_kernel_s_mount(driver: StorageDriver) -> None:
    contract.test_base_arrives_once_and_whole(driver)
    contract.test_root_volume_over_a_base(driver)


def test_what_is_wrong_is_said_in_mount_s_words(server: NestedHost, nested_link: HostLink) -> None:
    absent = registry.storage(exported(server, export=f"{EXPORTS}/absent"), nested_link)
    with pytest.raises(StorageFailed, match="No such file or directory"):
        absent.join()
    absent.leave()
    squashed = registry.storage(exported(server, export="/srv/squashed"), nested_link)
    squashed.join()
    with pytest.raises(PoolUnusable, match="root") as caught:
        squashed.ensure_pool()
    assert "no_root_squash" in caught.value.hint
    squashed.leave()
    first = exported(server)
    second = exported(server, export=str(first.options["export"]))
    owner = registry.storage(first, nested_link)
    owner.join()
    owner.ensure_pool()
    thief = registry.storage(second, nested_link)
    thief.join()
    with pytest.raises(InUse, match=first.id):
        thief.ensure_pool()
    thief.leave()
    owner.remove_pool()
    owner.leave()
    assert MOUNTS not in server.run(["cat", "/proc/mounts"]).stdout


def test_a_silent_server_costs_a_deadline_and_no_more(server: NestedHost, nested_link: HostLink) -> None:
    driver = registry.storage(exported(server), nested_link)
    driver.join()
    driver.ensure_pool()
    with silent(server):
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            driver.capacity()
        assert not driver.join(), "whether it is mounted is told without asking the server"
        assert nested_link.shell.run(["true"]).code == 0
        assert time.monotonic() - begun < 40
        fresh = registry.storage(exported(server), nested_link)
        with pytest.raises((StorageFailed, DeadlineExceeded, CommandFailed)):
            fresh.join()
        fresh.leave()
    spec = VolumeSpec(str(uuid4()), 4 * MIB)
    driver.ensure_volume(spec)
    driver.delete_volume(spec.id)
    driver.remove_pool()
    driver.leave()
    hung = server.run(["sh", "-c", "ps -eo stat,args | grep '^D.*zcloud-shared' || true"]).stdout
    assert hung == ""


def test_a_confined_helper_mounts_for_the_whole_machine(server: NestedHost) -> None:
    """With the properties of the helper's own unit: what it mounts itself nobody else would see."""
    unit = (resources.files("zcloud") / "deploy" / "zcloud-helper.service").read_text()
    service = unit.partition("[Service]")[2].partition("[Install]")[0]
    given = [line for line in service.splitlines() if "=" in line and not line.startswith(("#", "Exec", "Type", "Re"))]
    given += [line for line in service.splitlines() if line.startswith(("ReadWritePaths", "Restrict"))]
    place = f"{MOUNTS}/confined"
    server.run(["mkdir", "-p", place])
    confined = ["systemd-run", "--quiet", "--wait", "--pipe", *(f"--property={line}" for line in given), "--"]
    outside = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "-p", "RuntimeMaxSec=25", "--"]
    mount = ["mount", "-t", "nfs", "-o", "vers=4.2,hard,retry=0", "--", f"127.0.0.1:{EXPORTS}/open", place]
    look = ["sh", "-c", "cat /proc/mounts; touch " + place + "/seen"]
    server.run([*confined, *outside, *mount])
    assert place in server.run(["cat", "/proc/mounts"]).stdout
    assert place in server.run([*confined, *look]).stdout, "and its own view has it, to work in"
    server.run(["rm", f"{place}/seen"])
    server.run([*confined, *outside, "umount", "--", place])
    assert place not in server.run(["cat", "/proc/mounts"]).stdout
    server.run(["rmdir", place])
