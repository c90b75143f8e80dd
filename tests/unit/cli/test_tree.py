"""The table of commands: all of it is there, and using one command imports only that one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from tests.unit.cli.stub import instance, stub

from zcloud.cli.app import program
from zcloud.cli.base import Command, Noun, ServerCommand, Tree, load
from zcloud.cli.tree import TREE

# What the server needs and a client does not have.
SERVER = ("pydantic", "lxml", "sqlalchemy", "fastapi", "uvicorn", "asyncssh", "libvirt", "cryptography")
SLOW = ("asyncio", "rich", "yaml", "zcloud.domain", "zcloud.imagebuild", "urllib.request", "websockets")


def _entries(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, entry in tree.items():
        if isinstance(entry, Noun):
            yield from _entries(entry.verbs, (*path, name))
        elif isinstance(entry, str):
            yield (*path, name), entry


ENTRIES = list(_entries(TREE))


@pytest.mark.parametrize(("path", "target"), ENTRIES, ids=[" ".join(path) for path, _ in ENTRIES])
def test_every_command_is_there_with_its_help(path: tuple[str, ...], target: str) -> None:
    command = load(target)
    assert isinstance(command, Command)
    assert (command.help or "").split("\n")[0].endswith(".")
    names: list[str] = []
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{path}: {param.name} has no help"
            names += param.opts
    assert len(names) == len(set(names)), f"{path}: an option comes twice"


def test_nouns_and_server_commands_have_their_help_in_the_table() -> None:
    for entry in TREE.values():
        if isinstance(entry, (Noun, ServerCommand)):
            assert entry.help.endswith(".")
    assert {name for name, entry in TREE.items() if isinstance(entry, ServerCommand)} == {
        "serve",
        "init",
        "restore",
        "reset-password",
    }


def test_the_whole_help_can_be_written() -> None:
    group = program()
    context = click.Context(group, info_name="zcloud")
    assert all(name in group.get_help(context) for name in TREE)


def _modules_after(*arguments: str, url: str) -> set[str]:
    code = "import sys; from zcloud.cli.app import run; code = run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    environment = {"ZCLOUD_URL": url, "HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    environment["PYTHONPATH"] = os.pathsep.join(each for each in sys.path if each)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "web" in done.stdout
    return set(done.stderr.splitlines()[-1].split())


def test_listing_imports_no_server_and_nothing_slow() -> None:
    with stub(lambda _asked: (200, {"items": [instance("web")], "next_cursor": None})) as server:
        loaded = _modules_after("list", url=server.url)
    assert "zcloud.client" in loaded
    assert not loaded & {*SERVER, *SLOW}
    commands = {each for each in loaded if each.startswith("zcloud.cli.commands.")}
    assert commands == {"zcloud.cli.commands.listing"}


def test_no_command_imports_the_server() -> None:
    code = f"from zcloud.cli.base import load\nfor target in {[target for _, target in ENTRIES]!r}: load(target)\n"
    code += "import sys; print(*sys.modules)"
    environment = {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert not set(done.stdout.split()) & set(SERVER)
