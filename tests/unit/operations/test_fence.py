"""FencedLink: every change passes the fence and its fault point first, every read goes straight through."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from zcloud.domain.errors import Superseded
from zcloud.operations.fence import HYPERVISOR_CHANGES, SHELL_CHANGES, FencedLink
from zcloud.operations.model import Control
from zcloud.ports import HostLink, Hypervisor, Shell

HYPERVISOR_READS = (
    "node", "capabilities_xml", "domain_capabilities_xml", "list_domains", "stats", "domain_xml", "guest_addresses",
    "open_console", "list_networks", "network_xml", "list_pools",
)  # fmt: skip
SHELL_READS = ("read_file", "list_files", "space")


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
    function = getattr(getattr(link, part), verb)
    needed = [each for each in inspect.signature(function).parameters.values() if each.default is each.empty]
    positional: list[Any] = ["x" for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD]
    function(*positional, **{each.name: "x" for each in needed if each.kind is each.KEYWORD_ONLY})


def fenced(notes: Notes) -> FencedLink:
    host = SimpleNamespace(shell=notes, hypervisor=notes)
    return FencedLink(cast("HostLink", host), cast("Control", notes))


def test_every_verb_is_a_read_or_a_change() -> None:
    assert verbs(Shell) == {*SHELL_READS, *SHELL_CHANGES}
    assert verbs(Hypervisor) == {*HYPERVISOR_READS, *HYPERVISOR_CHANGES}


CHANGES = [("shell", verb) for verb in SHELL_CHANGES] + [("hypervisor", verb) for verb in HYPERVISOR_CHANGES]
READS = [("shell", verb) for verb in SHELL_READS] + [("hypervisor", verb) for verb in HYPERVISOR_READS]


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
