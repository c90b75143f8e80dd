"""A mixed load of a cloud's owner: what may be asked for at a moment, by a repeatable chance."""

from __future__ import annotations

import contextlib
import dataclasses
import random

from tests.crash.scenes import Stage

from zcloud.domain.errors import Busy, NoAddress, NotFound, Refused, WrongState
from zcloud.domain.instance import Instance
from zcloud.domain.operation import Operation
from zcloud.services.operations import Operations
from zcloud.testing.cloud import ADMIN

_AT_MOST = 12  # instances at a time


class Load:
    """Asks for one thing after another. What a cloud refuses in its present state is asked for again or not at all."""

    def __init__(self, stage: Stage, host_id: str, chance: random.Random) -> None:
        self.operations: list[Operation] = []
        self._stage, self._host_id, self._chance = stage, host_id, chance
        self._service = Operations(stage.cloud.services)

    def ask(self) -> None:
        """Ask for something, and sometimes cancel what was asked for before."""
        before = len(self.operations)
        while len(self.operations) == before:
            with contextlib.suppress(Busy, WrongState, NotFound, NoAddress):
                self.operations.append(self._any())
        if self._chance.random() < 0.15:
            with contextlib.suppress(Refused):
                self._service.cancel(ADMIN, self._chance.choice(self.operations[-4:]).id)

    def _any(self) -> Operation:
        instances = self._stage.cloud.read(lambda tx: tx.instances.on_host(self._host_id))
        if len(instances) < 2 or (len(instances) < _AT_MOST and self._chance.random() < 0.4):
            start = self._chance.random() < 0.8
            spec = dataclasses.replace(self._stage.spec(self._host_id, start=start), disks=())
            return self._stage.cloud.launch.launch(ADMIN, "", spec)[1]
        return self._change(self._chance.choice(instances))

    def _change(self, instance: Instance) -> Operation:
        service = self._stage.cloud.instances
        verb = self._chance.choice(["start", "stop", "force", "restart", "delete"])
        if verb == "force":
            return service.stop(ADMIN, "", instance.id, force=True)
        operation: Operation = getattr(service, verb)(ADMIN, "", instance.id)
        return operation
