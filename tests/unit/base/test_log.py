"""The log goes to standard error or to a file, which is begun anew before it grows too large."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.base import log


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Put the root logger back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level


def test_a_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "log" / "zcloud.log"
    log.set_up("INFO", as_json=True, file=log.Rotation(path, 2000, 2))
    for number in range(100):
        logging.getLogger("test").info("line %d", number)
    files = sorted(path.parent.iterdir())
    assert [each.name for each in files] == ["zcloud.log", "zcloud.log.1", "zcloud.log.2"]
    assert all(each.stat().st_size <= 2000 for each in files)
    assert json.loads(path.read_text().splitlines()[-1])["message"] == "line 99"


def test_standard_error_is_what_a_service_manager_keeps(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("WARNING")
    logging.getLogger("test").info("quiet")
    logging.getLogger("test").warning("loud")
    assert "loud" in capsys.readouterr().err
