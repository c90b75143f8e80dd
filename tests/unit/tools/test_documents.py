"""What the documents name is there: files, links, commands, contracts, configuration keys, error codes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.base.config import Config
from zcloud.cli.base import Noun
from zcloud.cli.tree import TREE
from zcloud.domain.events import EVENT_KINDS

ROOT = Path(__file__).resolve().parents[3]
WRITTEN = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if "reference" not in path.parts)
GONE = {"hosts/libvirt.py"}  # of the first design, with which ARCHITECTURE compares
DATA = {"uploads/", "run/", "probe-kit/", "ssh/", "tls/", "images/", "zcloud.toml"}  # of an installation
FILE = re.compile(r"`((?:[a-z_0-9-]+/)*[a-z_0-9-]+(?:\.(?:py|toml|md|service)|/))`")
COMMAND = re.compile(r"(?:^    |[`$] ?)zcloud ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", flags=re.MULTILINE)


@pytest.fixture(params=WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def paths() -> Iterator[str]:
    yield from (f"/{path.name}" for path in ROOT.iterdir())
    for top in ("bench", "docs", "scripts", "src", "tests", "tools"):
        yield from (
            f"/{path.relative_to(ROOT)}{'/' * path.is_dir()}" for path in [ROOT / top, *(ROOT / top).rglob("*")]
        )


def test_every_file_that_is_named_is_there(document: Path) -> None:
    there = list(paths())
    named = set(FILE.findall(document.read_text())) - DATA - GONE
    assert [each for each in named if not any(path.endswith(f"/{each}") for path in there)] == []


def test_every_command_that_is_named_is_there(document: Path) -> None:
    wrong = []
    for noun, verb in COMMAND.findall(document.read_text()):
        entry = TREE.get(noun)
        if entry is None or (isinstance(entry, Noun) and verb and verb not in entry.verbs):
            wrong.append(f"{noun} {verb}".strip())
    assert wrong == []


def test_every_contract_that_is_named_is_there() -> None:
    contracts = set(re.findall(r'^id = "(.+)"$', (ROOT / ".importlinter.toml").read_text(), flags=re.MULTILINE))
    rules = (ROOT / "HACKING.md").read_text().partition("## Rules")[2].partition("## Checklists")[0]
    named = {each for each in re.findall(r"\*([a-z-]+)\*", rules) if each != "door-"}
    assert named
    assert named <= contracts


def test_every_configuration_key_that_is_named_is_there(document: Path) -> None:
    tables = "|".join(
        each.name for each in dataclasses.fields(Config) if dataclasses.is_dataclass(each.default_factory)
    )
    named = re.findall(rf"`({tables})\.([a-z_]+)`", document.read_text())
    unknown = [f"{table}.{key}" for table, key in named if not hasattr(getattr(Config(), table), key)]
    assert set(unknown) <= EVENT_KINDS.keys()
