"""The installed completion scripts in real shells: commands, and the names of things that the server has."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.conftest import Cloud
from tests.api.serving import PROGRAM, Cli, serve

SHARE = Path(__file__).resolve().parents[2] / "share"
BASH = """
source {script}
COMP_WORDS=({words}) COMP_CWORD={place}
_zcloud_completion zcloud
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "source {script}; complete -C 'zcloud {words}'"
# The script's own function, with zsh's way to show what it found put to printing.
ZSH = """
compdef() {{ :; }}; _describe() {{ print -rl -- ${{(P)3}}; }}; compadd() {{ print -rl -- ${{(P)@[-1]}}; }}
source {script}
words=({words}) CURRENT={place}
_zcloud_completion 2>/dev/null
"""


@pytest.fixture
def cli(cloud: Cloud, tmp_path: Path) -> Iterator[Cli]:
    """Give an admin's environment in which ``zcloud`` is a program."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "zcloud").write_text(f"#!/bin/sh\nexec '{PROGRAM[0]}' -c '{PROGRAM[2]}' \"$@\"\n")
    (programs / "zcloud").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    with serve(cloud.app) as url:
        yield Cli(tmp_path, url, {"ZCLOUD_TOKEN": cloud.tokens["admin"], "PATH": path})


def offered(cli: Cli, shell: str, *words: str) -> tuple[list[str], str]:
    """Press Tab after the last word; gives what is offered, and what was said on standard error."""
    script = {
        "bash": (BASH, SHARE / "bash-completion/completions/zcloud", f"zcloud {' '.join(words)}", len(words)),
        "zsh": (ZSH, SHARE / "zsh/site-functions/_zcloud", f"zcloud {' '.join(words)}", len(words) + 1),
        "fish": (FISH, SHARE / "fish/vendor_completions.d/zcloud.fish", " ".join(words), 0),
    }[shell]
    text = script[0].format(script=script[1], words=script[2], place=script[3])
    done = subprocess.run([shell, "-c", text], env=cli.env(), capture_output=True, text=True, check=False, timeout=60)
    return [line.replace(":", " ").split()[0] for line in done.stdout.splitlines() if line.strip()], done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_names_are_offered(cli: Cli, cloud: Cloud, shell: str) -> None:
    assert offered(cli, shell, "lau") == (["launch"], "")
    name = cloud.running.name
    assert offered(cli, shell, "stop", name[:2]) == ([name], "")
    assert cloud.image.name in offered(cli, shell, "launch", "x", "--image", cloud.image.name[:3])[0]


def test_projects_are_offered_everywhere(cli: Cli) -> None:
    assert offered(cli, "bash", "list", "--project", "de") == (["default"], "")


def test_nothing_is_said_where_the_server_is_not(cli: Cli) -> None:
    cli.environment["ZCLOUD_URL"] = "http://127.0.0.1:9"
    begun = time.monotonic()
    assert offered(cli, "bash", "stop", "w") == ([], "")
    assert time.monotonic() - begun < 20, "it must not wait for ever"
    cli.environment["ZCLOUD_URL"] = "not a url"
    assert offered(cli, "bash", "stop", "w") == ([], "")
    (cli.home / ".config/zcloud").mkdir(parents=True)
    (cli.home / ".config/zcloud/cli.json").write_text("{broken")
    del cli.environment["ZCLOUD_TOKEN"]
    assert offered(cli, "bash", "stop", "w") == ([], "")
