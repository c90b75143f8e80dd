"""A driver's options as they are typed."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from zcloud.cli.drivers import read_options


def test_a_value_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hidden==\n")
    assert read_options([f"key=@{file}", "pool=a=b"]) == {"key": "hidden==", "pool": "a=b"}
    with pytest.raises(click.BadParameter, match="cannot be read"):
        read_options([f"key=@{tmp_path}/none"])


@pytest.mark.parametrize("text", ["key=AQ==", "chap_password=hello", "secret=x"])
def test_a_secret_is_not_taken_from_a_command_line(text: str) -> None:
    with pytest.raises(click.BadParameter, match="seen by all"):
        read_options([text])


def test_a_value_is_asked_for_and_not_shown() -> None:
    @click.command()
    def asked() -> None:
        click.echo(len(read_options(["key=@-"])["key"]))

    done = CliRunner().invoke(asked, input="hidden\n")
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "6"
    assert "hidden" not in done.output
