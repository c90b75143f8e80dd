"""The configuration file that is written for people says what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from zcloud.base.config import Config, load
from zcloud.base.configfile import example


def written(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "zcloud.toml"
    path.write_text(text)
    return load(path)


def keys(value: Any) -> int:
    if not dataclasses.is_dataclass(value):
        return 1
    return sum(keys(getattr(value, each.name)) for each in dataclasses.fields(value))


def test_as_it_is_written_it_changes_nothing(tmp_path: Path) -> None:
    assert written(tmp_path, example()) == Config()


def test_with_every_key_taken_out_of_its_comment_it_says_the_defaults(tmp_path: Path) -> None:
    bare = re.sub(r"^#(?=[a-z])", "", example(), flags=re.MULTILINE)
    assert written(tmp_path, bare) == Config()
    assert len(re.findall(r"^[a-z_]+ = ", bare, re.MULTILINE)) == keys(Config())


def test_every_key_says_what_it_means() -> None:
    lines = [line for line in example().splitlines() if re.match(r"#[a-z_]+ = ", line)]
    assert [line for line in lines if not re.search(r"  # \S", line)] == []
