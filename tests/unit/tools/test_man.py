"""Man pages are fresh, whole, and what man and mandoc take; completion scripts are those that the CLI prints."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest
from tools import reference_man

from zcloud.base.config import Config
from zcloud.cli.app import program
from zcloud.cli.tree import TREE

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((ROOT / "share" / "man").rglob("zcloud*"))


def test_they_are_fresh() -> None:
    wanted = reference_man.files()
    there = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "share").rglob("*") if path.is_file()}
    assert there == wanted, "run tools/reference.py"


def test_there_is_one_for_each_command_and_the_configuration() -> None:
    assert {path.name for path in PAGES} == {"zcloud.1", "zcloud.toml.5", *(f"zcloud-{name}.1" for name in TREE)}


def test_mandoc_finds_nothing_wrong() -> None:
    argv = ["mandoc", "-Tlint", "-Wwarning", *map(str, PAGES)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    # They have no date: a page is of its version, and the same code gives the same page.
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


def has_man() -> bool:
    """Say whether man is there; minimised systems have a script of that name that only says why it is not."""
    told = subprocess.run(["man", "--version"], capture_output=True, text=True, check=False)
    return told.stdout.startswith("man ")


@pytest.fixture(scope="module")
def formatted() -> dict[str, str]:
    """Give each page as man shows it (or mandoc, where there is no man), as one line without hyphenation."""
    by_man = ("man", "--no-hyphenation", "--no-justification", "--warnings=w", "-l")
    argv = by_man if has_man() else ("mandoc", "-Tutf8", "-Owidth=500")
    env = {"PATH": "/usr/bin:/bin", "MANWIDTH": "500", "LC_ALL": "C.UTF-8"}
    shown = {}
    for path in PAGES:
        done = subprocess.run([*argv, str(path)], env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), path.name
        shown[path.name] = " ".join(re.sub(r".\x08", "", done.stdout).split())
    return shown


def test_every_option_of_every_command_is_told(formatted: dict[str, str]) -> None:
    group = program()
    context, told = click.Context(group, info_name="zcloud"), 0
    for name in TREE:
        command = group.get_command(context, name)
        assert command is not None
        for each in commands(command, click.Context(command, info_name=name, parent=context)):
            for param in each.params:
                if isinstance(param, click.Option) and not param.hidden and param.help:
                    told += 1
                    assert plain(param.help) in plain(formatted[f"zcloud-{name}.1"]), (name, each.name, param.name)
    assert told > 300


def commands(command: click.Command, context: click.Context) -> list[click.Command]:
    if not isinstance(command, click.Group):
        return [command]
    found = [command.get_command(context, name) for name in command.list_commands(context)]
    return [each for verb in found if verb for each in commands(verb, context)]


def plain(text: str) -> str:
    return re.sub(r"\W+", " ", text)


def test_every_key_of_the_configuration_is_told(formatted: dict[str, str]) -> None:
    assert all(f"{each} =" in formatted["zcloud.toml.5"] or f"[{each}]" in formatted["zcloud.toml.5"]
               for each in Config.__dataclass_fields__)  # fmt: skip
