"""The list of which LUN is taken for what, on a LUN of its own: all hosts share it, and none can lock it.

It has registers of 4 KiB. The first says whose list it is; each LUN has three, ``door``, ``shut`` and ``entry``. To
take a free LUN, one writes one's name on its door, looks that it is not shut, shuts it with one's name, and has it if
that name is still on the door: of those who come at once at most one gets through, however slow any of them is (the
splitter of Lamport's fast mutual exclusion, 1987). Who got through writes the entry, which says from then on whose it
is. Who did not tries the next LUN; one through which nobody got is free again when nobody is left of those
whose names are on it: as long as one may be about to write his entry, nobody else lets others in.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zcloud.domain.errors import PoolFull, StorageFailed
from zcloud.drivers.iscsi import Target

REGISTER = 4096
MOST = 64

_TAKING = threading.Lock()  # within one process nobody need lose a LUN to his neighbour
_GONE = "-"  # in place of the name of somebody who shut it and is no more


@dataclass(frozen=True, slots=True)
class Entry:
    """What a LUN is taken for: a name, its bytes of the LUN's ``room``, and whether they are all written."""

    name: str
    size: int
    room: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """A LUN's three registers."""

    door: str = ""
    shut: str = ""
    entry: Entry | None = None

    @property
    def free(self) -> bool:
        """Tell whether it may be tried."""
        return not self.shut and self.entry is None


class LunList:
    """The list on the first of ``luns``; the others are what it is about."""

    def __init__(self, target: Target, luns: tuple[int, ...]) -> None:
        self._target, self._place, self.luns = target, luns[0], luns[1:]

    @property
    def size(self) -> int:
        """Give the bytes that the list takes."""
        return REGISTER * (1 + 3 * len(self.luns))

    def owner(self) -> str:
        """Give the pool whose list it is, empty where there is nothing; raises StorageFailed where it is no list."""
        room = self._target.room(self._place)
        if room is None or room < self.size:
            raise StorageFailed(
                f"The target {self._target.name} has no LUN {self._place} of {self.size} bytes or more for the list.",
                hint="Make one there: the first of the pool's LUNs is for the list.",
            )
        data = self._target.read(self._place, 0, self.size)
        return str(_parse(data[:REGISTER]).get("pool", "")) if data.strip(b"\0") else ""

    def begin(self, pool_id: str) -> None:
        """Say whose list it is."""
        self._write(0, {"pool": pool_id})

    def end(self) -> None:
        """Leave the LUN as it was: empty."""
        self._target.zero(self._place, 0, self.size)

    def units(self) -> Mapping[int, Unit]:
        """Give what there is of each LUN."""
        data = self._target.read(self._place, 0, self.size)
        return {lun: _unit(data[self._at(lun) :][: 3 * REGISTER]) for lun in self.luns}

    def find(self, name: str) -> tuple[int, Entry] | None:
        """Give the LUN that is taken for something; of two, which a killed worker left, the one that is whole."""
        found = [(lun, unit.entry) for lun, unit in self.units().items() if unit.entry and unit.entry.name == name]
        return max(found, key=lambda each: each[1].whole, default=None)

    def names(self) -> set[str]:
        """Give for what LUNs are taken, wholly or half."""
        units = [unit for unit in self.units().values() if not unit.free]
        return {name for each in units for name in ([each.entry.name] if each.entry else (each.door, each.shut))}

    def take(self, name: str, size: int) -> tuple[int, Entry]:
        """Take the smallest free LUN that is large enough, or find the one that was taken; raises PoolFull."""
        with _TAKING:
            tried: set[int] = set()
            while True:
                units = self.units()
                for lun, unit in units.items():
                    if unit.entry is not None and unit.entry.name == name:
                        return lun, unit.entry
                    if unit.entry is None and unit.door == unit.shut == name:  # got through, and was stopped
                        return lun, self.keep(lun, Entry(name, size, self._target.room(lun) or 0))
                rooms = {lun: self._target.room(lun) or 0 for lun in units if units[lun].free and lun not in tried}
                fitting = [(room, lun) for lun, room in rooms.items() if room >= size]
                if not fitting:
                    raise PoolFull(
                        f"None of the free LUNs of {self._target.name} has {size} bytes: {_told(rooms)}.",
                        hint="Delete volumes or images, or make another LUN of the pool's numbers on the storage.",
                    )
                room, lun = min(fitting)
                tried.add(lun)
                if self._enter(lun, name):
                    return lun, self.keep(lun, Entry(name, size, room))

    def keep(self, lun: int, entry: Entry) -> Entry:
        """Write what a LUN of ours is taken for."""
        self._write(self._at(lun) + 2 * REGISTER, asdict(entry))
        return entry

    def give_back(self, name: str, only: int | None = None) -> None:
        """Let others take what was taken for something, wholly or half, or ``only`` that LUN of it; absent is fine."""
        with _TAKING:
            units = self.units()
            settled = {unit.entry.name for unit in units.values() if unit.entry} | {name, "", _GONE}
            for lun, unit in units.items():
                if unit.entry is not None and unit.entry.name == name and only in (lun, None):
                    for register in (1, 0, 2):  # the entry last: until then it is taken
                        self._write(self._at(lun) + register * REGISTER, {})
                elif unit.entry is None and unit.shut and name in (unit.door, unit.shut):
                    self._let_go(lun, unit, name, settled)

    def _let_go(self, lun: int, unit: Unit, name: str, settled: set[str]) -> None:
        """Take one's name off a LUN, and open it where the other one, who may do the same, did not get through."""
        if unit.door == name:
            self._write(self._at(lun), {})
        if unit.shut == name:
            self._write(self._at(lun) + REGISTER, {"name": _GONE})
        now = self._look(lun)
        if now.entry is None and {now.door, now.shut} <= settled:
            self._write(self._at(lun) + REGISTER, {})

    def _enter(self, lun: int, name: str) -> bool:
        at = self._at(lun)
        self._write(at, {"name": name})
        if not self._look(lun).free:
            return False
        self._write(at + REGISTER, {"name": name})
        now = self._look(lun)
        return now.door == name and now.entry is None

    def _look(self, lun: int) -> Unit:
        return _unit(self._target.read(self._place, self._at(lun), 3 * REGISTER))

    def _at(self, lun: int) -> int:
        return REGISTER * (1 + 3 * self.luns.index(lun))

    def _write(self, at: int, what: Mapping[str, object]) -> None:
        data = json.dumps(what).encode() if what else b""
        self._target.write(self._place, at, data.ljust(REGISTER, b"\0"))


def _unit(data: bytes) -> Unit:
    door, shut, entry = (_parse(data[start:][:REGISTER]) for start in (0, REGISTER, 2 * REGISTER))
    try:
        return Unit(str(door.get("name", "")), str(shut.get("name", "")), _entry(entry))
    except (KeyError, TypeError, ValueError) as error:
        raise _odd() from error


def _entry(found: dict[str, Any]) -> Entry | None:
    if not found:
        return None
    return Entry(str(found["name"]), int(found["size"]), int(found["room"]), bool(found["whole"]))


def _parse(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data.rstrip(b"\0") or b"{}")
    except ValueError as error:
        raise _odd() from error
    if not isinstance(found, dict):
        raise _odd()
    return found


def _odd() -> StorageFailed:
    return StorageFailed(
        "What is on the LUN of the pool's list is not a list of zcloud's.",
        hint="If nobody needs it, fill the LUN with zeros; else give the pool other LUNs.",
    )


def _told(rooms: Mapping[int, int]) -> str:
    return ", ".join(f"LUN {lun} has {room}" for lun, room in rooms.items() if room)[:300] or "none is free"
