"""Passphrases in these tests are not worth much work."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zcloud.backup.envelope._COST", 1 << 10)
