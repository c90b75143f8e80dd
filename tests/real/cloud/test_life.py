"""What a guest on a real host is asked for, and by whom its address is seen: agent, neighbour table, DHCP lease."""

from __future__ import annotations

import itertools

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for

from zcloud.domain.errors import GuestRefused
from zcloud.domain.instance import Instance
from zcloud.drivers.guest.agent import Result
from zcloud.services.direct import Direct
from zcloud.services.insides import Insides


def test_it_is_seen_and_answers(cloud: Cloud, owned: Instance) -> None:
    port = cloud.instances.show(ADMIN, "", owned.id).ports[0]
    assert port.address in {each["address"] for each in owned.observed["addresses"]}
    insides = Insides(cloud.runtime.services, Direct(cloud.runtime.pool.link))
    _ask_its_agent(insides, owned)
    ping = ["ping", "-c1", "-W2", port.address]
    wait_for(lambda: cloud.host.run(ping, check=False).returncode == 0, 180, "an answer to a ping")
    ask = ("/bin/udhcpc", "-i", "eth0", "-s", "/etc/udhcpc.sh", "-n", "-q")
    assert _ran(insides, owned, *ask).code == 0  # its seed has the address; one that asks gets the same
    wait_for(lambda: {"agent", "traffic", "lease"} <= _sources(cloud, owned.id, port.address), 60, "who has seen it")
    assert cloud.host.run(ping, check=False).returncode == 0


def _sources(cloud: Cloud, name: str, address: str) -> set[str]:
    seen = cloud.instance(name).observed["addresses"]
    return {source for each in seen if each["address"] == address for source in each["seen"]}


def _ran(insides: Insides, owned: Instance, *argv: str, given: str = "") -> Result:
    pid = insides.execute(ADMIN, "", owned.id, argv, given)
    results = (insides.result(ADMIN, "", owned.id, pid) for _ in itertools.count())
    return wait_for(lambda: each if (each := next(results)).exited else None, 60, f"the end of {argv}")


def _ask_its_agent(insides: Insides, owned: Instance) -> None:
    """A command with its end, a file, a password kept as a hash, the file systems, and what the guest refuses."""
    name = owned.id
    failed = _ran(insides, owned, "/bin/sh", "-c", "cat; echo oops >&2; exit 3", given="hello")
    assert (failed.code, failed.out, failed.err) == (3, b"hello", b"oops\n")
    assert insides.read_file(ADMIN, "", name, "/run/ran", 99) == b"first\nsecond\n"
    assert insides.read_file(ADMIN, "", name, "/etc/hosts", 9) == b"127.0.0.1"
    insides.set_password(ADMIN, "", name, "root", "a better one")
    assert _ran(insides, owned, "/bin/grep", "^root:[$]5[$]", "/etc/shadow").code == 0
    assert insides.filesystems(ADMIN, "", name) == []  # all of it is in memory
    assert insides.trim(ADMIN, "", name) == ()
    facts, ahead_s = insides.info(ADMIN, "", name)
    assert (facts.os, facts.hostname, facts.users) == ("Tiny guest", owned.name, ())
    assert ahead_s is not None
    _ran(insides, owned, "/bin/date", "-s", "2020-01-01 00:00")
    assert (insides.info(ADMIN, "", name)[1] or 0) < -1e6
    insides.set_time(ADMIN, "", name)
    assert abs(insides.info(ADMIN, "", name)[1] or 0) < 30
    for refused in (
        lambda: insides.set_password(ADMIN, "", name, "nobody", "x"),
        lambda: insides.execute(ADMIN, "", name, ["/no/such"], ""),
        lambda: insides.read_file(ADMIN, "", name, "/no/such", 1),
    ):
        with pytest.raises(GuestRefused):
            refused()
