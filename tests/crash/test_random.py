"""Random kills under a mixed load, fifty creates at once, and a worker that is stopped past its heartbeat."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import NewUrl, open_store
from tests.crash import cell as cells
from tests.crash.cell import Cell, until
from tests.crash.load import Load
from tests.threads import in_threads

from zcloud.domain.errors import NoRoom
from zcloud.domain.instance import InstanceSpec
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.operations.fence import HYPERVISOR_READS, SHELL_READS
from zcloud.testing.cloud import ADMIN
from zcloud.testing.cloudprocess import running
from zcloud.testing.hostprocess import Call

ROUNDS = int(os.environ.get("ZCLOUD_CRASH_ROUNDS", "20"))
ASKED_A_ROUND = 3
_READS = ("stat", "ls", "sha256sum", "nft -j", "ip", "sysctl", "qemu-img info", "qemu-img --version")


@pytest.fixture
def cell(new_url: NewUrl) -> Iterator[Cell]:
    with cells.made(new_url(), open_store) as made:
        yield made


def test_random_kills(cell: Cell) -> None:
    """Each round the process is killed at a random moment, while three more things are asked for."""
    seed = int(os.environ.get("ZCLOUD_SEED", "0")) or random.randrange(1 << 30)
    print("ZCLOUD_SEED", seed)
    chance = random.Random(seed)
    host_id = cell.cloud.add_host("alpha", vcpus=64)
    load = Load(cell.stage, host_id, chance)
    for _ in range(ROUNDS):
        with running(cell.site) as process:
            process.until_ready()
            for _ in range(ASKED_A_ROUND):
                load.ask()
                time.sleep(chance.uniform(0, 0.08))
            process.signal(signal.SIGKILL)
            assert process.wait(cells.DEADLINE_S) == -signal.SIGKILL
    ended = [cell.ended(operation) for operation in load.operations]
    failed = [each for each in ended if each.status is OperationStatus.FAILED]
    assert not failed, [_told(each) for each in ended if each.resource_id == failed[0].resource_id]
    assert max(each.epoch for each in ended) > 1, "no kill hit a running operation"
    cell.look_at(host_id)
    cell.books.check(host_id)


def test_fifty_creates_at_once_with_room_for_forty(cell: Cell) -> None:
    host_id = cell.cloud.add_host("alpha", vcpus=40, memory_mib=1 << 20)
    cell.keep()
    spec = dataclasses.replace(cell.stage.spec(host_id), disks=())
    answers = in_threads([_launching(cell, dataclasses.replace(spec, name=f"vm-{number}")) for number in range(50)])
    refusals = [answer for answer in answers if isinstance(answer, NoRoom)]
    operations = [answer for answer in answers if isinstance(answer, Operation)]
    assert (len(operations), len(refusals)) == (40, 10)
    for refusal in refusals:
        [reason] = refusal.details["refusals"]
        assert (reason["host"], reason["filter"]) == ("alpha", "cpu")
        assert reason["reason"]
    assert not [ended.error for ended in map(cell.ended, operations) if ended.error]
    cell.books.check(host_id)
    instances = cell.cloud.read(lambda tx: tx.instances.on_host(host_id))
    ports = cell.cloud.read(lambda tx: tx.ports.for_instances([each.id for each in instances]))
    addresses = Counter(port.address for group in ports.values() for port in group)
    assert len(instances) == len(addresses) == addresses.total() == 40


def _told(operation: Operation) -> tuple[object, ...]:
    steps = [f"{step.name} {step.status}" for step in operation.steps]
    return operation.workflow, operation.status, operation.epoch, steps, operation.error


def _launching(cell: Cell, spec: InstanceSpec) -> Callable[[], Operation | NoRoom]:
    def launch() -> Operation | NoRoom:
        try:
            return cell.cloud.launch.launch(ADMIN, "", spec)[1]
        except NoRoom as refusal:
            return refusal

    return launch


@pytest.mark.parametrize(
    ("point", "error"),
    [
        ("volumes.run@2", ""),
        ("ports.ensure_network_entry", ""),
        ("define.define", ""),
        ("start.start", ""),
        ("define.undo.undefine", "start.after"),
        ("volumes.undo.remove", "start.after"),
    ],
)
def test_a_stopped_worker_lands_nothing_after_the_takeover(cell: Cell, point: str, error: str) -> None:
    """SIGSTOP before an effect and past the heartbeat; another worker ends the operation; then the first goes on.

    Workers in several processes are a matter of PostgreSQL: one stopped within an SQLite transaction stops all.
    """
    if cell.site.config.url.startswith("sqlite"):
        pytest.skip("several workers need PostgreSQL")
    host_id, other_id = cell.cloud.add_host("alpha"), cell.cloud.add_host("beta", address="192.168.78")
    _, operation = cell.cloud.launch.launch(ADMIN, "", cell.stage.spec(host_id))
    faults = [f"instance_create_v1.{point}:stop"]
    faults += [f"instance_create_v1.{error}:error=command_failed"] if error else []
    with running(cell.site, ",".join(faults)) as stopped:
        until(lambda: _state_of(stopped.pid).startswith("T"))
        ended = cell.ended(operation)
        assert ended.status is (OperationStatus.FAILED if error else OperationStatus.SUCCEEDED)
        assert ended.epoch == 2
        traces, calls = cell.links.traces(host_id), len(cell.links.calls())
        stopped.signal(signal.SIGCONT)
        until(lambda: _is_known(cell, stopped.pid))
        cell.done(cell.cloud.launch.launch(ADMIN, "", cell.stage.spec(other_id))[1])
        landed = [each for each in cell.links.calls()[calls:] if each.host_id == host_id and each.pid == stopped.pid]
        assert [call for call in landed if _changes(call)] == []
        assert cell.links.traces(host_id) == traces
    cell.books.check(host_id)


def _changes(call: Call) -> bool:
    if call.verb == "run":
        return not call.argument.startswith(_READS)
    return call.verb not in SHELL_READS | HYPERVISOR_READS


def _is_known(cell: Cell, pid: int) -> bool:
    return any(worker.pid == pid for worker in cell.cloud.read(lambda tx: tx.workers.all()))


def _state_of(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("State:"))
