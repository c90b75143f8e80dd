"""FencedLink: every change passes the fence and its fault point first, every read goes straight through."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from zcloud.domain.errors import Superseded
from zcloud.operations.fence import HYPERVISOR_READS, SHELL_READS, FencedLink
from zcloud.operations.model import Control
from zcloud.ports import HostLink, Hypervisor, Shell


class Notes:
    """Stands for a host and a control at once, and notes in order what reaches it."""

    step = "disk"
    operation = SimpleNamespace(workflow="files_v1")

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.superseded = False

    def fence(self) -> None:
        self.seen.append("fence")
        if self.superseded:
            raise Superseded("Taken over.")

    def fault(self, name: str) -> None:
        self.seen.append(name)

    def __getattr__(self, verb: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: self.seen.append(f"host {verb}")


def verbs(protocol: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}


def call(link: FencedLink, part: str, verb: str) -> None:
    getattr(getattr(link, part), verb)("x")


def fenced(notes: Notes) -> FencedLink:
    host = SimpleNamespace(shell=notes, hypervisor=notes)
    return FencedLink(cast("HostLink", host), cast("Control", notes))


VERBS = {"shell": verbs(Shell), "hypervisor": verbs(Hypervisor)}
READ_NAMES = {"shell": SHELL_READS, "hypervisor": HYPERVISOR_READS}
READS = [(part, verb) for part, names in READ_NAMES.items() for verb in sorted(names)]
CHANGES = [(part, verb) for part, names in VERBS.items() for verb in sorted(names - READ_NAMES[part])]


def test_every_read_is_a_verb_of_the_ports() -> None:
    assert all(names <= VERBS[part] for part, names in READ_NAMES.items())


def test_what_nobody_named_a_read_is_fenced() -> None:
    notes = Notes()
    notes.superseded = True
    with pytest.raises(Superseded):
        call(fenced(notes), "hypervisor", "a_verb_of_tomorrow")


@pytest.mark.parametrize(("part", "verb"), CHANGES)
def test_a_change_passes_its_point_then_the_fence(part: str, verb: str) -> None:
    notes = Notes()
    call(fenced(notes), part, verb)
    assert notes.seen == [f"files_v1.disk.{verb}", "fence", f"host {verb}"]


@pytest.mark.parametrize(("part", "verb"), CHANGES)
def test_a_superseded_worker_changes_nothing(part: str, verb: str) -> None:
    notes = Notes()
    notes.superseded = True
    with pytest.raises(Superseded):
        call(fenced(notes), part, verb)
    assert notes.seen == [f"files_v1.disk.{verb}", "fence"]


@pytest.mark.parametrize(("part", "verb"), READS)
def test_a_read_goes_straight_through(part: str, verb: str) -> None:
    notes = Notes()
    call(fenced(notes), part, verb)
    assert notes.seen == [f"host {verb}"]
