"""Faults on purpose: what happens to the process at the n-th pass of a named fault point.

``ZCLOUD_FAULTS`` is a comma-separated list of ``POINT[@N]:ACTION``; the point ``*`` is any, N counts from 1.
Actions: ``kill`` (SIGKILL), ``stop`` (SIGSTOP), ``sleep=SECONDS``, ``error=CODE`` (that ZcloudError).
``*@37:kill`` kills at the 37th pass of any point, which is how random kills are made repeatable.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zcloud.domain.errors import from_record

VARIABLE = "ZCLOUD_FAULTS"
ANY = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the ``nth`` pass of a point."""

    point: str
    action: str
    nth: int = 1
    argument: str = ""


class Faults:
    """Called with the name of every fault point that is passed; counts them and does what is due."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._lock:
            self._passed[name] += 1
            self._passed[ANY] += 1
            due = [each for each in self._faults if each.point in (name, ANY) and self._passed[each.point] == each.nth]
        for fault in due:
            _happen(fault)

    def passed(self, name: str = ANY) -> int:
        """Say how often a point was passed."""
        with self._lock:
            return self._passed[name]


def parse_faults(text: str) -> list[Fault]:
    """Give the faults that ``ZCLOUD_FAULTS`` describes; raises ValueError."""
    faults = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        place, separator, action = part.rpartition(":")
        action, _, argument = action.partition("=")
        if not separator or action not in _ACTIONS:
            raise ValueError(f"{part!r} is not POINT[@N]:ACTION with one of {', '.join(_ACTIONS)}")
        point, _, nth = place.partition("@")
        faults.append(Fault(point, action, int(nth or 1), argument))
    return faults


def from_environment(environment: Mapping[str, str] = os.environ) -> Faults:
    """Give the faults of this process."""
    return Faults(parse_faults(environment.get(VARIABLE, "")))


def _kill(_fault: Fault) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def _stop(_fault: Fault) -> None:
    # Sent to this very thread, which then does nothing more; sent to the process, it may run on for a while.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _sleep(fault: Fault) -> None:
    time.sleep(float(fault.argument))


def _error(fault: Fault) -> None:
    raise from_record({"code": fault.argument, "message": f"A fault was injected at {fault.point}."})


_ACTIONS = {"kill": _kill, "stop": _stop, "sleep": _sleep, "error": _error}


def _happen(fault: Fault) -> None:
    _ACTIONS[fault.action](fault)
